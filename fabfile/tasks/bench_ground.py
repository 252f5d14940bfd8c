"""What a bench needs before it begins: hosts that can be asked, no leftovers, free stores and ports, memory."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping, Sequence

from .. import plan
from ..bench import programs
from ..bench.programs import CRAWLING, ScratchStores
from ..bench.samples import HostSample
from ..errors import Problem, Say, Unreachable, printable
from ..health.scratch import free_database
from ..inventory import Host, passwords
from ..inventory.order import Chosen, named
from ..inventory.roles import SCHEDULER, STORES
from ..runs.engine import look
from ..runs.run import Run
from ..steps.bench import Bench
from ..steps.sight import parsed
from ..steps.supervisor import Look
from .benching import Ground, act, heed, redis_way, sights

PROGRAM_MB = 60
"""The memory that a program takes while it crawls."""


def prepared(run: Run, size: int, instead: bool) -> Ground:
    """The ground for a bench, on which nothing has begun; leftovers of an earlier one are gone. Raises Problem."""
    fleet = run.target.fleet
    place = plan.place(fleet)
    where = Bench(fleet.cluster.name, place.user, place.home, place.socket, place.python, place.stopped)
    seen = sights(run, where, run.target.hosts, ports=True)
    hosts = _able(run, seen)
    if not run.dry:
        _clear_leftovers(run, where, hosts, seen)
    mysql = fleet.stores.mysql
    name = secrets.token_hex(4)
    login = (f"bench_{name}", passwords.random()) if mysql.managed else (mysql.user, mysql.password.reveal())
    scratch = ScratchStores(name, *login, free_database(redis_way(run, hosts), fleet.stores.redis.db))
    ground = Ground(run, size, instead, where, scratch, hosts)
    ground.resting = _running(run, hosts) if instead else {}
    served = programs.site_host(fleet)
    served = served if served in hosts else fleet.scheduler_host
    for host in hosts:
        ground.taken[host.name] = seen[host.name].ports
        own, ports = programs.of_host(fleet, host, where.folder, size, seen[host.name].ports, served)
        # Where production rests, a keeper starts it again, whatever becomes of this machine.
        if own or ground.resting.get(host.name):
            ground.wanted[host.name], ground.ports[host.name] = own, ports
        if own:
            _enough_memory(host, seen[host.name], len(own), instead)
    return ground


def _able(run: Run, seen: Mapping[str, HostSample]) -> list[Host]:
    """The hosts that can be asked. Raises Problem where one is needed that can't."""
    fleet = run.target.fleet
    for one in run.recorder.outcomes(run.target.hosts):
        host = fleet.host(one.host)
        needed = host.has(SCHEDULER) or any(host.has(role) for role in STORES)
        if one.status == "unreachable" and not needed:
            print(f"fab: {one.host} takes no part: {printable(one.cause)}", file=sys.stderr)
        elif one.status in ("failed", "unreachable"):
            raise (Unreachable if one.status == "unreachable" else Problem)(f"{one.host}: {one.cause}")
    hosts = [host for host in run.target.hosts if host.name in seen]
    for role in CRAWLING:
        if not any(host.roles.get(role) for host in hosts):
            raise Unreachable(f"no host with the role {role} can be reached")
    return hosts


def _clear_leftovers(run: Run, where: Bench, hosts: Sequence[Host], seen: Mapping[str, HostSample]) -> None:
    left = [host for host in hosts if seen[host.name].places]
    if left:
        print(
            f"fab: removing what an earlier bench has left on {', '.join(host.name for host in left)}", file=sys.stderr
        )
        act(run, left, {host.name: [where.end(), where.unguarded()] for host in left})
        heed(run, left)


def _running(run: Run, hosts: Sequence[Host]) -> Chosen:
    """The production programs that run now, by host: those that were stopped on purpose stay so."""

    def one(host: Host, _say: Say) -> set[str]:
        (found,) = look(run.target.links[host], [Look(plan.place(run.target.fleet))], keep_open=True)
        sight = parsed(found)
        return {each.name for each in sight.programs if each.state in ("RUNNING", "STARTING")} if sight else set()

    up = run.ask(one, hosts, unfinished=True)
    heed(run, hosts)
    every = named(run.target.fleet, hosts, (), ())
    return {host: [each for each in own if each.name in up[host]] for host, own in every.items()}


def _enough_memory(host: Host, seen: HostSample, count: int, instead: bool) -> None:
    needed = count * PROGRAM_MB
    if not instead and seen.memory_mb < needed:
        raise Problem(
            f"{host.name}: {seen.memory_mb} MB of memory are free, and {count} programs of the bench beside the "
            f"production ones need {needed} MB; nothing was begun; --instead stops the production programs meanwhile"
        )
