"""The scratch stores of a bench: a database that nobody needs, or a sentence that says what to do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from redis import Redis

from fabfile.errors import Problem
from fabfile.health.deadline import Open
from fabfile.health.scratch import MARK, Crawler, ScratchMySQL, ScratchRedis, free_database, make_databases, mark

from . import servers
from .redis_server import RedisServer, serving


def way(server: RedisServer, user: str | None = None, password: str | None = None) -> ScratchRedis:
    return ScratchRedis(opener(server.port), user, password, None)


def opener(port: int) -> Open:
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=10)


def test_the_last_database_is_taken_that_holds_nothing_and_has_no_clients(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert free_database(way(server), 0) == 15
        with Redis(port=server.port, db=15) as filled, Redis(port=server.port, db=14) as used:
            filled.set("a", "b")
            used.ping()
            assert free_database(way(server), 0) == 13
            assert free_database(way(server), 13) == 12
            filled.delete("a")


def test_where_redis_has_no_free_database_nothing_is_begun(tmp_path: Path) -> None:
    with serving(tmp_path, "--databases", "2") as server:
        assert free_database(way(server), 0) == 1
        with Redis(port=server.port, db=1) as other:
            other.set("theirs", "1")
            with pytest.raises(Problem) as error:
                free_database(way(server), 0)
            assert "no free database for the bench: of its 2 databases" in str(error.value)
            assert other.get("theirs") == b"1"


def test_a_user_of_redis_with_the_rights_of_a_cluster_is_enough(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        rights = "ACL SETUSER crawl on >secret resetkeys ~pyspider:* -@all +ping +select +info +client|list +set +get"
        server.client.execute_command(*rights.split())
        crawl = way(server, "crawl", "secret")
        assert free_database(crawl, 0) == 15
        mark(crawl, 15, "0a1b2c3d")


def test_of_two_benches_that_take_one_database_the_second_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        mark(way(server), 9, "0a1b2c3d")
        with pytest.raises(Problem, match="database 9 was taken by another bench"):
            mark(way(server), 9, "ffffffff")
        with Redis(port=server.port, db=9) as client:
            assert client.get(MARK) == b"0a1b2c3d" and 0 < client.ttl(MARK) <= 24 * 3600


def test_an_existing_mysql_that_refuses_the_databases_is_told_with_the_grant_that_is_needed() -> None:
    with servers.serving(servers.mysql(makes_none=(1044, "Access denied"))) as port, pytest.raises(Problem) as error:
        make_databases(ScratchMySQL(opener(port), "crawl", "secret-Pw1", None), ["pyspider_bench_0a1b2c3d_taskdb"])
    grant = "GRANT ALL PRIVILEGES ON `pyspider\\_bench\\_%`.* TO 'crawl'@'192.0.2.%'"
    assert f"as an administrator: {grant}; then run this again" in str(error.value)
    assert "secret" not in str(error.value)


def answering(answer: bytes) -> servers.Serve:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    return serve


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "does not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "no answer of XML-RPC"),
        (b"\x00\x01nonsense\r\n\r\n", "does not answer"),
    ],
)
def test_a_scheduler_that_gives_no_answer_is_a_sentence(answer: bytes, told: str) -> None:
    with servers.serving(answering(answer)) as port:
        none = opener(1)
        crawler = Crawler(ScratchMySQL(none, "u", "p", None), ScratchRedis(none, None, None, None), 9, {}, opener(port))
        with pytest.raises(Problem, match=told):
            crawler.call("size")
