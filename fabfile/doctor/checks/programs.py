"""The programs that supervisord runs: states, schedulers, logs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...inventory.roles import PHANTOMJS, SCHEDULER
from ...steps.shell import cmd
from ...steps.sight import KnownProgram
from ..facts import Component, ProgramLog
from ..findings import Check, Hit, Patient, View, deployed
from . import modules
from .sockets import DEPLOY

ERROR = re.compile(r"^(\S*(Error|Exception|Fault|Interrupt)\b.*|run\.py: .*|Error: .*|\S+: (can't open|No such) .*)$")
OUTAGE = re.compile(
    r"(redis|mysql|InterfaceError|OperationalError|ConnectionError|Error 111|2003|2013|2055)", re.IGNORECASE
)
SCHEDULERS = (SCHEDULER.name, "all", "one")
"""pyspider's commands that start a scheduler."""


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
        # Of two on the host that hosts.toml names, the one without a supervisord is nobody's wish.
        odd = sorted(where, key=lambda pair: (pair[0].name == home, pair[1].held, -pair[1].pid))
        host, one = odd[0]
        yield Hit(host.name, f"{len(where)} schedulers run at once: {places}", fix=_end(view, host, one))


def _end(view: View, host: Patient, one: Component) -> str:
    """The end of a program that is one too many: its supervisord would start it again as long as it has its section."""
    section = next((each for each in host.configured if one.name and each.name == one.name), None)
    if not one.held or section is None:
        return f"on {{host}} as root: kill {one.pid}"
    if deployed(view, host.name):
        return DEPLOY
    # Before any other sign a backslash would give it a meaning in sed.
    header = re.sub(r"([][\\.*^$/])", r"\\\1", f"[program:{section.section}]")
    gone = cmd("sed", "-i", f"/^{header}/,/^\\[/{{/^{header}/d;/^\\[/!d}}", section.file)
    return f"on {{host}} as root: {gone}; {{ctl}} reread; {{ctl}} update"


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
            yield _lacking(view, host, program, Hit(host.name, seen, _cause(error), items=(program.name,)), error)


def _lacking(view: View, host: Patient, program: KnownProgram, hit: Hit, error: str) -> Hit:
    """The same hit; with the way on where the program lacks a module of its user's own."""
    if not (module := modules.own(error)):
        return hit
    python = next((one.python for one in host.asked_as(_role(host, program.name) or "")), "its Python")
    fix = modules.fix(module, view.fleet.cluster.home, view.fleet.pyspider.add_sys_path is not False)
    return replace(hit, cause=modules.cause(module), fix=fix, foreign_fix=modules.foreign_fix(module, python))


CAUSES = (
    (
        r"ImportError|ModuleNotFoundError",
        "a Python package is missing or broken in this interpreter",
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
            seen = f"{program.name} is {program.state}: {error}; the store answers again"
            yield Hit(host.name, seen, items=(program.name,))


def stopped(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if not host.supervised:
            continue
        for program in host.programs:
            if not _role(host, program.name) or host.facts.sight.rests(program.name):
                continue
            error = _error(host, program.name)
            exited = program.state == "EXITED" and not _after_outage(host, program, error)
            if program.state == "STOPPED" or exited:
                yield Hit(host.name, f"{program.name} is {program.state}", items=(program.name,))
        yield from _absent(view, host)


def _absent(view: View, host: Patient) -> Iterator[Hit]:
    """Roles of which fewer programs are known to supervisord than hosts.toml wants; names may differ by hand."""
    wanted = Counter(program.role for program in view.fleet.programs(host.host))
    names = {program.name for program in host.programs}
    known = Counter(program.role for program in host.configured if program.name in names)
    known.update(one.role for one in host.components if not one.held)
    # pyspider without a component's name runs one of each.
    known.update({role: known["all"] + known["one"] for role in wanted if role != PHANTOMJS.name})
    for role, count in wanted.items():
        if known[role] < count:
            written = sum(program.role == role for program in host.configured)
            unread = "on {host} as root: {ctl} reread; {ctl} update"
            fewer = f"give {{host}} {written} {role} in hosts.toml, or write more sections for it, then {unread}"
            seen = f"supervisord knows {known[role]} {role} of {count} in hosts.toml"
            yield Hit(host.name, seen, foreign_fix=unread if written >= count else fewer)


def missing_logs(view: View) -> Iterator[Hit]:
    for host in view.manned:
        for name, log in host.facts.logs.items():
            gone = [file.path for file in log.files if file.size is None]
            if gone and any(one.name == name and one.state == "RUNNING" for one in host.programs):
                yield Hit(host.name, f"{name} is RUNNING, but {', '.join(gone)} is not there", items=(name,))


CHECKS = (
    Check(
        id="two-schedulers",
        title="the crawl stalls; `unknown project` in the scheduler's log",
        cause="pyspider allows one scheduler in a whole cluster and does not check it: two steal each other's tasks",
        fix="end the one that hosts.toml does not name; where a supervisord holds it: take its section out of {conf}, "
        "then on {host} as root: {ctl} reread; {ctl} update",
        find=many_schedulers,
    ),
    Check(
        id="fatal-after-outage",
        title="programs are FATAL or EXITED, long after MySQL or Redis came back",
        cause="MySQL or Redis was away for longer than supervisord went on trying (startretries, "
        "autorestart=unexpected): it gave up and does not try again by itself; next time autorestart=true and a "
        "high startretries help",
        fix=DEPLOY,
        find=given_up,
        fixes=("supervision",),
        foreign_fix="on {host} as root: {ctl} start {items}",
        hides=frozenset({"port-closed", "rpc-down"}),
    ),
    Check(
        id="backoff",
        title="RUNNING is missing: BACKOFF, FATAL",
        cause="the program ends as soon as it is started; its last error line says why",
        fix="read the log, mend what it names, then fab -H {host} deploy",
        foreign_fix="read the log, mend what it names, then on {host} as root: {ctl} restart {items}",
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
        foreign_fix="on {host} as root: {ctl} start {items}",
        hides=frozenset({"port-closed", "rpc-down", "phantomjs-down"}),
    ),
    Check(
        id="log-missing",
        title="a RUNNING program without its log file",
        cause="somebody deleted the file under the running program: it goes on writing into a file that has no name "
        "any more",
        fix=DEPLOY,
        find=missing_logs,
        fixes=("supervision",),
        foreign_fix="on {host} as root: {ctl} restart {items}",
    ),
)
