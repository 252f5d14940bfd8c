"""`fab bootstrap`: from a bare host to one that can run pyspider."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from .. import plan, sources
from ..errors import NotReached, Problem, Say
from ..health.verdict import RUNNING
from ..inventory import Fleet, Host
from ..inventory.roles import PHANTOMJS, WEBUI
from ..runs.engine import apply, look, missing, preview
from ..runs.options import Options
from ..runs.outcomes import Done
from ..runs.run import Looked, Run
from ..runs.target import Target, target
from ..steps.base import Found, Step
from ..steps.libraries import Libraries
from ..steps.package_names import package_names
from ..steps.packages import Packages
from ..steps.phantomjs import PhantomJSBinary
from ..steps.runtime import (
    Build,
    Runtime,
    Ship,
    altered_on,
    archive_path,
    complete_on,
    told,
    wanted_on,
)
from ..steps.runtime_spec import Platform
from ..steps.sight import parsed
from ..steps.supervisor import Look


def bootstrap(c: Any, options: Options) -> None:
    """Bring the chosen hosts to everything that a deploy needs."""
    chosen = target(c, options, "bootstrap", allow_unlisted=True)
    run = Run(chosen, options)
    phantomjs, libraries = phantomjs_steps(chosen), library_steps(chosen)

    def wanted(host: Host) -> list[Step]:
        # The programs that run before a batch have to run after it.
        seen = [Look(plan.place(chosen.fleet))] if run.pace.batch else []
        return [*steps(chosen.fleet, host), *phantomjs(host), *libraries(host), *seen]

    with run.locked():
        looked = run.look(wanted)
        for number, batch in enumerate(run.batches(chosen.hosts)):
            fresh = run.look(wanted, batch) if number else looked
            distribute(run, fresh, batch)
            check(run, fresh, batch)
    run.finish()


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


def steps(fleet: Fleet, host: Host) -> list[Step]:
    """The desired states of a host before anything is deployed to it."""
    found: list[Step] = [plan.packages(host), *plan.account(fleet), *plan.stores(fleet, host)]
    # A host without any role is about to join; a host with a store alone runs nothing of pyspider's.
    if fleet.programs(host) or not host.roles:
        found.append(plan.runtime(fleet))
    return found


def phantomjs_steps(chosen: Target) -> Callable[[Host], list[Step]]:
    """The binary on the hosts that render pages; fetched here first, if there is such a host."""
    spec = chosen.fleet.phantomjs
    if not any(host.has(PHANTOMJS) for host in chosen.hosts):
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


def distribute(run: Run, looked: Mapping[str, Looked], hosts: Sequence[Host]) -> None:
    """Everything at once on these hosts; per platform one makes the runtime, the others wait for it.

    A runtime is never taken from a host that has it already: root there may have altered it.
    """
    # No host may wait for one that is not among these.
    looked = {host.name: looked[host.name] for host in hosts if host.name in looked}
    runtimes = {name: pair for name, one in looked.items() if (pair := _runtime(one))}
    lacking = {name: platform for name, pair in runtimes.items() if (platform := wanted_on(*pair))}
    archives: dict[Platform, Future[Ship]] = {platform: Future() for platform in lacking.values()}
    if not run.dry:
        _take_from_cache(run.target.fleet, archives)
    makers = _makers(runtimes, lacking, [platform for platform, one in archives.items() if not one.done()])
    # A runtime that this machine has never known is replaced by the one that is built now: one for all of a platform.
    lacking |= {name: one for name, pair in runtimes.items() if (one := complete_on(*pair)) and one in makers.values()}
    # The makers of a runtime come first: a host that waits must never hold the place of one that works.
    first = [host for host in hosts if host.name in makers]
    others = [host for host in hosts if host.name not in makers]

    def work(host: Host, say: Say) -> Done:
        if run.dry:
            return preview(looked[host.name].steps, looked[host.name].found)
        if host.name not in makers:
            return serve(host, say)
        with promised(archives[makers[host.name]], host.name):
            return serve(host, say)

    def serve(host: Host, say: Say) -> Done:
        changes = _but_the_runtime(run.target, host, looked[host.name], host.name in lacking, say)
        try:
            if host.name in makers:
                platform = makers[host.name]
                changes += _make(run.target, host, looked[host.name], platform, archives[platform], say)
            elif host.name in lacking:
                changes += _ship(run.target, host, looked[host.name], archives[lacking[host.name]], say)
        except Problem as error:
            error.changes = changes + error.changes
            raise
        finally:
            run.target.links[host].rest()
        return Done(changes)

    run.each(work, [host for host in [*first, *others] if host.name in looked])


def _runtime(looked: Looked) -> tuple[Runtime, Found] | None:
    for step, found in zip(looked.steps, looked.found, strict=True):
        if isinstance(step, Runtime):
            return step, found
    return None


def _take_from_cache(fleet: Fleet, archives: Mapping[Platform, Future[Ship]]) -> None:
    """Keep the promise of each archive that this machine has, and that still is what was built."""
    for platform, archive in archives.items():
        try:
            if one := sources.packed_runtime(plan.runtime_spec(fleet).id(platform)):
                archive.set_result(_shipping(*one))
        except Problem as error:
            _note(f"{error}: Python is built anew")


def _shipping(archive: Path, built: sources.KeptRuntime) -> Ship:
    return Ship(archive, built.sha256, built.manifest)


def _makers(
    runtimes: Mapping[str, tuple[Runtime, Found]], lacking: Mapping[str, Platform], missing: Sequence[Platform]
) -> dict[str, Platform]:
    """One host for each platform whose runtime is missing on this machine; the last choice is one that was altered."""
    makers: dict[str, Platform] = {}
    for platform in missing:
        names = [name for name, other in lacking.items() if other == platform]
        makers[min(names, key=lambda name: altered_on(*runtimes[name]))] = platform
    return makers


def _but_the_runtime(chosen: Target, host: Host, looked: Looked, lacks_it: bool, say: Say) -> tuple[str, ...]:
    """Do everything that need not wait for a runtime to be built; a runtime that is there is only made current."""
    both = zip(looked.steps, looked.found, strict=True)
    pairs = [pair for pair in both if not (lacks_it and isinstance(pair[0], Runtime))]
    steps, found = [step for step, _ in pairs], [answer for _, answer in pairs]
    todo = missing(steps, found)
    return apply(chosen.links[host], steps, todo, say) if todo else ()


def _make(
    chosen: Target, host: Host, looked: Looked, platform: Platform, archive: Future[Ship], say: Say
) -> tuple[str, ...]:
    """Build the runtime here, and bring it to the control machine's cache."""
    pair = _runtime(looked)
    assert pair
    heard: list[str] = []
    changes = _build(chosen, host, pair[0], platform, say, heard.append)
    say("fetching the finished Python")
    try:
        archive.set_result(_fetch(chosen, host, pair[0].spec.id(platform), "\n".join(heard)))
    except Problem as error:
        error.changes = changes
        raise
    return changes


