"""A look by whatever Python a host has, also where this project has not set one up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from .base import Action, Found, Payload, Probe
from .ground import SOUND
from .shell import cmd
from .shipped import shipped
from .supervisor import Place, Questions

PYTHONS = ("python2.7", "python3", "python2", "python", "/usr/libexec/platform-python")
"""A host that was set up by hand has one of these, if it has pyspider."""
_SCRIPT = """\
for python in {pythons}; do
  # A file that others can change is no Python for root.
  python=$(command -v "$python") && sound "$python" || continue
  "$real" -c 'import sys, zlib; assert sys.version_info >= (2, 7)' >/dev/null 2>&1 || continue
  exec "$real" -B "$1" {verb} "$2"
done
echo null"""


def by_any_python(place: Place, verb: str, options: dict[str, object], limit: float, logs: bool = False) -> Probe:
    """What was shipped, run by the first Python that is there; its answer is null where none is."""
    script = SOUND + _SCRIPT.format(pythons=cmd(place.python, *PYTHONS), verb=verb)
    return Probe(script, (shipped(with_logs=logs), Payload(json.dumps(options).encode())), limit=limit)


@dataclass(frozen=True, slots=True)
class LookAnywhere:
    """A look at the supervisord that is found, wherever it is, of which nothing is wanted."""

    place: Place
    questions: Questions
    name: str = "look anywhere"

    def probe(self) -> Probe:
        asked = self.questions
        options = self.place.options(
            webui=dict(asked.webui),
            rpc=dict(asked.rpc),
            work=asked.work,
            spent=asked.spent,
            anywhere=True,
            python=self.place.python,
        )
        return by_any_python(self.place, "look", options, limit=45)

    def diff(self, _found: Found) -> Sequence[Action]:
        return []
