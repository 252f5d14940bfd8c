"""supervisord's socket, with or without a supervisord behind it."""

from __future__ import annotations

from collections.abc import Iterator

from ...steps.supervisor import REFUSED
from ..findings import Hit, Patient, View
from .units import by_hand, start_command


def _errno(host: Patient) -> int | None:
    server = host.facts.sight.supervisord
    return None if server.answers else server.errno


def live_supervisords(host: Patient) -> list[str]:
    """The supervisords of the cluster that live on the host."""
    daemons = host.facts.daemons
    return [f"pid {one.pid} ({one.user}, -c {one.conf})" for one in daemons]


def stale_sockets(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if _errno(host) == REFUSED and not live_supervisords(host):
            pidfile = host.facts.pidfile
            gone = f"; its pidfile names pid {pidfile.pid}, which is gone" if pidfile and not pidfile.alive else ""
            fix = by_hand(host, "rm the socket as root, then ")
            yield Hit(
                host.name, f"unix://{host.facts.socket_path} refused connection, and no supervisord runs{gone}", fix=fix
            )


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
            yield _missing(host, live_supervisords(host))


def _missing(host: Patient, alive: list[str]) -> Hit:
    seen = f"unix://{host.facts.socket_path} no such file"
    if alive:
        return Hit(
            host.name,
            f"{seen}, but a supervisord lives: {', '.join(alive)}",
            "the socket was deleted under a live supervisord, or that one runs with another configuration; "
            "a second supervisord would now start everything twice",
        )
    return Hit(host.name, f"{seen}, and no supervisord runs", fix=by_hand(host, ""))


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
            start = start_command(host) or f"as {user}: supervisord -c {root and root.conf}"
            fix = "" if not root else f"end pid {root.pid}, then {start}"
            yield Hit(host.name, seen + runs, fix=fix, by_hand=bool(root), items=(socket.path,))


def hung_supervisords(view: View) -> Iterator[Hit]:
    for host in view.manned:
        alive = live_supervisords(host)
        if alive and host.facts.socket and not host.supervised:
            yield Hit(host.name, f"{', '.join(alive)}: {host.facts.sight.supervisord.why}")
