"""The journal and the alarms of `fab dashboard`: taken from each look, kept on this machine, and told to the page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import decode, encode

from ..dashboard.alarms import AlarmRow, WatchHere, alarms_told, troubles
from ..dashboard.board import Board
from ..dashboard.chronicle import Chronicle, Note
from ..dashboard.journal import SEEN, JournalTold, MadeRow, SeenRow, made
from ..doctor.findings import Finding
from ..doctor.findings import View as Examined
from ..errors import Problem, Say, printable, unforeseen
from ..inventory import Fleet, Host
from ..runs.engine import look
from ..runs.run import Run
from ..runs.target import Target
from ..steps.base import Found
from ..steps.journal import JournalEntry, JournalRead, entries, journal_bytes
from ..watch.changes import Known, Observed, changes, pending
from ..watch.history import Happening, History
from ..watch.kept import place, recalled, runs
from ..watch.seen import DOCTOR, of_doctor, of_status, unexamined
from ..watch.speed import Speed, speed_after

JOURNAL_SECONDS = 60.0
"""From one look at the hosts' own journals to the next, while a browser shows the page."""
WATCHER_SECONDS = 10.0
SEEN_AREA, ALARM_AREA = "seen", "alarm"
KEPT = "alarms"


class Alarmed(Struct, frozen=True):
    """What is kept over the end of `fab dashboard`."""

    known: dict[str, Known] = {}
    speed: Speed | None = None


