"""Doctor's checks: tables of what was seen on the hosts, and what is found in it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from fabfile import plan
from fabfile.doctor import problems
from fabfile.doctor.checks import CHECKS, modules
from fabfile.doctor.checks.programs import last_error
from fabfile.doctor.checks.runtime import numbers
from fabfile.doctor.facts import Facts, parsed
from fabfile.doctor.findings import Finding, Patient, Unseen, View, findings
from fabfile.doctor.fix import Ownership, needs_stores, steps
from fabfile.doctor.known import unknown_keys
from fabfile.doctor.look import from_here
from fabfile.inventory import Fleet, Host
from fabfile.inventory.roles import QUEUES
from fabfile.steps.base import CannotLook, Found, Step, parts
from fabfile.steps.boot import Boot
from fabfile.steps.shell import as_user

from . import sights
from .patients import (
    BIN,
    CONF,
    CONFIG,
    RPC,
    SOCKET,
    Answer,
    both,
    diagnosis,
    facts_of,
    set_in,
    understood,
    view,
)


def state(index: int, text: str) -> Callable[[Answer], None]:
    return set_in(f"sight/programs/{index}/state", text)


DEAD = {"answers": False, "errno": 111, "why": "refused"}
GONE = both(
    set_in("sight/supervisord", DEAD), set_in("daemons", []), set_in("components", []), set_in("sight/programs", [])
)
ABSENT = both(GONE, set_in("sight/supervisord", DEAD | {"errno": 2}), set_in("socket", None))
DENIED = {"errno": 1045, "error": "1045 (28000): Access denied"}
LOST = {"errno": 2003, "error": "2003: Can't connect"}
OLD = set_in("asked/0/interpreter/version", [2, 6, 6])


STRANGE = {"error": "x"}
SHOP = {"pid": 50, "user": "root", "conf": CONF, "holds": "conf", "running": ["shop"]}
FILTERED = {"url": "http://x/", "methods": [], "error": "timed out", "kind": "silent", "tcp": "silent",
            "place": "10.77.0.11:23333"}  # fmt: skip


def mysqld(seen: Answer) -> None:
    seen["listeners"].append(
        {"address": "0.0.0.0", "port": 3306, "pid": 9, "name": "mariadbd", "line": [9], "waiting": 0}
    )


def site(code: int, says: str, *, named: bool = True) -> Answer:
    return {"code": code, "says": says, "named": named, "proxy": False}


def second(seen: Answer) -> None:
    """A second scheduler, which supervisord holds."""
    seen["components"].append(seen["components"][0] | {"role": "scheduler", "name": "extra"})
    seen["conf"]["programs"].append(
        {"name": "extra", "role": "scheduler", "words": [], "section": "extra", "file": "/etc/x.ini"}
    )


def typed(fix: str) -> str:
    """The part of a fix that is typed on the host."""
    return re.split(r" as root[^:]*: ", fix, maxsplit=1)[-1]


def test_a_store_that_refuses_everybody_is_one_finding_at_its_own_host(fleet: Fleet) -> None:
    away = both(set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", "refused"))
    denied = both(set_in("asked/0/mysql/taskdb", DENIED), state(1, "BACKOFF"))
    assert diagnosis(fleet, node1=away, node2=away, node3=away) == [("redis-refused", "node1")]
    assert diagnosis(fleet, node1=away, node3=away) == [("redis-refused", "node1"), ("redis-refused", "node3")]
    assert diagnosis(fleet, node1=denied, node2=denied, node3=denied) == [("mysql-denied", "node1")]


def test_the_key_and_the_sign_of_a_password_are_named(fleet: Fleet) -> None:
    bad = {"scheme": "redis", "bad": "its port is no number", "sign": "#"}
    (one,) = findings(view(fleet, {"node2": set_in("asked/0/config/message-queue", bad)}), CHECKS)
    assert "the password in message_queue holds '#'" in one.evidence


def test_roots_files_are_found_as_well_where_our_own_supervisord_is_dead(fleet: Fleet) -> None:
    # The configuration names the user, so that root may start it too; this project starts it as that user.
    owned = set_in("foreign", {"count": 1, "paths": [{"path": "/x", "owner": "root"}]})
    dead = both(GONE, owned, set_in("daemons", []), set_in("layout", {"user": "root"}))
    assert ("root-owned", "node2") in diagnosis(fleet, node2=dead)
    by_hand = both(dead, set_in("ours", False))
    assert ("root-owned", "node2") not in diagnosis(fleet, node2=by_hand)


def test_a_healthy_cluster_has_no_finding(fleet: Fleet) -> None:
    assert diagnosis(fleet) == []


NO_RULES = set_in("sight/firewall", None)
SUPERVISORD = {"address": "0.0.0.0", "port": 9001, "pid": 50, "name": "supervisord", "line": [50], "waiting": 0}


@pytest.mark.parametrize(
    ("host", "change"),
    [
        # Something in between drops what the host does not.
        ("node2", both(NO_RULES, set_in("doors", {24444: "silent"}))),
        ("node2", both(NO_RULES, set_in("doors", {24444: "closed"}))),
        ("node2", both(NO_RULES, set_in("ours", False))),
        ("node2", both(NO_RULES, lambda seen: seen["listeners"][0].update(address="127.0.0.1"))),
        ("node1", both(mysqld, lambda seen: seen["listeners"][-1].update(address="20.1.2.3"))),
        # run.py's own lock.
        ("node2", set_in("sight/firewall", {"mechanism": "none", "holds": True})),
        ("node2", set_in("sight/firewall", {"mechanism": "iptables", "holds": True})),
    ],
)
def test_a_closed_door_is_no_finding(fleet: Fleet, host: str, change: Callable[[Answer], None]) -> None:
    assert diagnosis(fleet, **{host: change}) == []


@pytest.mark.parametrize(
    ("host", "change", "wanted"),
    [
        ("node2", GONE, "socket-stale"),
        ("node2", ABSENT, "socket-missing"),
        ("node2", set_in("conf/ctl", "/tmp/supervisor.sock"), "socket-missing"),
        ("node2", both(GONE, set_in("sight/leftovers", [{"pid": 9, "name": "fetcher1"}])), "orphans"),
        ("node2", both(set_in("components/0/held", False), set_in("components/0/parent", 1)), "orphans"),
        ("node2", set_in("socket/owner", "root"), "socket-denied"),
        ("node2", set_in("conf/sections", ["supervisord", "unix_http_server"]), "conf-sections"),
        ("node2", lambda seen: seen["daemons"].append({"pid": 51, "user": "root", "conf": "/x"}), "two-supervisords"),
        ("node2", set_in("sight/supervisord", DEAD | {"errno": None}), "supervisord-hung"),
        ("node2", both(GONE, set_in("sight/foreign_conf", ["shop"])), "foreign-conf"),
        ("node2", both(set_in("sight/programs", []), set_in("sight/strangers", [SHOP])), "foreign-conf"),
        ("node2", second, "two-schedulers"),
        ("node1", set_in("webuis/0/kind", "empty"), "webui-empty-reply"),
        ("node1", both(set_in("webuis/0/kind", "empty"), OLD), "webui-empty-reply"),
        ("node1", set_in("listeners/1/port", 5999), "port-closed"),
        ("node1", both(set_in("listeners/1/pid", 9), set_in("listeners/1/line", [9])), "port-in-use"),
        ("node2", state(1, "BACKOFF"), "backoff"),
        ("node2", state(1, "STOPPED"), "stopped"),
        ("node2", lambda seen: seen["sight"]["programs"].pop(1), "stopped"),
        ("node2", set_in("logs/fetcher1/files/0/size", None), "log-missing"),
        ("node2", set_in("asked/0/broken", "No such file"), "interpreter"),
        ("node2", set_in("asked/0/interpreter/versions/click", "7.1.2"), "pins"),
        ("node2", set_in("asked/0/interpreter/versions/tornado", "5.0"), "pins"),
        ("node2", set_in("asked/0/interpreter/cext", True), "mysql-cext"),
        ("node2", set_in("asked/0/interpreter/curl_https", False), "pycurl-ssl"),
        ("node2", set_in("asked/0/interpreter/modules", {"ssl": "No module named _ssl", "pycurl": "x"}), "no-ssl"),
        ("node2", set_in("asked/0/config/taskdb/scheme", "sqlite+taskdb"), "island"),
        ("node2", set_in("asked/0/places/taskdb", "10.0.0.9:3306/taskdb"), "island"),
        ("node2", lambda seen: seen["asked"][0]["config"].pop("message-queue"), "island"),
        ("node2", set_in("asked/0/config/fetcher/pool-size", 9), "config-unknown-key"),
        ("node2", set_in("asked/0/config/message-queue/path", "db"), "config-redis-db"),
        ("node2", both(set_in("asked/0/config/taskdb/odd_password", True), set_in("asked/0/mysql/taskdb", DENIED)),
         "config-password"),
        ("node2", set_in("asked/0/config/taskdb", {"scheme": "mysql+taskdb", "bad": "its port", "sign": "/"}),
         "config-password"),
        ("node2", set_in("asked/0/config/message-queue",
                         {"scheme": "redis", "host": "h", "path": "0", "bad": "the address has no port"}),
         "config-address"),
        ("node2", both(set_in("conf/sections", ["supervisord", "unix_http_server", "supervisorctl"]),
                       set_in("sight/supervisord", DEAD | {"errno": None})), "conf-sections"),
        ("node1", set_in("listeners/1/address", "127.0.0.1"), "port-closed"),
        ("node2", set_in("asked/0/mysql/taskdb", DENIED), "mysql-denied"),
        *(("node2", set_in("asked/0/mysql/taskdb", {"errno": number, "error": f"{number}: x"}), found)
          for found, numbers in {"mysql-denied": (1820, 1862, 3118, 4151), "mysql-max-connections": (1203, 1226, 1040),
                                 "mysql-error": (1290, 3024, 1030, 4031)}.items() for number in numbers),
        ("node2", both(set_in("asked/0/mysql/taskdb", LOST), state(1, "BACKOFF")), "mysql-refused"),
        # A web UI that waits for a store answers nobody.
        ("node1", both(set_in("asked/0/mysql/taskdb", LOST), set_in("webuis/0/kind", "empty")), "mysql-refused"),
        ("node1", set_in("asked/0/mysql/taskdb/connected", 490), "mysql-max-connections"),
        ("node1", set_in("asked/0/mysql/resultdb/max_allowed_packet", 65536), "mysql-packet"),
        ("node2", both(set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", "refused")), "redis-refused"),
        ("node2", both(set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", "NOAUTH")), "redis-noauth"),
        ("node2", both(set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", "tls")), "redis-tls"),
        *(("node2", both(set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", code)), found)
          for code, found in {"cluster": "redis-cluster", "full": "redis-max-clients", "db": "redis-db-number",
                              "error": "redis-error"}.items()),
        ("node2", set_in("denials", ["systemd may not execute /opt/pyspider/boot/x"]), "selinux-denied"),
        ("node2", both(set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", "sentinel")),
         "redis-sentinel"),
        ("node2", both(set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", "NOPERM")), "redis-forbidden"),
        ("node2", both(set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", "old")), "redis-old"),
        ("node2", both(set_in("asked/0/mysql/taskdb", STRANGE | {"errno": 2026}), state(1, "BACKOFF")), "mysql-tls"),
        ("node1", set_in("asked/0/redis/policy", "allkeys-lru"), "redis-evicting"),
        ("node1", set_in("asked/0/redis/clients", ["192.0.2.9"]), "other-cluster"),
        ("node1", both(set_in("asked/0/redis/queues/newtask_queue", 100), lambda seen: seen["components"].pop(0)),
         "queue-stuck"),
        ("node1", set_in("asked/0/rpc/scheduler/methods", RPC["fetcher"]), "rpc-wrong"),
        ("node1", set_in("asked/0/rpc/scheduler", {"url": "http://x/", "methods": [], "error": "x", "kind": "silent"}),
         "rpc-down"),
        ("node2", set_in("asked/0/phantomjs/error", "timed out"), "phantomjs-down"),
        ("node2", lambda seen: seen["asked"][0]["config"].pop("phantomjs-proxy"), "phantomjs-501"),
        ("node2", set_in("disks/0/free", 1 << 20), "disk-full"),
        ("node2", set_in("disks/0/inodes_free", 10), "inodes"),
        ("node2", set_in("logs/fetcher1/files/0/size", 2 << 30), "log-size"),
        ("node2", set_in("components/0/nofile", 256), "nofile"),
        ("node2", set_in("clock_off", 3600.0), "clock"),
        ("node2", set_in("foreign", {"count": 1, "paths": [{"path": "/x", "owner": "root"}]}), "root-owned"),
        ("node2", set_in("asked/0/file/mode", 0o644), "exposed"),
        ("node1", set_in("webuis/0/status", 200), "exposed"),
        ("node2", set_in("conf/inet", {"port": "*:9001", "password": False}), "exposed"),
        ("node1", both(NO_RULES, mysqld, lambda seen: seen["listeners"][-1].update(address="20.1.2.3")), "exposed"),
        ("node1", both(NO_RULES, lambda seen: seen["listeners"][0].update(address="20.1.2.3")), "exposed"),
        ("node1", both(set_in("doors", {3306: "answered"}), mysqld), "exposed"),
        ("node2", set_in("doors", {24444: "answered"}), "exposed"),
        ("node2", set_in("sight/firewall", {"mechanism": "nftables", "holds": False}), "exposed"),
        ("node2", NO_RULES, "exposed"),
        ("node1", both(set_in("sight/firewall", {"mechanism": "none", "holds": True}), mysqld), "exposed"),
        ("node3", set_in("sight/firewall", {"mechanism": "none", "holds": True}), "exposed"),
        ("node2", set_in("boot", []), "no-boot-unit"),
        ("node2", set_in("sight/watcher", {"pids": [], "digest": ""}), "watcher-gone"),
        ("node2", lambda seen: seen["listeners"].append(SUPERVISORD), "exposed"),
        ("node2", set_in("memory", {"bytes": 8 << 30, "free": 20 << 20}), "memory"),
        ("node3", set_in("components/0/kb", 1100 << 10), "phantomjs-leaking"),
        ("node2", set_in("clients", [{"path": "/usr/bin/supervisorctl", "status": 5, "says": "x", "beside": "/y"}]),
         "supervisor-mismatch"),
        ("node1", set_in("from_here", {5000: "silent"}), "firewall"),
        ("node1", set_in("from_here", {5000: "refused"}), "firewall"),
        ("node1", both(set_in("asked/0/mysql/taskdb", LOST | {"tcp": "silent"}), mysqld), "firewall"),
        ("node1", both(set_in("asked/0/rpc/scheduler", FILTERED), mysqld), "firewall"),
        ("node1", set_in("asked/0/mysql/taskdb", LOST | {"tcp": "refused"}), "mysql-refused"),
        ("node2", set_in("asked/0/site", site(6, "Could not resolve host")), "resolver"),
        ("node2", set_in("asked/0/site", site(28, "Resolving timed out", named=False)), "resolver"),
        ("node2", set_in("asked/0/site", site(60, "self-signed certificate")), "ca-bundle"),
        ("node2", set_in("asked/0/site", site(28, "Connection timed out")), "site-unreachable"),
        ("node2", set_in("asked/0/site", site(7, "Connection refused")), "site-unreachable"),
        ("node1", set_in("asked/0/mysql/taskdb/charsets", [["demo", "latin1"]]), "mysql-charset"),
        ("node2", set_in("asked/0/mysql/taskdb", STRANGE | {"errno": -1}), "mysql-version"),
        ("node2", set_in("asked/0/mysql/taskdb", STRANGE | {"errno": 1251}), "mysql-version"),
        ("node2", set_in("asked/0/mysql/taskdb", STRANGE | {"errno": 2059}), "mysql-version"),
        ("node2", set_in("asked/0/mysql/taskdb", STRANGE | {"errno": None}), "mysql-version"),
        ("node1", set_in("asked/0/mysql/taskdb/version", "5.1.73-log"), "mysql-version"),
    ],
)  # fmt: skip
def test_one_fault_is_one_finding(fleet: Fleet, host: str, change: Callable[[Answer], Any], wanted: str) -> None:
    assert set(diagnosis(fleet, **{host: change})) == {(wanted, host)}


@pytest.mark.parametrize("version", ["5.5.3", "5.7.44", "8.4.2", "5.5.5-10.11.6-MariaDB-log", "5.1.9-MariaDB"])
def test_a_server_that_the_connector_understands_is_no_finding(fleet: Fleet, version: str) -> None:
    assert diagnosis(fleet, node1=set_in("asked/0/mysql/taskdb/version", version)) == []


def test_three_byte_tables_are_a_finding_only_after_an_emoji_was_refused(fleet: Fleet) -> None:
    narrow = set_in("asked/0/mysql/projectdb/charsets", [["projectdb", "utf8mb3"]])
    assert diagnosis(fleet, node1=narrow) == []
    line = r"DataError: 1366 (22007): Incorrect string value: '\xF0\x9F\x98\x80' for column `script`"
    refused = both(narrow, set_in("logs/webui1/tail", [line]))
    (one,) = findings(view(fleet, {"node1": refused}), CHECKS)
    assert one.id == "mysql-charset"
    assert "ALTER TABLE `projectdb`.`projectdb` CONVERT TO CHARACTER SET utf8mb4;" in one.fix


@pytest.mark.parametrize(
    ("line", "ours", "words"),
    [
        ("ImportError: No module named shop.results", True, "put shop into /home/work/distri_pyspider on node2"),
        ("ModuleNotFoundError: No module named 'shop'", True, "put shop into"),
        ("ImportError: No module named shop", False, "put shop where /opt/pyspider/current/bin/python looks for it"),
        ("ImportError: No module named tornado.gen", True, "read the log"),
        ("ImportError: No module named sqlite3", True, "read the log"),
        ("ImportError: cannot import name escape", True, "read the log"),
    ],
)
def test_a_module_of_the_users_own_is_no_fault_of_the_runtime(fleet: Fleet, line: str, ours: bool, words: str) -> None:
    broken = both(state(1, "BACKOFF"), set_in("logs/processor1/tail", [line]), set_in("ours", ours))
    (one,) = [one for one in findings(view(fleet, {"node2": broken}), CHECKS) if one.id == "backoff"]
    assert words in one.fix and "bootstrap" not in one.fix and "pip" not in one.fix
    assert line in one.evidence


@pytest.mark.parametrize(
    ("change", "says"),
    [("port", "nothing listens on 10.77.0.11:5000"), ("address", "it listens on 127.0.0.1:5000 only")],
)
def test_a_web_ui_made_by_hand_is_known_by_its_role(fleet: Fleet, change: str, says: str) -> None:
    place = set_in(f"listeners/1/{change}", {"port": 5999, "address": "127.0.0.1"}[change])
    renamed = both(set_in("sight/programs/1/name", "ui"), set_in("conf/programs/1/name", "ui"))
    one = by_hand(fleet, place, renamed, host="node1")
    assert one.id == "port-closed" and says in one.evidence and "ui is RUNNING" in one.evidence


def test_one_that_listens_for_its_own_host_alone_is_not_behind_a_filter(fleet: Fleet) -> None:
    answer = {"where": "10.77.0.13:25555", "place": "10.77.0.13:25555", "error": "refused", "tcp": "refused"}
    inner = lambda seen: [one.update(address="127.0.0.1") for one in seen["listeners"] if one["port"] == 25555]  # noqa: E731
    (one,) = diagnosis(fleet, node3=both(inner, set_in("asked/0/phantomjs", answer)))
    assert one == ("phantomjs-down", "node3")


def test_a_supervisord_that_refuses_its_configuration_says_so_itself(fleet: Fleet) -> None:
    refused = both(
        set_in("sight/supervisord", DEAD | {"errno": 2}),
        set_in("daemons", []),
        set_in("socket", None),
        set_in("refusal", "Error: Format string '50%' for 'program:a.environment' is badly formatted"),
    )
    (one,) = findings(view(fleet, {"node2": refused}), CHECKS)
    assert one.id == "conf-refused" and "Format string '50%'" in one.evidence
    (one,) = findings(view(fleet, {"node2": both(refused, set_in("ours", False))}), CHECKS)
    assert typed(one.fix).startswith("su ") and one.fix.startswith("mend what it names in /etc/supervisord.conf")


def test_a_filter_before_the_webui_hides_no_program_that_fails(fleet: Fleet) -> None:
    both_of_them = both(set_in("from_here", {5000: "silent"}), state(0, "BACKOFF"))
    assert set(diagnosis(fleet, node1=both_of_them)) == {("firewall", "node1"), ("backoff", "node1")}


def test_a_web_ui_behind_a_gateway_is_not_judged_by_a_machine_of_the_same_address_here(fleet: Fleet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as here:
        port = here.getsockname()[1]
        host = dataclasses.replace(fleet.hosts[0], address="127.0.0.1", port=port)
        answer = facts_of(fleet, fleet.hosts[0])
        both(set_in("webuis/0/port", port), set_in("webuis/0/address", "192.0.2.11"))(answer)
        seen = understood(answer)
        assert from_here(host, seen) == {port: "open"}
        assert from_here(dataclasses.replace(host, gateway="root@192.0.2.1"), seen) == {}


def test_a_server_that_takes_no_connection_off_its_queue_hangs_and_is_not_filtered(fleet: Fleet) -> None:
    hung = both(mysqld, lambda seen: seen["listeners"][-1].update(waiting=3))
    lost = set_in("asked/0/mysql/taskdb", LOST | {"tcp": "silent"})
    assert diagnosis(fleet, node1=both(hung, lost)) == [("mysql-refused", "node1")]


def test_a_store_that_bootstrap_has_not_made_is_not_claimed_to_be_mended(fleet: Fleet) -> None:
    theirs = dataclasses.replace(fleet.stores, mysql=dataclasses.replace(fleet.stores.mysql, managed=False))
    foreign = dataclasses.replace(fleet, stores=theirs)
    (one,) = findings(view(foreign, {"node2": set_in("asked/0/mysql/taskdb", DENIED)}), CHECKS)
    assert (one.id, one.fixable) == ("mysql-denied", False)
    assert "CREATE USER" in one.fix
    # Nor where doctor itself would mend nothing.
    (one,) = findings(view(foreign, {"node1": set_in("asked/0/mysql/taskdb/connected", 490)}), CHECKS)
    assert one.id == "mysql-max-connections" and "bootstrap" not in one.fix and "max_connections = 500" in one.fix


def test_the_password_of_a_redis_that_was_there_before_is_put_right_in_hosts_toml(fleet: Fleet) -> None:
    theirs = dataclasses.replace(fleet.stores, redis=dataclasses.replace(fleet.stores.redis, managed=False))
    denied = both(set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", "NOAUTH"))
    (one,) = findings(view(dataclasses.replace(fleet, stores=theirs), {"node2": denied}), CHECKS)
    assert (one.id, one.fixable) == ("redis-noauth", False)
    assert "[stores.redis] of hosts.toml" in one.fix and one.fix.endswith("then fab deploy")
    assert "message-queue" not in one.fix and "requirepass" not in one.fix


def test_programs_that_have_read_a_wrong_address_are_restarted_each_on_its_own_host(fleet: Fleet) -> None:
    denied = both(set_in("ours", False), set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", "NOAUTH"))
    (one,) = findings(view(fleet, dict.fromkeys(("node1", "node2", "node3"), denied)), CHECKS)
    told = dict(re.findall(r"then on (\w+) as root: \S*supervisorctl -c \S+ restart ([^,]*)", one.fix))
    assert told == {
        host.name: " ".join(program.name for program in fleet.programs(host) if program.role != "phantomjs")
        for host in fleet.hosts
    }
    assert set(one.items) >= set(" ".join(told.values()).split())


def full_queue(host: Host, role: str, *, rests: bool) -> Callable[[Answer], None]:
    """Redis holds 100 messages of that consumer, which does not run here."""

    def change(seen: Answer) -> None:
        queue = next(name for name, consumer in QUEUES.items() if consumer == role)
        seen["asked"][0]["redis"]["queues"][queue] = 100
        down = [one["name"] for one in seen["components"] if one["role"] == role]
        seen["components"] = [one for one in seen["components"] if one["role"] != role]
        seen["sight"]["stopped"] = down if rests else []
        for one in seen["sight"]["programs"]:
            if one["name"] in down:
                one.update(state="STOPPED" if rests else "FATAL", pid=None)

    return change


def test_a_queue_whose_consumers_rest_on_purpose_is_no_fault(fleet: Fleet) -> None:
    rest = {host.name: full_queue(host, "processor", rests=True) for host in fleet.hosts}
    assert diagnosis(fleet, **rest) == []


def test_a_queue_of_which_no_consumer_runs_is_told_at_the_host_that_has_one(fleet: Fleet) -> None:
    down = {host.name: full_queue(host, "processor", rests=False) for host in fleet.hosts}
    stuck = next(one for one in findings(view(fleet, down), CHECKS) if one.id == "queue-stuck")
    host = next(host for host in fleet.hosts if host.roles.get("processor"))
    assert host != fleet.hosts[0]
    assert (stuck.host, stuck.fix) == (host.name, f"fab -H {host.name} reload")
    # Where another host was not looked at, its processors may well run.
    first, *_ = view(fleet, down).seen
    assert [one.id for one in findings(View(fleet, (first,)), CHECKS)] == []


def test_an_open_port_is_told_a_command_that_closes_it(fleet: Fleet) -> None:
    public = both(mysqld, lambda seen: seen["listeners"][-1].update(address="20.1.2.3"))
    open_to_all = dataclasses.replace(fleet, cluster=structs.replace(fleet.cluster, firewall=False))

    def told(cluster: Fleet, host: str, change: Callable[[Answer], Any]) -> tuple[str, bool]:
        one = next(one for one in findings(view(cluster, {host: change}), CHECKS) if "internet" in one.evidence)
        assert one.id == "exposed"
        return one.fix, one.fixable

    wanted = ("set firewall = true in [cluster] of hosts.toml, then fab deploy", False)
    assert told(open_to_all, "node1", both(NO_RULES, public)) == wanted
    assert told(fleet, "node1", both(NO_RULES, public)) == ("fab -H node1 step.firewall", True)
    fix, fixable = told(fleet, "node1", both(set_in("sight/firewall", {"mechanism": "none", "holds": True}), public))
    assert fix.startswith("close these ports before the host") and not fixable
    # A MySQL that is none of the cluster's has no rule there.
    fix, fixable = told(fleet, "node2", public)
    assert fix.startswith("let it listen on 127.0.0.1") and not fixable


def test_a_module_of_the_users_own_is_put_where_programs_look_for_it(fleet: Fleet) -> None:
    assert modules.fix("shop", "/h", True) == "put shop into /h on {host}; then fab -H {host} deploy"
    assert "add-sys-path = true" in modules.fix("shop", "/h", False)


def test_a_supervisor_that_was_upgraded_under_its_supervisord_is_started_anew(fleet: Fleet) -> None:
    path = f"{BIN}/supervisorctl"
    old = set_in("clients", [{"path": path, "status": 5, "says": "x", "beside": path}])
    (one,) = findings(view(fleet, {"node2": old}), CHECKS)
    assert one.id == "supervisor-mismatch" and one.fix.startswith("on node2 as root: kill 50; ")


def test_one_file_belongs_and_the_socket_is_not_counted(fleet: Fleet) -> None:
    def told(*paths: str) -> str:
        found = {"count": len(paths), "paths": [{"path": path, "owner": "root"} for path in paths]}
        (one,) = findings(view(fleet, {"node2": set_in("foreign", found)}), CHECKS)
        return one.evidence

    assert told("/l/a") == told("/l/a", SOCKET) == "/l/a belongs to root, not to work"
    assert told("/l/a", "/l/b", SOCKET) == "/l/a and 1 more belong to root, not to work"


def test_an_unreachable_host_is_a_finding_and_nothing_is_guessed_about_it(fleet: Fleet) -> None:
    first, second, third = view(fleet).seen
    away = Unseen(second.host, "no answer within 10 s", reachable=False)
    cluster = View(fleet, (first, third), (away,))
    assert [(one.id, one.host) for one in findings(cluster, CHECKS)] == [("unreachable", "node2")]


def test_the_same_store_by_another_name_is_no_island(fleet: Fleet) -> None:
    assert diagnosis(fleet, node1=set_in("asked/0/places/taskdb", "this host:3306/taskdb")) == []


def test_programs_that_gave_up_are_told_from_those_whose_store_is_still_away(fleet: Fleet) -> None:
    fatal = both(state(1, "FATAL"), set_in("logs/processor1/tail", ["InterfaceError: 2003: Can't connect to MySQL"]))
    assert diagnosis(fleet, node2=fatal) == [("fatal-after-outage", "node2")]
    assert diagnosis(fleet, node2=both(fatal, set_in("asked/0/mysql/taskdb", LOST))) == [("mysql-refused", "node2")]


def test_a_program_between_two_failures_is_failing_and_a_fresh_one_is_not(fleet: Fleet) -> None:
    failing = [f"exited: processor1 (exit status 1; not expected){n}" for n in range(3)]
    log = ["INFO success: processor1 entered RUNNING state", *(f"INFO {line}" for line in failing)]
    assert diagnosis(fleet, node2=both(state(1, "STARTING"), set_in("daemon_log", log))) == [("backoff", "node2")]
    assert diagnosis(fleet, node2=both(state(1, "STARTING"), set_in("daemon_log", log[:2]))) == []


def test_an_old_interpreter_behind_a_silent_webui_is_the_cause_that_is_named(fleet: Fleet) -> None:
    (one,) = findings(view(fleet, {"node1": both(set_in("webuis/0/kind", "empty"), OLD)}), CHECKS)
    assert "older than 2.7" in one.cause
    assert "2.6.6" in one.evidence
    assert not one.fixable


def test_only_programs_that_have_read_the_wrong_configuration_are_restarted(fleet: Fleet) -> None:
    late = both(set_in("asked/0/config/oops", 1), set_in("asked/0/file/mtime", 900.0))
    (one,) = findings(view(fleet, {"node2": both(late, set_in("sight/programs/2/uptime_s", 20))}), CHECKS)
    assert one.items == ("processor2",)


def test_a_host_set_up_by_hand_is_never_overwritten(fleet: Fleet) -> None:
    (one,) = findings(view(fleet, {"node2": both(GONE, set_in("ours", False))}), CHECKS)
    assert (one.fixable, one.fixes) == (False, ())
    assert "supervisord -c" in one.fix


def test_a_supervisord_of_somebody_else_is_told_once_and_without_a_command_that_deploy_refuses(fleet: Fleet) -> None:
    stranger = systemd(fleet, set_in("sight/strangers", [SHOP]), set_in("sight/programs", []), main=0)
    (one,) = findings(view(fleet, {"node2": stranger}), CHECKS)
    assert (one.id, one.fixable) == ("foreign-conf", False)
    assert one.evidence == f"{CONF} is somebody else's (supervisord, pid 50 of root, runs shop)"
    assert '[cluster] supervisord_conf = "/etc/pyspider-supervisord.conf"' in one.fix
    by_hand = both(set_in("sight/strangers", [SHOP]), set_in("ours", False))
    assert diagnosis(fleet, node2=by_hand) == []


def systemd(fleet: Fleet, *changes: Callable[[Answer], Any], main: int = 50, stale: bool = False) -> Any:
    """node2 as a host that systemd runs, with its unit as deploy writes it."""
    right = {path: hashlib.sha256(text).hexdigest() for path, text, _ in plan.boot_files(fleet, fleet.hosts[1])}
    unit = {"main": main, "state": "running", "stale": stale}
    enabled = ["/etc/systemd/system/multi-user.target.wants/pyspider-demo.service"]
    return both(set_in("sight/unit", unit), set_in("files", right), set_in("boot", enabled), *changes)


def test_a_supervisord_outside_its_unit_is_a_finding_that_names_both(fleet: Fleet) -> None:
    assert diagnosis(fleet, node2=systemd(fleet)) == []
    (one,) = findings(view(fleet, {"node2": systemd(fleet, main=0)}), CHECKS)
    assert one.evidence == "supervisord is pid 50, and the main process of pyspider-demo.service is nothing"
    assert (one.id, one.fix) == ("supervisord-outside", "fab -H node2 deploy")
    assert diagnosis(fleet, node2=systemd(fleet, GONE, main=0)) == [("socket-stale", "node2")]


def no_file(index: int) -> Callable[[Answer], Any]:
    """The script (0) or the unit (1) is not there."""
    return lambda seen: seen["files"].update({sorted(seen["files"], key=lambda path: ".service" in path)[index]: None})


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (no_file(0), ["unit-changed"]),
        (no_file(1), ["unit-changed"]),
        (set_in("sight/unit/stale", True), ["unit-changed"]),
        (set_in("boot", []), ["no-boot-unit"]),
        (set_in("ours", False), []),
    ],
)
def test_a_unit_that_deploy_would_write_anew_is_a_finding(fleet: Fleet, change: Any, wanted: list[str]) -> None:
    assert [name for name, _ in diagnosis(fleet, node2=systemd(fleet, change))] == wanted


@pytest.mark.parametrize("change", [GONE, ABSENT])
def test_what_starts_supervisord_by_hand_is_its_unit_where_there_is_one(fleet: Fleet, change: Any) -> None:
    unit = set_in("boot", ["/etc/systemd/system/multi-user.target.wants/crawler.service"])
    foreign = both(change, unit, set_in("ours", False))
    (one,) = findings(view(fleet, {"node2": foreign}), CHECKS)
    assert one.fix == "on node2 as root: systemctl restart crawler.service"


def test_the_steps_of_a_host_mend_its_findings_and_no_others(fleet: Fleet) -> None:
    stale = Finding("socket-stale", "node2", "", "", "", True, ("supervision",))
    owned = Finding("root-owned", "node2", "", "", "", True, ("owner",), ("/x",))
    store = Finding("redis-evicting", "node1", "", "", "", True, ("stores",))

    def mending(host: Host, *found: Finding) -> list[Step]:
        return [part for step in steps(fleet, host, found, frozenset()) for part in parts(step)]

    names = {host.name: [part.name for part in mending(host, stale, owned)] for host in fleet.hosts}
    supervision = ["boot", "sockets", "leftovers", "supervisord", "watcher", "programs"]
    assert names == {"node1": [], "node2": ["owner", *supervision], "node3": []}
    unit = Finding("no-boot-unit", "node2", "", "", "", True, ("boot",))
    for other in (stale, store):
        found = mending(fleet.hosts[1], unit, other)
        assert [part.name for part in found] == ["nobody else's supervisord", *supervision]
        assert [part.only_unit for part in found if isinstance(part, Boot)] == [False]
    assert needs_stores([store])
    assert all("programs" in [part.name for part in mending(host, store)] for host in fleet.hosts)


def test_paths_that_belong_to_the_user_are_left_alone(fleet: Fleet) -> None:
    step = Ownership(("/a", "/b b", "/gone"), plan.place(fleet))
    assert step.diff(Found(0, '{"/a": "work", "/b b": "work"}')) == []
    (action,) = step.diff(Found(0, '{"/a": "work", "/b b": "root"}'))
    assert action.says == "give /b b to work"
    assert '"paths": ["/b b"]' in action.script
    with pytest.raises(CannotLook):
        step.diff(Found(1, "no Python"))


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["Traceback", "ImportError: no x", "  at y"], "ImportError: no x"),
        (["mysql.connector.errors.InterfaceError: 2003: x", ""], "mysql.connector.errors.InterfaceError: 2003: x"),
        (["all is well"], "all is well"),
        ([], "an empty log"),
    ],
)
def test_the_last_error_of_a_log_is_the_line_that_names_it(lines: list[str], wanted: str) -> None:
    assert last_error(lines) == wanted


def test_versions_are_compared_as_numbers() -> None:
    assert numbers("7.43.0.5") == (7, 43, 0, 5)
    assert numbers("3.0b1") == (3, 0)
    assert numbers("0.16.1") < (1,)


def test_keys_are_known_however_they_are_spelled() -> None:
    config = {
        "message_queue": 1,
        "message-queue": 1,
        "result_worker": {"result-cls": 1},
        "webui": {"need_auth": 1, "x": 1},
    }
    assert [key for key, _ in unknown_keys(config)] == ["webui.x"]
    assert [key for key, _ in unknown_keys({"fetchr": {"poolsize": 1}})] == ["fetchr"]


def test_an_answer_after_complaints_is_understood_and_a_broken_one_is_an_error() -> None:
    told = json.dumps({"ours": True, "sight": sights.answer()})
    complaint = "ERROR:root:code for hash md5 was not found."
    assert parsed(Found(0, f"{complaint}\n{told}")) == Facts(ours=True, sight=sights.sight())
    assert parsed(Found(0, "null")) is None
    with pytest.raises(CannotLook):
        parsed(Found(1, "Traceback"))


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("sight/programs/0/pid", "7", "$.sight.programs[0].pid"),
        ("asked/0/mysql", [], "$.asked[0].mysql"),
        ("disks", None, "$.disks"),
    ],
)
def test_an_answer_of_another_shape_is_one_sentence_that_names_the_place(
    fleet: Fleet, path: str, value: Any, where: str
) -> None:
    answer = facts_of(fleet, fleet.hosts[1])
    set_in(path, value)(answer)
    with pytest.raises(CannotLook, match=r"the answer to doctor's look is not as doctor\.py gives it: ") as caught:
        understood(answer)
    assert where in str(caught.value) and "\n" not in str(caught.value)


def test_what_doctor_does_not_know_of_an_answer_is_ignored(fleet: Fleet) -> None:
    answer = facts_of(fleet, fleet.hosts[1])
    more = both(set_in("news", 1), set_in("disks/0/news", [1]), set_in("asked/0/redis/news", None))
    known = understood(answer)
    more(answer)
    assert understood(answer) == known


def test_a_program_of_digits_is_known_by_its_name(fleet: Fleet) -> None:
    answer = facts_of(fleet, fleet.hosts[1])
    set_in("sight/programs/0/name", 7)(answer)
    assert understood(answer).sight.programs[0].name == "7"


def test_a_store_on_a_host_that_could_not_be_looked_at_is_fixed_by_hand(fleet: Fleet) -> None:
    first, *others = view(fleet, {"node2": set_in("asked/0/redis/policy", "allkeys-lru")}).seen
    found = findings(View(fleet, tuple(others), (Unseen(first.host, "no answer", reachable=False),)), CHECKS)
    (one,) = [one for one in found if one.id == "redis-evicting"]
    assert (one.host, one.fixable) == ("node1", False)
    assert "CONFIG SET" in one.fix


def test_every_check_can_be_found_in_the_problem_list() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    known = {check.id for check in CHECKS}
    assert all(check.hides <= known for check in CHECKS), "a check hides what does not exist"
    assert problems.PATH.read_text(encoding="utf-8") == problems.page(), "run: python -m fabfile.doctor.problems"


def test_no_fix_of_a_host_made_by_hand_is_a_command_of_fab(fleet: Fleet) -> None:
    """Each fault of the tables above, on a host that this project did not deploy, and on one outside hosts.toml."""
    for check in CHECKS:
        text = check.foreign_fix or check.fix
        if check.id not in ("foreign-conf", "bare", "not-set-up", "watcher-gone"):
            assert "fab -H" not in text and "fab deploy" not in text and "fab bootstrap" not in text, check.id


def by_hand(fleet: Fleet, *changes: Callable[[Answer], Any], host: str = "node2") -> Finding:
    """The one finding of a fault on a host that somebody set up by hand, with root's supervisord."""
    by_root = both(
        set_in("ours", False), set_in("layout/user", "root"), set_in("daemons/0/user", "root"),
        set_in("socket/owner", "root"),
    )  # fmt: skip
    (one,) = findings(view(fleet, {host: both(by_root, *changes)}), CHECKS)
    assert not one.fixable
    return one


