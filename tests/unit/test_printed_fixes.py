"""Each fix that doctor prints is typed by a test, on our own hosts and on hosts made by hand, or is told here why not.

tests/typed.py tells the commands of a fix; the tests on hosts type them, and hear nothing more of that check.
"""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from fabfile.doctor.checks import CHECKS
from fabfile.doctor.findings import Check, findings
from fabfile.inventory import TLS, Fleet

from ..e2e import (
    hand_faults,
    own_faults,
    test_doctor_machine,
    test_doctor_mysql,
    test_doctor_network,
    test_printed_fixes,
    test_systemd,
)
from ..e2e.faults import MENDS, Fault
from ..typed import commands
from .patients import Answer, both, set_in, view
from .redis_server import RedisServer, serving
from .servers import Authority

ONE_BY_ONE: list[Fault] = [
    *own_faults.FAULTS,
    *test_doctor_machine.FAULTS,
    *test_doctor_mysql.FAULTS,
    *test_doctor_network.FILTERS,
    *test_doctor_network.SITES,
]


def _typed(fault: Fault) -> bool:
    return fault.typed == "instead" or (fault.mend != MENDS and fault.typed != "no")


PRINTS = {check.id for check in CHECKS if commands(check.fix)}
OWN = {one.id for one in ONE_BY_ONE if _typed(one) and one.id in PRINTS} | {
    one.id for faults in test_printed_fixes.TOGETHER.values() for one in faults
}
BY_HAND = {one.id for faults in hand_faults.TOGETHER.values() for one in faults}
ELSEWHERE = {
    "exposed": "test_doors.py types step.firewall",
    "failing": "test_working.py looks at the log",
    "foreign-conf": "test_strangers.py names another path first",
    "mysql-cext": "test_doctor_machine.py, with the wheel that has the C extension",
    "mysql-charset": "test_doctor_mysql.py, after an emoji was refused",
    "mysql-tls": "test_tls.py",
    "passwords-half-changed": "test_rotating.py, after a rotation that could not reach a host",
    "phantomjs-leaking": "test_doctor_machine.py, after a page that hoards",
    "restarting": "test_working.py looks at the log",
    "supervisord-outside": "test_systemd.py",
    "unit-changed": "test_systemd.py",
}
"""Typed on our own hosts by tests that have no table of faults."""

SENTENCES = {
    "unreachable": "nothing can be typed on a host that nobody gets to",
    "unseen": "the reason is only known when it happens",
    "other-user": "whose processes these are is for a person to know; they are left alone",
    "site-unreachable": "the way out belongs to the network or the proxy, and a person chooses it",
    "clock": "which service keeps the clock is for a person to choose",
    "mysql-error": "the reason is in the words of MySQL, and for its owner to mend",
    "redis-error": "the reason is in the words of Redis, and for its owner to mend",
    "redis-max-clients": "how many clients there may be is for the owner of Redis to say",
    "redis-forbidden": "the rights of a user are their administrator's to give, in Redis",
    "other-cluster": "one of two clusters has to go; a person chooses which",
}
"""No command is printed for these, on any host."""
NOT_CAUSED = {
    "fatal-after-outage": "our programs wait for a store and never give up; the command is that of `stopped`",
    "hung": "a program has to be silent for a minute; the command is that of `rpc-mute`",
    "tasks-lost": "a scheduler has to be silent for five minutes; the command is that of `rpc-mute`",
    "selinux-denied": "no host of the tests has SELinux",
    "redis-old": "deploy refuses such an address before a program meets it; the command is that of mysql-tls",
    "redis-cluster": "deploy refuses such an address before a program meets it; the command is that of mysql-tls",
    "redis-db-number": "deploy refuses such an address before a program meets it; the command is that of mysql-tls",
    "redis-sentinel": "deploy refuses such an address before a program meets it; the command is that of mysql-tls",
    "redis-tls": "the Redis that bootstrap sets up has no TLS; the command is that of mysql-tls",
}
"""Faults that no test causes on our own hosts, or not in a test's time."""

