"""The runtime of each platform: made on one host, shipped to the others, with everything else at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .. import plan, sources
from ..errors import NoCache, NotReached, Problem, Say
from ..inventory import Fleet, Host
from ..runs.engine import apply, look, missing, preview
from ..runs.outcomes import Done
from ..runs.run import Looked, Run
from ..runs.target import Target
from ..sources import build_time
from ..steps.base import Found
from ..steps.cores import Cores
from ..steps.families import package_names
from ..steps.packages import Packages
from ..steps.phantomjs import PhantomJSBinary
from ..steps.room import PACKED_MB, Need, Room, room_to_build, room_to_ship, short
from ..steps.runtime import (
    Build,
    Runtime,
    Ship,
    altered_on,
    archive_path,
    complete_on,
    no_build,
    no_runtime,
    told,
    wanted_on,
)
from ..steps.runtime_spec import Platform

COMPILERS = Packages(package_names("build"), name="build packages")


def distribute(run: Run, looked: Mapping[str, Looked], hosts: Sequence[Host]) -> None:
    """Everything at once on these hosts; per platform one makes the runtime, the others wait for it.

    A runtime is never taken from a host that has it already: root there may have altered it.
    """
    # No host may wait for one that is not among these.
    seen = {host.name: looked[host.name] for host in hosts if host.name in looked}
    shares = _shares(run, seen)
    # The makers of a runtime come first: a host that waits must never hold the place of one that works.
    first = [host for host in hosts if host.name in shares.makers]
    others = [host for host in hosts if host.name not in shares.makers]
    run.each(shares.work, [host for host in [*first, *others] if host.name in seen])


def _shares(run: Run, looked: Mapping[str, Looked]) -> Shares:
    runtimes = {name: pair for name, one in looked.items() if (pair := _runtime(one))}
    lacking = {name: platform for name, pair in runtimes.items() if (platform := wanted_on(*pair))}
    archives: dict[Platform, Future[Ship]] = {platform: Future() for platform in lacking.values()}
    if not run.dry:
        _take_from_cache(run.target.fleet, archives)
    makers = _makers(runtimes, lacking, [platform for platform, one in archives.items() if not one.done()])
    # A runtime that this machine has never known is replaced by the one that is built now: one for all of a platform.
    lacking |= {name: one for name, pair in runtimes.items() if (one := complete_on(*pair)) and one in makers.values()}
    return Shares(run, looked, lacking, makers, archives)


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of each host in the work, by its name."""

    run: Run
    looked: Mapping[str, Looked]
    lacking: Mapping[str, Platform]
    """The hosts that wait for a runtime of their platform."""
    makers: Mapping[str, Platform]
    """The hosts that make one."""
    archives: Mapping[Platform, Future[Ship]]

    def work(self, host: Host, say: Say) -> Done:
        """Do the share of one host.

        Raises Problem before anything is sent where there is too little room for it, or no Python can be built there.
        """
        platform = self.makers.get(host.name)
        with promised(self.archives[platform], host.name) if platform else nullcontext():
            if why := self._no_runtime(host):
                raise Problem(f"nothing was changed here: {why}")
            if lacks := self._lacks(host):
                raise Problem(f"nothing was changed here: {lacks}; make room, or put a larger disk there")
            if self.run.dry:
                return preview(self.looked[host.name].steps, self.looked[host.name].found)
            return self._serve(host, say)

    def _no_runtime(self, host: Host) -> str:
        """Why the runtime that this host waits for can't be used or made there; empty where it can, or is there."""
        pair = _runtime(self.looked[host.name]) if host.name in self.lacking else None
        if not pair:
            return ""
        return no_runtime(pair[1]) or (no_build(*pair) if host.name in self.makers else "")

    def _lacks(self, host: Host) -> str:
        """The file systems with too little room for all that is missing there, each with its figures."""
        pairs = list(zip(self.looked[host.name].steps, self.looked[host.name].found, strict=True))
        needs = [
            one for step, found in pairs if isinstance(step, Packages | PhantomJSBinary) for one in step.needs(found)
        ]
        if host.name in self.makers and not self.run.dry:
            needs += room_to_build() + self._compilers(host)
        elif platform := self.lacking.get(host.name):
            archive = self.archives[platform]
            needs += room_to_ship(archive.result().archive if archive.done() and not archive.exception() else None)
        return "; ".join(short(found, needs) for step, found in pairs if isinstance(step, Room))

    def _compilers(self, host: Host) -> list[Need]:
        """Asked once more on the host that makes a runtime: others need none."""
        (found,) = look(self.run.target.links[host], [COMPILERS], keep_open=not self.run.dry)
        return COMPILERS.needs(found)

    def _serve(self, host: Host, say: Say) -> Done:
        changes = _but_the_runtime(self.run.target, host, self.looked[host.name], host.name in self.lacking, say)
        try:
            changes += self._runtime(host, say)
        except Problem as error:
            error.changes = changes + error.changes
            raise
        finally:
            self.run.target.links[host].rest()
        return Done(changes)

    def _runtime(self, host: Host, say: Say) -> tuple[str, ...]:
        if platform := self.makers.get(host.name):
            return _make(self.run.target, host, self.looked[host.name], platform, self.archives[platform], say)
        if platform := self.lacking.get(host.name):
            return _ship(self.run.target, host, self.looked[host.name], self.archives[platform], say)
        return ()


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
            print(f"{error}: Python is built anew", file=sys.stderr)


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
        brought(archive, host.name, partial(_fetch, chosen, host, pair[0].spec.id(platform), "\n".join(heard)))
    except Problem as error:
        error.changes = changes
        raise
    return changes


def brought(archive: Future[Ship], maker: str, fetch: Callable[[], Ship]) -> None:
    """Keep the promise of the archive.

    Where this machine can't keep one, the maker has its Python all the same, and those that wait are told.
    """
    try:
        archive.set_result(fetch())
    except NoCache as error:
        archive.set_exception(NotReached(f"no Python came from {maker}: {error}"))
        print(f"fab: {maker} has its Python, and this machine can't keep it for other hosts: {error}", file=sys.stderr)


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
    # Not after the minutes of a build.
    sources.try_to_keep(PACKED_MB)
    say("fetching sources and packages (control machine)")
    python = fleet.python
    tarball = sources.python_tarball(python.version, python.sha256, python.sources, fleet.path.parent, say)
    # Without the digests of the build before: this one makes others.
    made = Runtime(step.spec, step.user, Build(tarball, sources.wheelhouse(plan.PINS, say)))
    link = chosen.links[host]
    compilers, counted = look(link, [COMPILERS, Cores()])
    cores = Cores.counted(counted)
    print(f"fab: {host.name} builds Python: {build_time.expected(cores)}", file=sys.stderr)
    todo = [*missing([COMPILERS], [compilers]), *made.made_anew(platform)]
    begun = time.monotonic()
    changes = apply(link, [COMPILERS, made], todo, say, hear)
    build_time.keep(cores, time.monotonic() - begun)
    return changes


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