def test_a_host_that_nobody_has_set_up_has_that_one_finding(fleet: Fleet) -> None:
    fresh = both(
        ABSENT, set_in("ours", False), set_in("conf", None), set_in("boot", []), set_in("asked", []),
        set_in("logs", {}), set_in("sight/supervisords", []),
    )  # fmt: skip
    (one,) = findings(view(fleet, {"node2": fresh}), CHECKS)
    way = "fab -H node2 bootstrap, then fab step.firewall, then fab -H node2 deploy"
    assert (one.id, one.fix) == ("not-set-up", way)
    open_to_all = dataclasses.replace(fleet, cluster=structs.replace(fleet.cluster, firewall=False))
    (one,) = findings(view(open_to_all, {"node2": fresh}), CHECKS)
    assert (one.id, one.fix) == ("not-set-up", "fab -H node2 bootstrap, then fab -H node2 deploy")
    # A supervisord of somebody else is in the way: a deploy would be refused.
    shop = both(fresh, set_in("sight/strangers", [SHOP]), set_in("sight/foreign_conf", ["shop"]))
    (one,) = findings(view(fleet, {"node2": shop}), CHECKS)
    assert one.id == "not-set-up" and "somebody else's" in one.evidence
    assert '[cluster] supervisord_conf = "/etc/pyspider-supervisord.conf"' in one.fix


