"""The programs that supervisord runs: states, schedulers, ports, logs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from ...inventory.roles import FETCHER, PHANTOMJS, ROLES, SCHEDULER, WEBUI
from ...steps.sight import KnownProgram
from ..answers import Asked
from ..facts import AnsweringPort, Component, ProgramLog, ProgramSection
from ..findings import Check, Hit, Patient, View
from ..known import option
from .supervisor import DEPLOY

ERROR = re.compile(r"^(\S*(Error|Exception|Fault|Interrupt)\b.*|run\.py: .*|Error: .*|\S+: (can't open|No such) .*)$")
OUTAGE = re.compile(
    r"(redis|mysql|InterfaceError|OperationalError|ConnectionError|Error 111|2003|2013|2055)", re.IGNORECASE
)
SCHEDULERS = (SCHEDULER.name, "all", "one")
"""pyspider's commands that start a scheduler."""
SETTLED = 10.0
"""Seconds that a program has to open its port."""


def last_error(lines: Sequence[str]) -> str:
    """The line of a log that says why its program ended; its last line where none does."""
    stripped = [line.strip() for line in lines if line.strip()]
    return next(
        (line for line in reversed(stripped) if ERROR.match(line)), stripped[-1] if stripped else "an empty log"
    )[:300]


def _error(host: Patient, name: str) -> str:
    return last_error(host.facts.logs.get(name, ProgramLog()).tail)


def _role(host: Patient, name: str) -> str | None:
    return next((program.role for program in host.configured if program.name == name), None)


def many_schedulers(view: View) -> Iterator[Hit]:
    where = [(host, one) for host in view.seen for one in host.components if one.role in SCHEDULERS]
    if len(where) > 1:
        places = ", ".join(f"{host.name} (pid {one.pid})" for host, one in where)
        home = view.fleet.scheduler_host.name
        strangers = [host.name for host, _ in where if host.name != home]
        yield Hit(strangers[0] if strangers else home, f"{len(where)} schedulers run at once: {places}")


def _failing(view: View) -> Iterator[tuple[Patient, KnownProgram, str]]:
    for host in view.seen:
        for program in host.programs:
            failed = program.state in ("BACKOFF", "FATAL", "EXITED") or _again(host, program)
            if failed and _role(host, program.name):
                yield host, program, _error(host, program.name)


def _again(host: Patient, program: KnownProgram) -> bool:
    """Whether it has ended more than once since it was RUNNING: between two BACKOFFs supervisord says STARTING."""
    if program.state != "STARTING":
        return False
    lines = [line for line in host.facts.daemon_log if f" {program.name} " in f"{line.replace(':', ' ')} "]
    begun = max((index for index, line in enumerate(lines) if "entered RUNNING" in line), default=-1)
    return sum(" exited: " in line for line in lines[begun + 1 :]) > 1


def _after_outage(host: Patient, program: KnownProgram, error: str) -> bool:
    """Whether it gave up when a store was away, and the store is back."""
    answers = [one for asked in host.asked for one in asked.mysql.values()]
    away = any(one.errno for one in answers) or any(asked.redis and asked.redis.error for asked in host.asked)
    return program.state in ("FATAL", "EXITED") and bool(OUTAGE.search(error)) and not away


def backoffs(view: View) -> Iterator[Hit]:
    for host, program, error in _failing(view):
        if program.state != "EXITED" and not _after_outage(host, program, error):
            why = program.why or error
            seen = f"{program.name} is {program.state}: {error if why.startswith('Exited') else why}"
            yield Hit(host.name, seen, _cause(error))


CAUSES = (
    (
        r"ImportError|ModuleNotFoundError",
        "a Python package is missing or broken in this interpreter; run fab bootstrap",
    ),
    (r"SyntaxError", "a package is of a version that is not for this Python"),
    (r"is not JSON|lacks |can't be read", "config.json is damaged or can't be read by the program's user"),
    (r"\[Errno 28\]|No space left", "the disk is full"),
    (r"\[Errno 13\]|Permission denied", "the program's user may not read or write one of its files"),
)
"""Known causes of an error line."""


def _cause(error: str) -> str:
    return next((cause for pattern, cause in CAUSES if re.search(pattern, error)), "")


def given_up(view: View) -> Iterator[Hit]:
    for host, program, error in _failing(view):
        if _after_outage(host, program, error):
            yield Hit(host.name, f"{program.name} is {program.state}: {error}; the store answers again")


def stopped(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if not host.supervised:
            continue
        for program in host.programs:
            if not _role(host, program.name):
                continue
            error = _error(host, program.name)
            exited = program.state == "EXITED" and not _after_outage(host, program, error)
            if program.state == "STOPPED" or exited:
                yield Hit(host.name, f"{program.name} is {program.state}")
        yield from _absent(view, host)


def _absent(view: View, host: Patient) -> Iterator[Hit]:
    """Roles of which fewer programs are known to supervisord than hosts.toml wants; names may differ by hand."""
    wanted = Counter(program.role for program in view.fleet.programs(host.host))
    names = {program.name for program in host.programs}
    known = Counter(program.role for program in host.configured if program.name in names)
    known.update(one.role for one in host.components if not one.held)
    for role, count in wanted.items():
        if known[role] < count:
            yield Hit(host.name, f"supervisord knows {known[role]} {role} of {count} in hosts.toml")


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
        yield Hit(host.name, f"{program.name} wants port {port}, which {holders} holds")


def taken_roles(view: View) -> set[str]:
    """The roles with a program whose port a stranger holds: the stranger's answers count for nothing."""
    return {program.role for _, program, _, _ in _taken(view)}


def _taken(view: View) -> Iterator[tuple[Patient, ProgramSection, int, str]]:
    for host in view.seen:
        pids = {program.name: program.pid for program in host.programs}
        for program in host.configured:
            if program.name not in pids or not (port := port_of(host, program)):
                continue
            listeners = [one for one in host.facts.listeners if one.port == port and one.pid]
            holders = {one.pid: one.name for one in listeners}
            if holders and not any(pids[program.name] in one.line for one in listeners):
                yield host, program, port, ", ".join(f"{name} (pid {pid})" for pid, name in holders.items())


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
            "fab -H {host} bootstrap, then fab -H {host} deploy", by_hand=True,
        )  # fmt: skip
    stopped = "; the process is stopped (SIGSTOP)" if process.state == "T" else ""
    return Hit(host.name, seen + stopped, items=(process.name,) if process.name else (), by_hand=not process.name)


