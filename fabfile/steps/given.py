"""The password that a managed store was given: its digest stays on the store's host, for root alone.

Another control machine, or an old copy of its .secrets, has other passwords. Nobody puts those in the place of the ones
that all programs use, unless a person says so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from ..errors import Problem
from .base import Action, Found
from .shell import cmd

FOLDER = "/var/lib/pyspider-fabfile"
"""What this project keeps on a host besides what runs there; root's."""
State = Literal["same", "other", "unknown"]
OTHER = (
    "{} has another password for this cluster than hosts.toml and .secrets/ on this machine: copy .secrets/ (or the "
    "file that hosts.toml names) from the control machine that set it up; where the new one is meant, run "
    "`fab bootstrap --set-passwords`, then `fab deploy`"
)


@dataclass(frozen=True, slots=True)
class Given:
    """The memory of one store's password."""

    store: str
    password: str = field(repr=False)

    @property
    def _path(self) -> str:
        return f"{FOLDER}/{self.store}.given"

    @property
    def _digest(self) -> str:
        return hashlib.sha256(f"{self.store}\0{self.password}".encode()).hexdigest()

    def look(self) -> str:
        """A script that tells the digest of the password that the store was given last (`given`)."""
        return f"{cmd('sed', 's/^/given /', self._path)} 2>/dev/null || :\n"

    def state(self, found: Found) -> State:
        """Whether that was this one; unknown where no version has noted it yet."""
        rows = found.rows("given")
        if not rows:
            return "unknown"
        return "same" if rows == [self._digest] else "other"

    def note(self) -> str:
        """A script that notes this password as the one that the store has."""
        new = f"{self._path}.new"
        put = f"(umask 077; {cmd('echo', self._digest)} >{cmd(new)})"
        return f"{cmd('mkdir', '-p', FOLDER)}\n{put} && {cmd('mv', '-fT', new, self._path)}"

    def noted(self, product: str) -> Action:
        """The change of the note alone."""
        return Action(f"note which password {product} has", self.note())

    def refusal(self, product: str) -> Problem:
        """The end of a run that would take the store from the cluster's programs."""
        return Problem(f"nothing was changed here: {OTHER.format(product)}")
