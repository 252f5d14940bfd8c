"""One look at a host for doctor: the probe that collects facts, and the facts as a value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import plan
from ..inventory import Fleet
from ..shell import cmd
from ..steps.base import Action, CannotLook, Found, Payload, Probe

REMOTE = Path(__file__).parent.parent / "remote"
PYTHONS = ("python2.7", "python3", "python2", "python", "/usr/libexec/platform-python")
"""A host that was set up by hand has one of these, if it has pyspider."""

_SCRIPT = """\
for python in {pythons}; do
  "$python" -c 'import sys; assert sys.version_info >= (2, 7)' >/dev/null 2>&1 || continue
  exec "$python" -B "$1" "$2" "$3" "$4" "$5"
done
echo null"""


@dataclass(frozen=True, slots=True)
class Examination:
    """A look at everything that the checks judge; nothing is wanted."""

    fleet: Fleet
    name: str = "examination"

    def probe(self) -> Probe:
        cluster = self.fleet.cluster
        where = plan.place(self.fleet)
        options = where.options(user=cluster.user, home=cluster.home)
        script = _SCRIPT.format(pythons=cmd(where.python, *PYTHONS))
        files = (REMOTE / "supervise.py", REMOTE / "doctor_conf.py", REMOTE / "doctor_ask.py")
        payloads: tuple[bytes | Path, ...] = (REMOTE / "doctor.py", json.dumps(options).encode(), *files)
        return Probe(script, tuple(Payload(one) for one in payloads), limit=60)

    def diff(self, found: Found) -> Sequence[Action]:
        del found
        return []


def facts(found: Found) -> Mapping[str, Any] | None:
    """The answer of doctor.py; None where the host has no Python at all. Raises CannotLook."""
    try:
        # A broken Python complains before it works.
        answer = json.loads(found.text.strip().rpartition("\n")[2])
    except ValueError as error:
        raise CannotLook(f"what is there can't be seen: {found.text[-300:]}") from error
    if answer is None or isinstance(answer, dict):
        return answer
    raise CannotLook(f"what is there can't be seen: {found.text[-300:]}")
