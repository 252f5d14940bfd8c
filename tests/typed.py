"""The commands of a fix that doctor prints, as somebody types them."""

from __future__ import annotations

import re
from dataclasses import dataclass

AT_LAST = re.compile(
    r"(?:^|[ ,;])(?:on (\S+) as root(?: \([^)]*\))?|in (MySQL|Redis)(?: \(((?:on \S+: )?redis-cli .*?)\))?): (.*)$",
    re.DOTALL,
)
"""Shell, or statements: all that follows is typed."""
NEXT = re.compile(r", then on (\S+) as root: ")
"""Shell for another host comes after it."""
FAB = re.compile(
    r"(?:^|(?<=[ ,;]))fab(?: -H \S+)?"
    r" (?:bootstrap|deploy(?: --reload)?|reload|doctor --fix|step\.[a-z-]+|run '[^']*'"
    r"|passwords\.rotate(?: (?:mysql|redis|webui))*)(?=$|[,;])"
)


@dataclass(frozen=True)
class Command:
    """A command, and where it is typed: on a host, in MySQL or Redis, or, where that is empty, here."""

    where: str
    words: str
    client: str = ""
    """The store's client, where the fix tells its command line."""


def commands(fix: str) -> list[Command]:
    """All commands of a fix, in their order; a sentence has none. Fails where a part of one could not be typed."""
    last = AT_LAST.search(fix)
    before = re.sub("`[^`]*`", "", fix[: last.start()] if last else fix)
    found = [Command("", one) for one in FAB.findall(before)]
    assert len(found) == len(re.findall(r"\bfab ", before)), f"this can't be typed as it stands: {fix}"
    if last:
        first, *others = NEXT.split(last[4])
        found.append(Command(last[1] or last[2], first, last[3] or ""))
        found += [Command(*pair) for pair in zip(others[::2], others[1::2], strict=True)]
    return found
