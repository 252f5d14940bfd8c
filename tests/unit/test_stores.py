"""Questions to the stores: every way of not being answered is one sentence, in time, without the password."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from fabfile.deadline import Open
from fabfile.errors import Problem
from fabfile.stores import QUEUES, mysql_report, redis_report, result_count, sample_results, tcp

CANARY = "canary-Pw_1"
DATABASES = ("taskdb", "projectdb", "resultdb")
SECONDS = 0.4
Serve = Callable[[socket.socket], None]
Listen = Callable[[Serve], Open]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Starts a server on loopback that treats each connection as told."""
    servers: list[socket.socket] = []

    def start(serve: Serve) -> Open:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run() -> None:
            try:
                connection, _ = server.accept()
                with connection:
                    serve(connection)
            except OSError:
                pass

        threading.Thread(target=run, daemon=True).start()
        return tcp("127.0.0.1", server.getsockname()[1])

    yield start
    for server in servers:
        server.close()


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


def redis(password: str | None = None, policy: str = "noeviction", role: str = "master") -> Serve:
    """Enough of Redis for the questions that are asked."""

    def serve(connection: socket.socket) -> None:
        stream = connection.makefile("rwb")
        while head := stream.readline():
            words = [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]
            info = f"redis_version:7.0.15\r\nmaxmemory_policy:{policy}\r\nrole:{role}\r\n".encode()
            match words:
                case [b"AUTH", given] if given.decode() != password:
                    answer = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
                case [b"INFO"]:
                    answer = b"$%d\r\n%s\r\n" % (len(info), info)
                case [b"LLEN", name]:
                    answer = b":%d\r\n" % len(name)
                case _:
                    answer = b"+OK\r\n"
            stream.write(answer)
            stream.flush()

    return serve


@pytest.mark.parametrize(
    ("serve", "mysql", "redis_says"),
    [
        (silent, "MySQL did not answer within 0.4 s", "Redis did not answer within 0.4 s"),
        (trickling, "MySQL did not answer within 0.4 s", "Redis"),
        (closing, "MySQL ended the connection", "Redis ended the connection"),
        (sshd, "what listens there is not MySQL", "Redis"),
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
    ],
)
def test_a_redis_that_would_lose_the_crawl_is_not_well(listen: Listen, serve: Serve, problem: str) -> None:
    report = redis_report(listen(serve), CANARY)
    assert not report.ok and report.problem is not None and report.problem.startswith(problem)
    assert CANARY not in report.problem


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