_SAME = "the same words as on our own hosts"
_ENDED = "a program that has read such a file has ended: none is left to be restarted, and its supervisord tries again"
_OURS = "only where a deploy has been"
NOT_BY_HAND = {
    **SENTENCES,
    "bare": "a host without Python has been set up by nobody",
    "not-set-up": "a host that somebody has set up by hand is set up",
    "foreign-conf": "all of it is somebody else's there",
    "watcher-gone": _OURS,
    "supervisord-outside": _OURS,
    "unit-changed": _OURS,
    "passwords-half-changed": _OURS,
    "put-aside": "pyspider's own programs put nothing aside",
    "supervisor-mismatch": "the words are those on our own hosts, or the restart that is typed for nofile",
    "restarting": _SAME,
    "failing": _SAME,
    "firewall": _SAME,
    "resolver": _SAME,
    "ca-bundle": _SAME,
    "mysql-charset": _SAME,
    "disk-full": _SAME,
    "inodes": _SAME,
    "memory": _SAME,
    "hung": "a program has to be silent for a minute; the command is that of `rpc-mute`",
    "tasks-lost": "a scheduler has to be silent for five minutes; the command is that of `rpc-mute`",
    "queue-stuck": "its consumer has to be silent for a minute; the command is that of `rpc-mute`",
    "config-unreadable": _ENDED,
    "config-password": _ENDED,
    "config-address": _ENDED,
    "mysql-refused": "how MySQL is started there, and where it listens, is its owner's",
    "mysql-denied": "the password is its owner's",
    "mysql-max-connections": "one that is full has to be started again, as its owner does",
    "mysql-version": "which plugin its user gets is its owner's choice",
    "mysql-tls": "the certificates are their owner's",
    "redis-refused": "how Redis is started there, and where it listens, is its owner's",
    "redis-noauth": "the password is its owner's",
    "selinux-denied": "no host of the tests has SELinux",
    "redis-old": _OURS,
    "redis-cluster": "another Redis is for its owner to set up",
    "redis-db-number": "which number is free there is for its owner to say",
    "redis-sentinel": "where the master is, is for its owner to say",
    "redis-tls": "the certificates are their owner's",
    "phantomjs-down": "the cluster made by hand has none; the command is that of rpc-down",
    "phantomjs-leaking": "the cluster made by hand has none; the command is that of rpc-mute",
    "phantomjs-501": "the cluster made by hand has none; the command is that of rpc-wrong",
    "mysql-cext": "the wheel with the C extension is not among the pins; pip is typed for pins",
    "root-owned": "where root starts supervisord, files of root's are as they should be",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_its_commands_are_typed_on_our_own_hosts_or_a_reason_is_given(check: Check) -> None:
    typed = check.id in OWN or check.id in ELSEWHERE
    assert typed != (check.id in SENTENCES or check.id in NOT_CAUSED), f"{check.id}: exactly one of both"
    assert bool(commands(check.fix)) != (check.id in SENTENCES) or check.id in ("restarting", "failing")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_its_commands_are_typed_on_a_host_made_by_hand_or_a_reason_is_given(check: Check) -> None:
    assert (check.id in BY_HAND) != (check.id in NOT_BY_HAND), f"{check.id}: exactly one of both"
    commands(check.foreign_fix)


def test_no_name_in_these_tables_is_of_a_check_that_is_gone() -> None:
    known = {check.id for check in CHECKS}
    assert known >= OWN | BY_HAND
    assert known >= {*ELSEWHERE, *SENTENCES, *NOT_CAUSED, *NOT_BY_HAND}
    assert {one.id for one in test_systemd.FAULTS} >= {"supervisord-outside", "unit-changed"}


@pytest.mark.parametrize(
    ("fix", "wanted"),
    [
        ("fab -H n deploy, then fab -H n reload", [("", "fab -H n deploy"), ("", "fab -H n reload")]),
        ("read the log; then fab -H n deploy", [("", "fab -H n deploy")]),
        ("x, then on n as root (y): a; b | c", [("n", "a; b | c")]),
        ("x, then on n as root: a; b, then on m as root: c", [("n", "a; b"), ("m", "c")]),
        ("x, then, in MySQL: SET a = 'b'", [("MySQL", "SET a = 'b'")]),
        ("x, then, in Redis (redis-cli -n 1 --askpass): DEL (a)", [("Redis", "DEL (a)")]),
        ("fab -H n run 'kill 7', then on n as root: c", [("", "fab -H n run 'kill 7'"), ("n", "c")]),
        ("`fab status` tells which it is", []),
    ],
)
def test_a_fix_is_taken_apart_as_it_is_read(fix: str, wanted: list[tuple[str, str]]) -> None:
    assert [(one.where, one.words) for one in commands(fix)] == wanted


@pytest.mark.parametrize("fix", ["fab bootstrap (starts it), then fab deploy", "run fab deploy or fab reload"])
def test_a_command_that_could_not_be_typed_as_it_stands_is_told(fix: str) -> None:
    with pytest.raises(AssertionError, match="can't be typed"):
        commands(fix)


def by_hand(fleet: Fleet, change: Any, id: str) -> str:
    """The shell that is printed for one fault of a host that somebody set up by hand."""
    me = getpass.getuser()
    mine = both(set_in("ours", False), set_in("layout/user", me), set_in("daemons/0/user", me))
    (one,) = [one for one in findings(view(fleet, {"node2": both(mine, change)}), CHECKS) if one.id == id]
    (command,) = commands(one.fix)
    return command.words


def typed(words: str) -> None:
    subprocess.run(["sh", "-c", words], capture_output=True, check=False, timeout=20)


NAMES = ["a/b", "a.b", "a+b", "(a|b)?", "a{2}", "[a]", "a*^$", "a\\b", "a b's", "a&b"]


@pytest.mark.parametrize("name", NAMES)
def test_a_section_of_any_name_is_taken_out_and_no_other(fleet: Fleet, tmp_path: Path, name: str) -> None:
    conf = tmp_path / "my conf"
    like = "[program:aab]\ncommand=/bin/true\n"
    conf.write_text(f"{like}[program:{name}]\ncommand=x\n# a comment\n\n[program:axb]\ncommand=y\n")

    def second(seen: Answer) -> None:
        seen["components"].append(seen["components"][0] | {"role": "scheduler", "name": "extra"})
        section = {"name": "extra", "role": "scheduler", "words": [], "section": name, "file": str(conf)}
        seen["conf"]["programs"].append(section)

    shell = by_hand(fleet, second, "two-schedulers")
    typed(shell.partition("; ")[0])
    assert conf.read_text() == f"{like}[program:axb]\ncommand=y\n"


def test_a_file_that_everybody_reads_is_closed_and_a_link_in_its_place_is_not_followed(
    fleet: Fleet, tmp_path: Path
) -> None:
    config, other = tmp_path / "config.json", tmp_path / "other"
    for path in (config, other):
        path.touch()
        path.chmod(0o644)
    seen = both(set_in("asked/0/file/mode", 0o644), set_in("asked/0/file/path", str(config)),
                lambda answer: [one.update(user="root") for one in answer["components"]])  # fmt: skip
    shell = by_hand(fleet, seen, "exposed")
    typed(shell)
    assert config.stat().st_mode & 0o777 == 0o600
    config.unlink()
    config.symlink_to(other)
    typed(shell)
    assert other.stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.getuid() != 0, reason="the command is one for root")
