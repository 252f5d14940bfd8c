"""After a deploy that did not reach all hosts: which have the new release now, which do not, and the way on."""

from __future__ import annotations

from collections.abc import Sequence

from .. import plan
from ..errors import Problem
from ..inventory import Host
from ..runs.engine import fan_out, look
from ..runs.run import Run
from ..steps.sight import parsed
from ..steps.supervisor import Look


def split(run: Run) -> str:
    """Lines for the operator; empty where all chosen hosts are alike, or nothing was changed.

    The hosts are asked once more: one that failed may have gone back, or not.
    """
    chosen, fleet = run.target, run.target.fleet
    hosts = [host for host in chosen.hosts if fleet.programs(host)]
    if run.dry or all(one.well for one in run.recorder.outcomes(hosts)):
        return ""
    asked = [host for host in hosts if run.recorder.status(host) != "unreachable"]
    found = fan_out(asked, lambda host: _current(run, host), chosen.links.stop, fleet.cluster.at_once)
    new = [host for host in asked if found[host.name] == plan.release(fleet, host).id]
    if not new or len(new) == len(hosts):
        return ""
    unseen = [host for host in hosts if found.get(host.name) is None]
    old = [host for host in hosts if host not in new and host not in unseen]
    lines = [f"the hosts are split: the new release is on {_names(new)}"]
    lines += [f"  not on {_names(old)}"] if old else []
    lines += [f"  not known: {_names(unseen)}"] if unseen else []
    everywhere = len(chosen.hosts) == len(fleet.hosts)
    again = "fab deploy" if everywhere else f"fab -H {','.join(host.name for host in chosen.hosts)} deploy"
    back = f"fab -H {','.join(host.name for host in new)} rollback"
    former = f"; or go back there: `{back}`" if all(found.get(host.name) for host in old) and old else ""
    lines.append(f"one again: mend the cause, then `{again}`{former}")
    return "".join(f"{line}\n" for line in lines)


def _names(hosts: Sequence[Host]) -> str:
    return ", ".join(host.name for host in hosts)


def _current(run: Run, host: Host) -> str | None:
    """The release of a host; empty where it has none, None where that can't be seen."""
    try:
        sight = parsed(look(run.target.links[host], [Look(plan.place(run.target.fleet))])[0])
    except Problem:
        return None
    return (sight.current or "").removeprefix("releases/") if sight else ""
