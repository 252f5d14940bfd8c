"""The sinks of `fab watch`, against servers on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from fabfile.errors import Problem
from fabfile.inventory import Fleet
from fabfile.inventory.passwords import Password
from fabfile.inventory.watching import Mail
from fabfile.watch import units
from fabfile.watch.changes import Known, News
from fabfile.watch.delivery import Delivery
from fabfile.watch.metrics import Metrics, Snapshot
from fabfile.watch.outbox import Outbox
from fabfile.watch.sinks import Hook, Mailbox, Sink, beat, signature

from .servers import Authority, secured, serving
from .test_health import view, well

SECRET = "s3cret-token"
NEWS = News("new", "node2/processor1", "node2: processor1 is <FATAL> & away 中文", 1000.0)


@dataclass
class Web:
    """A server that notes what it is asked."""

    port: int
    status: int = 200
    answer: bytes = b'{"errcode":0,"errmsg":"ok"}'
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> Password:
        return Password(f"http://127.0.0.1:{self.port}/hook?access_token={SECRET}")


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def do_GET(self) -> None:
            found.asked.append(f"{self.command} {self.path}")
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found.answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["json", "dingtalk", "wecom", "slack", "plain"])
def test_each_kind_of_webhook_gets_its_own_shape(web: Web, kind: str) -> None:
    Hook(web.url, kind).send("demo", [NEWS], 0)
    (body,) = web.bodies
    text = f"NEW {NEWS.text}"
    if kind == "plain":
        assert text in body.decode()
        return
    data = json.loads(body)
    if kind == "json":
        assert data["cluster"] == "demo" and data["messages"][0]["subject"] == NEWS.subject and text in data["text"]
    elif kind == "slack":
        assert "NEW node2: processor1 is &lt;FATAL&gt; &amp; away 中文" in data["text"]
    else:
        assert data["msgtype"] == "text" and text in data["text"]["content"]


def test_a_robot_of_dingtalk_gets_a_signed_request(web: Web) -> None:
    Hook(web.url, "dingtalk", Password("SEC00")).send("demo", [NEWS], 0)
    query = parse_qs(urlsplit(web.asked[0]).query)
    stamp = query["timestamp"][0]
    wanted = hmac.new(b"SEC00", f"{stamp}\nSEC00".encode(), hashlib.sha256).digest()
    assert query["sign"] == [base64.b64encode(wanted).decode()] == [signature(Password("SEC00"), int(stamp))]
    assert abs(int(stamp) / 1000 - time.time()) < 60


def test_wecom_gets_no_more_than_it_takes(web: Web) -> None:
    hook = Hook(web.url, "wecom")
    many = Outbox().with_new([News("new", "k", "中" * 700, 0.0)] * 3)
    hook.send("demo", many.batch(hook.bytes_), 0)
    assert len(json.loads(web.bodies[0])["text"]["content"].encode()) <= 2048


@pytest.mark.parametrize("kind", ["dingtalk", "wecom"])
@pytest.mark.parametrize("answer", [b'{"errcode":310000,"errmsg":"keywords not in content"}', b"<html>", b"[]", b"{}"])
def test_a_robot_that_refuses_with_status_200_has_not_taken_it(web: Web, kind: str, answer: bytes) -> None:
    web.answer = answer
    with pytest.raises(Problem, match=r"refuses: errcode|none of such a robot"):
        Hook(web.url, kind).send("demo", [NEWS], 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 404, 500, 503])
def test_any_status_but_2xx_is_a_failure_and_shows_no_secret(web: Web, status: int) -> None:
    web.status, web.headers = status, {"Location": f"http://127.0.0.1:{web.port}/elsewhere"}
    with pytest.raises(Problem) as caught:
        Hook(web.url, "json").send("demo", [NEWS], 0)
    assert str(status) in str(caught.value) and SECRET not in repr(caught.value)
    assert len(web.asked) == 1, "a redirect would turn the message into a GET"


def refused() -> Password:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return Password(f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}")


def test_a_server_that_is_away_is_a_failure_in_one_sentence() -> None:
    with pytest.raises(Problem, match="connection refused") as caught:
        Hook(refused(), "json").send("demo", [NEWS], 0)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000])
def test_a_server_of_another_kind_is_a_failure(answer: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with serving(serve) as port, pytest.raises(Problem) as caught:
        Hook(Password(f"http://127.0.0.1:{port}/{SECRET}"), "json").send("demo", [NEWS], 0)
    assert SECRET not in str(caught.value) and "\n" not in str(caught.value)


def test_a_server_that_repeats_the_address_gives_no_secret_away(web: Web) -> None:
    target = f"/hook?access_token={SECRET}"
    web.answer = json.dumps({"errcode": 1, "errmsg": f"bad {target}"}).encode()
    with pytest.raises(Problem, match=r"errcode 1: bad /\*\*\*") as caught:
        Hook(web.url, "wecom").send("demo", [NEWS], 0)
    assert SECRET not in str(caught.value)


def test_a_silent_server_costs_its_time_limit() -> None:
    def serve(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with serving(serve) as port, pytest.raises(Problem, match="timed out"):
        Hook(Password(f"http://127.0.0.1:{port}/"), "json", seconds=0.3).send("demo", [NEWS], 0)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_server_that_trickles_its_answer_costs_twice_its_time_limit(
    head: bytes, secure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        with suppress(OSError):
            while not over.wait(0.05):
                connection.sendall(b"x")

    over, authority = threading.Event(), Authority.made(tmp_path)
    (tmp_path / "ca.pem").write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with serving(secured(authority.issued("127.0.0.1"), serve) if secure else serve) as port:
        hook = Hook(Password(f"http{'s' * secure}://127.0.0.1:{port}/{SECRET}"), "dingtalk", seconds=0.3)
        with pytest.raises(Problem, match="its answer has not ended after 1 s"):
            hook.send("demo", [NEWS], 0)
        over.set()


def test_the_heartbeat_is_a_get(web: Web) -> None:
    beat(web.url)
    assert web.asked == [f"GET /hook?access_token={SECRET}"]
    web.status = 500
    with pytest.raises(Problem, match="500"):
        beat(web.url)


@dataclass
class Post:
    """What an SMTP server was told."""

    commands: list[str] = field(default_factory=list)
    letters: list[bytes] = field(default_factory=list)
    refuses: str = ""
    """The command that it refuses, and with what."""


@contextmanager
def smtp(post: Post, *extensions: str, certificate: Path | None = None) -> Iterator[int]:
    """The port of an SMTP server that takes letters."""

    def serve(connection: socket.socket) -> None:
        stream = connection.makefile("rwb")

        def say(text: str) -> None:
            stream.write(f"{text}\r\n".encode())
            stream.flush()

        say("220 here")
        for raw in stream:
            line = raw.decode().strip()
            post.commands.append(line)
            word = line.split()[0].upper()
            if post.refuses and line.upper().startswith(post.refuses.split("|")[0]):
                say(post.refuses.split("|")[1])
            elif word == "EHLO":
                say("\r\n".join(f"250-{one}" for one in ("here", *extensions)))
                say("250 OK")
            elif word == "DATA":
                say("354 go on")
                post.letters.append(b"".join(iter(stream.readline, b".\r\n")))
                say("250 OK")
            elif word == "AUTH":
                say("235 welcome")
            else:
                say("221 bye" if word == "QUIT" else "250 OK")

    with serving(secured(certificate, serve) if certificate else serve) as port:
        yield port


def mailbox(port: int, tls: str = "none") -> Mailbox:
    mail = Mail(server="127.0.0.1", port=port, tls=tls, sender="watch@example.com", to=("night@example.com",))
    return Mailbox("night@example.com", mail, seconds=5)


def test_a_mail_tells_the_news() -> None:
    post = Post()
    with smtp(post) as port:
        mailbox(port).send("demo", [NEWS, News("gone", "node1", "node1: no answer", 1000.0, 90.0)], 2)
    letter = message_from_bytes(post.letters[0], policy=policy.default)
    assert letter["Subject"] == "[pyspider demo] 1 new, 1 over" and letter["To"] == "night@example.com"
    body = letter.get_content()
    assert f"NEW {NEWS.text}" in body and "OVER node1: no answer (it lasted 90 s)" in body and "2 older" in body


@pytest.mark.parametrize(
    ("refuses", "says"),
    [
        ("MAIL|550 no such sender", "550 no such sender"),
        ("RCPT|550 5.1.1 unknown user", "550 5.1.1 unknown user"),
        ("DATA|452 disk full", "452 disk full"),
    ],
)
def test_a_server_that_takes_no_mail_is_told_in_its_own_words(refuses: str, says: str) -> None:
    post = Post(refuses=refuses)
    with smtp(post) as port, pytest.raises(Problem, match=says):
        mailbox(port).send("demo", [NEWS], 0)


def test_without_starttls_at_the_server_nothing_is_sent() -> None:
    post = Post()
    with smtp(post) as port, pytest.raises(Problem, match=r"(?i)starttls"):
        mailbox(port, tls="starttls").send("demo", [NEWS], 0)
    assert post.letters == []


def with_login(port: int, tls: str) -> Mailbox:
    to = "night@example.com"
    mail = Mail(server="127.0.0.1", port=port, tls=tls, user="watch", sender="watch@example.com", to=(to,))
    return Mailbox(to, mail, Password(SECRET), seconds=5)


def trust(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    (authority.folder / "ca.pem").write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.folder / "ca.pem"))


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.2"])
def test_a_login_goes_to_a_server_that_proves_its_name_and_to_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    authority, post = Authority.made(tmp_path), Post()
    with smtp(post, "AUTH PLAIN", certificate=authority.issued(name)) as port:
        with pytest.raises(Problem, match="certificate verify failed") as caught:
            with_login(port, "tls").send("demo", [NEWS], 0)
        trust(authority, monkeypatch)
        if name == "127.0.0.1":
            with_login(port, "tls").send("demo", [NEWS], 0)
        else:
            with pytest.raises(Problem, match=r"not valid for '127\.0\.0\.1'"):
                with_login(port, "tls").send("demo", [NEWS], 0)
    assert len(post.letters) == (name == "127.0.0.1")
    assert any(one.startswith("AUTH ") for one in post.commands) is (name == "127.0.0.1")
    assert SECRET not in str(caught.value)


def test_a_password_that_the_server_refuses_is_told_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, post = Authority.made(tmp_path), Post(refuses="AUTH|535 5.7.8 wrong credentials")
    trust(authority, monkeypatch)
    with (
        smtp(post, "AUTH PLAIN", certificate=authority.issued("127.0.0.1")) as port,
        pytest.raises(Problem, match=r"535 5\.7\.8 wrong credentials") as caught,
    ):
        with_login(port, "tls").send("demo", [NEWS], 0)
    assert SECRET not in str(caught.value)


def test_no_password_is_sent_without_tls() -> None:
    post = Post()
    with smtp(post, "AUTH PLAIN") as port, pytest.raises(Problem, match=r"(?i)starttls"):
        with_login(port, "starttls").send("demo", [NEWS], 0)
    assert not any(one.startswith("AUTH") for one in post.commands)


def hooks(web: Web) -> list[Sink]:
    return [Hook(web.url, "json")]


def test_a_sink_that_is_down_gets_its_news_when_it_is_back(web: Web) -> None:
    web.status = 503
    delivery = Delivery("demo", hooks(web))
    delivery.put([NEWS])
    delivery.deliver()
    assert list(delivery.faults().faults) == ["watch@sinks/webhook"]
    delivery.put([News("gone", "node2/processor1", "x", 1060.0)])
    waiting = delivery.boxes()
    assert len(waiting["webhook"].waiting) == 2
    # The process ends; the next one goes on with the outboxes that were kept.
    web.status = 200
    later = {name: Outbox(box.waiting, box.dropped, box.failures) for name, box in waiting.items()}
    again = Delivery("demo", hooks(web), later)
    again.deliver()
    assert [one["kind"] for one in json.loads(web.bodies[-1])["messages"]] == ["new", "gone"]
    assert again.boxes() == {"webhook": Outbox()} and again.faults().faults == {}


def test_a_sink_that_hangs_delays_neither_the_look_nor_another_sink(web: Web) -> None:
    held = threading.Event()

    @dataclass(frozen=True)
    class Hanging:
        name: str = "hanging"
        bytes_: int = 1000

        def send(self, *_: object) -> None:
            held.wait(20)

    delivery = Delivery("demo", [Hanging(), *hooks(web)])
    delivery.put([NEWS])
    begun = time.monotonic()
    delivery.deliver(wait=0.5)
    delivery.deliver(wait=0.5)
    assert time.monotonic() - begun < 5 and len(web.bodies) == 1
    assert len(delivery.boxes()["hanging"].waiting) == 1
    held.set()


def test_the_heartbeat_that_fails_is_a_fault(web: Web) -> None:
    delivery = Delivery("demo", [])
    web.status = 500
    delivery.beat(web.url)
    assert list(delivery.faults().faults) == ["watch@sinks/heartbeat"]
    web.status = 200
    delivery.beat(web.url)
    assert delivery.faults().faults == {}


def snapshot(fleet: Fleet) -> Snapshot:
    known = {"node2/processor1": Known("x", 0, 0, told=True), "node3/fetcher1": Known("x", 0, 0)}
    return Snapshot(view(fleet, well(fleet)), known, None, {"webhook": 4}, 1000.0)


def test_prometheus_reads_the_file(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "pyspider.prom"
    old = os.umask(0o077)
    try:
        Metrics(snapshot(fleet)).write(path)
    finally:
        os.umask(old)
    lines = path.read_text().splitlines()
    for line in (
        'pyspider_healthy{cluster="demo"} 1.0',
        'pyspider_host_seen{cluster="demo",host="node2"} 1.0',
        'pyspider_program_running{cluster="demo",host="node2",program="processor2"} 1.0',
        'pyspider_faults{area="node2",cluster="demo"} 1.0',
        'pyspider_watch_waiting{cluster="demo",sink="webhook"} 4.0',
        'pyspider_store_ok{cluster="demo",store="mysql"} 1.0',
    ):
        assert line in lines
    assert path.stat().st_mode & 0o044 == 0o044, "the collector is another user"


def test_of_a_host_that_was_not_seen_no_program_is_told(fleet: Fleet, tmp_path: Path) -> None:
    hosts = well(fleet)
    gone = hosts["node2"]
    hosts["node2"] = type(gone)(gone.host, gone.wanted, False, "no answer")
    Metrics(Snapshot(view(fleet, hosts))).write(tmp_path / "a.prom")
    text = (tmp_path / "a.prom").read_text()
    assert 'host_seen{cluster="demo",host="node2"} 0.0' in text and 'host="node2",program' not in text
    assert 'pyspider_healthy{cluster="demo"} 0.0' in text


def test_prometheus_asks_the_port_on_loopback(fleet: Fleet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Problem, match=rf"127\.0\.0\.1:{port}: address already in use"):
            Metrics().serve(port)
    metrics = Metrics()
    metrics.serve(port)
    metrics.last = snapshot(fleet)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert 'pyspider_healthy{cluster="demo"} 1.0' in answer.read().decode()


def test_a_file_that_can_not_be_written_is_a_problem(fleet: Fleet, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"watch\.prometheus\.file: .*no such file"):
        Metrics(snapshot(fleet)).write(tmp_path / "away" / "a.prom")


def test_the_unit_and_the_crontab_line_survive_odd_paths(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    odd = replace(fleet, path=tmp_path / "my $x 50% hosts.toml")
    unit, line = units.unit(odd), units.crontab(odd).splitlines()[1]
    assert re.search(r'^Environment="HOSTS_TOML=.*/my \$x 50%% hosts\.toml"$', unit, re.MULTILINE)
    assert "Restart=always" in unit and re.search(r'^ExecStart=".*fab" watch$', unit, re.MULTILINE)
    assert line.startswith("* * * * * HOSTS_TOML='") and "50\\% hosts.toml' flock -n " in line


def test_a_path_that_no_unit_can_hold_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(Problem, match="rename it"):
        units.unit(replace(fleet, path=tmp_path / "a\nb.toml"))
