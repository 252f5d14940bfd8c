"""The journal and the alarms of `fab dashboard`: what hosts have kept, what looks have seen, and what lasts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.json import encode

from fabfile.cli.executor import ClusterExecutor
from fabfile.dashboard.alarms import WatchHere, alarms_told, troubles
from fabfile.dashboard.board import Board
from fabfile.dashboard.chronicle import Chronicle, Note
from fabfile.dashboard.journal import LINES, MADE, NAMES, SEEN, JournalTold, SeenRow, made
from fabfile.dashboard.picture import picture
from fabfile.dashboard.server import STATIC
from fabfile.doctor.findings import Finding
from fabfile.doctor.findings import View as Examined
from fabfile.errors import Problem
from fabfile.health.host import HostStatus
from fabfile.inventory import Fleet, load
from fabfile.ssh.protocol import message
from fabfile.steps.base import Action, Found
from fabfile.steps.journal import BYTES, JournalEntry, JournalRead, entries, journal_bytes
from fabfile.tasks.noting import Alarmed, Notes, _watcher
from fabfile.watch.changes import Known, News
from fabfile.watch.history import History
from fabfile.watch.kept import Remembered, alone, keep, place, runs
from fabfile.watch.outbox import Outbox

from .local import LocalLink
from .patients import PROJECT
from .test_dashboard_task import PAGE, many
from .test_health import view
from .test_live import after, look

LINE = "2026-11-26T21:48:00Z anna@laptop deploy: exit status 0: make release 1a current; restart fetcher1"


@pytest.fixture(autouse=True)
def no_cache_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))


def read(path: Path) -> list[JournalEntry]:
    """What a host with this journal tells."""
    return list(entries(answered(path)))


def answered(path: Path, known: int = -1) -> Found:
    return LocalLink().exchange(message((), [JournalRead(known, str(path)).probe()]))[0]


def test_a_journal_is_read_as_hosts_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    link = LocalLink()
    link.exchange(message([Action("make `x`: done", "true")], (), "anna@laptop stop", str(path)))
    link.exchange(message([Action("fail", "exit 3")], (), "anna@laptop deploy status", str(path)))
    link.exchange(message([Action("of old", "true")], (), "bert@desk", str(path)))
    told = read(path)
    assert [(one.who, one.task, one.status, one.text) for one in told] == [
        ("anna@laptop", "stop", 0, "make `x`: done"),
        ("anna@laptop", "deploy status", 3, "fail"),
        ("bert@desk", "", 0, "of old"),
    ]
    assert all(abs(one.at - time.time()) < 60 for one in told)


def test_a_long_journal_is_read_from_its_end_and_other_lines_are_none_of_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(f"{LINE}\n" * 5000 + "a second line of it\n" + LINE.replace("1a", "2b") + "\n")
    told = read(path)
    assert BYTES // 100 < len(told) + 50 < 5000 and "2b" in told[-1].text
    assert len({one.text for one in told}) == 2


def test_a_journal_that_is_known_is_not_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(f"{LINE}\n")
    size = journal_bytes(answered(path))
    assert size == len(LINE) + 1
    assert list(entries(answered(path, size))) == [] and journal_bytes(answered(path, size)) == size
    path.write_text(f"{LINE}\n{LINE}\n")
    assert len(list(entries(answered(path, size)))) == 2
    assert journal_bytes(answered(tmp_path / "none")) == 0


def test_where_others_can_write_no_link_is_followed_and_no_pipe_waited_for(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{LINE}\n")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "none", "none/none"):
        assert read(tmp_path / name) == []


def test_the_task_that_was_typed_is_kept_with_the_person() -> None:
    links = SimpleNamespace(task="")
    calls = [SimpleNamespace(called_as="deploy", task=None, pre=[], post=[]) for _ in range(2)]
    executor = SimpleNamespace(config={}, _links=links, _chosen=lambda: [], core=None)
    executor.expand_calls = lambda *_args, **_kwargs: []
    ClusterExecutor.expand_calls(executor, calls)  # type: ignore[arg-type]
    assert links.task == "deploy deploy"


def entry(
    at: float, text: str = "restart fetcher1", who: str = "anna@laptop", task: str = "deploy", status: int = 0
) -> Any:
    return JournalEntry(at, who, task, status, text)


def test_one_run_over_many_hosts_is_one_change() -> None:
    hosts = {f"node{n}": [entry(1000 + n), entry(1060 + n, "make release")] for n in range(NAMES + 3)}
    hosts["node0"] += [entry(1070, "start webui1", status=7), entry(5000), entry(5001, who="bert@desk", task="stop")]
    rows = made(hosts)
    assert [(one.at, one.who, one.task, one.hosts, one.failed) for one in rows] == [
        (5001, "bert@desk", "stop", 1, False),
        (5000, "anna@laptop", "deploy", 1, False),
        (1070, "anna@laptop", "deploy", NAMES + 3, True),
    ]
    first, second, _ = rows[2].lines
    assert (first.text, first.status, first.hosts) == ("start webui1", 7, ["node0"])
    assert (second.text, len(second.hosts), second.more) == ("restart fetcher1", NAMES, 3)


def test_a_journal_of_128_hosts_is_small_and_steers_nothing(tmp_path: Path) -> None:
    hosts = {
        f"node{n}": [entry(1000.0 * m, f"\x1b[2J make release {n} {m} " + "x" * 900, task=f"t{m}") for m in range(60)]
        for n in range(128)
    }
    begun = time.process_time()
    seen = [SeenRow(int(1e9), "node77: processor1 was started again (pid 12345, now 23456)") for _ in range(SEEN)]
    told = encode(JournalTold(made(hosts), seen))
    assert time.process_time() - begun < 2
    page = sum(path.stat().st_size for path in STATIC.iterdir())
    # The rest of what is loaded at first: one look at 128 hosts, see test_dashboard_task.py.
    first = encode(picture(after(many(tmp_path, 128), (0, 0, 0), (2.3, 70, 12345)), 1e9))
    assert b"u001b" not in told and len(told) < PAGE / 4
    assert page + len(told) + len(first) < PAGE
    rows = json.loads(told)["made"]
    assert len(rows) == MADE and len(rows[0]["lines"]) == LINES and rows[0]["more"] == 128 - LINES


def test_what_happened_is_kept_as_long_as_the_figures(tmp_path: Path) -> None:
    kept = Chronicle(tmp_path / "points.sqlite", 100)
    kept.note([Note(1, "seen", "new", "a"), Note(50, "alarm", "gone", "b", 7), Note(90, "seen", "new", "c")])
    kept.note([])
    again = Chronicle(tmp_path / "points.sqlite", 100)
    assert [one.text for one in again.notes("seen", 9)] == ["c", "a"] and again.notes("alarm", 9)[0].lasted == 7
    assert [one.text for one in again.notes("seen", 1)] == ["c"]
    again.note([Note(120, "seen", "gone", "d")])
    assert [one.text for one in again.notes("seen", 9)] == ["d", "c"]
    assert again.kept("x") is None
    again.keep("x", b"1")
    again.keep("x", b"2")
    assert kept.kept("x") == b"2"


def test_only_what_has_lasted_is_an_alarm() -> None:
    known = {"a": Known("old", 5, 90, told=True), "b": Known("young", 80, 90), "c": Known("new", 50, 90, told=True)}
    assert [one.text for one in alarms_told(known, [], 60, None).raised] == ["new", "old"]  # type: ignore[arg-type]
    box = Outbox(waiting=(News("new", "a", "x", 1.0),), failures=2, why="no route")
    assert troubles({"webhook": box, "mail": Outbox()}) == ["webhook: 1 wait: no route"]


def notes(folder: Path, fleet: Fleet) -> Notes:
    chosen: Any = SimpleNamespace(fleet=fleet, hosts=fleet.hosts)
    return Notes(chosen, Chronicle(folder / "points.sqlite", 3600), Board())


def told(one: Notes, kind: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(one._put[kind])
    return answer


def looked(history: History, fleet: Fleet, at: float, away: bool) -> None:
    hosts = {one.host.name: one for one in look(fleet, 2, 40, 7).hosts}
    if away:
        hosts["node2"] = HostStatus(hosts["node2"].host, hosts["node2"].wanted, False, "node2: no route")
    history.add(view(fleet, hosts), at, at)


def test_a_host_that_stays_away_is_an_alarm_and_one_that_comes_back_ends_it(tmp_path: Path, fleet: Fleet) -> None:
    one, history = notes(tmp_path, fleet), History()
    seen = []
    for at, away in ((1000, False), (1002, True), (1030, True), (1063, True), (1080, False), (1150, False)):
        looked(history, fleet, at, away)
        one.looked(history, float(at))
        alarms = told(one, "alarms")
        seen.append((len(alarms.get("raised", [])), len(alarms.get("over", []))))
    assert seen == [(0, 0), (0, 0), (0, 0), (1, 0), (1, 0), (0, 1)]
    (over,) = told(one, "alarms")["over"]
    assert "node2" in over["text"] and over["until"] >= 1080 and over["at"] < over["until"]
    rows = [row for row in told(one, "journal")["seen"] if "node2" in row.get("text", "")]
    assert [row.get("good", False) for row in rows] == [True, False]


def test_an_alarm_is_still_one_when_the_page_is_begun_again(tmp_path: Path, fleet: Fleet) -> None:
    first, history = notes(tmp_path, fleet), History()
    for at in (1000, 1070):
        looked(history, fleet, at, away=True)
        first.looked(history, float(at))
    again, later = notes(tmp_path, fleet), History()
    looked(later, fleet, 1100, away=True)
    again.looked(later, 1100.0)
    (raised,) = told(again, "alarms")["raised"]
    assert raised["at"] == 1000
    # What was seen before is in the journal still, and where a new watch begins.
    assert [row.get("text", "") == "" for row in told(again, "journal")["seen"]].count(True) == 2


def test_findings_come_and_go_in_the_journal_and_become_alarms_when_they_last(tmp_path: Path, fleet: Fleet) -> None:
    one, history = notes(tmp_path, fleet), History()
    finding = Finding("stale-socket", "node2", "/run/x.sock", "it died", "fab start", False)
    examined = Examined(fleet, (), ())
    assert one.doctor_seconds(300) == 300
    for at in (1000, 1070):
        one.examined(examined, [finding], float(at))
        looked(history, fleet, at, away=False)
        one.looked(history, float(at))
        assert one.doctor_seconds(300) == (60 if at == 1000 else 300)
    assert [row["text"] for row in told(one, "journal")["seen"] if "stale-socket" in row.get("text", "")]
    assert "stale-socket" in told(one, "alarms")["raised"][0]["text"]


def test_the_page_goes_on_where_nothing_can_be_kept(tmp_path: Path, fleet: Fleet) -> None:
    (tmp_path / "cache").mkdir()
    one, history = notes(tmp_path / "cache", fleet), History()
    (tmp_path / "cache").rename(tmp_path / "gone")
    for at in (1000, 1070):
        looked(history, fleet, at, away=True)
        one.looked(history, float(at))
    assert "points.sqlite" in told(one, "journal")["note"]
    assert len(told(one, "alarms")["raised"]) == 1


def test_a_state_that_is_damaged_begins_anew(tmp_path: Path, fleet: Fleet) -> None:
    Chronicle(tmp_path / "points.sqlite", 60).keep("alarms", b"{no")
    assert notes(tmp_path, fleet)._alarmed == Alarmed()


def test_whether_fab_watch_runs_is_seen_without_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert runs(path) is False
    with alone(path):
        assert runs(path) is True
        with pytest.raises(Problem):
            alone(path).__enter__()
    # In a container nobody can tell who has the file outside.
    first = Path("/proc/self/ns/pid").stat().st_ino == 0xEFFFFFFC
    assert runs(path) is (False if first else None)


APART = {
    "outside this PID namespace": ("--pid", "--fork", "--mount-proc"),
    "no /proc": ("--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"),
}


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root makes a namespace")
@pytest.mark.parametrize("how", APART)
def test_whether_fab_watch_runs_is_unknown_where_its_process_can_not_be_seen(tmp_path: Path, how: str) -> None:
    code = "import sys; from pathlib import Path; from fabfile.watch.kept import runs; print(runs(Path(sys.argv[1])))"

    def seen() -> str:
        asked = ["unshare", *APART[how], sys.executable, "-c", code, str(tmp_path / "x.json")]
        return subprocess.run(asked, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60).stdout

    assert seen() == "False\n"
    with alone(tmp_path / "x.json"):
        assert seen() == "None\n"
    assert seen() == "None\n"


DRAWN = """
const nodes = {};
const node = () => ({ children: [], textContent: "", hidden: false });
globalThis.document = { documentElement: { lang: "en" }, getElementById: (id) => (nodes[id] ??= node()) };
globalThis.localStorage = { getItem: () => null };
globalThis.fetch = async () => ({ json: async () => JSON.parse(process.argv[2]) });
const { takeAlarms } = await import("./journal.js");
const said = [];
for (const watch of JSON.parse(process.argv[3])) {
  takeAlarms({ watch });
  said.push(nodes.watch.textContent);
}
console.log(JSON.stringify(said));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="no Node.js runs the page's code here")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_says_that_a_watch_runs_or_not_or_that_it_can_not_be_seen(tmp_path: Path, language: str) -> None:
    for path in STATIC.glob("*.js"):
        shutil.copy(path, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "drawn.js").write_text(DRAWN)
    words = json.loads((STATIC / "words.json").read_text())[language]
    watches = [encode(WatchHere(one)).decode() for one in (True, False, None)]
    argv = ["node", "drawn.js", json.dumps({"en": words}), f"[{','.join(watches)}]"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [words[key] for key in ("watch-mute", "no-watch", "watch-unknown")]


def test_the_page_knows_whom_fab_watch_tells(tmp_path: Path) -> None:
    text = many(tmp_path, 3).path.read_text()
    table = '[watch.mail]\nserver = "192.0.2.9"\nfrom = "a@example.com"\nto = ["night@example.com"]\n'
    (tmp_path / "hosts.toml").write_text(text + table)
    fleet = load(tmp_path / "hosts.toml")
    assert encode(_watcher(fleet)) == b'{"sinks":["mail to night@example.com"]}'
    box = Outbox(waiting=(News("new", "a", "x", 1.0),), failures=2, why="no route")
    keep(place(fleet), Remembered(outboxes={"mail": box}))
    with alone(place(fleet)):
        seen = _watcher(fleet)
    assert seen.runs and seen.troubles == ["mail: 1 wait: no route"]
    place(fleet).write_text("{no")
    assert "is damaged" in _watcher(fleet).troubles[0]


def test_what_is_sent_after_each_look_of_128_hosts_takes_little_time(tmp_path: Path) -> None:
    fleet = many(tmp_path, 128)
    one, history = notes(tmp_path, fleet), History()
    for at in range(3):
        history.add(look(fleet, at, 40, 7), at, 1000.0 + at)
    begun = time.process_time()
    one.looked(history, 1003.0)
    assert time.process_time() - begun < 0.5
