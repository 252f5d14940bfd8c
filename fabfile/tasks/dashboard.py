"""`fab dashboard`: one cluster as a page on 127.0.0.1, looked at all the time, with commands that the page starts."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.json import encode
from msgspec.structs import replace

from ..dashboard.board import Board
from ..dashboard.chronicle import Chronicle
from ..dashboard.guard import Guard
from ..dashboard.jobs import Installation, Job, Jobs
from ..dashboard.orders import order, words
from ..dashboard.picture import Picture, measures, picture
from ..dashboard.server import HERE, Desk, application, listening, serve
from ..doctor.checks import CHECKS
from ..doctor.findings import findings
from ..errors import Problem, WrongInput, unforeseen
from ..inventory import Host
from ..local import cache_dir
from ..runs.options import Options, whole_number
from ..runs.target import Target, target
from ..ssh.way import CONNECT_SECONDS, flags
from ..watch.kept import place
from .doctor import examine
from .live import EVERY_SECONDS, Looks, looking
from .noting import Notes
from .tailing import Tails
from .walking import Pages

PROJECT = Path(__file__).parent.parent.parent
UNWATCHED_SECONDS = 10.0
"""From one look to the next while no browser shows the page."""
POINT_SECONDS = 10.0
"""From one point of the charts to the next."""
DOCTOR_SECONDS = 300.0
MOST_PORTS = 65535


def dashboard(c: Any, options: Options, port: str, keep: str, read_only: bool) -> None:
    """Serve the page until Ctrl-C. Raises WrongInput where the port is taken."""
    number, hours = whole_number("--port", port, 0), whole_number("--keep", keep, 1)
    if number > MOST_PORTS:
        raise WrongInput(f"--port {port}: give a whole number up to {MOST_PORTS}")
    chosen = target(c, options, allow_unlisted=True)
    there = listening(number)
    with there:
        shown = _Shown(chosen, Chronicle(_chronicle(chosen), 3600 * hours))
        guard = Guard(there.getsockname()[1])
        jobs = None if read_only else Jobs(_installation(c, chosen), shown.tell_job)
        print(f"http://{HERE}:{there.getsockname()[1]}/?token={guard.token}   (Ctrl-C ends it)", flush=True)
        with looking(shown.looks), shown.examining(), shown.notes.reading(shown.reachable):
            try:
                serve(application(_desk(chosen, shown, jobs), guard), there, shown.board)
            finally:
                _end(jobs)


def _end(jobs: Jobs | None) -> None:
    if jobs and jobs.runs:
        print("fab: the command that the page has started is interrupted, and ends in good order", file=sys.stderr)
        jobs.end()


def _desk(chosen: Target, shown: _Shown, jobs: Jobs | None) -> Desk:
    def obey(text: bytes) -> Job:
        assert jobs
        return jobs.begin(words(chosen.fleet, chosen.hosts, order(text)))

    may = (obey, jobs.interrupt) if jobs else (None, None)
    asked = (Tails(chosen).read, Pages(chosen, shown.reachable).look)
    return Desk(shown.board, shown.chronicle, shown.wanted.set, *asked, *may)


def _chronicle(chosen: Target) -> Path:
    return cache_dir("dashboard") / place(chosen.fleet).with_suffix(".sqlite").name


class _Shown:
    """What the page shows, renewed after each look."""

    def __init__(self, chosen: Target, chronicle: Chronicle) -> None:
        self.board, self.chronicle = Board(), chronicle
        self.looks = Looks(chosen, self._tell, lambda: EVERY_SECONDS if self.board.watched else UNWATCHED_SECONDS)
        self.wanted = threading.Event()
        """Doctor looks when it is set."""
        self.notes = Notes(chosen, chronicle, self.board)
        self._chosen, self._text = chosen, _text(chosen)
        self._point_at = -POINT_SECONDS

    def tell_job(self, job: Job) -> None:
        """Show the command; after it has ended, doctor and the journal look at what has become of it."""
        self.board.put("job", encode(job))
        if job.status is not None:
            self.wanted.set()
            self.notes.wanted.set()

    def reachable(self) -> list[Host]:
        """The hosts that the last look has reached."""
        view = self.looks.history.view
        return [one.host for one in view.hosts if one.reachable] if view else []

    @contextmanager
    def examining(self) -> Iterator[None]:
        """Doctor looks now and every five minutes while the block lasts, beside the other looks."""
        ended = threading.Event()
        threading.Thread(target=self._examine, args=(ended,), daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            self.wanted.set()

    def _tell(self) -> None:
        looks = self.looks
        with looks.lock:
            try:
                one = picture(looks.history, time.time(), looks.error, looks.took, _text(self._chosen) != self._text)
            except Exception as error:  # noqa: BLE001  the boundary of a look: the page must not keep its last verdict
                self.board.put("picture", encode(Picture("", time.time(), unforeseen(error))))
                return
        trouble = self._keep(one) if one.seen and not looks.error else ""
        self.board.put("picture", encode(replace(one, note=trouble) if trouble else one))
        if not looks.error:
            self.notes.looked(looks.history, time.time())

    def _keep(self, one: Picture) -> str:
        """Keep a point for the charts where it is time for one; why that failed."""
        if time.monotonic() - self._point_at < POINT_SECONDS:
            return ""
        self._point_at = time.monotonic()
        values = measures(one)
        try:
            self.chronicle.add(one.at, values)
        except Problem as error:
            return str(error)
        self.board.put("point", encode({"at": int(one.at), "values": values}))
        return ""

    def _examine(self, ended: threading.Event) -> None:
        while not ended.is_set():
            self.wanted.clear()
            self.board.put("findings", encode({"looking": True}))
            try:
                view = examine(self._chosen)
                found = findings(view, CHECKS)
                self.notes.examined(view, found, time.time())
                told: dict[str, object] = {"at": int(time.time()), "findings": [one.as_data() for one in found]}
            except Problem as error:
                told = {"at": int(time.time()), "note": str(error), "findings": []}
            except Exception as error:  # noqa: BLE001  the boundary of a look: the next one may go well
                told = {"at": int(time.time()), "note": unforeseen(error), "findings": []}
            self.board.put("findings", encode(told))
            self.wanted.wait(self.notes.doctor_seconds(DOCTOR_SECONDS))


def _text(chosen: Target) -> bytes:
    try:
        return chosen.fleet.path.read_bytes()
    except OSError:
        return b""


def _installation(c: Any, chosen: Target) -> Installation:
    """This same `fab`, with its flags about logging in; passwords that were typed here are typed there on stdin."""
    given, argv, answers = flags(c.config), [], []
    for path in given.key_files:
        argv += ["-i", str(Path(path).absolute())]
    if c.config._runtime_ssh_path:
        argv += ["-S", str(Path(c.config._runtime_ssh_path).absolute())]
    if given.connect_seconds != CONNECT_SECONDS:
        argv += ["-t", str(int(given.connect_seconds))]
    # In the order in which they are asked for (fabfile/__main__.py).
    for flag, secret in (
        ("--prompt-for-passphrase", given.passphrase),
        ("--prompt-for-login-password", given.password),
        ("--prompt-for-sudo-password", given.sudo_password),
    ):
        if secret:
            argv.append(flag)
            answers.append(f"{secret}\n")
    python = [sys.executable, *(["-B"] if sys.dont_write_bytecode else []), "-X", "utf8", "-W", "ignore"]
    environment = {**os.environ, "HOSTS_TOML": str(chosen.fleet.path.resolve()), "NO_COLOR": "1", "COLUMNS": "120"}
    return Installation([*python, "-m", "fabfile", *argv], environment, PROJECT, "".join(answers))
