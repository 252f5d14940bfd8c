"""The commands that doctor prints for this project's own hosts, typed as they stand; several faults at once.

The faults that `doctor --fix` leaves alone are mended so where each is named alone.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from .conftest import Cluster
from .faults import CURRENT, SHELL, Fault, as_printed, caused_and_nothing_else, found, healthy_again, silent
from .own_faults import FAULTS, SILENT_PAGE, asleep

pytestmark = pytest.mark.e2e

OWN = {fault.label: fault for fault in FAULTS}
UPDATED = "$CTL update >/dev/null; settled '[ $($CTL status | grep -c RUNNING) = $($CTL status | wc -l) ]'"
PROGRAMS = f"{CURRENT}/programs.conf"
# Messages for a project that nobody knows: the scheduler throws them away.
FULL = """$CTL stop scheduler; config 'import redis, umsgpack
queue = redis.StrictRedis.from_url(c["message-queue"])
task = {"taskid": "x", "project": "nowhere", "url": "data:,x"}
for number in range(120):
    queue.rpush("newtask_queue", umsgpack.packb([task]))'"""
WIPED = """p=$(daemon); unwatched; $CTL shutdown; settled '[ ! -d /proc/$p ]'
rm -rf /home/work/distri_pyspider /etc/supervisord.conf /etc/init.d/pyspider-demo /etc/rc?.d/*pyspider-demo"""
PORTLESS = """config 'c["message-queue"] = c["message-queue"].replace(":6379", "")'"""
ELSEWHERE = f"sed -i 's/--xmlrpc-host [^ ]*/--xmlrpc-host 127.0.0.1/' {PROGRAMS}; {UPDATED}"
INSIDE = f"sed -i 's/ [0-9.]*:25555/ 127.0.0.1:25555/' {PROGRAMS}; {UPDATED}"


def on(host: str, *labels: str) -> tuple[Fault, ...]:
    return tuple(replace(OWN[label], host=host) for label in labels)


TOGETHER: dict[str, tuple[Fault, ...]] = {
    "dead": (
        *on("node1", "socket-missing-stopped"),
        *on("node2", "socket-stale"),
        *on("node3", "orphans"),
    ),
    "sockets": (
        *on("node1", "no-boot-unit"),
        *on("node2", "socket-missing-deleted"),
        *on("node3", "watcher-gone", "stopped"),
    ),
    "files": (
        *on("node1", "conf-refused"),
        *on("node2", "conf-sections", "exposed-supervisor"),
        *on("node3", "log-missing"),
    ),
    "settings": (
        *on("node1", "rpc-wrong", "exposed-webui"),
        *on("node2", "config-unknown-key", "config-redis-db", "phantomjs-501", "exposed-config"),
        Fault("island", "node2", "config 'del c[\"resultdb\"]'"),
    ),
    "addresses": (
        *on("node2", "config-password"),
        Fault("config-address", "node2", PORTLESS),
        *on("node3", "config-unreadable"),
    ),
    "stores away": on("node1", "mysql-refused", "redis-refused"),
    "stores set": (*on("node1", "mysql-packet", "redis-evicting"), *on("node3", "mysql-denied-config")),
    "other logins": on("node1", "mysql-denied-server", "redis-noauth"),
    "a full queue": (Fault("queue-stuck", "node1", FULL), Fault("stopped", "node1", ":")),
    "ways": (Fault("rpc-down", "node2", ELSEWHERE), Fault("phantomjs-down", "node3", INSIDE)),
    "busy": (
        Fault("webui-empty-reply", "node1", asleep(f"{CURRENT}/config.json")),
        Fault("rpc-mute", "node2", SILENT_PAGE),
    ),
    "runtime": (
        *on("node2", "pins", "no-ssl", "no-hashlib", "pycurl-ssl", "no-pyspider"),
        Fault("not-set-up", "node3", WIPED),
    ),
}
"""Faults that are caused at once, of which none is in the way of another's finding."""


@pytest.mark.parametrize("faults", TOGETHER.values(), ids=TOGETHER)
def test_a_fix_works_as_it_is_printed(cluster: Cluster, faults: tuple[Fault, ...]) -> None:
    with healthy_again(cluster):
        for fault in faults:
            cluster.on(fault.host, SHELL + fault.cause)
        seen = found(cluster)
        caused_and_nothing_else(faults, seen)
        as_printed(cluster, seen)
        silent(cluster)
