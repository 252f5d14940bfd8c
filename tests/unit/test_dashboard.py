"""The server of `fab dashboard`: who is let in, what is sent, what may be started. Sockets and processes are real."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import pytest
from msgspec.json import encode

from fabfile.dashboard.board import Board
from fabfile.dashboard.chronicle import Chronicle
from fabfile.dashboard.crawled import PagesTold, pages_told
from fabfile.dashboard.guard import SEALS, Guard
from fabfile.dashboard.jobs import Installation, Job, Jobs
from fabfile.dashboard.orders import Order, order, words
from fabfile.dashboard.server import KINDS, STATIC, Desk, application, language, listening, serving
from fabfile.dashboard.tail import RECORDS, SIGNS, LogWish, asked_host, log_tail, log_wish
from fabfile.errors import Locked, Problem, WrongInput
from fabfile.health.pages import CrawledPage, Walk
from fabfile.inventory import Fleet
from fabfile.logs.records import Record

from ..waiting import eventually, until

STOP = b'{"do": "stop", "host": "node2", "program": "processor1"}'


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str


@dataclass
class Server:
    """A server on a free port, and what it was told to do."""

    board: Board
    guard: Guard
    port: int
    obeyed: list[bytes] = field(default_factory=list)
    examined: int = 0

    @property
    def cookie(self) -> str:
        return self.ask(f"/?token={self.guard.token}").headers["set-cookie"].partition(";")[0]

    def own(self, path: str = "", method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        """As the page asks."""
        ours = {"cookie": self.cookie} | ({"origin": f"http://127.0.0.1:{self.port}"} if method == "POST" else {})
        return self.ask(f"{self.guard.home}/{path}", method, body, **{**ours, **headers})

    def ask(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): one for name, one in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()


@contextmanager
def served(folder: Path, read_only: bool = False) -> Iterator[Server]:
    board, there = Board(), listening(0)
    server = Server(board, Guard(there.getsockname()[1]), there.getsockname()[1])

    def obey(text: bytes) -> Job:
        if text == b"busy":
            raise Locked("a command runs already")
        order(text)
        server.obeyed.append(text)
        return Job(1, ["fab"])

    def examine() -> None:
        server.examined += 1

    may = (None, None) if read_only else (obey, lambda: server.obeyed.append(b"interrupt"))
    desk = Desk(board, Chronicle(folder / "points.sqlite", 3600), examine, log_wish, lambda: PagesTold(7), *may)
    app = application(desk, server.guard)
    thread = threading.Thread(target=lambda: asyncio.run(serving(app, there, board)), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        board.close()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("dashboard")) as one:
        yield one


def test_the_token_becomes_a_cookie_and_leaves_the_address(server: Server) -> None:
    first = server.ask(f"/?token={server.guard.token}")
    assert (first.status, first.headers["location"]) == (303, f"{server.guard.home}/")
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and f"path={server.guard.home}/".lower() in cookie
    assert f"_{server.port}=" in cookie
    page = server.own()
    assert page.status == 200 and server.guard.token not in page.text


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/?token=%C3%A9", "{home}/", "{home}/app.js", "/x"])
def test_nobody_is_let_in_without_the_token(server: Server, path: str) -> None:
    answer = server.ask(path.format(home=server.guard.home), cookie=f"fab_dashboard_{server.port}=wrong")
    assert answer.status == 403 and "fab dashboard" in answer.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("localhost:1234", 200),
        ("localhost", 200),
        ("evil.example:{port}", 403),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:{port}", 403),
        ("127.0.0.1:{port}@evil.example", 403),
        ("", 403),
    ],
)
def test_another_name_of_this_server_is_another_site(server: Server, host: str, status: int) -> None:
    assert server.own(host=host.format(port=server.port)).status == status


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}", ""]
)
def test_no_other_page_gives_an_order_or_reads_anything(server: Server, origin: str) -> None:
    origin = origin.format(port=server.port)
    before = len(server.obeyed), server.examined
    for path in ("orders", "examine", "interrupt", "logs"):
        assert server.own(path, "POST", STOP, origin=origin).status == 403
    assert server.own("series", origin=origin).status == 403
    assert (len(server.obeyed), server.examined) == before
    # Without an origin it is no browser's page.
    assert server.ask(f"{server.guard.home}/orders", "POST", STOP, cookie=server.cookie).status == 403


def test_an_order_is_obeyed_and_what_is_none_is_refused(server: Server) -> None:
    server.obeyed.clear()
    assert server.own("orders", "POST", STOP).status == 202
    assert server.obeyed == [STOP]
    busy = server.own("orders", "POST", b"busy")
    assert (busy.status, busy.text) == (409, "a command runs already\n")
    assert server.own("orders", "POST", b"{}").status == 400
    assert server.own("orders", "POST", b"x" * 5000).status == 413
    assert server.own("orders").status == 404
    assert server.own("interrupt", "POST").status == 202 and server.obeyed == [STOP, b"interrupt"]


def test_a_log_is_told_to_the_page_also_where_it_only_reads(tmp_path: Path) -> None:
    with served(tmp_path, read_only=True) as server:
        wish = {"host": "node2", "program": "fetcher1", "errors": True, "places": {"/a.log": ["1", 2, 3]}}
        told = server.own("logs", "POST", json.dumps(wish).encode())
        assert (told.status, json.loads(told.text)) == (200, wish)
        wrong = [
            '"path": "/etc/shadow"',
            *(f'"places": {one}' for one in ("1", '{"/a": [1, 2, 3]}', '{"/a": ["x", 2, 3]}')),
        ]
        for text in ("", "{}", *(f'{{"host": "a", {one}}}' for one in wrong)):
            refused = server.own("logs", "POST", text.encode())
            assert refused.status == 400 and refused.text.startswith("this names no log: ")
        assert server.own("logs", "POST", b"x" * 70000).status == 413


def test_the_slowest_pages_are_told_also_where_it_only_reads(tmp_path: Path) -> None:
    with served(tmp_path, read_only=True) as server:
        assert json.loads(server.own("pages").text) == {"at": 7}
        assert server.own("pages", origin="http://evil.example").status == 403


def test_addresses_and_errors_of_pages_steer_nothing() -> None:
    page = CrawledPage("demo", "1", "http://x/\x1b[2J", 5.5, 1.234, 0.1, 4, True, "a\nb")
    told = pages_told(Walk(slow=(page,), errors={"demo": page}, seen={"demo": 3}, rows=9), 7.7, "no way")
    row = told.slow[0]
    assert (row.url, row.why, row.at, row.fetching, row.tries) == ("http://x/\\x1b[2J", "a\\nb", 5, 1.23, 4)
    assert (told.errors["demo"], told.whole, told.read, told.rows, told.note) == (row, False, 3, 9, "no way")
    assert pages_told(Walk(seen={"demo": 3}, whole=frozenset({"demo"})), 0).whole and not pages_told(Walk(), 0).whole


def test_the_number_of_a_file_comes_back_from_the_page_as_it_was(fleet: Fleet) -> None:
    places = {"/a.log": (2**64 - 1, 2, 3), "/b.log": (2**53 + 1, 0, 2**32 - 1)}
    sent = json.loads(encode(log_tail([], places)))["places"]
    # In a browser a number is a float.
    back = json.loads(json.dumps(sent), parse_int=lambda digits: int(float(digits)))
    assert log_wish(json.dumps({"host": "node2", "places": back}).encode()).known == places
    assert log_wish(b'{"host": "node2"}').known is None and log_wish(b'{"host": "node2", "places": {}}').known == {}


def test_only_hosts_that_the_page_shows_have_logs(fleet: Fleet) -> None:
    assert asked_host(fleet.hosts, LogWish("node2")).name == "node2"
    for name in ("node9", "", "node2,node3", "root@192.0.2.1"):
        with pytest.raises(WrongInput, match="unknown host"):
            asked_host(fleet.hosts, LogWish(name))


def test_the_newest_records_are_told_and_the_others_counted() -> None:
    def record(at: float, *lines: str) -> Record:
        return Record(at, "node2", "fetcher1", "E", "fetcher.py:1", lines)

    tail = log_tail([record(at, "one", f"\tof \x1b[2J {at}") for at in range(RECORDS + 7)], {"/a.log": (1, 2, 3)})
    assert (len(tail.records), tail.more, tail.places) == (RECORDS, 7, {"/a.log": ("1", 2, 3)})
    assert (tail.records[-1].text, tail.records[0].at) == (f"one\n\tof \\x1b[2J {RECORDS + 6}", 7)
    # Long ones, of which the newest is told at least, its beginning.
    some = log_tail([record(at, "x" * (SIGNS // 3)) for at in range(9)], {})
    assert [one.at for one in some.records] == [6, 7, 8] and some.more == 6
    (one,) = log_tail([record(1, "old"), record(2, "y" * SIGNS, "z")], {}).records
    assert one.at == 2 and one.text == "y" * SIGNS + " ..."


def test_a_page_that_only_reads_starts_nothing_but_a_look(tmp_path: Path) -> None:
    with served(tmp_path, read_only=True) as server:
        assert 'data-mode="read-only"' in server.own().text
        for path in ("orders", "interrupt"):
            assert server.own(path, "POST", STOP).status == 403
        assert server.own("examine", "POST").status == 202 and server.examined == 1


def test_every_answer_forbids_scripts_and_styles_of_others(server: Server) -> None:
    for answer in (server.own(), server.own("nothing"), server.ask("/"), server.ask("/", host="evil.example")):
        assert SEALS.items() <= answer.headers.items()
    policy = SEALS["content-security-policy"]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "://" not in policy


def static(*suffixes: str) -> dict[str, str]:
    return {path.name: path.read_text() for path in STATIC.iterdir() if path.suffix in suffixes}


def test_the_page_has_no_inline_scripts_or_styles_and_loads_from_nobody_else() -> None:
    (html,) = static(".html").values()
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", html) == []
    for name, text in static(*KINDS).items():
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == [], name


def test_text_of_hosts_never_becomes_html() -> None:
    for name, text in static(".js").items():
        sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\b"
        assert re.findall(sinks + r"|new Function|srcdoc|javascript:", text) == [], name


# Whatever the page is drawn with: only its own words and errors are looked at.
PAGES = """
const table = { tHead: { rows: [{ cells: [] }] }, tBodies: [{ children: [], firstElementChild: null }] };
const answers = { "words.json": { en: { "state.RUNNING": "runs" } },
  pages: { at: 1, errors: JSON.parse('{"books": {"at": 7}, "valueOf": {"at": 8}, "__proto__": {"at": 9}}') } };