@contextmanager
def promised(archive: Future[Ship], maker: str) -> Iterator[None]:
    """Tell the hosts that wait for the archive when none will come, whatever the reason."""
    try:
        yield
    except BaseException as error:
        if not archive.done():
            archive.set_exception(NotReached(f"no Python came from {maker}: {error}"))
        raise


def _build(chosen: Target, host: Host, step: Runtime, platform: Platform, say: Say, hear: Say) -> tuple[str, ...]:
    fleet = chosen.fleet
    say("fetching sources and packages (control machine)")
    python = fleet.python
    tarball = sources.python_tarball(python.version, python.sha256, python.sources, fleet.path.parent, say)
    # Without the digests of the build before: this one makes others.
    made = Runtime(step.spec, step.user, Build(tarball, sources.wheelhouse(plan.PINS, say)))
    compilers = Packages(package_names("build"), name="build packages")
    link = chosen.links[host]
    todo = [*missing([compilers], look(link, [compilers])), *made.made_anew(platform)]
    return apply(link, [compilers, made], todo, say, hear)


def _fetch(chosen: Target, host: Host, runtime_id: str, heard: str) -> Ship:
    """Fetch the finished archive from its maker, and keep it with the digests that its build told."""
    built = sources.KeptRuntime(runtime_id, *told(heard))
    link = chosen.links[host]
    return _shipping(sources.keep_runtime(built, partial(link.fetch, archive_path(runtime_id))), built)


def _ship(chosen: Target, host: Host, looked: Looked, archive: Future[Ship], say: Say) -> tuple[str, ...]:
    """Unpack here the runtime that another host of the platform made."""
    pair = _runtime(looked)
    assert pair
    if not archive.done():
        say("waiting for Python to be built")
    ship, link = archive.result(), chosen.links[host]
    step, found = pair
    platform = wanted_on(step, found) or complete_on(step, found)
    assert platform
    known = ((step.spec.id(platform), ship.manifest),)
    shipped = Runtime(step.spec, step.user, ship, known)
    return apply(link, [shipped], missing([shipped], look(link, [shipped])), say)
