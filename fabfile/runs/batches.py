"""The pace of a run over its hosts, and the number of failures that stops it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..errors import WrongInput

Item = TypeVar("Item")
_SHARE = re.compile(r"([0-9]{1,9})(%?)")


@dataclass(frozen=True, slots=True)
class Share:
    """A number of hosts, or a percentage of all hosts of a run."""

    number: int
    percent: bool = False

    def size(self, total: int) -> int:
        """The number of hosts in a run over `total`: rounded down, but at least one."""
        return max(1, total * self.number // 100) if self.percent else self.number

    def allows(self, count: int, total: int) -> bool:
        """Whether `count` of `total` is no more than this."""
        return count * 100 <= total * self.number if self.percent else count <= self.number

    def __str__(self) -> str:
        return f"{self.number}{'%' if self.percent else ''}"


def share(flag: str, text: str, least: int) -> Share | None:
    """The value of a flag like `--batch 2` or `--batch 25%`; None where it is not given. Raises WrongInput."""
    if not text:
        return None
    found = _SHARE.fullmatch(text.strip())
    number = int(found[1]) if found else -1
    if not found or number < least or (found[2] and number > 100):
        raise WrongInput(
            f"{flag} {text}: give a number of hosts from {least} on, or a percentage of them from {least}% to 100%"
        )
    return Share(number, bool(found[2]))


@dataclass(frozen=True, slots=True)
class Pace:
    """All hosts at once and no limit, unless the operator says otherwise."""

    batch: Share | None = None
    max_fail: Share | None = None

    @classmethod
    def of(cls, batch: str, max_fail: str) -> Pace:
        """The pace that the two flags give; batches alone stop at the first failure. Raises WrongInput."""
        size, limit = share("--batch", batch, 1), share("--max-fail", max_fail, 0)
        return cls(size, Share(0) if size and limit is None else limit)

    def too_many(self, failed: int, total: int) -> bool:
        """Whether the run has to stop."""
        return self.max_fail is not None and not self.max_fail.allows(failed, total)

    def batches(self, items: Sequence[Item], total: int) -> Iterator[Sequence[Item]]:
        """The items in batches, each of the size that it has in a run over `total` hosts."""
        size = self.batch.size(total) if self.batch else max(1, len(items))
        return (items[start : start + size] for start in range(0, len(items), size))