globalThis.document = { documentElement: { lang: "en" }, getElementById: () => ({ ...table }) };
globalThis.localStorage = { getItem: () => "constructor" };
globalThis.fetch = async (path) => ({ ok: true, json: async () => answers[path] });
const { askPages, lastError } = await import("./pages.js");
const { state } = await import("./words.js");
const names = ["books", "valueOf", "__proto__", "constructor", "toString", "shop"];
const found = () => names.map((name) => lastError(name)?.at ?? null);
const before = found();
await askPages(() => {});
console.log(JSON.stringify([before, found(), state("RUNNING"), state("constructor")]));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="no Node.js runs the page's code here")
def test_a_project_may_have_any_name(tmp_path: Path) -> None:
    for name, text in static(".js").items():
        (tmp_path / name).write_text(text)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "asked.js").write_text(PAGES)
    done = subprocess.run(["node", "asked.js"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[None] * 6, [7, 8, 9, None, None, None], "runs", "constructor"]


def test_names_of_hosts_and_projects_are_looked_up_among_own_ones_alone() -> None:
    for name, text in static(".js").items():
        assert re.findall(r"\?\.\[|\w+ in words\b(?!\[)|\}\[one\.", text) == [], name


def test_files_are_those_of_the_page_and_no_others(server: Server) -> None:
    for path in STATIC.iterdir():
        assert server.own(path.name).headers["content-type"] == KINDS[path.suffix]
    for name in ("nothing", "..%2fserver.py", "%2e%2e/server.py", "server.py"):
        assert server.own(name).status == 404


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("", "en"),
        ("en-US,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("de,en;q=0.3,zh;q=0.7", "zh"),
        ("zh;q=0.1,en;q=0.2", "en"),
        ("fr", "en"),
        ("zh;q=x", "en"),
        ("ZH-tw", "zh"),
    ],
)
def test_the_browser_says_its_language(server: Server, accepted: str, chosen: str) -> None:
    assert language(accepted) == chosen
    assert f'<html lang="{chosen}"' in server.own(accept_language=accepted).text


