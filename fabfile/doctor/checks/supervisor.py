"""supervisord, its configuration, and the processes that outlived it."""

from __future__ import annotations

from collections.abc import Iterator

from ...steps.shell import cmd
from ..facts import Conf
from ..findings import Check, Hit, Patient, View
from ..layout import LINES, by_writer
from .sockets import AGAIN, DEPLOY, denied_sockets, hung_supervisords, live_supervisords, missing_sockets, stale_sockets
from .units import changed_units, outside, unwatched, without_boot

MISMATCH = (3, 5)
"""supervisorctl's exit status where supervisord does not know its commands, or has another API."""
NEEDED = ("unix_http_server", "rpcinterface:supervisor", "supervisorctl")
FACTORY = "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface"
SOCKET = "/var/tmp/supervisor.sock"  # noqa: S108  where nothing else names one
FOLLOWS = frozenset(
    {"stopped", "port-closed", "webui-empty-reply", "rpc-down", "phantomjs-down", "log-missing", "watcher-gone"}
)
"""Faults that a host with a dead supervisord shows as well."""


def lacking_sections(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if not (conf := host.facts.conf):
            continue
        needed = [name for name in NEEDED if name not in conf.sections]
        if conf.inet:
            needed = [name for name in needed if name != "unix_http_server"]
        if needed:
            seen = f"{conf.path} lacks {', '.join(f'[{name}]' for name in needed)}"
            yield Hit(host.name, seen, foreign_fix=_adding(host, conf, needed))


def _adding(host: Patient, conf: Conf, needed: list[str]) -> str:
    """The sections at the end of the file; supervisord reads its own two when it starts again."""
    socket = conf.socket or conf.ctl or SOCKET
    url = f"http://127.0.0.1:{conf.inet.port.rpartition(':')[2]}" if conf.inet else f"unix://{socket}"
    bodies = {NEEDED[0]: f"file={socket}", NEEDED[1]: FACTORY, NEEDED[2]: f"serverurl={url}"}
    lines = [line for name in needed for line in (f"[{name}]", bodies[name])]
    added = by_writer(host.facts, f"{cmd('printf', LINES, *lines)} >>{cmd(conf.path)}")
    if needed == [NEEDED[2]]:
        return f"on {{host}} as root: {added}"
    return f"{AGAIN}{added}; {{hup}}" if live_supervisords(host) else f"on {{host}} as root: {added}; {{start}}"


def many_supervisords(view: View) -> Iterator[Hit]:
    for host in view.seen:
        if len(alive := live_supervisords(host)) > 1:
            pids = [one.pid for one in host.facts.daemons]
            kept = host.facts.sight.supervisord.pid if host.supervised else pids[0]
            ended = " ".join(str(pid) for pid in pids if pid != kept)
            fix = f"if pid {kept} is the one that is wanted, on {{host}} as root: kill {ended}"
            yield Hit(host.name, f"{len(alive)} supervisords run: {', '.join(alive)}", fix=fix, foreign_fix=fix)


def strange_clients(view: View) -> Iterator[Hit]:
    for host in view.manned:
        for client in host.facts.clients:
            if client.status in MISMATCH:
                # A reload goes on in the process that runs, with the modules that it has loaded.
                fix = "on {host} as root: {again}"
                # One that is younger than the supervisord beside it was upgraded under it.
                if client.path != client.beside:
                    gone = cmd("rm", client.path)
                    fix = f"use {client.beside}, or, if nobody needs this one, on {{host}} as root: {gone}"
                yield Hit(host.name, f"{client.path}: {client.says}", fix=fix, foreign_fix=fix)


def refused(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if says := host.facts.refusal:
            conf = host.facts.conf.path if host.facts.conf else "its configuration"
            lost = host.facts.layout.lost
            seen = f"supervisord does not take {conf}: {says}"
            yield Hit(host.name, seen, foreign_fix="on {host} as root: {start}" if lost else "")


def orphans(view: View) -> Iterator[Hit]:
    for host in view.seen:
        left = {item.pid: item.name for item in host.facts.sight.leftovers}
        # A program that was started by hand has no environment that tells of a supervisord.
        strays = {one.pid: one.role for one in host.components if one.parent == 1 and not one.held}
        names = [f"{name} (pid {pid})" for pid, name in sorted((strays | left).items())]
        if names:
            by_hand = not set(strays) <= set(left)
            seen = f"no supervisord holds {', '.join(names)}"
            yield Hit(host.name, seen, foreign_fix=_ending(host, sorted(strays | left)), by_hand=by_hand)


def _ending(host: Patient, pids: list[int]) -> str:
    """The end of processes, gently first: the shell that began one in the background may have it ignore SIGINT."""
    named = " ".join(map(str, pids))
    ended = f"on {{host}} as root: kill -INT {named}; sleep 2; kill {named} 2>/dev/null"
    return ended if live_supervisords(host) else f"{ended}; {{start}}"


CHECKS = (
    Check(
        id="orphans",
        title="duplicate programs; `[Errno 98] Address already in use` after a restart of supervisord",
        cause="supervisord died or was killed with -9, or somebody started the program by hand: it goes on without "
        "a supervisord, and the next supervisord starts a second one beside it",
        fix=DEPLOY,
        find=orphans,
        fixes=("supervision",),
        foreign_fix="on {host} as root: kill -INT the pids; {start}",
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
        foreign_fix="echo_supervisord_conf shows the sections: add them to {conf}; on {host} as root: {hup}",
        hides=FOLLOWS | {"socket-missing", "socket-denied", "supervisord-hung"},
    ),
    Check(
        id="conf-refused",
        title="Error: Format string … contains names which cannot be expanded; The directory named as part of the path "
        "… does not exist; supervisord does not start",
        cause="supervisord ends at once where it can't use its configuration: a % that is not written %%, the "
        "directory of a log file that is missing, a value of another kind",
        fix="fab -H {host} bootstrap, then fab -H {host} deploy",
        find=refused,
        fixes=("folders", "conf", "supervision"),
        foreign_fix="mend what it names in {conf}, then on {host} as root: {start}",
        hides=FOLLOWS | {"socket-stale", "socket-missing"},
    ),
    Check(
        id="socket-stale",
        title="unix:///….sock refused connection",
        cause="supervisord was killed and left its socket behind: the file is there, nobody listens",
        fix=DEPLOY,
        find=stale_sockets,
        fixes=("supervision",),
        foreign_fix="on {host} as root: {start}",
        hides=FOLLOWS,
    ),
    Check(
        id="socket-missing",
        title="unix:///….sock no such file",
        cause="supervisord was never started here, or was stopped",
        fix=DEPLOY,
        find=missing_sockets,
        fixes=("supervision",),
        foreign_fix="on {host} as root: {start}",
        hides=FOLLOWS,
    ),
    Check(
        id="socket-denied",
        title="[Errno 13] Permission denied (of the socket)",
        cause="the socket belongs to another user than the one that asks: supervisord was started as somebody else, or "
        "somebody changed the file",
        fix="fab -H {host} doctor --fix",
        find=denied_sockets,
        fixes=("owner",),
        foreign_fix="on {host} as root: chown -h {layout_user} {socket} && find {socket} -type s -exec chmod 700 {} +",
    ),
    Check(
        id="two-supervisords",
        title="duplicate programs; programs that come back after they were stopped",
        cause="more than one supervisord runs pyspider's programs here: each restarts its own copy of them",
        fix="on {host} as root: kill the pid of the one that is not wanted",
        find=many_supervisords,
    ),
    Check(
        id="supervisor-mismatch",
        title="Sorry, this version of supervisorctl expects to talk to a server with API version …",
        cause="supervisorctl and supervisord come from two installations, or supervisor was upgraded while supervisord "
        "ran",
        fix="use the supervisorctl beside the supervisord that runs, or on {host} as root: {again}",
        find=strange_clients,
    ),
    Check(
        id="no-boot-unit",
        title="after a reboot nothing runs: unix:///….sock no such file",
        cause="nothing starts supervisord when the host starts",
        fix=DEPLOY,
        find=without_boot,
        fixes=("boot",),
        foreign_fix="on {host} as root: {boot}",
    ),
    Check(
        id="watcher-gone",
        title="supervisord is dead and stays so; nothing runs until the next deploy",
        cause="where no systemd runs, a small process of root's starts supervisord again when it dies: that one was "
        "killed, or the cluster comes from an older version of this project",
        fix=DEPLOY,
        find=unwatched,
        fixes=("supervision",),
    ),
    Check(
        id="supervisord-outside",
        title="systemctl stop does nothing; everything ends when somebody logs out (KillUserProcesses=yes)",
        cause="supervisord was not started by its unit, but by hand, by a login or by an older version of this "
        "project: systemd neither stops it nor starts it again",
        fix=DEPLOY,
        find=outside,
        fixes=("boot", "supervision"),
        foreign_fix="on {host} as root: {again}",
    ),
    Check(
        id="unit-changed",
        title="systemctl stop, restart or a reboot does not do what it should",
        cause="the unit or its script was changed by hand or comes from another version of this project, or systemd "
        "has not read it again; settings of your own belong beside it: systemctl edit",
        fix=DEPLOY,
        find=changed_units,
        fixes=("boot",),
        foreign_fix="on {host} as root: systemctl daemon-reload",
    ),
    Check(
        id="supervisord-hung",
        title="supervisorctl never answers",
        cause="supervisord lives, but does not answer: it was stopped (SIGSTOP), or it hangs on its disk",
        fix="fab -H {host} deploy",
        find=hung_supervisords,
        foreign_fix="kill -CONT its pid; if that does not help, on {host} as root: {hup}",
        hides=FOLLOWS | {"socket-missing", "socket-denied"},
    ),
)
