"""What deploy looks at before it changes a host: tables of what was seen, and what it makes of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fabfile import plan
from fabfile.doctor.preflight import objections
from fabfile.inventory import Fleet
from fabfile.runs.engine import preview
from fabfile.steps.base import Found, parts
from fabfile.steps.sight import Sight

from . import sights
from .patients import both, set_in

Facts = dict[str, Any]
DISK = {"path": "/", "bytes": 100 << 30, "free": 50 << 30, "inodes": 1000000, "inodes_free": 900000}
HELD = {"address": "0.0.0.0", "port": 5000, "pid": 9, "name": "nginx", "line": [9, 1], "waiting": 0}
SHUT = {"path": "/run/gone", "owner": None, "why": "there is no such directory", "mendable": False}
SIGHT: Facts = {
    "supervisord": {"answers": True, "pid": 50},
    "supervisords": [{"pid": 50}],
    "leftovers": [],
    "programs": [],
    "preflight": {
        "disks": [DISK],
        "memory": {"bytes": 8 << 30, "free": 4 << 30},
        "daemons": [{"pid": 50, "user": "work", "conf": "/etc/supervisord.conf", "programs": 2}],
        "listeners": [{**HELD, "pid": 60, "name": "python2.7", "line": [60, 50, 1]}],
        "stores": {"mysql": "open", "redis": "open"},
        "unwritable": [],
    },
}


def seen(change: Callable[[Facts], Any]) -> Sight:
    answer = copy.deepcopy(SIGHT)
    change(answer)
    return sights.sight(**answer)


def other(sight: Facts) -> None:
    sight["preflight"]["daemons"].append({"pid": 51, "user": "root", "conf": "/x", "programs": 1})


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda _: None, []),
        (set_in("preflight/stores/mysql", "refused"), [("mysql-refused", True)]),
        (set_in("preflight/stores/redis", "silent"), [("redis-refused", True)]),
        (set_in("preflight/stores/redis", "unknown"), [("redis-refused", True)]),
        (set_in("preflight/listeners", [HELD]), [("port-in-use", True)]),
        (set_in("preflight/disks/0/free", 1 << 30), [("disk-full", False)]),
        (set_in("preflight/disks/0/free", 1 << 20), [("disk-full", True)]),
        # A small disk, of which a part has to do.
        (
            both(set_in("preflight/disks/0/bytes", 80 << 20), set_in("preflight/disks/0/free", 19 << 20)),
            [("disk-full", True)],
        ),
        (both(set_in("preflight/disks/0/bytes", 80 << 20), set_in("preflight/disks/0/free", 21 << 20)), []),
        (set_in("preflight/disks/0/inodes_free", 5000), [("inodes", False)]),
        (set_in("preflight/disks/0/inodes_free", 5), [("inodes", True)]),
        (set_in("preflight/memory/free", 20 << 20), [("memory", False)]),
        (other, [("two-supervisords", False)]),
        (set_in("preflight/unwritable", [{"path": "/x/a.log", "owner": "root", "why": "no", "mendable": True}]), []),
        (set_in("preflight/unwritable", [SHUT]), [("root-owned", True)]),
    ],
)
def test_only_what_would_do_harm_is_grave(fleet: Fleet, change: Callable[[Facts], Any], wanted: list[Any]) -> None:
    found = objections(fleet, fleet.hosts[0], seen(change))
    assert [(one.finding.id, one.grave) for one in found] == wanted


def test_a_port_whose_holder_deploy_ends_itself_is_no_objection(fleet: Fleet) -> None:
    orphan = both(set_in("preflight/listeners", [HELD]), set_in("leftovers", [{"pid": 9}]))
    hung = both(set_in("preflight/listeners", [HELD | {"line": [9, 70]}]), set_in("supervisords", [{"pid": 70}]))
    assert objections(fleet, fleet.hosts[0], seen(orphan)) == objections(fleet, fleet.hosts[0], seen(hung)) == []


def test_a_deploy_of_some_roles_minds_their_ports_only(fleet: Fleet) -> None:
    sight = seen(set_in("preflight/listeners", [HELD]))
    assert objections(fleet, fleet.hosts[0], sight, ("scheduler",)) == []
    assert len(objections(fleet, fleet.hosts[0], sight, ("webui",))) == 1


def test_an_objection_names_what_and_how_to_mend_it(fleet: Fleet) -> None:
    told = {
        str(one)
        for host in fleet.hosts
        for one in objections(fleet, host, seen(set_in("preflight/stores/mysql", "refused")))
    }
    # The same on all hosts, so that it is told once.
    assert told == {
        "MySQL at 10.77.0.11:3306: connection refused from here (mysql-refused); fab step.firewall, if the host is new "
        "in hosts.toml; else fab bootstrap, then fab deploy"
    }


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (SHUT, "work can't write /run/gone: there is no such directory (root-owned); name a path that outlives"),
        (
            SHUT | {"path": "/srv/gone"},
            "work can't write /srv/gone: there is no such directory (root-owned); let that user write there",
        ),
        (
            SHUT | {"path": "/home/work/supervisor", "owner": "root"},
            "work can't write /home/work/supervisor, which belongs to root: there is no such directory (root-owned); "
            "fab -H node1 bootstrap",
        ),
    ],
)
def test_what_cannot_be_written_is_named_with_the_way_on(fleet: Fleet, one: Facts, wanted: str) -> None:
    (said,) = objections(fleet, fleet.hosts[0], seen(set_in("preflight/unwritable", [one])))
    assert str(said).startswith(wanted)


def test_a_host_is_asked_for_what_its_programs_need(fleet: Fleet) -> None:
    node1, node2, node3 = (plan.preflight(fleet, host) for host in fleet.hosts)
    assert node1.ports == (23333, 5000)
    assert node3.ports == (25555, 24444)
    assert node2.stores == {"mysql": ("10.77.0.11", 3306), "redis": ("10.77.0.11", 6379)}
    assert list(plan.preflight(fleet, fleet.hosts[1], ["fetcher"]).stores) == ["redis"]
    assert plan.preflight(fleet, fleet.hosts[2], ["phantomjs"]).stores == {}


def test_all_that_deploy_asks_of_supervision_is_still_one_question(fleet: Fleet) -> None:
    steps = plan.deploy(fleet, fleet.hosts[0])
    names = [
        "firewall",
        "file /etc/supervisord.conf",
        "boot",
        "Python in use",
        "release",
        "old runtimes",
        "supervision",
    ]
    assert [step.name for step in steps] == names
    assert [part.name for part in parts(steps[-1])] == [
        "writable", "sockets", "leftovers", "supervisord", "watcher", "programs",
    ]  # fmt: skip
    assert len({part.probe() for part in parts(steps[-1])}) == 1


def test_a_dry_run_names_each_part_that_cannot_be_known_yet(fleet: Fleet) -> None:
    bare = Found(0, "null")
    changes = preview([plan.supervision(fleet, fleet.hosts[0], take_files=True)], [bare]).changes
    why = "can't be known yet: there is no Python for pyspider; run `fab bootstrap` for this host first"
    assert changes == (f"supervisord: {why}", f"programs: {why}")
