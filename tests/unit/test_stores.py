"""Questions to the stores: every way of not being answered is one sentence, in time, without the password."""

from __future__ import annotations

import itertools
import random
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from fabfile.errors import Problem
from fabfile.health.deadline import MOST, Open
from fabfile.health.stores import mysql_report, redis_report, result_count, sample_results
from fabfile.inventory import TLS
from fabfile.inventory.roles import QUEUES

from .redis_server import serving as real_redis
from .redis_server import watching
from .servers import (
    DAY,
    FLAGS,
    OK,
    TLS_FLAG,
    Authority,
    Serve,
    greeting,
    mysql,
    packet,
    redis,
    refusal,
    secured,
    serving,
)

CANARY = "canary-Pw_1"
DATABASES = ("taskdb", "projectdb", "resultdb")
SECONDS = 0.4
SOON = 0.1
"""Enough for a server that answers at once; where it waits for more, its deadline is what is waited for."""
HERE = "127.0.0.1"


def tcp(address: str, port: int) -> Open:
    """A plain connection."""
    return lambda: socket.create_connection((address, port), timeout=10)


class Listen(Protocol):
    def __call__(self, *serves: Serve) -> Open: ...


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Starts a server on loopback that treats each connection as told."""
    with ExitStack() as held:

        def start(*serves: Serve) -> Open:
            return tcp("127.0.0.1", held.enter_context(serving(*serves)))

        yield start


def silent(connection: socket.socket) -> None:
    while connection.recv(100):
        pass
    connection.recv(1)


def trickling(connection: socket.socket) -> None:
    connection.sendall(b"\xff\xff\x00\x00")
    while True:
        connection.sendall(b"x")
        time.sleep(SECONDS / 5)


def closing(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def sshd(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    silent(connection)


@pytest.mark.parametrize(
    ("serve", "mysql", "redis_says"),
    [
        (silent, "MySQL did not answer within 0.4 s", "Redis did not answer within 0.4 s"),
        (trickling, "MySQL did not answer within 0.4 s", "Redis"),
        (closing, "MySQL ended the connection", "Redis ended the connection"),
        (sshd, "the server there is not MySQL", "Redis"),
    ],
)
def test_a_server_that_does_not_answer_properly_is_one_sentence_in_time(
    listen: Listen, serve: Serve, mysql: str, redis_says: str
) -> None:
    start = time.monotonic()
    first = mysql_report(listen(serve), "pyspider", CANARY, DATABASES, SECONDS)
    second = redis_report(listen(serve), CANARY, 0, seconds=SECONDS)
    # Far more than the deadlines, far less than a hang: a busy machine must not fail this.
    assert time.monotonic() - start < 4 * SECONDS + 20
    assert not first.ok and first.problem is not None and first.problem.startswith(mysql)
    assert not second.ok and second.problem is not None and second.problem.startswith(redis_says)
    assert first.databases == dict.fromkeys(DATABASES, False)
    assert CANARY not in repr(first) + repr(second)


def test_a_closed_port_and_a_tunnel_that_does_not_open_are_problems_and_not_errors() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = tcp("127.0.0.1", server.getsockname()[1])

    def no_tunnel() -> socket.socket:
        raise Problem("10.77.0.4:3306: no connection from node1")

    assert mysql_report(free, "u", CANARY, DATABASES).problem == "MySQL: no connection: connection refused"
    assert redis_report(free, CANARY).problem == "Redis: no connection: connection refused"
    assert mysql_report(no_tunnel, "u", CANARY, DATABASES).problem == "10.77.0.4:3306: no connection from node1"
    assert redis_report(no_tunnel, CANARY).problem == "10.77.0.4:3306: no connection from node1"


def test_a_healthy_redis_tells_its_queues(listen: Listen) -> None:
    report = redis_report(listen(redis(CANARY)), CANARY, 0)
    assert report.ok and report.problem is None
    assert (report.version, report.policy) == ("7.0.15", "noeviction")
    assert report.queues == {name: len(name) for name in QUEUES}


def test_a_redis_without_a_password_and_one_with_another_database_are_asked_too(listen: Listen) -> None:
    assert redis_report(listen(redis()), None, 3).ok


@pytest.mark.parametrize(
    ("serve", "problem"),
    [
        (redis("another"), "Redis refuses the password"),
        (redis(CANARY, policy="allkeys-lru"), "Redis throws queue entries away"),
        (redis(CANARY, role="slave"), "this Redis is a replica"),
        (
            redis(CANARY, info="redis_version:4.0.9\r\nrole:master\r\n"),
            "this is Redis 4.0.9, and the queues need one from 5",
        ),
    ],
)
def test_a_redis_that_would_lose_the_crawl_is_not_well(listen: Listen, serve: Serve, problem: str) -> None:
    report = redis_report(listen(serve), CANARY)
    assert not report.ok and report.problem is not None and report.problem.startswith(problem)
    assert CANARY not in report.problem


@pytest.mark.parametrize("password", [None, CANARY])
def test_a_sentinel_is_refused_with_the_reason(tmp_path: Path, password: str | None) -> None:
    with watching(tmp_path) as port:
        for db in (0, 3):
            report = redis_report(tcp(HERE, port), password, db)
            assert not report.ok and report.problem is not None
            assert report.problem.startswith("there is a Sentinel, which keeps no queues; name the master itself")


@pytest.mark.parametrize(
    ("options", "db", "slots", "words"),
    [
        (("--cluster-enabled", "yes"), 0, True, "this Redis runs in cluster mode"),
        (("--cluster-enabled", "yes"), 0, False, "this Redis runs in cluster mode"),
        (("--cluster-enabled", "yes"), 3, True, "this Redis runs in cluster mode"),
        (("--databases", "4"), 20, False, "this Redis has no database of that number"),
        (("--maxclients", "1"), 0, False, "Redis has as many clients as it takes"),
    ],
)
def test_a_redis_that_can_not_hold_the_queues_is_told_as_that(
    tmp_path: Path, options: tuple[str, ...], db: int, slots: bool, words: str
) -> None:
    with real_redis(tmp_path, *options) as server:
        if slots:
            server.client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        server.client.ping()
        report = redis_report(tcp(HERE, server.port), None, db)
    assert not report.ok and report.problem is not None and report.problem.startswith(words)


def test_valkey_tells_its_own_version(listen: Listen) -> None:
    info = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\nrole:master\r\n"
    assert redis_report(listen(redis(CANARY, info=info)), CANARY).version == "Valkey 8.1.1"


@pytest.mark.parametrize("project", ["", "a b", "x`; DROP TABLE y", "a.b"])
def test_a_project_name_is_checked_before_anything_is_asked(project: str) -> None:
    def never() -> socket.socket:
        raise AssertionError("it connected")

    with pytest.raises(Problem, match="no project name"):
        result_count(never, "u", CANARY, "resultdb", project)
    with pytest.raises(Problem, match="no project name"):
        sample_results(never, "u", CANARY, "resultdb", project)


def test_results_that_can_not_be_counted_raise_a_problem(listen: Listen) -> None:
    with pytest.raises(Problem, match="did not answer within"):
        result_count(listen(silent), "u", CANARY, "resultdb", "demo", seconds=SECONDS)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("ca"))


def asked_mysql(open: Open, tls: TLS | None = None, seconds: float = 5.0) -> str | None:
    """What is wrong with it; None where all is well."""
    report = mysql_report(open, "pyspider", CANARY, DATABASES, seconds, tls=tls)
    assert report.ok is (report.problem is None)
    assert CANARY not in repr(report)
    assert one_clean_line(report.problem) and one_clean_line(report.version)
    return report.problem


def asked_redis(open: Open, tls: TLS | None = None, seconds: float = 5.0) -> str | None:
    report = redis_report(open, CANARY, seconds=seconds, tls=tls)
    assert report.ok is (report.problem is None)
    assert CANARY not in repr(report)
    assert one_clean_line(report.problem) and one_clean_line(report.version + report.policy)
    return report.problem


def one_clean_line(text: str | None) -> bool:
    return text is None or (text.isprintable() and len(text) < 400)


def test_a_mysql_that_offers_tls_is_asked_without_it(listen: Listen, authority: Authority) -> None:
    assert asked_mysql(listen(mysql(authority.issued(HERE)))) is None
    assert result_count(listen(mysql(authority.issued(HERE))), "u", CANARY, "resultdb", "demo") == 42


def test_with_tls_the_certificate_is_checked_and_the_questions_are_answered(
    listen: Listen, authority: Authority
) -> None:
    tls = TLS(HERE, authority.pem)
    certificate = authority.issued(HERE)
    assert asked_mysql(listen(mysql(certificate, tls_only=True)), tls) is None
    assert result_count(listen(mysql(certificate)), "u", CANARY, "resultdb", "demo", tls=tls) == 42
    assert asked_redis(listen(secured(certificate, redis(CANARY))), tls) is None
    assert asked_mysql(listen(mysql(authority.issued("db.example", "*.b.example"))), TLS("c.b.example", tls.ca)) is None


CASES = [
    ("other name", "certificate is not for 127.0.0.1"),
    ("expired", "certificate has expired"),
    ("not yet", "certificate is not valid yet"),
    ("other ca", "certificate is not from the CA in stores."),
    ("system ca", "certificate is not from a CA that this machine knows"),
]


@pytest.mark.parametrize(("case", "sentence"), CASES)
def test_a_certificate_that_proves_nothing_is_one_sentence(
    listen: Listen, authority: Authority, tmp_path: Path, case: str, sentence: str
) -> None:
    certificate = {
        "other name": lambda: authority.issued("192.0.2.1", "db.example"),
        "expired": lambda: authority.issued(HERE, begins=-2 * DAY, ends=-DAY),
        "not yet": lambda: authority.issued(HERE, begins=DAY, ends=2 * DAY),
    }.get(case, lambda: authority.issued(HERE))()
    other = Authority.made(tmp_path, "another CA").pem
    tls = TLS(HERE, {"other ca": other, "system ca": None}.get(case, authority.pem))
    first = asked_mysql(listen(mysql(certificate)), tls)
    second = asked_redis(listen(secured(certificate, redis(CANARY))), tls)
    assert first and first.startswith(f"MySQL's {sentence}")
    assert second and second.startswith(f"Redis's {sentence}")


def test_a_ca_of_the_same_name_with_another_key_is_not_believed(
    listen: Listen, authority: Authority, tmp_path: Path
) -> None:
    tls = TLS(HERE, Authority.made(tmp_path).pem)
    problem = asked_mysql(listen(mysql(authority.issued(HERE))), tls)
    assert problem and "certificate is not from the CA in stores.mysql.ca" in problem


def test_a_server_without_tls_is_not_asked_where_tls_is_wanted(listen: Listen, authority: Authority) -> None:
    tls = TLS(HERE, authority.pem)
    assert "MySQL there offers no TLS" in (asked_mysql(listen(mysql()), tls) or "")
    assert "Redis there speaks no TLS" in (asked_redis(listen(redis(CANARY)), tls, seconds=3.0) or "")
    assert "Redis there speaks no TLS" in (asked_redis(listen(silent, redis(CANARY)), tls, seconds=1.0) or "")


def test_a_server_that_insists_on_tls_names_the_key_that_is_missing(listen: Listen, authority: Authority) -> None:
    certificate = authority.issued(HERE)
    for serve in (mysql(certificate, tls_only=True), mysql(certificate, refuses=(1045, "Access denied"))):
        assert "`tls = true`" in (asked_mysql(listen(serve)) or "")
    assert "`tls = true`" not in (asked_mysql(listen(mysql(refuses=(1045, "Access denied")))) or "")
    assert "`tls = true`" in (asked_redis(listen(secured(certificate, redis(CANARY)))) or "")
    assert "`tls = true`" in (asked_redis(listen(closing, secured(certificate, redis(CANARY)))) or "")


def test_a_handshake_that_hangs_has_the_deadline_of_all_the_rest(listen: Listen, authority: Authority) -> None:
    tls = TLS(HERE, authority.pem)
    start = time.monotonic()
    assert asked_mysql(listen(sends(TLS_HELLO)), tls, SECONDS) == f"MySQL did not answer within {SECONDS:g} s"
    assert asked_redis(listen(silent), tls, SECONDS) == f"Redis did not answer within {SECONDS:g} s"
    assert time.monotonic() - start < 2 * SECONDS + 20


def test_a_redis_that_wants_a_certificate_of_its_clients_says_so(
    listen: Listen, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(authority.pem)
    serve = secured(authority.issued(HERE), redis(CANARY), of_clients=tmp_path / "ca.pem")
    assert "wants a certificate of its clients" in (asked_redis(listen(serve), TLS(HERE, authority.pem)) or "")


def sends(*parts: bytes, waits: bool = True) -> Serve:
    """Sends each part after something was received, the first at once."""

    def serve(connection: socket.socket) -> None:
        for number, part in enumerate(parts):
            if number and not connection.recv(1 << 16):
                return
            connection.sendall(part)
        if waits:
            silent(connection)

    return serve


HELLO, TLS_HELLO = greeting(), greeting(FLAGS | TLS_FLAG)
SWITCH = b"\xfe%s\0saltsaltsaltsaltsalt\0"
WRONG_MYSQL = {
    "nothing": b"",
    "empty packet": packet(0, b""),
    "zeros": bytes(100),
    "half a greeting": HELLO[: len(HELLO) // 2],
    "wrong sequence": packet(7, HELLO[4:]),
    "old protocol": packet(0, b"\x09" + HELLO[5:]),
    "an error at once": refusal(1040, "Too many connections", 0),
    "an error without text": packet(0, b"\xff"),
    "http": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "redis": b"-ERR unknown command\r\n",
    "tls alert": b"\x15\x03\x03\x00\x02\x02\x46",
    "long version": greeting(version=b"\x1b[31m" + b"x" * 5000),
    "no utf-8": greeting(plugin=b"\xff\xfe\xfd"),
}
AFTER_THE_GREETING = {
    "closed": None,
    "wrong sequence": packet(9, OK),
    "ok that is none": packet(2, b"\x00"),
    "unknown plugin": packet(2, SWITCH % b"parsec"),
    "plugin of bytes": packet(2, SWITCH % b"\xff\xff"),
    "clear password": packet(2, SWITCH % b"mysql_clear_password"),
    "dialog": packet(2, b"\xfedialog\0\x04Password: "),
    "old password": packet(2, b"\xfe"),
    "ed25519": packet(2, SWITCH % b"client_ed25519"),
    "more data": packet(2, b"\x01\x04"),
    "steering the terminal": refusal(1234, "\x1b[2J\n! redis: fine\r" + "x" * 9000),
    "local infile": packet(2, b"\xfb/etc/passwd"),
    "text that is no utf-8": packet(2, b"\xff\x01\x02#HY000\xff\xfe"),
    "endless packet": b"\xff\xff\xff\x02" + b"x" * 100,
}


@pytest.mark.parametrize("name", WRONG_MYSQL)
@pytest.mark.parametrize("waits", [True, False])
def test_a_mysql_that_begins_wrongly_is_one_sentence(listen: Listen, name: str, waits: bool) -> None:
    problem = asked_mysql(listen(sends(WRONG_MYSQL[name], waits=waits)), seconds=SOON)
    assert problem and "MySQL" in problem
    assert asked_mysql(listen(sends(WRONG_MYSQL[name], waits=waits)), TLS(HERE, None), seconds=SOON)


@pytest.mark.parametrize("name", AFTER_THE_GREETING)
def test_a_mysql_that_goes_on_wrongly_is_one_sentence(listen: Listen, name: str, authority: Authority) -> None:
    answer = AFTER_THE_GREETING[name]
    serve = sends(HELLO, answer) if answer else sends(HELLO, waits=False)
    problem = asked_mysql(listen(serve), seconds=SOON)
    assert problem and "MySQL" in problem
    garbled = sends(TLS_HELLO, answer or b"\x15\x03\x03\x00\x02\x02\x28")
    assert "MySQL" in (asked_mysql(listen(garbled), TLS(HERE, authority.pem), seconds=SOON) or "")


@pytest.mark.parametrize("name", ["unknown plugin", "clear password", "dialog", "ed25519"])
def test_a_way_to_log_in_that_pyspider_has_not_is_named_and_no_password_is_sent(listen: Listen, name: str) -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.sendall(HELLO)
        heard.append(connection.recv(1 << 16))
        connection.sendall(AFTER_THE_GREETING[name] or b"")
        heard.append(connection.recv(1 << 16))

    problem = asked_mysql(listen(serve), seconds=2.0)
    if name != "ed25519":
        assert problem and "log in in a way that pyspider can't" in problem
    assert not [one for one in heard if CANARY.encode() in one]


WRONG_REDIS = {
    "nothing": b"",
    "garbage": bytes(range(256)),
    "no utf-8": b"$3\r\n\xff\xfe\xfd\r\n",
    "a list": b"*1\r\n+OK\r\n",
    "deep lists": b"*1\r\n" * 50_000,
    "negative": b"$-5\r\n",
    "huge": b"$99999999999999999999\r\n",
    "no number": b":x\r\n",
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "mysql": HELLO,
    "steering the terminal": b"-\x1b[2J bad\x07" + b"x" * 9000 + b"\r\n",
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "ok for all": b"+OK\r\n" * 20,
    "null": b"$-1\r\n" * 20,
    "no permission": b"-NOPERM this user has no permissions\r\n",
}


@pytest.mark.parametrize("name", WRONG_REDIS)
@pytest.mark.parametrize("waits", [True, False])
def test_a_redis_that_answers_wrongly_is_one_sentence(listen: Listen, name: str, waits: bool) -> None:
    answer = WRONG_REDIS[name]
    for parts in ([answer], [b"", answer], [b"", b"+OK\r\n", answer]):
        problem = asked_redis(listen(sends(*parts, waits=waits)), seconds=SOON)
        assert problem and "Redis" in problem
    assert asked_redis(listen(sends(answer, waits=waits)), TLS(HERE, None), seconds=SOON)


def test_no_bytes_at_all_are_a_traceback(listen: Listen) -> None:
    chance = random.Random(4)
    good = HELLO + packet(2, OK) + packet(1, OK) * 3 + b"+OK\r\n$5\r\nrole:\r\n:1\r\n"
    for _, ask in itertools.product(range(40), (asked_mysql, asked_redis)):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 9)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert ask(listen(sends(bytes(data), waits=False)), seconds=SOON)


@pytest.mark.parametrize("head", [b"\xff\xff\xff\x00", b"$99999999999\r\n"])
def test_a_server_that_sends_without_end_fills_no_memory(listen: Listen, head: bytes) -> None:
    sent = 0

    def serve(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(head)
        numbers = itertools.count(1)
        while True:
            connection.sendall(bytes(0xFFFFFF))
            connection.sendall(b"\xff\xff\xff" + struct.pack("B", next(numbers) % 256))
            sent += 0xFFFFFF

    ask = asked_mysql if head[:1] != b"$" else asked_redis
    assert ask(listen(serve), seconds=60.0)
    assert sent < MOST + (64 << 20)