def test_roots_supervisord_on_a_host_made_by_hand_is_no_finding(fleet: Fleet) -> None:
    by_root = both(
        set_in("ours", False), set_in("layout/user", "root"), set_in("daemons/0/user", "root"),
        set_in("socket/owner", "root"), set_in("foreign", {"count": 1, "paths": [{"path": "/l", "owner": "root"}]}),
    )  # fmt: skip
    assert diagnosis(fleet, node2=by_root) == []
    # After a reboot nothing of it runs, and its logs are root's as before.
    gone = both(by_root, ABSENT)
    assert diagnosis(fleet, node2=gone) == [("socket-missing", "node2")]


CTL = f"/opt/pyspider/current/bin/supervisorctl -c {CONF}"
START = f"/opt/pyspider/current/bin/supervisord -c {CONF}"
LEFT = {"pid": 9, "name": "fetcher1"}
EVIL = r"serverurl=unix:///a\|e;\&"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (GONE, f"rm -f {SOCKET} /run/s.pid; {START}"),
        (ABSENT, f"rm -f /run/s.pid; {START}"),
        (both(ABSENT, set_in("layout/lost", ["/run/x"])),
         f"mkdir -p /run && mkdir /run/x && chown -h root /run/x; rm -f /run/s.pid; {START}"),
        (both(GONE, set_in("layout/user", "spider")),
         f"rm -f {SOCKET} /run/s.pid; su -s /bin/sh spider -c '{START}'"),
        (both(set_in("sight/supervisord", DEAD | {"errno": 2}), set_in("socket", None)), "kill -HUP 50"),
        (set_in("sight/supervisord", DEAD | {"errno": None}), "kill -HUP 50"),
        (both(set_in("sight/supervisord", DEAD | {"errno": None}), set_in("daemons/0/state", "T")), "kill -CONT 50"),
        (set_in("conf/ctl", "/tmp/x.sock"),
         rf"sed -i '/^\[supervisorctl]/,/^\[/s|^serverurl *[=:].*|serverurl=unix://{SOCKET}|' {CONF}"),
        (both(GONE, set_in("sight/leftovers", [LEFT])),
         f"kill -INT 9; sleep 2; kill 9 2>/dev/null; rm -f {SOCKET} /run/s.pid; {START}"),
        (both(set_in("components/0/held", False), set_in("components/0/parent", 1)),
         "kill -INT 100; sleep 2; kill 100 2>/dev/null"),
        (set_in("socket/mode", 0), f"chown -h root {SOCKET} && find {SOCKET} -type s -exec chmod 700 {{}} +"),
        (both(GONE, set_in("socket/kind", "file")), f"rm -f /run/s.pid; {START}"),
        (both(GONE, set_in("conf/writer", "work")), f"su -s /bin/sh work -c 'rm -f {SOCKET} /run/s.pid'; {START}"),
        (both(set_in("conf/ctl", "/tmp/x.sock"), set_in("conf/writer", "work"), set_in("conf/socket", "/a|e;&")),
         str(as_user("work", rf"sed -i '/^\[supervisorctl]/,/^\[/s|^serverurl *[=:].*|{EVIL}|' {CONF}"))),
        (state(1, "STOPPED"), f"{CTL} start processor1"),
        (both(state(1, "STOPPED"), set_in("layout/rooted", False), set_in("layout/user", "work"),
              set_in("daemons/0/user", "work"), set_in("socket/owner", "work")),
         f"su -s /bin/sh work -c 'exec \"$@\"' -- ctl {CTL} start processor1"),
        (lambda seen: seen["sight"]["programs"].pop(1), f"{CTL} reread; {CTL} update"),
        (set_in("logs/fetcher1/files/0/size", None), f"{CTL} restart fetcher1"),
        (set_in("boot", []),
         f"echo '@reboot root {START}' >/etc/cron.d/pyspider-by-hand"),
        (both(set_in("boot", []), set_in("layout/unit", "crawl.service")), "systemctl enable crawl.service"),
        (lambda seen: seen["daemons"].append({"pid": 51, "user": "root", "conf": "/x"}), "kill 51"),
        (second, f"sed -i '/^\\[program:extra\\]/,/^\\[/{{/^\\[program:extra\\]/d;/^\\[/!d}}' /etc/x.ini; "
                 f"{CTL} reread; {CTL} update"),
        (both(second, set_in("components/-1/held", False)), "kill 100"),
        (set_in("components/1/nofile", 512), "kill 50; while kill -0 50 2>/dev/null; do sleep 1; done; " + START),
        (both(set_in("components/1/nofile", 512), set_in("layout/unit", "c.service")), "systemctl restart c.service"),
        (set_in("asked/0/file/mode", 0o644),
         f"chown -h work {CONFIG}; su -s /bin/sh work -c 'chmod 600 {CONFIG}'"),
        (set_in("asked/0/config/oops", 1), None),
        (set_in("disks/0", {"path": "/srv/x y", "bytes": 9 << 30, "free": 9, "inodes": 0, "inodes_free": 0}),
         "du -x -h -d 2 '/srv/x y' | sort -h | tail"),
        (set_in("conf/sections", ["supervisord", "unix_http_server", "rpcinterface:supervisor"]),
         f"printf '%s\\n' '[supervisorctl]' serverurl=unix://{SOCKET} >>{CONF}"),
        (set_in("conf/sections", ["supervisord", "unix_http_server", "supervisorctl"]),
         "printf '%s\\n' '[rpcinterface:supervisor]' 'supervisor.rpcinterface_factory = "
         f"supervisor.rpcinterface:make_main_rpcinterface' >>{CONF}; kill -HUP 50"),
    ],
)  # fmt: skip
def test_a_fix_by_hand_is_phrased_for_the_layout_found(fleet: Fleet, change: Any, wanted: str | None) -> None:
    named = set_in("pidfile", {"path": "/run/s.pid", "pid": 50, "alive": False})
    one = by_hand(fleet, named, change)
    assert "fab " not in one.fix
    if wanted:
        assert typed(one.fix) == wanted


