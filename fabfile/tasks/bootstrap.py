"""`fab bootstrap`: from a bare host to one that can run pyspider."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import plan, sources
from ..errors import Problem, Say
from ..health.host import RUNNING
from ..inventory import Fleet, Host
from ..inventory.roles import PHANTOMJS, WEBUI
from ..runs.engine import look
from ..runs.options import Options
from ..runs.run import Looked, Run
from ..runs.target import Target, target
from ..steps.base import Step
from ..steps.libraries import Libraries
from ..steps.phantomjs import PhantomJSBinary
from ..steps.room import Room
from ..steps.sight import parsed
from ..steps.supervisor import Look
from .distribution import distribute
from .hints import hints


def bootstrap(c: Any, options: Options, set_passwords: bool = False) -> None:
    """Bring the chosen hosts to everything that a deploy needs."""
    chosen = target(c, options, "bootstrap", allow_unlisted=True)
    run = Run(chosen, options)
    phantomjs, libraries = phantomjs_steps(chosen), library_steps(chosen)

    def wanted(host: Host) -> list[Step]:
        # The programs that run before a batch have to run after it.
        seen = [Look(plan.place(chosen.fleet))] if run.pace.batch else []
        return [Room(), *steps(chosen.fleet, host, set_passwords), *phantomjs(host), *libraries(host), *seen]

    with run.locked():
        looked = run.look(wanted)
        for number, batch in enumerate(run.batches(chosen.hosts)):
            fresh = run.look(wanted, batch) if number else looked
            distribute(run, fresh, batch)
            check(run, fresh, batch)
    run.finish()
    if run.changed(chosen.hosts) and not run.dry:
        run.tell("".join(f"{line}\n" for line in hints(chosen)))


def check(run: Run, looked: Mapping[str, Looked], batch: Sequence[Host]) -> None:
    """Let the next batch begin only if every program that ran before on the hosts of this one runs now."""

    def one(host: Host, say: Say) -> None:
        say("checking its health")
        again = Look(plan.place(run.target.fleet))
        after = running(Looked((again,), tuple(look(run.target.links[host], [again]))))
        if lost := running(looked[host.name]) - after:
            raise Problem(f"changed, but not well afterwards: {', '.join(sorted(lost))} ran before and does not now")

    if run.pace.batch and not run.dry:
        run.each(one, run.changed(batch), "check")


def running(looked: Looked) -> set[str]:
    """The programs that supervisord ran when the host was looked at."""
    for step, found in zip(looked.steps, looked.found, strict=True):
        if isinstance(step, Look):
            sight = parsed(found)
            return {one.name for one in sight.programs if one.state == RUNNING} if sight else set()
    return set()


def steps(fleet: Fleet, host: Host, set_passwords: bool = False) -> list[Step]:
    """The desired states of a host before anything is deployed to it."""
    stores = plan.stores(fleet, host, set_passwords)
    # Nothing else listens before a deploy, which first looks whether the ports are somebody else's.
    doors = plan.doors_of(fleet, host) if stores else []
    found: list[Step] = [plan.packages(fleet, host), *plan.account(fleet), *doors, *stores]
    if plan.needs_runtime(fleet, host):
        found.append(plan.runtime(fleet))
    return found


def phantomjs_steps(chosen: Target) -> Callable[[Host], list[Step]]:
    """The binary on the hosts that render pages; fetched here first, if there is such a host."""
    spec = chosen.fleet.phantomjs
    if spec.chromium or not any(host.has(PHANTOMJS) for host in chosen.hosts):
        return lambda _: []
    binary = sources.phantomjs_binary(spec.source, spec.sha256, chosen.fleet.path.parent, _note)
    return lambda host: [PhantomJSBinary(binary, spec.sha256)] if host.has(PHANTOMJS) else []


def library_steps(chosen: Target) -> Callable[[Host], list[Step]]:
    """The scripts and styles of the web UI's pages on its hosts; fetched here first, if there is such a host."""
    if not any(host.has(WEBUI) for host in chosen.hosts):
        return lambda _: []
    archive, digest = sources.webui_libraries(_note), sources.libraries_digest()
    return lambda host: [Libraries(archive, digest)] if host.has(WEBUI) else []


def _note(text: str) -> None:
    print(text, file=sys.stderr)
