"""Before anything is stopped: the cluster's user can write the files of supervisord and its programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .base import Action, Found, Probe
from .files import kept_suffix
from .shipped import shipped
from .supervisor import Place, look, own


@dataclass(frozen=True, slots=True)
class Writable:
    """The logs and counters of this cluster are its user's; where root ran it before, they are replaced by copies.

    This step leaves alone the things that the user can't fix itself (a directory that is missing, a file in
    somebody else's): deploy refuses such a host. Only a look with a preflight tells the files that can't be written.
    """

    place: Place
    name: str = "writable"

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        sight = own(self.place, found)
        unwritable = sight.preflight.unwritable if sight and sight.preflight else ()
        paths = [one.path for one in unwritable if one.mendable]
        if not paths:
            return []
        others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        script = self.place.as_work("take", paths=paths, suffix=kept_suffix())
        return [Action(f"give {paths[0]}{others} to {self.place.user}", script, (shipped(),))]