def test_a_socket_that_root_gave_to_others_is_denied_to_nobody(fleet: Fleet) -> None:
    by_root = both(set_in("ours", False), set_in("layout/user", "root"), set_in("daemons/0/user", "root"))
    assert diagnosis(fleet, node2=both(by_root, set_in("socket/owner", "work"))) == []


def test_no_name_of_others_becomes_a_line_of_the_report(fleet: Fleet) -> None:
    left = {"pid": 9, "name": "x\n    fix    on node2 as root: reboot\n\x1b[2J"}
    (one,) = findings(view(fleet, {"node2": set_in("sight/leftovers", [left])}), CHECKS)
    assert one.evidence == r"no supervisord holds x\n    fix    on node2 as root: reboot\n\x1b[2J (pid 9)"


def test_a_file_is_given_only_in_the_folder_where_it_is_met(fleet: Fleet) -> None:
    owned = set_in("foreign", {"count": 1, "paths": [{"path": "/home/work/supervisor/x/shadow", "owner": "root"}]})
    (one,) = findings(view(fleet, {"node2": both(owned, set_in("ours", False))}), CHECKS)
    assert "shadow" not in one.fix and " -execdir chown -h work " in one.fix and "-links 1" in one.fix


def test_what_somebody_called_his_program_is_quoted_in_a_command(fleet: Fleet) -> None:
    evil = both(
        state(1, "STOPPED"), set_in("sight/programs/1/name", "a;reboot"), set_in("conf/programs/1/name", "a;reboot")
    )
    told = findings(view(fleet, {"node2": both(evil, set_in("ours", False))}), CHECKS)
    assert f"{CTL} start 'a;reboot'" in [typed(one.fix) for one in told if one.id == "stopped"]


