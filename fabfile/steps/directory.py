"""Directories as steps: made, or given to their owner, where no other account has a claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Problem
from .base import Action, Found, Probe
from .files import Seen, parse_stat
from .ground import GROUND, MAKE, ODD, refuse_odd
from .shell import assign, cmd, lines

OWN = ("supervisor", "spider", "crawl")
"""A directory with one of these in its path was made for a cluster, even if root made it."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory with its owner and mode; missing parents are made as root's, 0755.

    Raises Problem where it is another account's, in another account's home, or root's and not empty.
    """

    path: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755

    @property
    def name(self) -> str:
        return f"directory {self.path}"

    def probe(self) -> Probe:
        return Probe(lines(GROUND, assign("path", self.path), _LOOK_IN))

    def diff(self, found: Found) -> Sequence[Action]:
        refuse_odd(found)
        head, *rows = found.text.removesuffix("\n").split("\n")
        seen = parse_stat(head)
        if whose := self._whose(seen, [row.partition(":")[::2] for row in rows]):
            raise Problem(f"nothing was changed here: {self.path} {whose} name another path in hosts.toml")
        if seen.owned(self.owner, self.group, self.mode):
            return []
        return [Action(f"{'set owner and mode of' if seen.exists else 'make'} directory {self.path}", self._script())]

    def _whose(self, seen: Seen, homes: Sequence[tuple[str, str]]) -> str:
        """The claim of another account on it, up to the way out; empty where there is none."""
        for real in (home for user, home in homes if not user and seen.owner == "root" != self.owner):
            if not any(name in f"{real}/" for name in (*OWN, f"/{self.owner}/")):
                given = f"only if all of it is the cluster's, give it to {self.owner}, else"
                return f"is root's and not empty ({real}): {given}"
        for user, home in homes:
            if not user:
                continue
            # A home in a top directory does not claim the whole of it.
            if user != self.owner and (home == self.path or home.count("/") > 1):
                return f"is in {home}, the home of {user};"
        return f"belongs to {seen.owner};" if seen.exists and seen.owner not in (self.owner, "root") else ""

    def _script(self) -> str:
        # The working directory stays the one that was entered, even if its path leads elsewhere meanwhile.
        return lines(
            GROUND + MAKE,
            cmd("make_way", self.path, "0700"),
            cmd("give_here", self.owner, self.group, f"{self.mode:04o}"),
        )


_LOOK_IN = f"""\
reach "$path" || {{ echo "{ODD}$odd"; exit 0; }}
[ -w . ] || {{ echo "{ODD}$(pwd -P): $squashed"; exit 0; }}
if [ -z "$left" ]; then
  stat -c '%f %U %G' .
  # A file system of its own is empty with this one, too.
  for one in ./*; do case $one in './*'|./lost+found) ;; *) echo ":$(pwd -P)"; break ;; esac; done
else echo
fi
while IFS=: read -r user _ _ _ _ home _; do
  case $path/ in "$home"/*) echo "$user:$home" ;; esac
done </etc/passwd
"""
