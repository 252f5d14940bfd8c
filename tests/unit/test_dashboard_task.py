"""What the page is sent of a cluster, and how its commands are started."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.json import encode

from fabfile.dashboard.chronicle import Chronicle
from fabfile.dashboard.picture import measures, picture
from fabfile.dashboard.server import STATIC
from fabfile.errors import Unreachable, WrongInput
from fabfile.health.host import HostStatus
from fabfile.health.motion import Motion
from fabfile.health.pulse import Pulse
from fabfile.inventory import Fleet, Host, load
from fabfile.tasks import dashboard
from fabfile.tasks.live import EVERY_SECONDS
from fabfile.tasks.tailing import Tails
from fabfile.tasks.walking import Pages
from fabfile.watch.history import History

from . import sights
from .test_health import program, view
from .test_live import after, answer_of, look

PAGE = 300_000
EVENT = 150_000
"""Bytes: the page with its first picture, and one look at 128 hosts."""


@pytest.fixture(autouse=True)
def no_cache_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))


def many(folder: Path, count: int) -> Fleet:
    """A cluster of so many hosts with six programs each."""
    first = '[hosts.node0]\naddress = "192.0.2.1"\nroles = { mysql = 1, redis = 1, scheduler = 1, webui = 1 }\n'
    roles = "{ fetcher = 2, processor = 3, result_worker = 1 }"
    rest = (f'[hosts.node{n}]\naddress = "198.51.{n // 200}.{n % 200 + 1}"\nroles = {roles}\n' for n in range(1, count))
    (folder / "hosts.toml").write_text('[cluster]\nname = "many"\n' + first + "".join(rest))
    return load(folder / "hosts.toml")


def test_the_picture_has_hosts_programs_queues_rates_projects_and_changes(fleet: Fleet) -> None:
    one = picture(after(fleet, (100, 50, 3), (102, 70, 5)), 1e9, took=0.25)
    told = json.loads(encode(one))
    assert (told["seen"], told["well"], told["took"]) == (True, True, 0.25)
    node2 = next(host for host in told["hosts"] if host["name"] == "node2")
    fetcher = next(each for each in node2["programs"] if each["name"] == "fetcher1")
    assert fetcher == {
        "name": "fetcher1", "state": "RUNNING", "ours": True, "pid": 7, "uptime": 9,
        "cpu": 0.5, "memory": 3 << 20, "rate": 10.0,
    }  # fmt: skip
    assert (node2["cpu"], node2["memory"], node2["memory_all"]) == (0.5, 2**29, 2**30)
    assert told["queues"]["scheduler2fetcher"] == 5 and told["rates"] == {"fetcher": 10.0}
    assert told["projects"] == [{"name": "books", "active": 9, "success": 70, "failed": 1, "rate": 10.0}]
    assert measures(one)["queue/scheduler2fetcher"] == 5.0 and measures(one)["rate/fetcher"] == 10.0


def test_a_look_is_never_told_as_of_later_than_it_was(fleet: Fleet) -> None:
    assert picture(after(fleet, (100, 50, 3)), 1e9 + 0.97).at == 1e9 + 0.9


def test_before_the_first_look_it_says_why_there_is_nothing() -> None:
    assert json.loads(encode(picture(History(), 1e9, "no way"))) == {"cluster": "", "at": 1e9, "note": "no way"}


def test_a_host_that_is_away_is_told_and_text_of_hosts_has_no_signs_that_hide(fleet: Fleet) -> None:
    hosts = {one.host.name: one for one in look(fleet, 2, 40, 7).hosts}
    told = answer_of(hosts["node2"]) | {"projects": {}}
    told["programs"] = [*told["programs"], program("x\x1b[2J<b>", state="FAT\x07AL")]
    hosts["node2"] = HostStatus(hosts["node2"].host, hosts["node2"].wanted, True, sight=sights.sight(**told))
    hosts["node3"] = HostStatus(hosts["node3"].host, hosts["node3"].wanted, False, "node3: no route to host")
    history = after(fleet, (0, 0, 0))
    history.add(view(fleet, hosts), 2, 1e9)
    sent = encode(picture(history, 1e9)).decode()
    assert "\\u001b" not in sent and "\\u0007" not in sent
    shown = {host["name"]: host for host in json.loads(sent)["hosts"]}
    assert shown["node3"]["away"] is True and "no route" in shown["node3"]["why"]
    strange = shown["node2"]["programs"][-1]
    assert strange["name"] == "x\\x1b[2J<b>" and "ours" not in strange


def test_the_last_error_of_a_program_is_shown_and_is_short(fleet: Fleet) -> None:
    history = after(fleet, (0, 0, 0))
    pulses = {"node2/fetcher1": Pulse(7, "fetcher", 1, 1, done=3, failed=2, last_error="KeyError: 'x'\n" * 99)}
    history.add(
        view(fleet, {one.host.name: one for one in look(fleet, 2, 3).hosts}, motion=Motion(pulses=pulses)), 2, 1e9
    )
    rows = {(host.name, one.name): one for host in picture(history, 1e9).hosts for one in host.programs}
    one = rows["node2", "fetcher1"]
    assert one.failed == 2 and one.error.startswith("KeyError") and len(one.error) < 300


def test_a_page_of_128_hosts_is_small_and_so_is_each_look(tmp_path: Path) -> None:
    history = after(many(tmp_path, 128), (0, 0, 0), (2.3, 70, 12345))
    event = len(encode(picture(history, 1e9)))
    page = sum(path.stat().st_size for path in STATIC.iterdir())
    assert event <= EVENT and page + event <= PAGE
    assert sum(len(host.programs) for host in picture(history, 1e9).hosts) == 4 - 2 + 127 * 6


def sent(shown: dashboard._Shown) -> dict[str, Any]:
    """The newest note of each kind."""
    notes = (note.decode().splitlines() for _, note in shown.board._since(0))
    return {kind.removeprefix("event: "): json.loads(data.removeprefix("data: ")) for kind, data, _ in notes}


def test_each_look_is_sent_and_every_ten_seconds_a_point_is_kept(tmp_path: Path) -> None:
    fleet = many(tmp_path, 3)
    chronicle = Chronicle(tmp_path / "points.sqlite", 3600)
    shown = dashboard._Shown(SimpleNamespace(fleet=fleet), chronicle)  # type: ignore[arg-type]
    shown.looks.error = "no way"
    shown._tell()
    assert sent(shown)["picture"]["note"] == "no way" and "point" not in sent(shown)
    shown.looks.error, shown.looks.history = "", after(fleet, (0, 0, 0), (2, 40, 7))
    shown._tell()
    shown._tell()
    assert sent(shown)["point"]["values"]["queue/scheduler2fetcher"] == 7
    assert len(chronicle.series(60, time.time()).at) == 1
    assert not sent(shown)["picture"].get("changed") and "note" not in sent(shown)["picture"]
    fleet.path.write_text(fleet.path.read_text() + "\n")
    shown._tell()
    assert sent(shown)["picture"]["changed"] is True


def test_a_look_that_no_page_can_be_made_of_leaves_no_old_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = many(tmp_path, 3)
    shown = dashboard._Shown(SimpleNamespace(fleet=fleet), Chronicle(tmp_path / "points.sqlite", 3600))  # type: ignore[arg-type]
    shown.looks.history = after(fleet, (0, 0, 0))
    shown._tell()
    assert sent(shown)["picture"]["well"] is not None
    monkeypatch.setattr(dashboard, "picture", lambda *_: {}["nothing"])
    shown._tell()
    assert "the last look failed (KeyError: 'nothing')" in sent(shown)["picture"]["note"]
    assert "verdict" not in sent(shown)["picture"] and "well" not in sent(shown)["picture"]


def test_figures_that_cannot_be_kept_are_told_and_the_page_goes_on(tmp_path: Path) -> None:
    fleet = many(tmp_path, 3)
    (tmp_path / "cache").mkdir()
    chronicle = Chronicle(tmp_path / "cache/points.sqlite", 3600)
    (tmp_path / "cache").rename(tmp_path / "gone")
    shown = dashboard._Shown(SimpleNamespace(fleet=fleet), chronicle)  # type: ignore[arg-type]
    shown.looks.history = after(fleet, (0, 0, 0))
    shown._tell()
    picture = sent(shown)["picture"]
    assert picture["seen"] and "points.sqlite: no such file or directory" in picture["note"]


def test_looks_are_rare_while_no_browser_shows_the_page(tmp_path: Path) -> None:
    fleet = many(tmp_path, 3)
    shown = dashboard._Shown(SimpleNamespace(fleet=fleet), Chronicle(tmp_path / "points.sqlite", 60))  # type: ignore[arg-type]

    async def watched() -> float:
        async for _ in shown.board.notes():
            return shown.looks.every()
        return 0.0

    assert shown.looks.every() == dashboard.UNWATCHED_SECONDS
    assert asyncio.run(watched()) == EVERY_SECONDS


class Config(dict[str, Any]):
    """Fabric's configuration, as far as it tells how to log in."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        self.connect_kwargs = {
            name: kwargs[name] for name in ("key_filename", "passphrase", "password") if name in kwargs
        }
        self._runtime_ssh_path = kwargs.get("ssh_path")
        self.ssh_config_path = ""
        self.timeouts = SimpleNamespace(connect=None)
        self.sudo = SimpleNamespace(password=kwargs.get("sudo"))


