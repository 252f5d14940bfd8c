"""Programs that are RUNNING and do not work; a crawl that stands still though its programs seem well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ...health import work
from ...health.aside import put_back
from ...health.pulse import FAILED, of_host, pulses
from ...inventory.roles import MYSQL, REDIS, SCHEDULER
from ...steps.shell import cmd
from ...steps.sight import KnownProgram
from ..answers import Answer, Asked, RedisAnswer, StoreAddress
from ..facts import ProgramLog
from ..findings import Check, Hit, Patient, View
from .network import behind
from .ports import port_of

RESTART = "fab -H {host} doctor --fix"
MEND_FIRST = "mend what the error names, in the project's script mostly, then, in Redis ({}): {}"


def troubles(view: View) -> Iterator[tuple[Patient, KnownProgram, work.Trouble]]:
    """The programs of all hosts that are RUNNING and do not work."""
    idle = {end: age for _, answer in _answers(view) for end, age in answer.idle.items()}
    told = pulses({name: text for _, answer in _answers(view) for name, text in answer.pulses.items()})
    for host in view.seen:
        ports = {one.name: port for one in host.configured if (port := port_of(host, one))}
        measures = work.measures(view.fleet, ports, idle, of_host(told, host.name), _faulty(host))
        for program in host.programs:
            if found := work.trouble(program, measures):
                yield host, program, found


def _faulty(host: Patient) -> list[str]:
    """The stores that do not answer this host as they should: other checks name them, with their reason."""
    answers: dict[str, list[Answer]] = {
        MYSQL.title: [answer for asked in host.asked for answer in asked.mysql.values()],
        REDIS.title: [asked.redis for asked in host.asked if asked.redis],
    }
    return [title for title, several in answers.items() if any(one.error for one in several)]


def _answers(view: View) -> list[tuple[Patient, RedisAnswer]]:
    return [(host, asked.redis) for host in view.seen for asked in host.asked if asked.redis]


def aside(view: View) -> Iterator[Hit]:
    """Messages at which a component has failed again and again; once, by the first host that was told of them."""
    told = ((host, asked, asked.redis) for host in view.seen for asked in host.asked if asked.redis)
    for host, asked, answer in islice(told, 1):
        for queue, (count, error) in answer.aside.items():
            name = f"{queue}{FAILED}"
            fix = MEND_FIRST.format(_client(view, host, asked), put_back(queue))
            yield Hit(host.name, f"{name} in Redis holds {count}, the last with: {error}", fix=fix, items=(queue,))


def _client(view: View, host: Patient, asked: Asked) -> str:
    """The client that asks the database in Redis which gave this answer; it asks a person for the password."""
    place, _, database = asked.places.get("message_queue", "").partition("/")
    address, _, port = place.rpartition(":")
    login = asked.address("message_queue") or StoreAddress()
    here = "on {host}: " if address == "this host" else ""
    words = ["redis-cli", "-h", "127.0.0.1" if here else address, "-p", port, "-n", database]
    tls = view.fleet.stores.redis.tls if host.ours else None
    if tls:
        words += ["--tls", *(["--cacert", str(tls.file)] if tls.file else [])]
    if login.secret:
        # pyspider alone tells Redis no user. AUTH would be too late: -n is for those who are let in.
        words += [*(["--user", login.user] if login.user and host.ours else []), "--askpass"]
    return here + str(cmd(*words))


def _mute(view: View) -> Iterator[Hit]:
    """Programs whose RPC server does not answer, though no filter keeps it from its callers."""
    filtered = behind(view)
    for host, program, trouble in troubles(view):
        ports = program.work.listens if program.work else ()
        if trouble.kind == "rpc-mute" and not any((host.name, port) in filtered for port in ports):
            yield Hit(host.name, str(trouble), items=(program.name,))


def roles(view: View) -> set[str]:
    """The roles with a program that does not work: the answers of those that call it say nothing more."""
    return {program.work.role for _, program, _ in troubles(view) if program.work and program.work.role}


def _found(kind: work.Kind) -> Callable[[View], Iterable[Hit]]:
    def find(view: View) -> Iterator[Hit]:
        for host, program, trouble in troubles(view):
            if trouble.kind == kind:
                yield Hit(host.name, str(trouble), fix=_fix(host, program, kind), items=(program.name,))

    return find


def _fix(host: Patient, program: KnownProgram, kind: work.Kind) -> str:
    """The command for this very program; empty where the check's own is right."""
    if kind == "halted" and program.work and program.work.state == "T":
        return f"on {{host}} as root: kill -CONT {program.work.halted}"
    if kind in ("restarting", "failing"):
        log = host.facts.logs.get(program.name, ProgramLog()).files
        return f"mend what it names, on {{host}} as root: {cmd('tail', '-n', '50', log[-1].path)}" if log else ""
    return ""


