"""The Python that a deploy starts programs with: the one that hosts.toml and this version want, and no older one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Problem
from .base import Action, Found, Probe
from .runtime import HOME, activate, named
from .runtime_spec import PLATFORM, RuntimeSpec

_LOOK = f"""\
cd {HOME} 2>/dev/null || cd /
{PLATFORM}\
for one in runtimes/*/.complete; do
  [ ! -e "$one" ] || {{ one=${{one%/.complete}}; echo "complete=${{one#runtimes/}}"; }}
done
echo end=
"""


@dataclass(frozen=True, slots=True)
class RuntimeInUse:
    """The current runtime is the one of `spec`, by its name; where that is there, and a rollback left another, it is
    made current.

    Raises Problem where the wanted one has yet to come: programs would begin on the old one, and be taken for new.
    A host without a current runtime is not judged here.
    """

    spec: RuntimeSpec
    name: str = "Python in use"

    def probe(self) -> Probe:
        return Probe(_LOOK)

    def diff(self, found: Found) -> Sequence[Action]:
        current, wanted, complete = named(self.spec, found)
        if current in ("", wanted):
            return []
        if complete:
            return [activate(wanted)]
        raise Problem(
            f"nothing was changed here: this host has Python {current}, and hosts.toml of this version wants {wanted}; "
            "run `fab bootstrap` for this host first, then deploy again"
        )
