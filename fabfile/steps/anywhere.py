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
  {before}exec "$real" -B "$2" {verb} "$1"
done
echo null"""
_AGAIN = """\
f=${1%/*}
{ read -r p <"$f/pid" && kill -0 "$p"; } 2>/dev/null || exit 1
# A pipe that is opened for both is open at once, also where nobody listens any more.
echo 1<>"$f/ask"
cat "$f/answer\""""
LIMIT = 45.0


def by_any_python(place: Place, verb: str, options: dict[str, object], limit: float, before: str = "") -> Probe:
    """What was shipped, run by the first Python that is there; its answer is null where none is.

    `before` is shell that comes right before it.
    """
    script = SOUND + _SCRIPT.format(pythons=cmd(place.python, *PYTHONS), verb=verb, before=before)
    return Probe(script, (Payload(json.dumps(options).encode()), shipped(verb)), limit=limit)


@dataclass(frozen=True, slots=True)
class LookAnywhere:
    """A look at the supervisord that is found, wherever it is, of which nothing is wanted."""

    place: Place
    questions: Questions
    name: str = "look anywhere"

    def probe(self) -> Probe:
        return by_any_python(self.place, "look", self._options, limit=LIMIT)

    def staying(self) -> Probe:
        """The same by a process that stays as long as its channel, for `again`."""
        # It ends by itself when the receiver has.
        return by_any_python(self.place, "stay", self._options, limit=LIMIT, before='echo "$$" >"${1%/*}/receiver"; ')

    def again(self) -> Probe:
        """The same by the process that stays in this channel: without code, and without a new Python there.

        It has no answer where none stays.
        """
        return Probe(_AGAIN, (Payload(json.dumps(self._options).encode()),), limit=LIMIT)

    @property
    def _options(self) -> dict[str, object]:
        asked = self.questions
        return self.place.options(
            webui=dict(asked.webui),
            rpc=dict(asked.rpc),
            work=asked.work,
            spent=asked.spent,
            anywhere=True,
            python=self.place.python,
        )

    def diff(self, _found: Found) -> Sequence[Action]:
        return []
