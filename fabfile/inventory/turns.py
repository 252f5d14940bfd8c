"""The turns in which programs restart, so that of each role some run on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from .fleet import Program
from .order import Chosen

Turn = dict[str, list[Program]]
"""The programs that restart together, by the name of their host."""


def turns(chosen: Chosen, running: Mapping[str, int], whole: Collection[str] = ()) -> list[Turn]:
    """These programs in turns, each of at most half of the ones of a role that run in the cluster, but of one at least.

    `running` are the numbers of running programs by role. The hosts in `whole` restart all at once. A host without
    any program to restart has its place in a turn as well.
    """
    most = {role: max(1, count // 2) for role, count in running.items()}
    made: list[Turn] = []
    for host, programs in chosen.items():
        first = 0
        for part in [list(programs)] if host in whole else _parts(programs, most):
            place = next((number for number in range(first, len(made)) if _fits(made[number], part, most)), len(made))
            if place == len(made):
                made.append({})
            made[place] = {**made[place], host: part}
            first = place + 1
    return made


def _parts(programs: Sequence[Program], most: Mapping[str, int]) -> Iterator[list[Program]]:
    """The programs of a host in as few parts as its roles allow; one part, where there is none."""
    seen: Counter[str] = Counter()
    parts: dict[int, list[Program]] = {0: []}
    for program in programs:
        parts.setdefault(seen[program.role] // most.get(program.role, 1), []).append(program)
        seen[program.role] += 1
    yield from (parts[number] for number in sorted(parts))


def _fits(turn: Turn, part: Sequence[Program], most: Mapping[str, int]) -> bool:
    down = Counter(program.role for programs in [*turn.values(), part] for program in programs)
    return all(down[program.role] <= most.get(program.role, 1) for program in part)
