"""`--fix`: the steps that fix a host's findings, and no others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import plan
from ..inventory import Fleet, Host
from ..steps.base import Action, CannotLook, Found, Probe, Step
from ..steps.shipped import shipped
from ..steps.sight import parsed
from ..steps.supervisor import Place, look
from .findings import Finding, Fix

ORDER: tuple[Fix, ...] = ("owner", "folders", "firewall", "conf", "release", "boot", "supervision", "restart")
"""A fix comes after those that it needs: programs can only start with their files in order."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """These paths belong to the cluster's user. Links, and paths that are gone by now, are left alone.

    Nothing is given that only root can have put there, or that has another name elsewhere.
    """

    paths: tuple[str, ...]
    place: Place
    name: str = "owner"

    def probe(self) -> Probe:
        return Probe(self.place.as_root("owners", paths=self.paths), (shipped(),))

    def diff(self, found: Found) -> Sequence[Action]:
        try:
            owners = json.loads(found.text)
            paths = [path for path in self.paths if owners.get(path, self.place.user) != self.place.user]
        except (ValueError, AttributeError) as error:
            raise CannotLook(f"the owners of these files can't be seen: {found.text[-300:]}") from error
        if not paths:
            return []
        others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        tops = (self.place.home, self.place.logs)
        script = self.place.as_root("give", paths=paths, user=self.place.user, tops=tops)
        says = f"give {paths[0]}{others} to {self.place.user}"
        return [Action(says, script, (shipped(),))]


@dataclass(frozen=True, slots=True)
class Restart:
    """These programs were started anew, from any state, and are RUNNING."""

    place: Place
    programs: tuple[str, ...]
    before: frozenset[int]
    """The processes that are to be gone."""
    name: str = "restart"

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        sight = parsed(found)
        old = [one.name for one in sight.programs if one.pid in self.before] if sight else []
        names = [name for name in self.programs if name in old]
        if not names:
            return []
        script = self.place.as_work("apply", restart=names, wait=names, reopen=[], remove=[], seconds=60)
        return [Action(f"restart {', '.join(names)}", script, (shipped(),), limit=150)]


def steps(fleet: Fleet, host: Host, found: Sequence[Finding], pids: frozenset[int]) -> list[Step]:
    """The steps for one host's fixable findings; `pids` are the processes that ran when they were found."""
    items: dict[Fix, dict[str, None]] = {}
    for finding in found:
        for fix in finding.fixes if host.name in (finding.host, *finding.others) else ():
            items.setdefault(fix, {}).update(dict.fromkeys(finding.items))
    if needs_stores(found):
        # Programs on every host end when a store is restarted.
        items.setdefault("supervision", {})
    wanted = [(fix, tuple(items[fix])) for fix in ORDER if fix in items]
    return [step for fix, named in wanted for step in _steps(fleet, host, fix, named, pids, "boot" in items)]


def needs_stores(found: Sequence[Finding]) -> bool:
    """Whether a store is to be fixed, which comes before everything else."""
    return any("stores" in finding.fixes for finding in found)


def _steps(fleet: Fleet, host: Host, fix: Fix, items: tuple[str, ...], pids: frozenset[int], boots: bool) -> list[Step]:
    """The steps of one fix; `boots` tells that another one sees to the unit that starts supervisord."""
    by_fix: dict[Fix, Callable[[], list[Step]]] = {
        "owner": lambda: [Ownership(items, plan.place(fleet))],
        "folders": lambda: plan.account(fleet),
        "firewall": lambda: plan.doors_of(fleet, host),
        "conf": lambda: plan.supervisord_conf(fleet),
        "release": lambda: plan.new_release(fleet, host),
        "boot": lambda: plan.boot(fleet, host),
        "supervision": lambda: [plan.supervision(fleet, host)] if boots else plan.supervised(fleet, host),
        "restart": lambda: [Restart(plan.place(fleet), items, pids)],
    }
    return by_fix[fix]()
