"""The ramp: twice the rate from step to step, until the pages a second grow no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .measured import StepMeasured

FIRST_RATE = 25
STEP_SECONDS = 8
"""A step has the pages of so many seconds at its rate."""
LEAST_SECONDS = 3
"""A step that would be shorter tells nothing."""
LEAST_PAGES = 100
GROWTH = 1.10
"""A step that brings less than a tenth more is the last one."""
MOST_STEPS = 16
KEPT_UP = 0.90
"""The part of its rate that a step has to reach to have kept up with it."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """The step that comes next."""

    rate: int
    pages: int

    @property
    def start(self) -> int:
        """The pages with which it begins: enough for its rate from the first second on."""
        return max(1, min(self.pages, self.rate))


def saturated(steps: Sequence[StepMeasured]) -> bool:
    """Whether the last step brought less than a tenth more than the best one before."""
    return len(steps) > 1 and steps[-1].pages_s < GROWTH * max(one.pages_s for one in steps[:-1])


def at_limit(steps: Sequence[StepMeasured]) -> bool:
    """Whether the cluster could not do what was asked of it in the end."""
    return saturated(steps) or steps[-1].pages_s < KEPT_UP * steps[-1].rate


def following(steps: Sequence[StepMeasured], most_pages: int) -> NextStep | None:
    """The next step; None where the ramp has ended: it grows no more, or there are too few pages."""
    rate = steps[-1].rate * 2 if steps else FIRST_RATE
    too_short = bool(steps) and most_pages < rate * LEAST_SECONDS
    if saturated(steps) or too_short or len(steps) >= MOST_STEPS:
        return None
    return NextStep(rate, max(1, min(most_pages, max(LEAST_PAGES, rate * STEP_SECONDS))))


def best(steps: Sequence[StepMeasured]) -> StepMeasured:
    """The step with the most pages a second."""
    return max(steps, key=lambda one: one.pages_s)


def pages_for_more(steps: Sequence[StepMeasured]) -> int:
    """The value of --pages with which a ramp that ended too early goes on."""
    return steps[-1].rate * 2 * STEP_SECONDS