def lost(view: View) -> Iterator[Hit]:
    overdue = {name: count for host in view.seen for asked in host.asked for name, count in asked.overdue.items()}
    queues = next((asked.redis.queues for host in view.seen for asked in host.asked if asked.redis), {})
    programs = [(host, one) for host in view.seen for one in host.programs]
    if not queues or any(True for _ in troubles(view)):
        return
    if text := work.stalled(overdue, queues, [one for _, one in programs]):
        for host, one in programs:
            if one.work and one.work.role == SCHEDULER.name:
                yield Hit(host.name, text, items=(one.name,))


CHECKS = (
    Check(
        id="halted",
        title="RUNNING, and nothing happens: the process is stopped (SIGSTOP, state T), or waits for a disk (D)",
        cause="supervisord calls a process RUNNING as long as it has not ended, also one that somebody stopped or that "
        "waits for a disk that does not answer",
        fix="find the disk or the network file system that it waits for, on {host} as root: dmesg | tail",
        find=_found("halted"),
        hides=frozenset({"webui-empty-reply", "rpc-down", "phantomjs-down", "queue-stuck"}),
    ),
    Check(
        id="restarting",
        title="RUNNING, with an uptime of seconds, again and again",
        cause="the program ends a while after it was started, and supervisord starts it again; in a cluster made by "
        "hand, what it held waits for ten minutes each time",
        fix="read the program's log, and mend what it names",
        find=_found("restarting"),
        hides=frozenset({"rpc-down"}),
    ),
    Check(
        id="failing",
        title="RUNNING, and each page or result ends with an error",
        cause="the program takes its messages and fails at each of them, or waits for a store that does not answer it; "
        "the last error line says why",
        fix="read the program's log, and mend what it names",
        find=_found("failing"),
    ),
    Check(
        id="rpc-mute",
        title="webui: connect to scheduler rpc error, though the scheduler is RUNNING; a project does not start",
        cause="a scheduler's or fetcher's RPC server is a thread of its own: when that ends, the rest goes on",
        fix=RESTART,
        find=_mute,
        fixes=("restart",),
        foreign_fix="on {host} as root: {ctl} restart {items}",
        hides=frozenset({"rpc-down"}),
    ),
    Check(
        id="hung",
        title="RUNNING, and it takes nothing out of its queue any more",
        cause="a component asks Redis for work some times a second; this one has not for long: it waits for something "
        "that does not come, or runs in circles",
        fix=RESTART,
        find=_found("hung"),
        fixes=("restart",),
        foreign_fix="on {host} as root: {ctl} restart {items}",
        hides=frozenset({"queue-stuck"}),
    ),
    Check(
        id="put-aside",
        title="a page or a result never arrives, and a log says that a message was put aside",
        cause="a component has failed five times at this message by an error of its own, no try can save it (a result "
        "that is no JSON, or too long for MySQL), or programs have ended again and again with it; nothing takes it any "
        "more, and it keeps its room in Redis' memory. The command puts the whole list back at the head of its queue, "
        "and tells how many messages these were. A message that fails again is put aside again, and one that can't be "
        "read always is. DEL of the list gives up its messages: new tasks (newtask_queue:failed) and results "
        "(processor2result:failed) are nowhere else, and come only with the next crawl of the page that they came "
        "from; the pages of the other lists are fetched again within minutes",
        fix=MEND_FIRST.format("redis-cli -h ADDRESS -p PORT -n DATABASE --askpass", put_back("QUEUE")),
        find=aside,
    ),
    Check(
        id="tasks-lost",
        title="tasks are ACTIVE for ever, the queues are empty, and no result comes",
        cause="the scheduler waits for tasks that nobody has any more: a program ended with them, Redis lost them, or "
        "they were never loaded since a store was away when the scheduler began",
        fix=RESTART,
        find=lost,
        fixes=("restart",),
        foreign_fix="on {host} as root: {ctl} restart {items}",
    ),
)
