"""supervisord, its configuration, and the processes that outlived it."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Check, Hit, View
from .sockets import denied_sockets, hung_supervisords, live_supervisords, missing_sockets, stale_sockets
from .units import by_hand, changed_units, outside, without_boot

MISMATCH = (3, 5)
"""supervisorctl's exit status where supervisord does not know its commands, or has another API."""
NEEDED = ("unix_http_server", "rpcinterface:supervisor", "supervisorctl")
DEPLOY = "fab -H {host} deploy"
FOLLOWS = frozenset({"stopped", "port-closed", "webui-empty-reply", "rpc-down", "phantomjs-down", "log-missing"})
"""Faults that a host with a dead supervisord shows as well."""


def lacking_sections(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if not (conf := host.facts.conf):
            continue
        needed = [name for name in NEEDED if name not in conf.sections]
        if conf.inet:
            needed = [name for name in needed if name != "unix_http_server"]
        if needed:
            fix = by_hand(host, "echo_supervisord_conf shows the sections; add them, then ", "restart")
            yield Hit(host.name, f"{conf.path} lacks {', '.join(f'[{name}]' for name in needed)}", fix=fix)


def many_supervisords(view: View) -> Iterator[Hit]:
    for host in view.seen:
        if len(alive := live_supervisords(host)) > 1:
            yield Hit(host.name, f"{len(alive)} supervisords run: {', '.join(alive)}")


def strange_clients(view: View) -> Iterator[Hit]:
    for host in view.manned:
        for client in host.facts.clients:
            if client.status in MISMATCH:
                yield Hit(
                    host.name,
                    f"{client.path}: {client.says}",
                    fix=f"use {client.beside}, or remove {client.path}",
                )


def orphans(view: View) -> Iterator[Hit]:
    for host in view.seen:
        left = {item.pid: item.name for item in host.facts.sight.leftovers}
        # A program that was started by hand has no environment that tells of a supervisord.
        strays = {one.pid: one.role for one in host.components if one.parent == 1 and not one.held}
        names = [f"{name} (pid {pid})" for pid, name in sorted((strays | left).items())]
        if names:
            fix = by_hand(host, "kill -INT the pids, then ")
            yield Hit(host.name, f"no supervisord holds {', '.join(names)}", "", fix, not set(strays) <= set(left))


CHECKS = (
    Check(
        id="orphans",
        title="duplicate programs; `[Errno 98] Address already in use` after a restart of supervisord",
        cause="supervisord died or was killed with -9, or somebody started the program by hand: it goes on without "
        "a supervisord, and the next supervisord starts a second one beside it",
        fix=DEPLOY,
        find=orphans,
        fixes=("supervision",),
        foreign_fix="kill -INT the pids, then start supervisord",
        hides=FOLLOWS | {"socket-stale", "socket-missing"},
    ),
    Check(
        id="conf-sections",
        title="supervisorctl can't connect at all, though supervisord runs",
        cause="supervisord.conf needs [unix_http_server], [rpcinterface:supervisor] and [supervisorctl]: without "
        "them nobody can talk to supervisord",
        fix="fab -H {host} step.supervisord-conf",
        find=lacking_sections,
        fixes=("conf",),
        foreign_fix="echo_supervisord_conf shows the sections; add them, then restart supervisord",
        hides=FOLLOWS | {"socket-missing", "socket-denied"},
    ),
    Check(
        id="socket-stale",
        title="unix:///….sock refused connection",
        cause="supervisord was killed and left its socket behind: the file is there, nobody listens",
        fix=DEPLOY,
        find=stale_sockets,
        fixes=("supervision",),
        foreign_fix="rm the socket as root, then as {user}: supervisord -c the configuration",
        hides=FOLLOWS,
    ),
    Check(
        id="socket-missing",
        title="unix:///….sock no such file",
        cause="supervisord was never started here, or was stopped",
        fix=DEPLOY,
        find=missing_sockets,
        fixes=("supervision",),
        foreign_fix="as {user}: supervisord -c the configuration; where one lives already, end that one first",
        hides=FOLLOWS,
    ),
    Check(
        id="socket-denied",
        title="[Errno 13] Permission denied (of the socket)",
        cause="the socket belongs to another user: supervisord was started as root, or somebody changed the file",
        fix="fab -H {host} doctor --fix",
        find=denied_sockets,
        fixes=("owner",),
        foreign_fix="chown {user} the socket; start supervisord as {user} from now on",
    ),
    Check(
        id="two-supervisords",
        title="duplicate programs; programs that come back after they were stopped",
        cause="more than one supervisord runs pyspider's programs here: each restarts its own copy of them",
        fix="end the one that is not wanted (kill -TERM its pid), then fab -H {host} deploy",
        find=many_supervisords,
    ),
    Check(
        id="supervisor-mismatch",
        title="Sorry, this version of supervisorctl expects to talk to a server with API version …",
        cause="supervisorctl and supervisord come from two installations, or supervisor was upgraded while supervisord "
        "ran",
        fix="use the supervisorctl beside the supervisord that runs, or restart that one",
        find=strange_clients,
    ),
    Check(
        id="no-boot-unit",
        title="after a reboot nothing runs: unix:///….sock no such file",
        cause="nothing starts supervisord when the host starts",
        fix=DEPLOY,
        find=without_boot,
        fixes=("boot",),
        foreign_fix="write a systemd unit, or into root's crontab: @reboot su {user} -c 'supervisord -c the "
        "configuration'",
    ),
    Check(
        id="supervisord-outside",
        title="systemctl stop does nothing; everything ends when somebody logs out (KillUserProcesses=yes)",
        cause="supervisord was not started by its unit, but by hand, by a login or by an older version of this "
        "project: systemd neither stops it nor starts it again",
        fix=DEPLOY,
        find=outside,
        fixes=("boot", "supervision"),
    ),
    Check(
        id="unit-changed",
        title="systemctl stop, restart or a reboot does not do what it should",
        cause="the unit or its script was changed by hand or comes from another version of this project, or systemd "
        "has not read it again; settings of your own belong beside it: systemctl edit",
        fix=DEPLOY,
        find=changed_units,
        fixes=("boot",),
    ),
    Check(
        id="supervisord-hung",
        title="supervisorctl never answers",
        cause="supervisord lives, but does not answer: it was stopped (SIGSTOP), or it hangs on its disk",
        fix="on {host}: kill -CONT its pid; if that does not help, fab -H {host} deploy",
        find=hung_supervisords,
        foreign_fix="kill -CONT its pid; if that does not help, kill -TERM, then start it again",
        hides=FOLLOWS | {"socket-missing", "socket-denied"},
    ),
)
