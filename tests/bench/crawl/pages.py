"""The sites that are crawled: how many pages each has, and the links of every one of them. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["chain", "flat", "mix"]
BRANCHES = 5
"""The pages below a page of the mix: 2,000 pages are five levels deep."""
LINKS = 100
BYTES = 50_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A site of so many pages, the first of which is number 0."""

    kind: Kind
    pages: int

    @property
    def name(self) -> str:
        return {
            "chain": f"chain of {self.pages} pages",
            "flat": f"{self.pages - 1} tiny pages linked from one",
            "mix": f"{self.pages} pages of {BYTES // 1000} kB with {LINKS} links",
        }[self.kind]

    def links(self, number: int) -> list[int]:
        """The pages to which one leads. Each page is the child of one; no other link is a shorter way."""
        match self.kind:
            case "chain":
                below = [number + 1]
            case "flat":
                below = list(range(1, self.pages)) if number == 0 else []
            case "mix":
                children = range(BRANCHES * number + 1, min(BRANCHES * (number + 1) + 1, self.pages))
                below = [*children, *(_earlier(number, place) for place in range(LINKS - len(children)))]
        return [one for one in below if one < self.pages]

    def html(self, number: int) -> bytes:
        """A page; its links are relative."""
        links = "".join(f'<li><a href="{one}">page {one}</a></li>' for one in self.links(number))
        text = f"<html><head><title>{number}</title></head><body><ul>{links}</ul>"
        return (text + (_filling(BYTES - len(text)) if self.kind == "mix" else "") + "</body></html>").encode()


def _earlier(number: int, place: int) -> int:
    # Never to the first page: scrapy-redis does not count what it was told to begin with as seen.
    return 1 + (number * 7919 + place * 104729) % max(number, BRANCHES)


@cache
def _prose() -> str:
    """Text as pages have it, the same in every run."""
    chosen = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chosen.choices(letters, k=chosen.randint(2, 9))) for _ in range(500)]
    parts = [f"<p class='text'>{' '.join(chosen.choices(words, k=60))}</p>" for _ in range(200)]
    return "\n".join(parts)


def _filling(length: int) -> str:
    return _prose()[:length].rpartition("\n")[0]