def installed(fleet: Fleet, **given: Any) -> Any:
    return dashboard._installation(SimpleNamespace(config=Config(**given)), SimpleNamespace(fleet=fleet))  # type: ignore[arg-type]


def test_commands_get_the_same_cluster_and_secrets_on_stdin_alone(fleet: Fleet) -> None:
    fab = installed(fleet, sudo="s3cret", password="l0gin", passphrase="phr4se", key_filename="k.pem")
    assert fab.environment["HOSTS_TOML"] == str(fleet.path.resolve())
    assert fab.answers == "phr4se\nl0gin\ns3cret\n"
    said = [*fab.argv, *fab.environment.values()]
    assert not [word for word in said if any(secret in word for secret in ("s3cret", "l0gin", "phr4se"))]
    assert fab.argv[-5:] == [
        "-i", str(Path("k.pem").absolute()), "--prompt-for-passphrase", "--prompt-for-login-password",
        "--prompt-for-sudo-password",
    ]  # fmt: skip
    assert (installed(fleet).answers, installed(fleet).argv[-2:]) == ("", ["-m", "fabfile"])


@pytest.mark.parametrize(("flag", "value"), [("--port", "x"), ("--port", "70000"), ("--keep", "0")])
def test_a_flag_that_makes_no_sense_is_wrong_input(flag: str, value: str, fleet: Fleet) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fabfile", "dashboard", flag, value],
        cwd=dashboard.PROJECT, capture_output=True, text=True, check=False, timeout=60,
        env={"HOSTS_TOML": str(fleet.path), "HOME": str(fleet.path.parent)},
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith(f"fab: {flag} {value}: give a whole number")


