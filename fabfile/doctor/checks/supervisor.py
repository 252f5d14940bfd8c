"""supervisord, its socket, its configuration, and what outlived it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from ... import plan
from ...steps.supervisor import REFUSED
from ..findings import Check, Hit, Patient, View
from ..sight import Unit

MISMATCH = (3, 5)
"""What supervisorctl ends with where supervisord does not know its commands, or has another API."""
NEEDED = ("unix_http_server", "rpcinterface:supervisor", "supervisorctl")
DEPLOY = "fab -H {host} deploy"
FOLLOWS = frozenset({"stopped", "port-closed", "webui-empty-reply", "rpc-down", "phantomjs-down", "log-missing"})
"""What a host shows as well whose supervisord is dead."""


def _socket(host: Patient) -> str:
    return host.facts.socket_path


def _errno(host: Patient) -> int | None:
    server = host.facts.sight.supervisord
    return None if server.answers else server.errno


def _alive(host: Patient) -> list[str]:
    """The supervisords of the cluster that live on the host."""
    daemons = host.facts.daemons
    return [f"pid {one.pid} ({one.user}, -c {one.conf})" for one in daemons]


def _systemd(host: Patient) -> Unit | None:
    """What systemd says of the cluster's unit, on a host that this project has deployed and systemd runs."""
    return host.facts.sight.unit if host.ours else None


def _start(host: Patient, verb: str = "start") -> str:
    """How supervisord is started there by hand; empty where no unit does it."""
    units = [PurePosixPath(path).name for path in host.facts.boot if path.endswith(".service")]
    return f"systemctl {verb} {units[0]}" if units else ""


def _by_hand(host: Patient, before: str, verb: str = "start") -> str:
    """The fix on a host that somebody set up by hand with a unit; empty elsewhere: there the check says it."""
    start = "" if host.ours else _start(host, verb)
    return f"{before}{start}" if start else ""


def stale_sockets(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if _errno(host) == REFUSED and not _alive(host):
            pidfile = host.facts.pidfile
            gone = f"; its pidfile names pid {pidfile.pid}, which is gone" if pidfile and not pidfile.alive else ""
            fix = _by_hand(host, "rm the socket as root, then ")
            yield Hit(host.name, f"unix://{_socket(host)} refused connection, and no supervisord runs{gone}", fix=fix)


def missing_sockets(view: View) -> Iterator[Hit]:
    for host in view.manned:
        conf = host.facts.conf
        if conf and conf.ctl and conf.socket and conf.ctl != conf.socket:
            yield Hit(
                host.name,
                f"{conf.path}: supervisord listens on {conf.socket}, supervisorctl asks {conf.ctl}",
                "[unix_http_server] file and [supervisorctl] serverurl name two different sockets",
            )
        elif host.facts.socket is None and not host.supervised:
            yield _missing(host, _alive(host))


def _missing(host: Patient, alive: list[str]) -> Hit:
    seen = f"unix://{_socket(host)} no such file"
    if alive:
        return Hit(
            host.name,
            f"{seen}, but a supervisord lives: {', '.join(alive)}",
            "the socket was deleted under a live supervisord, or that one runs with another configuration; "
            "a second supervisord would now start everything twice",
        )
    return Hit(host.name, f"{seen}, and no supervisord runs", fix=_by_hand(host, ""))


def denied_sockets(view: View) -> Iterator[Hit]:
    user = view.fleet.cluster.user
    for host in view.manned:
        socket, daemons = host.facts.socket, host.facts.daemons
        if not socket or socket.kind != "socket" or not host.supervised:
            continue
        bits = socket.mode & (0o200 if socket.owner == user else 0o022)
        if not bits:
            seen = f"{socket.path} belongs to {socket.owner}, mode {socket.mode:04o}"
            root = next((one for one in daemons if one.user != user), None)
            runs = f"; supervisord (pid {root.pid}) runs as {root.user}" if root else ""
            start = _start(host) or f"as {user}: supervisord -c {root and root.conf}"
            fix = "" if not root else f"end pid {root.pid}, then {start}"
            yield Hit(host.name, seen + runs, fix=fix, by_hand=bool(root), items=(socket.path,))


def lacking_sections(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if not (conf := host.facts.conf):
            continue
        needed = [name for name in NEEDED if name not in conf.sections]
        if conf.inet:
            needed = [name for name in needed if name != "unix_http_server"]
        if needed:
            fix = _by_hand(host, "echo_supervisord_conf shows the sections; add them, then ", "restart")
            yield Hit(host.name, f"{conf.path} lacks {', '.join(f'[{name}]' for name in needed)}", fix=fix)


def many_supervisords(view: View) -> Iterator[Hit]:
    for host in view.seen:
        if len(alive := _alive(host)) > 1:
            yield Hit(host.name, f"{len(alive)} supervisords run: {', '.join(alive)}")


def hung_supervisords(view: View) -> Iterator[Hit]:
    for host in view.manned:
        alive = _alive(host)
        if alive and host.facts.socket and not host.supervised:
            yield Hit(host.name, f"{', '.join(alive)}: {host.facts.sight.supervisord.why}")


def strange_clients(view: View) -> Iterator[Hit]:
    for host in view.manned:
        for client in host.facts.clients:
            if client.status in MISMATCH:
                yield Hit(
                    host.name,
                    f"{client.path}: {client.says}",
                    fix=f"use {client.beside}, or remove {client.path}",
                )


def without_boot(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if host.facts.conf and not host.facts.boot:
            conf = host.facts.conf.path
            yield Hit(host.name, f"no unit, rc script, crontab or rc.local starts supervisord -c {conf}")


def outside(view: View) -> Iterator[Hit]:
    for host in view.manned:
        unit = _systemd(host)
        if unit and host.supervised:
            pid, service = host.facts.sight.supervisord.pid, plan.place(view.fleet).unit
            if unit.main != pid:
                main = f"pid {unit.main}" if unit.main else "nothing"
                yield Hit(host.name, f"supervisord is pid {pid}, and the main process of {service}.service is {main}")


def changed_units(view: View) -> Iterator[Hit]:
    for host in view.manned:
        unit = _systemd(host)
        if not unit or not host.facts.boot:
            continue
        wanted = {
            path: hashlib.sha256(content).hexdigest() for path, content, _ in plan.boot_files(view.fleet, host.host)
        }
        other = [path for path, digest in wanted.items() if host.facts.files.get(path) != digest]
        if other:
            yield Hit(host.name, f"{' and '.join(other)}: not what fab deploy writes")
        elif unit.stale:
            yield Hit(host.name, f"{plan.place(view.fleet).unit}.service has changed since systemd read it")


def orphans(view: View) -> Iterator[Hit]:
    for host in view.seen:
        left = {item.pid: item.name for item in host.facts.sight.leftovers}
        # Started by hand and left behind: no environment tells of a supervisord.
        strays = {one.pid: one.role for one in host.components if one.parent == 1 and not one.held}
        names = [f"{name} (pid {pid})" for pid, name in sorted((strays | left).items())]
        if names:
            fix = _by_hand(host, "kill -INT the pids, then ")
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
        "has not read it again; what is your own belongs beside it: systemctl edit",
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