def _version(asked: Asked) -> tuple[int, ...]:
    return asked.interpreter.version if asked.interpreter else ()


def closed_ports(view: View) -> Iterator[Hit]:
    for host in view.manned:
        live = {one.name: one for one in host.programs}
        heard = {one.port: one for one in host.facts.listeners}
        for program in view.fleet.programs(host.host):
            one = live.get(program.name)
            if program.role != WEBUI.name or not one or one.state != "RUNNING" or (one.uptime_s or 0) < SETTLED:
                continue
            if program.port not in heard:
                other = sorted(one.port for one in heard.values() if live[program.name].pid in one.line)
                where = f"; it listens on {', '.join(map(str, other))}" if other else ""
                place = f"{view.fleet.bind_address(host.host)}:{program.port}"
                seen = f"nothing listens on {place}, though {program.name} is RUNNING"
                yield Hit(host.name, seen + where, items=(program.name,))


def missing_logs(view: View) -> Iterator[Hit]:
    for host in view.manned:
        for name, log in host.facts.logs.items():
            gone = [file.path for file in log.files if file.size is None]
            if gone and any(one.name == name and one.state == "RUNNING" for one in host.programs):
                yield Hit(host.name, f"{name} is RUNNING, but {', '.join(gone)} is not there")


CHECKS = (
    Check(
        id="two-schedulers",
        title="the crawl stalls; `unknown project` in the scheduler's log",
        cause="pyspider allows one scheduler in a whole cluster and does not check it: two steal each other's tasks",
        fix="end the one that hosts.toml does not name, then fab deploy",
        find=many_schedulers,
    ),
    Check(
        id="port-in-use",
        title="[Errno 98] Address already in use",
        cause="another process holds the program's port. A scheduler or fetcher says so in one line of its log and "
        "stays RUNNING without its RPC; a web UI ends",
        fix="end the process that holds the port, or set another one in hosts.toml; then fab -H {host} deploy --reload",
        find=taken_ports,
        hides=frozenset({"backoff", "rpc-down", "rpc-wrong", "port-closed"}),
    ),
    Check(
        id="fatal-after-outage",
        title="programs are FATAL or EXITED, long after MySQL or Redis came back",
        cause="MySQL or Redis was away for longer than supervisord went on trying (startretries, "
        "autorestart=unexpected): it gave up and does not try again by itself",
        fix=DEPLOY,
        find=given_up,
        fixes=("supervision",),
        foreign_fix="supervisorctl start all; set autorestart=true and a high startretries",
        hides=frozenset({"port-closed", "rpc-down"}),
    ),
    Check(
        id="backoff",
        title="RUNNING is missing: BACKOFF, FATAL",
        cause="the program ends as soon as it is started; its last error line says why",
        fix="read the log, mend what it names, then fab -H {host} deploy",
        find=backoffs,
        hides=frozenset({"port-closed", "rpc-down", "phantomjs-down"}),
    ),
    Check(
        id="stopped",
        title="RUNNING is missing: STOPPED, EXITED, or not in the list at all",
        cause="somebody stopped the program, it ended by itself, or supervisord has not read its section",
        fix=DEPLOY,
        find=stopped,
        fixes=("supervision",),
        foreign_fix="supervisorctl reread; supervisorctl update; supervisorctl start all",
        hides=frozenset({"port-closed", "rpc-down", "phantomjs-down"}),
    ),
    Check(
        id="webui-empty-reply",
        title="curl: (52) Empty reply from server, though the port is open",
        cause="the web UI's process hangs: it is alive, its port is open, it answers nobody; this is not the firewall",
        fix="fab -H {host} doctor --fix",
        find=empty_replies,
        fixes=("restart",),
        foreign_fix="supervisorctl restart the web UI",
    ),
    Check(
        id="port-closed",
        title="Connection refused at the web UI's port",
        cause="nothing listens on the port that hosts.toml names; this is not the firewall. "
        "(`nc -z HOST PORT; echo $?`: 0 means open, 1 closed)",
        fix="fab -H {host} deploy, then fab -H {host} reload",
        find=closed_ports,
        fixes=("release", "restart"),
        foreign_fix="look at the web UI's --host and --port, then supervisorctl restart it",
    ),
    Check(
        id="log-missing",
        title="a RUNNING program without its log file",
        cause="somebody deleted the file under the running program: it goes on writing into a file that has no name "
        "any more",
        fix=DEPLOY,
        find=missing_logs,
        fixes=("supervision",),
        foreign_fix="supervisorctl restart the program",
    ),
)