class Notes:
    """Fed by the threads that look; each of its notes goes to the board when it has changed."""

    def __init__(self, chosen: Target, chronicle: Chronicle, board: Board) -> None:
        self._chosen, self._chronicle, self._board = chosen, chronicle, board
        self._lock = threading.Lock()
        self._alarmed = _alarmed(chronicle)
        self._found: dict[str, Known] = {}
        self._doctor: Observed | None = None
        """What doctor has found, until the next look takes it in."""
        self._doctor_at = 0.0
        self._last: Happening | None = None
        self._journals: dict[str, list[JournalEntry]] = {}
        self._sizes: dict[str, int] = {}
        """The bytes of those journals."""
        self._made: list[MadeRow] = []
        self._seen: list[SeenRow] = []
        self._over: list[AlarmRow] = []
        self._unread: list[str] = []
        self._trouble = ""
        self._watcher, self._watcher_at = WatchHere(), -WATCHER_SECONDS
        self._put: dict[str, bytes] = {}
        self.wanted = threading.Event()
        """The hosts' journals are read when it is set."""
        self._note([Note(time.time(), SEEN_AREA, "begin", "")])

    def looked(self, history: History, now: float) -> None:
        """Take in a look: what changed, and the alarms by it."""
        view = history.view
        if view is None:
            return
        with self._lock:
            fresh = self._fresh(history)
            seen = [Note(one.at, SEEN_AREA, "gone" if one.good else "new", printable(one.text)) for one in fresh]
            speed = speed_after(self._alarmed.speed, view.motion.pulses, now)
            doctor, self._doctor = self._doctor, None
            observed = of_status(view, speed) | (doctor or Observed(blind=unexamined(view.fleet)))
            known, news = changes(self._alarmed.known, observed, now, view.fleet.watch.patience)
            self._alarmed = Alarmed(known, speed)
            self._note([*seen, *(Note(one.at, ALARM_AREA, one.kind, one.text, one.lasted) for one in news)])
            if news or fresh or doctor:
                self._keep()
            self._tell()

    def examined(self, view: Examined, found: Sequence[Finding], now: float) -> None:
        """Take in what doctor has found."""
        with self._lock:
            self._doctor, self._doctor_at = of_doctor(view.fleet, view, found), now
            self._found, news = changes(self._found, self._doctor, now, 0.0)
            kinds = (("gone" if one.kind != "new" else "new", one) for one in news)
            self._note([Note(now, SEEN_AREA, kind, one.text) for kind, one in kinds])
            self._tell()

    def doctor_seconds(self, usual: float) -> float:
        """So long doctor rests: shorter while the beginning or the end of a finding may still become an alarm's."""
        with self._lock:
            waits = pending(self._alarmed.known, DOCTOR, self._doctor_at)
        return min(usual, max(5.0, self._chosen.fleet.watch.patience)) if waits else usual

    @contextmanager
    def reading(self, reachable: Callable[[], list[Host]]) -> Iterator[None]:
        """The hosts' own journals are read while the block lasts and a browser looks."""
        ended = threading.Event()
        threading.Thread(target=self._read_on, args=(ended, reachable), daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            self.wanted.set()

    def _read_on(self, ended: threading.Event, reachable: Callable[[], list[Host]]) -> None:
        while not ended.is_set():
            self.wanted.clear()
            hosts = reachable()
            if hosts and (self._board.watched or not self._journals):
                self._read(hosts)
            self.wanted.wait(JOURNAL_SECONDS if hosts else 1.0)

    def _read(self, hosts: Sequence[Host]) -> None:
        run = Run(self._chosen, reports=False)

        def one(host: Host, _say: Say) -> Found:
            return look(self._chosen.links[host], [JournalRead(self._sizes.get(host.name, -1))])[0]

        try:
            found = run.ask(one, hosts)
        except Problem as error:
            self._trouble = str(error)
            return
        except Exception as error:  # noqa: BLE001  the boundary of a look: the next one may go well
            self._trouble = unforeseen(error)
            return
        with self._lock:
            for name, answer in found.items():
                if (size := journal_bytes(answer)) != self._sizes.get(name):
                    self._sizes[name], self._journals[name] = size, list(entries(answer))
            self._made = made(self._journals)
            self._unread = [host.name for host in self._chosen.hosts if host.name not in found]
            self._tell()

    def _fresh(self, history: History) -> list[Happening]:
        """What has happened since the look before."""
        fresh: list[Happening] = []
        for one in reversed(history.events):
            if one is self._last:
                break
            fresh.insert(0, one)
        self._last = history.events[-1] if history.events else None
        return fresh

    def _note(self, notes: Sequence[Note]) -> None:
        """Keep what happened, and have the newest of it at hand."""
        if not notes:
            return
        try:
            self._chronicle.note(notes)
            seen = self._chronicle.notes(SEEN_AREA, SEEN)
            over = [one for one in self._chronicle.notes(ALARM_AREA, SEEN) if one.kind != "new"]
            self._trouble = ""
        except Problem as error:
            self._trouble = str(error)
            return
        self._seen = [SeenRow(int(one.at), one.text, one.kind == "gone") for one in seen]
        self._over = [AlarmRow(int(one.at - one.lasted), one.text, int(one.at)) for one in over]

    def _keep(self) -> None:
        try:
            self._chronicle.keep(KEPT, encode(self._alarmed))
        except Problem as error:
            self._trouble = str(error)

    def _tell(self) -> None:
        """Put on the board what has changed."""
        if time.monotonic() - self._watcher_at >= WATCHER_SECONDS:
            self._watcher, self._watcher_at = _watcher(self._chosen.fleet), time.monotonic()
        patience = self._chosen.fleet.watch.patience
        unread = [printable(name) for name in self._unread]
        self._send("journal", encode(JournalTold(self._made, self._seen, unread, self._trouble)))
        self._send("alarms", encode(alarms_told(self._alarmed.known, self._over, patience, self._watcher)))

    def _send(self, kind: str, data: bytes) -> None:
        if self._put.get(kind) != data:
            self._put[kind] = data
            self._board.put(kind, data)


def _alarmed(chronicle: Chronicle) -> Alarmed:
    try:
        return decode(chronicle.kept(KEPT) or b"{}", type=Alarmed)
    except (DecodeError, ValidationError, Problem):
        # Each fault is then told anew; a file that can't be used is told by the next note.
        return Alarmed()


def _watcher(fleet: Fleet) -> WatchHere:
    """Whether `fab watch` runs here for this cluster, and whom it tells."""
    table = fleet.watch
    sinks = [*(["webhook"] if table.webhook.url else []), *(f"mail to {one}" for one in table.mail.to)]
    seen = None
    try:
        path = place(fleet)
        seen = runs(path)
        return WatchHere(seen, sinks, [printable(one) for one in troubles(recalled(path).outboxes)])
    except Problem as error:
        return WatchHere(seen, sinks, [str(error)])
