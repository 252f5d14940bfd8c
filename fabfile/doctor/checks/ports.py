"""The ports of programs: in other hands, closed, or open and silent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...inventory.fleet import Program
from ...inventory.roles import FETCHER, PHANTOMJS, ROLES, WEBUI
from ...steps.sight import KnownProgram, Listener
from ..answers import Asked
from ..facts import AnsweringPort, Component, ProgramSection
from ..findings import ENDS, Check, Hit, Patient, View
from ..known import option

LOOPBACK = ("127.", "::1", "localhost")
SETTLED = 10.0
"""Seconds that a program has to open its port."""


def port_of(host: Patient, program: ProgramSection) -> int | None:
    """A program's port: from its command line, else from config.json, else pyspider's default."""
    role, words = ROLES.get(program.role), program.words
    if role is None or not role.port_option:
        return None
    name = f"--{role.port_option}"
    if name in words[:-1]:
        return int(words[words.index(name) + 1])
    if role is PHANTOMJS and (match := re.search(r":(\d+)$", words[-1])):
        return int(match[1])
    section = next((asked.section(role.name) for asked in host.asked_as(role.name) if asked.config), {})
    if role is FETCHER and not option(section, "xmlrpc") and "--xmlrpc" not in words:
        return None
    number = str(option(section, role.port_option.replace("-", "_")))
    return int(number) if number.isdigit() else role.port


def taken_ports(view: View) -> Iterator[Hit]:
    for host, program, port, holders in _taken(view):
        pids = " ".join(map(str, holders))
        names = ", ".join(f"{name} (pid {pid})" for pid, name in holders.items())
        seen = f"{program.name} wants port {port}, which {names} holds"
        by_hand = f"{{host}} as root: kill {pids}; {{ctl}} restart {{items}}"
        foreign = f"name another port, or, if nobody needs the process that holds it, on {by_hand}"
        ended = f"fab -H {{host}} run 'kill {pids}', then fab -H {{host}} deploy --reload"
        fix = f"name another port in hosts.toml, or, if nobody needs the process that holds it, {ended}"
        yield Hit(host.name, seen, fix=fix, foreign_fix=foreign, items=(program.name,))


def taken_roles(view: View) -> set[str]:
    """The roles with a program whose port a stranger holds: the stranger's answers count for nothing."""
    return {program.role for _, program, _, _ in _taken(view)}


def _taken(view: View) -> Iterator[tuple[Patient, ProgramSection, int, dict[int, str]]]:
    for host in view.seen:
        pids = {program.name: program.pid for program in host.programs}
        for program in host.configured:
            if program.name not in pids or not (port := port_of(host, program)):
                continue
            listeners = [one for one in host.facts.listeners if one.port == port and one.pid]
            holders = {one.pid or 0: one.name for one in listeners}
            if holders and not any(pids[program.name] in one.line for one in listeners):
                yield host, program, port, holders


def empty_replies(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for webui in host.facts.webuis:
            if webui.kind == "empty":
                process = next(one for one in host.components if one.pid in webui.line)
                yield _empty(host, webui, process)


def _empty(host: Patient, webui: AnsweringPort, process: Component) -> Hit:
    seen = f"{webui.address}:{webui.port} (pid {webui.pid}) takes the connection and answers nothing"
    old = [one for one in host.asked_as(WEBUI.name) if _version(one) and _version(one) < (2, 7)]
    if old:
        version = ".".join(map(str, _version(old[0])))
        return Hit(
            host.name, f"{seen}; its interpreter {old[0].python} is {version}",
            "the interpreter behind the web UI is older than 2.7; this is not the firewall",
            "fab -H {host} bootstrap, then fab -H {host} deploy",
            "let the web UI's section name a Python 2.7, then on {host} as root: {ctl} update", by_hand=True,
        )  # fmt: skip
    stopped = "; the process is stopped (SIGSTOP)" if process.state == "T" else ""
    foreign = "" if process.name else f"on {{host}} as root: kill -CONT {process.pid}"
    named = (process.name,) if process.name else ()
    return Hit(host.name, seen + stopped, foreign_fix=foreign, items=named, by_hand=not process.name)


def _version(asked: Asked) -> tuple[int, ...]:
    return asked.interpreter.version if asked.interpreter else ()


def closed_ports(view: View) -> Iterator[Hit]:
    for host in view.manned:
        heard = {one.port: one for one in host.facts.listeners}
        for program in view.fleet.programs(host.host):
            one = _live(host, program)
            if program.role != WEBUI.name or not one or one.state != "RUNNING" or (one.uptime_s or 0) < SETTLED:
                continue
            if inner := _only_inside(view, host, heard.get(program.port or 0)):
                yield Hit(host.name, f"{one.name} is RUNNING, but {inner}", items=(one.name,))
            if program.port not in heard:
                other = sorted(each.port for each in heard.values() if one.pid in each.line)
                where = f"; it listens on {', '.join(map(str, other))}" if other else ""
                place = f"{view.fleet.bind_address(host.host)}:{program.port}"
                seen = f"nothing listens on {place}, though {one.name} is RUNNING"
                yield Hit(host.name, seen + where, items=(one.name,))


def _live(host: Patient, program: Program) -> KnownProgram | None:
    """The program as supervisord runs it; by hand it may have any name, where it is the only one of its role."""
    named = next((one for one in host.programs if one.name == program.name), None)
    own = [one.name for one in host.configured if one.role == program.role]
    return named or next((one for one in host.programs if [one.name] == own), None)


def _only_inside(view: View, host: Patient, one: Listener | None) -> str:
    """The address to which a web UI keeps, though hosts.toml has it listen where others reach it."""
    wanted = view.fleet.bind_address(host.host)
    if one is None or not one.address.startswith(LOOPBACK) or wanted.startswith(LOOPBACK):
        return ""
    both = any(other.port == one.port and other.address != one.address for other in host.facts.listeners)
    return "" if both else f"it listens on {one.address}:{one.port} only, not on {wanted}"


CHECKS = (
    Check(
        id="port-in-use",
        title="[Errno 98] Address already in use",
        cause="another process holds the program's port. A scheduler or fetcher says so in one line of its log and "
        "stays RUNNING without its RPC; a web UI ends",
        fix="end the process that holds the port, or name another one in hosts.toml, then fab -H {host} deploy "
        "--reload",
        foreign_fix="end the process that holds the port, then on {host} as root: {ctl} restart {items}",
        find=taken_ports,
        hides=ENDS | {"rpc-down", "rpc-wrong", "port-closed"},
    ),
    Check(
        id="webui-empty-reply",
        title="curl: (52) Empty reply from server, though the port is open",
        cause="the web UI's process hangs: it is alive, its port is open, it answers nobody; this is not the firewall",
        fix="fab -H {host} doctor --fix",
        find=empty_replies,
        fixes=("restart",),
        foreign_fix="on {host} as root: {ctl} restart {items}",
    ),
    Check(
        id="port-closed",
        title="Connection refused at the web UI's port",
        cause="nothing listens on the port that hosts.toml names; this is not the firewall. "
        "(`nc -z HOST PORT; echo $?`: 0 means open, 1 closed)",
        fix="fab -H {host} deploy, then fab -H {host} reload",
        find=closed_ports,
        fixes=("release", "restart"),
        foreign_fix="let --host and --port of the web UI agree with hosts.toml, then on {host} as root: {ctl} update",
    ),
)
