"""supervisord's socket, with or without a supervisord behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...steps.shell import cmd
from ...steps.supervisor import REFUSED
from ..facts import Conf
from ..findings import Hit, Patient, View, deployed
from ..layout import by_writer

AGAIN = "on {host} as root (its programs start again too): "
DEPLOY = "fab -H {host} deploy"


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
            seen = f"unix://{host.facts.socket_path} refused connection, and no supervisord runs{gone}"
            yield Hit(host.name, seen)


def missing_sockets(view: View) -> Iterator[Hit]:
    for host in view.manned:
        conf = host.facts.conf
        if conf and conf.ctl and conf.socket and conf.ctl != conf.socket:
            yield Hit(
                host.name,
                f"{conf.path}: supervisord listens on {conf.socket}, supervisorctl asks {conf.ctl}",
                "[unix_http_server] file and [supervisorctl] serverurl name two different sockets",
                foreign_fix=f"on {{host}} as root: {by_writer(host.facts, _other_url(conf))}",
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
            foreign_fix=f"{AGAIN}{{hup}}",
        )
    return Hit(host.name, f"{seen}, and no supervisord runs")


def _other_url(conf: Conf) -> str:
    """The path that supervisord listens on, as the one that supervisorctl asks; nothing needs to start again."""
    # No sign of a path ends the expression, or is one of its own.
    path = re.sub(r"([\\|&\n])", r"\\\1", conf.socket or "")
    wanted = f"/^\\[supervisorctl]/,/^\\[/s|^serverurl *[=:].*|serverurl=unix://{path}|"
    return str(cmd("sed", "-i", wanted, conf.path))


def denied_sockets(view: View) -> Iterator[Hit]:
    for host in view.manned:
        socket = host.facts.socket
        if not socket or socket.kind != "socket" or not host.supervised:
            continue
        user = _user(view, host)
        if user == "root" and socket.mode & 0o200:
            continue  # given to somebody who may ask as well: nobody is denied
        if not socket.mode & (0o200 if socket.owner == user else 0o022):
            seen = f"{socket.path} belongs to {socket.owner}, mode {socket.mode:04o}"
            other = next((one for one in host.facts.daemons if one.user != user), None)
            runs = f"; supervisord (pid {other.pid}) runs as {other.user}" if other else ""
            fix = DEPLOY if other else ""
            yield Hit(host.name, seen + runs, fix=fix, by_hand=bool(other), items=(socket.path,))


def _user(view: View, host: Patient) -> str:
    """The user that asks supervisord: the one that it runs as, on a host that somebody set up by hand."""
    return view.fleet.cluster.user if deployed(view, host.name) else host.facts.layout.user


def hung_supervisords(view: View) -> Iterator[Hit]:
    for host in view.manned:
        alive = live_supervisords(host)
        if alive and host.facts.socket and not host.supervised:
            stopped = [one.pid for one in host.facts.daemons if one.state == "T"]
            # One that runs, and does not answer, may lack what its configuration has by now.
            fix = f"on {{host}} as root: kill -CONT {stopped[0]}" if stopped else ""
            seen = f"{', '.join(alive)}: {host.facts.sight.supervisord.why}"
            yield Hit(host.name, seen, fix=fix, foreign_fix=fix or f"{AGAIN}{{hup}}")