def test_both_languages_have_the_same_words_with_the_same_holes() -> None:
    english, chinese = json.loads((STATIC / "words.json").read_text()).values()
    assert english.keys() == chinese.keys()
    holes = {
        key: (set(re.findall(r"\{\w+\}", english[key])), set(re.findall(r"\{\w+\}", chinese[key]))) for key in english
    }
    assert {key: pair for key, pair in holes.items() if pair[0] != pair[1]} == {}
    same = {key for key in english if english[key] == chinese[key]}
    assert same == {"cpu"}


def test_every_word_that_the_page_uses_is_there_and_each_is_used() -> None:
    known = set(json.loads((STATIC / "words.json").read_text())["en"])
    (html,) = static(".html").values()
    code = "\n".join(static(".js").values())
    used = set(re.findall(r'data-t="([^"]+)"', html)) | set(re.findall(r'\bt\("([^"]+)"', code))
    assert used <= known
    made = {key for key in known if key.startswith(("state.", "ask-"))}
    listed = {key for key in known if f'"{key}"' in code}
    assert known - used - made - listed == set()


def test_the_newest_notes_are_sent_and_older_ones_are_not() -> None:
    async def seen() -> list[bytes]:
        board, found = Board(), []
        for number in range(3):
            board.put("picture", b"%d" % number)
        board.put("job", b"7")
        async for note in board.notes():
            found.append(note)
            assert board.watched
            if note.endswith(b"data: 7\n\n"):
                board.put("picture", b"3")
            if note.endswith(b"data: 3\n\n"):
                board.close()
        assert not board.watched
        return found

    notes = asyncio.run(asyncio.wait_for(seen(), 20))
    assert notes == [
        b": beat\n\n",
        *(b"event: %b\ndata: %b\n\n" % one for one in ((b"picture", b"2"), (b"job", b"7"), (b"picture", b"3"))),
    ]