def test_a_password_that_differs_from_the_other_hosts_is_copied(fleet: Fleet) -> None:
    one = by_hand(fleet, set_in("asked/0/mysql/taskdb", DENIED))
    assert one.fix.startswith(f"copy the password of taskdb from node1's {CONFIG}: that store takes it")
    no_auth = both(set_in("asked/0/redis/error", "x"), set_in("asked/0/redis/code", "NOAUTH"))
    assert by_hand(fleet, no_auth).fix.startswith(f"copy the password of message-queue from node1's {CONFIG}")


def test_a_change_of_passwords_that_has_not_ended_is_told_once(fleet: Fleet) -> None:
    seen = dataclasses.replace(view(fleet), half_changed=("mysql", "redis"))
    (one,) = findings(seen, CHECKS)
    assert (one.id, one.host, one.warning) == ("passwords-half-changed", "node1", True)
    assert one.fix == "fab passwords.rotate mysql redis", "others are not changed besides"
    assert one.evidence == "the passwords of mysql, redis were being changed, and that has not ended"
    assert findings(dataclasses.replace(seen, seen=seen.seen[1:]), CHECKS) == [], "the scheduler's host was not asked"


def test_a_host_outside_hosts_toml_gets_no_command_that_fab_refuses(fleet: Fleet) -> None:
    stranger = Host("root@192.0.2.9", "192.0.2.9")
    seen = facts_of(fleet, fleet.hosts[1])
    both(state(1, "STOPPED"))(seen)
    (one,) = findings(View(fleet, (Patient(stranger, understood(seen)),)), CHECKS)
    assert (one.fixable, typed(one.fix)) == (False, f"{CTL} start processor1")
    (bare,) = findings(View(fleet, (), (Unseen(stranger),)), CHECKS)
    assert bare.id == "bare" and bare.fix == f"fab -H {stranger.name} bootstrap, or list it in hosts.toml first"