class Away:
    """The links to hosts that can't be reached, or that are slow to say so."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.asked = threading.Event()

    def __getitem__(self, _host: Host) -> Away:
        return self

    def open(self) -> None:
        self.asked.set()
        self.go_on.wait(20)
        raise Unreachable("node2: no route to host")


def test_a_log_of_a_host_that_is_away_is_one_sentence_and_goes_on_later(fleet: Fleet) -> None:
    away = Away()
    away.go_on.set()
    tails = Tails(SimpleNamespace(fleet=fleet, hosts=fleet.hosts, links=away))  # type: ignore[arg-type]
    places = {"/a.log": ("1", 2, 3)}
    told = tails.read(encode({"host": "node2", "places": places}))
    assert (told.note, told.places, told.records) == ("node2: no route to host", places, [])
    with pytest.raises(WrongInput, match="unknown host"):
        tails.read(b'{"host": "node9"}')


def test_readers_of_a_host_that_hangs_do_not_wait_in_a_queue(fleet: Fleet) -> None:
    away = Away()
    tails = Tails(SimpleNamespace(fleet=fleet, hosts=fleet.hosts, links=away), 0.1)  # type: ignore[arg-type]
    first = threading.Thread(target=tails.read, args=(b'{"host": "node2"}',))
    first.start()
    try:
        assert away.asked.wait(20)
        assert tails.read(b'{"host": "node2"}').note.startswith("node2: its logs are being read for another window")
    finally:
        away.go_on.set()
        first.join(20)
    assert tails.read(b'{"host": "node2"}').note == "node2: no route to host"


def test_the_walk_over_the_pages_rests_between_two_looks(fleet: Fleet) -> None:
    asked: list[int] = []

    def reachable() -> list[Host]:
        asked.append(1)
        return []

    pages = Pages(SimpleNamespace(fleet=fleet, hosts=fleet.hosts, links={}), reachable)  # type: ignore[arg-type]
    first = pages.look()
    assert "no host of the cluster can be reached" in first.note
    assert pages.look() is first and asked == [1]