def test_a_browser_that_is_gone_is_noticed_by_the_beat(server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", f"{server.guard.home}/events", headers={"cookie": server.cookie})
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/event-stream")
    server.board.put("picture", b"1")
    assert answer.readline() == b": beat\n" and answer.readline() == b"\n"
    assert (answer.readline(), answer.readline()) == (b"event: picture\n", b"data: 1\n")
    assert server.board.watched
    answer.close()
    connection.close()

    def noticed() -> bool:
        server.board.put("picture", b"2")
        return not server.board.watched

    assert eventually(noticed, 20)


def test_a_port_that_is_taken_is_told_in_one_sentence() -> None:
    with listening(0) as there, pytest.raises(WrongInput) as told:
        assert there.getsockname()[0] == "127.0.0.1"
        listening(there.getsockname()[1])
    assert "is taken by another program; choose another one with --port" in str(told.value)


def test_the_charts_keep_a_day_and_average_what_is_too_much(tmp_path: Path) -> None:
    path = tmp_path / "points.sqlite"
    kept = Chronicle(path, 86400)
    assert path.stat().st_mode & 0o777 == 0o600
    for at in range(0, 90000, 100):
        kept.add(at, {"queue/a": float(at), "rate/b": 1.0} if at >= 50000 else {"queue/a": float(at)})
    hour = kept.series(3600, 90000)
    assert hour.at[-1] == 89900 and len(hour.at) == 35 and hour.lines["queue/a"][-1] == 89900
    day = kept.series(86400, 90000)
    assert len(day.at) <= 361 and day.lines["queue/a"][5] == pytest.approx(day.at[5] + 100, abs=101)
    assert day.lines["rate/b"][0] is None and day.lines["rate/b"][-1] == 1
    # Another process, after this one: what is older than a day is forgotten.
    assert Chronicle(path, 86400).series(200000, 90000).at[0] >= 3000


def test_a_file_that_is_no_database_or_a_link_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "points.sqlite"
    path.write_text("no database at all, and long enough to be none " * 9)
    with pytest.raises(Problem, match="remove it: only the page's past is in it"):
        Chronicle(path, 60)
    link = tmp_path / "link.sqlite"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Problem):
        Chronicle(link, 60)
    assert not (tmp_path / "elsewhere").exists()


def test_an_order_becomes_words_of_fab(fleet: Fleet) -> None:
    for do in ("start", "stop", "restart"):
        one = order(json.dumps({"do": do, "host": "node2", "program": "processor1"}).encode())
        assert words(fleet, fleet.hosts, one) == ["-H", "node2", do, "--name", "processor1"]
    assert words(fleet, fleet.hosts, Order("fix")) == ["doctor", "--fix"]
    assert words(fleet, fleet.hosts[1:], Order("fix")) == ["-H", "node2,node3", "doctor", "--fix"]


