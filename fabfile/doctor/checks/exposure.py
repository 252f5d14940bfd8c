"""Files and ports that are open to strangers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ...inventory import doors
from ...inventory.roles import WEBUI
from ...steps.shell import as_user, cmd
from ...steps.sight import Listener
from ..answers import FileSeen
from ..findings import Check, Hit, Patient, View
from ..known import option
from .config import RESTART, readers
from .sockets import AGAIN

RELOAD = "fab -H {host} deploy, then fab -H {host} reload"
LOGIN = (
    'write "need-auth": true, "username" and "password" into the section webui of its config.json, or let it listen on '
    "127.0.0.1{restarted}"
)
INET = f"write port=127.0.0.1:9001, or username and password, below [inet_http_server] of {{conf}}; {AGAIN}{{hup}}"
INNER = "let it listen on 127.0.0.1 or an inner address, or let a filter keep strangers from that port"
WITH_RULES = "set firewall = true in [cluster] of hosts.toml, then fab deploy"
LOOPBACK = ("127.", "::1", "localhost")


def readable_configs(view: View) -> Iterator[Hit]:
    for host in view.seen:
        seen = set()
        for asked in host.asked:
            file = asked.file
            if file and file.mode & 0o044 and file.path not in seen:
                seen.add(file.path)
                text = f"{file.path} holds passwords and has mode {file.mode:04o}"
                yield Hit(host.name, text, foreign_fix=_closed(host, file))


def half_changed(view: View) -> Iterator[Hit]:
    names = ", ".join(view.half_changed)
    if names and any(host.host == view.fleet.scheduler_host for host in view.hosts):
        seen = f"the passwords of {names} were being changed, and that has not ended"
        yield Hit(view.fleet.scheduler_host.name, seen, fix=f"fab passwords.rotate {' '.join(view.half_changed)}")


def _closed(host: Patient, file: FileSeen) -> str:
    """The file for the users of its programs alone; more than one of them needs a group, which a person chooses."""
    words = [one for one in host.components if file.path in one.words] or list(host.components)
    users = sorted({one.user for one in words}) or [file.owner]
    if len(users) > 1:
        return f"let only {' and '.join(users)} read {file.path}: chgrp to a group of theirs, chmod 640"
    owned = cmd("chown", "-h", users[0], file.path)
    # In a folder of another user, root would follow a link.
    if users == ["root"]:
        return f"on {{host}} as root: {owned}; {cmd('find', file.path, '-type', 'f')} -exec chmod 600 {{}} +"
    return f"on {{host}} as root: {owned}; {as_user(users[0], cmd('chmod', '600', file.path))}"


def open_webuis(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for webui in host.facts.webuis:
            if webui.status == 200 and not webui.address.startswith(LOOPBACK):
                place = f"{webui.address}:{webui.port}"
                text = f"the web UI at {place} asks for no password; anybody who reaches it runs code here"
                names = tuple(one.name for one in host.programs if one.pid in webui.line)
                yield Hit(host.name, text, fix=RESTART, foreign_fix=LOGIN, by_hand=not names, items=names)
        yield from _any_login(host)


def _any_login(host: Patient) -> Iterator[Hit]:
    for asked in host.asked_as(WEBUI.name):
        section = asked.section(WEBUI.name)
        if option(section, "need_auth") and not option(section, "username"):
            text = f"{asked.path}: need-auth without a username lets in anybody with any password"
            yield Hit(host.name, text, fix=RESTART, foreign_fix=LOGIN, items=readers(host, asked))


def open_supervisors(view: View) -> Iterator[Hit]:
    for host in view.seen:
        conf, live = host.facts.conf, _listening(host)
        inet = conf.inet if conf else None
        if conf and inet and not inet.password and not inet.port.startswith(LOOPBACK):
            text = f"{conf.path}: [inet_http_server] {inet.port} has no password"
            yield Hit(host.name, text, fix=RELOAD if live else "", foreign_fix=INET, by_hand=bool(live))
        elif live and not inet:
            text = f"supervisord (pid {live.pid}) listens on {live.address}:{live.port}"
            seen = f"{text}, of which its configuration knows nothing any more"
            yield Hit(host.name, seen, fix=RELOAD, foreign_fix=f"{AGAIN}{{hup}}", by_hand=True)


def _listening(host: Patient) -> Listener | None:
    """A supervisord's port that can be reached from outside at this moment."""
    pids = {one.pid for one in host.facts.daemons}
    ports = (one for one in host.facts.listeners if one.pid in pids)
    return next((one for one in ports if not one.address.startswith(LOOPBACK)), None)


