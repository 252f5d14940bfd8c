"""After a deploy that did not reach all hosts: which have the new release now, which do not, and the way on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import plan
from ..errors import Problem
from ..inventory import Host
from ..runs.engine import fan_out, look
from ..runs.run import Run
from ..steps.releases import Kept, KeptReleases, kept


def split(run: Run) -> str:
    """Lines for the operator; empty where all chosen hosts are alike, or nothing was changed.

    The hosts are asked once more: one that failed may have gone back, or not.
    """
    chosen, fleet = run.target, run.target.fleet
    hosts = [host for host in chosen.hosts if fleet.programs(host)]
    if run.dry or all(one.well for one in run.recorder.outcomes(hosts)):
        return ""
    asked = [host for host in hosts if run.recorder.status(host) != "unreachable"]
    known = fan_out(asked, lambda host: _kept(run, host), chosen.links.stop, fleet.cluster.at_once)
    found = {name: one and (one.current or "") for name, one in known.items()}
    new = [host for host in asked if found[host.name] == plan.release(fleet, host).id]
    if not new or len(new) == len(hosts):
        return ""
    unseen = [host for host in hosts if found.get(host.name) is None]
    old = [host for host in hosts if host not in new and host not in unseen]
    lines = [f"the hosts are split: the new release is on {_names(new)}"]
    lines += [f"  not on {_names(old)}"] if old else []
    lines += [f"  not known: {_names(unseen)}"] if unseen else []
    everywhere = len(chosen.hosts) == len(fleet.hosts)
    # Programs of other roles are to stay as they are.
    roles = f" --role {','.join(chosen.roles)}" if chosen.roles else ""
    again = f"fab{'' if everywhere else _chosen(chosen.hosts)} deploy{roles}"
    former = _way_back(new, known, roles) if old and all(found[host.name] for host in old) else ""
    lines.append(f"one again: mend the cause, then `{again}`{former}")
    return "".join(f"{line}\n" for line in lines)


def _way_back(new: Sequence[Host], kept: Mapping[str, KeptReleases | None], roles: str) -> str:
    """The way back for hosts with the new release; one that has no older one can't go."""
    back = [host for host in new if _has_older(kept[host.name])]
    first = [host for host in new if host not in back]
    aside = f" ({_names(first)}: no older release is there)" if first else ""
    return f"; or go back there: `fab{_chosen(back)} rollback{roles}`{aside}" if back else ""


def _has_older(known: KeptReleases | None) -> bool:
    current = known.named(known.current) if known and known.current else None
    return bool(known and current and known.before(current))


def _chosen(hosts: Sequence[Host]) -> str:
    return f" -H {','.join(host.name for host in hosts)}"


def _names(hosts: Sequence[Host]) -> str:
    return ", ".join(host.name for host in hosts)


def _kept(run: Run, host: Host) -> KeptReleases | None:
    """The releases of a host; None where they can't be seen."""
    try:
        known = kept(*look(run.target.links[host], [Kept(plan.place(run.target.fleet))]))
    except Problem:
        return None
    return known or KeptReleases(None, (), {}, None, ())
