"""Supervisords and processes of somebody else, where this cluster's are or beside them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from ... import plan
from ...steps.supervisor import claimed
from ..findings import Check, Hit, View
from .supervisor import FOLLOWS

SUPERVISORDS = frozenset(
    {"orphans", "conf-sections", "socket-stale", "socket-missing", "socket-denied", "supervisord-outside"}
)
"""Faults that would be told as well of a supervisord that is somebody else's."""


def foreign(view: View) -> Iterator[Hit]:
    place = plan.place(view.fleet)
    for host in view.manned:
        # On a host that was set up by hand all of it is somebody else's.
        here = host.ours and host.facts.conf and host.facts.conf.path == place.conf
        if here and (why := claimed(place, host.facts.sight)):
            yield Hit(host.name, why[0], fix=f"{why[1]}; then fab -H {host.name} deploy")


def others(view: View) -> Iterator[Hit]:
    for host in view.seen:
        found = sorted(host.facts.sight.others, key=lambda one: (one.user, one.pid))
        for user, several in groupby(found, key=lambda one: one.user):
            yield Hit(host.name, f"of {user}: {', '.join(f'{one.role} (pid {one.pid})' for one in several)}")


CHECKS = (
    Check(
        id="foreign-conf",
        title="nothing was changed here: /etc/supervisord.conf is somebody else's",
        cause="another supervisord has its configuration or its socket where hosts.toml puts the cluster's: deploy "
        "leaves it",
        fix="name another supervisord_conf or socket in [cluster] of hosts.toml, then fab -H {host} deploy",
        find=foreign,
        hides=FOLLOWS | SUPERVISORDS,
    ),
    Check(
        id="other-user",
        title="a process that looks like pyspider's, of a user that the cluster knows nothing of",
        cause="another user runs it: it may be another cluster, or nothing of the kind; it is neither judged nor asked",
        fix="nothing, if it is not this cluster's; else name its user in hosts.toml: [cluster] user",
        find=others,
        warning=True,
    ),
)