def public_ports(view: View) -> Iterator[Hit]:
    fleet = view.fleet
    ports = {fleet.stores.mysql.port: "MySQL", fleet.stores.redis.port: "Redis"}
    for host in view.seen:
        roles = {one.pid: f"the {one.role}'s RPC" for one in host.components if one.role in WEBUI.calls}
        for one in host.facts.listeners:
            server = next((roles[pid] for pid in one.line if pid in roles), None) or ports.get(one.port)
            if server and _public(one.address, host.host.address) and not _filtered(host, one.port, view):
                seen = f"{server} listens on {one.address}:{one.port}, an address of the internet"
                yield _public_port(view, host, one.port, seen)


def _public_port(view: View, host: Patient, port: int, text: str) -> Hit:
    if port not in doors.ports(view.fleet, host.host):
        return Hit(host.name, text, fix=INNER, by_hand=True)
    return _door(host, text) if view.fleet.cluster.firewall else Hit(host.name, text, fix=WITH_RULES, by_hand=True)


def _public(address: str, own: str) -> bool:
    try:
        return ipaddress.ip_address(own if address in ("0.0.0.0", "::") else address).is_global  # noqa: S104  a comparison
    except ValueError:
        return False


def _filtered(host: Patient, port: int, view: View) -> bool:
    """Whether the host's own firewall keeps strangers from the port."""
    firewall = host.facts.sight.firewall
    return bool(firewall and firewall.filters and port in doors.ports(view.fleet, host.host))


def open_doors(view: View) -> Iterator[Hit]:
    """Ports for the cluster alone that strangers reach: that answered this machine, or that no rule closes."""
    if not view.fleet.cluster.firewall:
        return
    for host in view.seen:
        names = _doors(host, view) if host.ours else {}
        answered = [port for port in names if host.facts.doors.get(port) == "answered"]
        for port in answered:
            yield _door(host, f"{names[port]} answers this machine, which is no host of the cluster")
        unknown = [port for port in names if port not in host.facts.doors]
        if unknown and (why := _unfiltered(host)):
            yield _door(host, f"{', '.join(names[port] for port in unknown)}: {why}")


def _doors(host: Patient, view: View) -> dict[int, str]:
    """The ports for the cluster alone on which something listens for other hosts, with names."""
    firewall, by_itself = host.facts.sight.firewall, {one.pid for one in host.components if one.role in WEBUI.calls}
    known = doors.named(view.fleet, host.host)
    found = {}
    for one in host.facts.listeners:
        # Where no rules can be set, run.py's own lock is on the RPC servers.
        locked = firewall and firewall.mechanism == "none" and by_itself & set(one.line)
        if one.port in known and not one.address.startswith(LOOPBACK) and not locked:
            found[one.port] = f"{known[one.port]} at {host.host.address}:{one.port}"
    return found


def _unfiltered(host: Patient) -> str:
    """Why the rules of the firewall close nothing; empty where they do."""
    firewall = host.facts.sight.firewall
    if firewall and firewall.filters:
        return ""
    if firewall and firewall.holds:
        return "no rules can be set on this host (a container without the right or the kernel's support)"
    return "the rules of the firewall are not in force" if firewall else "no firewall has been set on this host"


def _door(host: Patient, text: str) -> Hit:
    firewall = host.facts.sight.firewall
    if firewall and firewall.holds:
        away = "close these ports before the host: on the machine that it runs on, or by a security group"
        return Hit(host.name, text, fix=away, by_hand=True)
    return Hit(host.name, text, fix="fab -H {host} step.firewall")


def exposed(view: View) -> Iterator[Hit]:
    for find in (readable_configs, open_webuis, open_supervisors, public_ports, open_doors):
        yield from find(view)


CHECKS = (
    Check(
        id="exposed",
        title="strangers read passwords, or run code through the web UI, supervisor or RPC",
        cause="a port or a file is open to more than the cluster; RPC never asks who you are, a web UI only with "
        "need-auth",
        fix="fab -H {host} deploy",
        find=exposed,
        fixes=("firewall", "conf", "release", "restart"),
        foreign_fix=INNER,
    ),
    Check(
        id="passwords-half-changed",
        title="fab: the old passwords stay valid; the web UI answers 401",
        cause="a passwords.rotate was stopped, or could not reach every host: the stores still take the old passwords; "
        "once Redis is restarted it does not, and locks out the programs that have its old one",
        fix="fab passwords.rotate",
        find=half_changed,
        warning=True,
    ),
)
