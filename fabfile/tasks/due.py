"""The part of a deploy that a host is due: all of it, or its firewall where it has nothing but stores."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from .. import plan
from ..errors import Problem
from ..runs.run import Looked
from ..runs.target import Target
from ..steps.firewall import Firewall
from ..steps.runtime_in_use import RuntimeInUse
from ..steps.sight import Sight, parsed
from ..steps.supervision import Supervision
from ..steps.supervisor import Look


def due(chosen: Target, looked: Mapping[str, Looked]) -> dict[str, Looked]:
    """The answers; of a host that has stores alone, and nothing of pyspider's, those about its firewall."""
    return {name: doors(one) if only_stores(chosen, name, one) else one for name, one in looked.items()}


def only_stores(chosen: Target, name: str, looked: Looked) -> bool:
    """Whether that is all that a host is for, and all that is there."""
    with suppress(Problem):  # the step that needs the answer tells it
        # Where a Python is, programs may run that moved to other hosts.
        return not plan.needs_runtime(chosen.fleet, chosen.fleet.host(name)) and sight_in(looked) is None
    return False


def doors(looked: Looked) -> Looked:
    """The steps up to the firewall with their answers; none of a host that is no part of the deploy."""
    last = next((index for index, step in enumerate(looked.steps, 1) if isinstance(step, Firewall)), 0)
    return Looked(looked.steps[:last], looked.found[:last])


def wrong_python(looked: Looked) -> Problem | None:
    """The reason why programs can't begin on the host's Python; None where nothing speaks against it."""
    for step, found in zip(looked.steps, looked.found, strict=True):
        if isinstance(step, RuntimeInUse):
            try:
                step.diff(found)
            except Problem as error:
                return error
    return None


def sight_in(looked: Looked) -> Sight | None:
    """The sight of the host; None where it has no Python, or was not looked at. Raises CannotLook."""
    steps = zip(looked.steps, looked.found, strict=True)
    found = next((found for step, found in steps if isinstance(step, Look | Supervision)), None)
    return parsed(found) if found else None
