"""Redis and its queues, by the answers that the components themselves get."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ...health import work
from ...inventory.roles import QUEUES, REDIS
from ..answers import RedisAnswer
from ..facts import Component
from ..findings import Check, Hit, Patient, View
from .network import filtered
from .stores import APART, BOOTSTRAP, COPY, DEPENDENTS, STARTED, Reply, blamed, server
from .work import roles as not_working

NO_TLS = "tls"
"""The code of an answer of Redis without TLS, on one side or the other."""
FORBIDDEN = "NOPERM"
OLD = "old"
"""The code where the address names a user, and the server is too old to know any."""
SENTINEL = "sentinel"
"""The code where a Sentinel answers."""
CLUSTERED = "cluster"
FULL = "full"
NUMBER = "db"
"""The code where it has no database of that number."""
UNREACHED = ("refused", "strange", "")
"""The codes where no Redis has answered."""
OTHERS = (NO_TLS, SENTINEL, FORBIDDEN, OLD, CLUSTERED, FULL, NUMBER)


def _redis(view: View) -> Iterator[tuple[Patient, RedisAnswer, str]]:
    for host in view.seen:
        found = ((one.redis, one.places.get("message_queue", "")) for one in host.asked if one.redis)
        for answer, where in islice(found, 1):
            yield host, answer, where


def redis_errors(matches: Callable[[str], bool]) -> Callable[[View], Iterable[Hit]]:
    def find(view: View) -> Iterator[Hit]:
        yield from blamed(view, (_reply(view, matches, *one) for one in _redis(view)))

    return find


def _let_in(view: View, host: Patient, where: str) -> str:
    """The way on where another host is let in by that Redis: its password is the right one."""
    for other in view.seen:
        for asked in other.asked:
            if (
                other is not host
                and asked.redis
                and not asked.redis.error
                and asked.places.get("message_queue") == where
            ):
                return COPY.format("message-queue", other.name, asked.path)
    return ""


def _reply(view: View, matches: Callable[[str], bool], host: Patient, answer: RedisAnswer, where: str) -> Reply:
    own = answer.error and matches(answer.code) and not filtered(view, host, where, answer)
    same = _let_in(view, host, where) if own and _no_login(answer.code) else ""
    return Reply(host, where, f"{where}: {answer.error}" if own else "", same)


def _no_login(code: str) -> bool:
    return code in ("NOAUTH", "WRONGPASS", "ERR")


def evicting(view: View) -> Iterator[Hit]:
    for host, answer, where in _once(view):
        if not answer.error and answer.policy not in ("", "noeviction"):
            yield Hit(server(view, host, where), f"{where}: maxmemory-policy is {answer.policy}")


def _once(view: View) -> Iterator[tuple[Patient, RedisAnswer, str]]:
    """Each Redis once, also where several hosts ask it."""
    seen = set()
    for host, answer, place in _redis(view):
        where = place.replace("this host", host.host.address)
        if not answer.error and where not in seen:
            seen.add(where)
            yield host, answer, where


def strangers(view: View) -> Iterator[Hit]:
    addresses = {host.host.address for host in view.hosts} | {"127.0.0.1", "::1", "[::1]"}
    # A host that has a name for an address, or that could not be looked at, may well be among them.
    if len(view.seen) < len(view.fleet.hosts) or any(not host.host.address[-1:].isdigit() for host in view.hosts):
        return
    for host, answer, where in _once(view):
        if others := sorted(set(answer.clients) - addresses):
            yield Hit(
                server(view, host, where),
                f"{where}: queues are also used from {', '.join(others)}, no host of this cluster",
            )


def stuck(view: View) -> Iterator[Hit]:
    """Queues out of which nobody takes; one that is full may just be busy."""
    limit = view.fleet.pyspider.queue_maxsize or 100
    programs = [one for host in view.seen for one in host.programs]
    for host, answer, where in _once(view):
        waiting = work.waiting(answer.queues, answer.still, programs)
        for queue, role in QUEUES.items():
            full = answer.queues.get(queue, 0) >= limit and not _alive(view, role)
            if (full or queue in waiting) and role not in not_working(view) and not _excused(view, role):
                name = _consumer(view, role) or next(iter(_awake(view, role)), host.name)
                names = tuple(one.name for each, one in _alive(view, role) if each.name == name and one.name)
                seen = f"{queue} at {where} holds {answer.queues[queue]}; {_how(view, role)}"
                none = "" if names else f"start a {role}: by its supervisord where it has a section"
                yield Hit(name, seen, foreign_fix=none, items=names)


def _alive(view: View, role: str) -> list[tuple[Patient, Component]]:
    wanted = (role, "all", "one")
    return [(host, one) for host in view.seen for one in host.components if one.role in wanted]


def _knows(view: View, role: str) -> list[tuple[Patient, str]]:
    """The programs of supervisord's that take out of that role's queue, whether they run or not."""
    wanted = (role, "all", "one")
    return [(host, one.name) for host in view.seen for one in host.configured if one.role in wanted]


def _awake(view: View, role: str) -> list[str]:
    """The hosts with such a program that nobody has stopped on purpose."""
    return [host.name for host, name in _knows(view, role) if not host.facts.sight.rests(name)]


def _excused(view: View, role: str) -> bool:
    """Whether none runs, and that is as it was wanted, or one may run on a host that nobody has looked at."""
    seen = {host.name for host in view.seen}
    apart = any(host.roles.get(role) for host in view.fleet.hosts if host.name not in seen)
    rest = bool(_knows(view, role)) and not _awake(view, role)
    return not _alive(view, role) and (apart or rest)


def _consumer(view: View, role: str) -> str | None:
    """The host of the consumer that hangs, else of the first."""
    alive = sorted(_alive(view, role), key=lambda pair: pair[1].state != "T")
    return next((host.name for host, _ in alive), None)


def _how(view: View, role: str) -> str:
    names = [
        f"{host.name} (pid {one.pid}{', stopped' if one.state == 'T' else ''})" for host, one in _alive(view, role)
    ]
    return f"its consumer is {role}: {', '.join(names)}" if names else f"its consumer is {role}, of which none runs"


CHECKS = (
    Check(
        id="redis-refused",
        title="ConnectionError: Error 111 connecting to Redis; the scheduler and the processors end",
        cause="Redis does not run, or does not listen where config.json says, or a filter is between",
        fix=BOOTSTRAP,
        find=redis_errors(lambda code: code in UNREACHED),
        fixes=("stores",),
        foreign_fix="start Redis, and let it listen (bind) at the address above" + STARTED,
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-sentinel",
        title="unknown command 'LLEN'; the scheduler waits for Redis for ever",
        cause="the address of the queues leads to a Sentinel: it tells where the master is, and keeps no queues; "
        "pyspider's programs ask none",
        fix="name the master itself by host and port in [stores.redis] of hosts.toml, then: fab deploy",
        find=redis_errors(lambda code: code == SENTINEL),
        foreign_fix="write the address of the master as message-queue{restarted}",
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-cluster",
        title="CROSSSLOT Keys in request don't hash to the same slot; MOVED; CLUSTERDOWN",
        cause="this Redis runs in cluster mode, also with one shard: there no script may take from several queues, as "
        "programs do",
        fix="name a Redis out of cluster mode by host and port in [stores.redis] of hosts.toml, then: fab deploy",
        find=redis_errors(lambda code: code == CLUSTERED),
        foreign_fix="write the address of a Redis out of cluster mode as message-queue{restarted}",
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-max-clients",
        title="ERR max number of clients reached",
        cause="Redis has as many clients as it takes; each program is some of them",
        fix="let Redis take more clients (maxclients in redis.conf), or end clients that nobody needs",
        find=redis_errors(lambda code: code == FULL),
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-db-number",
        title="ERR DB index is out of range",
        cause="this Redis has fewer databases than the number in config.json; usual are 16, from 0 to 15",
        fix="write a smaller db in [stores.redis] of hosts.toml, then: fab deploy; or raise databases in redis.conf, "
        "and start Redis again",
        find=redis_errors(lambda code: code == NUMBER),
        foreign_fix="write a smaller number at the end of message-queue{restarted}",
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-error",
        title="Redis answers with an error that no other problem here names",
        cause="Redis does not do what programs ask of it first, for the reason that it gives",
        fix="mend in Redis what the error above names; `fab doctor` tells whether it is gone",
        find=redis_errors(lambda code: not _no_login(code) and code not in (*UNREACHED, *OTHERS)),
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-noauth",
        title="NOAUTH Authentication required; WRONGPASS; invalid password",
        cause="Redis wants another password than the one in config.json",
        fix=BOOTSTRAP,
        find=redis_errors(_no_login),
        fixes=("stores", "release", "restart"),
        foreign_fix="write redis://:PASSWORD@HOST:PORT/0 as message-queue, with the password in redis.conf's "
        "requirepass{restarted}",
        apart_fix=APART.format(REDIS.name, "username"),
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-forbidden",
        title="NOPERM this user has no permissions to run the command; ACL failure in script",
        cause="the user of Redis (ACL) that config.json names may not do all that the programs do there",
        fix="allow that user what is named above, by ACL SETUSER in Redis (docs/redis-users.md), and keep it by "
        "ACL SAVE or CONFIG REWRITE",
        find=redis_errors(lambda code: code == FORBIDDEN),
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-old",
        title="ERR wrong number of arguments for 'auth' command",
        cause="config.json names a user of Redis, and a Redis before 6 knows none",
        fix="take username out of [stores.redis] of hosts.toml, or name a Redis from 6 on, then: fab deploy",
        find=redis_errors(lambda code: code == OLD),
        foreign_fix="leave the user out of message-queue{restarted}",
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-evicting",
        title="tasks vanish without any error",
        cause="with this policy Redis throws whole queues away when its memory is full",
        fix=BOOTSTRAP,
        find=evicting,
        fixes=("stores",),
        foreign_fix="write maxmemory-policy noeviction into redis.conf for later, then, in Redis: CONFIG SET "
        "maxmemory-policy noeviction",
    ),
    Check(
        id="other-cluster",
        title="tasks vanish, or `unknown project`: another cluster's programs take them",
        cause="pyspider's queues have fixed names: programs that use the same Redis database are one cluster, wanted "
        "or not",
        fix="give the other cluster a database number of its own (stores.redis.db in its hosts.toml), or end the "
        "strangers",
        find=strangers,
    ),
    Check(
        id="queue-stuck",
        title="a queue stays at 100",
        cause="the consumer of this queue hangs or does not run; everything before it then waits: newtask_queue, "
        "scheduler2fetcher, fetcher2processor, processor2result, status_queue",
        fix="fab -H {host} reload",
        find=stuck,
        foreign_fix="on {host} as root: {ctl} restart {items}",
    ),
)