def test_a_socket_that_is_denied_is_opened_and_a_link_in_its_place_is_not_followed(
    fleet: Fleet, tmp_path: Path
) -> None:
    path, other = tmp_path / "s.sock", tmp_path / "other"
    other.touch()
    other.chmod(0o644)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0)
        denied = both(set_in("socket", {"path": str(path), "owner": getpass.getuser(), "mode": 0, "kind": "socket"}),
                      set_in("socket_path", str(path)))  # fmt: skip
        shell = by_hand(fleet, denied, "socket-denied")
        typed(shell)
        assert path.stat().st_mode & 0o777 == 0o700
    path.unlink()
    path.symlink_to(other)
    typed(shell)
    assert other.stat().st_mode & 0o777 == 0o644


QUEUE = "fetcher2processor"
SECRET = "it's"
LOGINS: dict[str, tuple[str, dict[str, Any]]] = {
    "open": ("PING", {}),
    "password": (f'CONFIG SET requirepass "{SECRET}"', {"secret": True}),
    "user": (
        f'ACL SETUSER crawl on ">{SECRET}" ~* +select +eval +llen +rpop +lpush',
        {"secret": True, "user": "crawl"},
    ),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def queues(tmp_path: Path, authority: Authority) -> Iterator[tuple[RedisServer, int]]:
    """A Redis, and its port for TLS; each of its databases 0 and 1 has a message that was put aside."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    mine = str(authority.issued("127.0.0.1"))
    tls = ["--tls-port", str(port), "--tls-cert-file", mine, "--tls-key-file", mine, "--tls-ca-cert-file", mine]
    with serving(tmp_path, *tls, "--tls-auth-clients", "no") as server:
        for number in (0, 1):
            Redis(port=server.port, db=number).rpush(f"{QUEUE}:failed", b"KeyError\nmessage")
        yield server, port


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("login", LOGINS)
def test_messages_go_back_in_the_very_database_that_they_are_in(
    fleet: Fleet, queues: tuple[RedisServer, int], authority: Authority, login: str, tls: bool
) -> None:
    server, secured = queues
    command, address = LOGINS[login]
    one, zero = (Redis(port=server.port, db=number) for number in (1, 0))
    assert one.ping() and zero.ping()
    server.client.execute_command(*shlex.split(command))
    pem = authority.folder / "the ca.pem"
    pem.write_text(authority.pem)
    way = TLS("127.0.0.1", authority.pem, pem) if tls else None
    fleet = replace(fleet, stores=replace(fleet.stores, redis=replace(fleet.stores.redis, tls=way)))
    place = f"127.0.0.1:{secured}/1" if tls else f"this host:{server.port}/1"
    seen = both(
        set_in("asked/0/redis/aside", {QUEUE: [1, "KeyError"]}),
        set_in("asked/0/places/message_queue", place),
        lambda answer: answer["asked"][0]["config"]["message-queue"].update(address),
    )
    (found,) = [one for one in findings(view(fleet, {fleet.hosts[0].name: seen}), CHECKS) if one.id == "put-aside"]
    (printed,) = commands(found.fix)
    here = f"on {found.host}: "
    assert printed.client.startswith("redis-cli" if tls else here) and SECRET not in found.fix
    words = ["sh", "-c", f"{printed.client.removeprefix(here)} {printed.words}"]
    done = subprocess.run(words, input=f"{SECRET}\n", capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout == "1\n", done.stderr
    assert one.lrange(QUEUE, 0, -1) == [b"message"] and not one.exists(f"{QUEUE}:failed")
    assert zero.llen(f"{QUEUE}:failed") == 1 and not zero.exists(QUEUE)