@pytest.mark.parametrize(
    ("host", "program", "said"),
    [
        ("node9", "processor1", "unknown host 'node9' (did you mean 'node"),
        ("node1", "processor1", "node1: unknown program 'processor1'"),
        ("node2,node3", "processor1", "unknown host"),
        ("--help", "processor1", "unknown host"),
        ("", "processor1", "unknown host"),
        ("node2", "processor1; reboot", "unknown program"),
        ("node2", "processor1,processor2", "unknown program"),
        ("node2", "processor", "unknown program"),
        ("node2", "", "unknown program"),
    ],
)
def test_an_order_names_one_program_of_one_host(fleet: Fleet, host: str, program: str, said: str) -> None:
    with pytest.raises(WrongInput) as told:
        words(fleet, fleet.hosts, Order("stop", host, program))
    assert said in str(told.value)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"do": "reboot"}', b'{"do": "fix", "argv": ["x"]}', b'{"do": 1}', b"\xff"]
)
def test_what_is_no_order_is_wrong_input(text: bytes) -> None:
    with pytest.raises(WrongInput, match="this is no order"):
        order(text)


def test_a_host_that_the_page_does_not_show_takes_no_order(fleet: Fleet) -> None:
    with pytest.raises(WrongInput, match="unknown host 'node2'"):
        words(fleet, fleet.hosts[:1], Order("stop", "node2", "processor1"))


def installation(script: str, answers: str = "") -> Installation:
    return Installation([sys.executable, "-u", "-c", script], {}, Path("/"), answers)


def ended(script: str, *given: str, answers: str = "", then: Callable[[Jobs], None] = lambda _: None) -> Job:
    """A command that has ended."""
    told: list[Job] = []
    jobs = Jobs(installation(script, answers), told.append)
    jobs.begin(given)
    then(jobs)
    until(lambda: told[-1].status is not None, 20)
    return told[-1]


def test_a_command_shows_its_output_and_its_status() -> None:
    job = ended("import sys; print(*sys.argv[1:]); print('<b>', file=sys.stderr); sys.exit(4)", "-H", "a b")
    assert (job.words, job.output, job.status) == (["fab", "-H", "a b"], "-H a b\n<b>\n", 4)


def test_only_the_last_of_a_long_output_is_kept() -> None:
    job = ended(
        "print('first'); print('x' * 99 + '\\n' * 1, end='' ); [print('y' * 99) for _ in range(900)]; print('last')"
    )
    assert len(job.output) <= 32768 and job.output.endswith("last\n") and "first" not in job.output


def test_passwords_are_typed_on_stdin_where_no_terminal_is() -> None:
    script = "import getpass; print(len(getpass.getpass('sudo password: ')), len(getpass.getpass()))"
    assert "6 3\n" in ended(script, answers="secret\nabc\n").output


def test_one_command_runs_at_a_time_and_an_interrupted_one_ends_in_good_order() -> None:
    script = (
        "import time\ntry:\n print('runs')\n time.sleep(60)\nexcept KeyboardInterrupt:\n print('ended well'); exit(130)"
    )
    told: list[Job] = []
    jobs = Jobs(installation(script), told.append)
    jobs.interrupt()
    jobs.begin([])
    until(lambda: "runs" in told[-1].output, 20)
    with pytest.raises(Locked, match="a command runs already"):
        jobs.begin([])
    jobs.end()
    assert (told[-1].output, told[-1].status) == ("runs\nended well\n", 130)
    jobs.end()
    assert jobs.begin([]).number == 2
    jobs.end()


def test_a_command_heeds_an_interrupt_also_where_the_server_was_told_to_ignore_it() -> None:
    script = (
        "import sys, time\ntry:\n print('runs', *sys.argv[1:])\n time.sleep(60)\n"
        "except KeyboardInterrupt:\n print('ended well'); sys.exit(130)"
    )
    told: list[Job] = []
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        jobs = Jobs(installation(script), told.append)
        jobs.begin(["-H", "a b"])
        until(lambda: "runs" in told[-1].output, 20)
        jobs.interrupt()
        until(lambda: told[-1].status is not None, 20)
        assert (told[-1].output, told[-1].status) == ("runs -H a b\nended well\n", 130)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
