"""Each step by itself, on the same engine as `bootstrap` and `deploy`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from .. import plan
from ..inventory import Fleet, Host
from ..runs.options import Options
from ..runs.run import Run
from ..runs.target import Target, target
from ..steps.base import Step
from .bootstrap import library_steps, phantomjs_steps
from .distribution import distribute


class Choice:
    """The steps that a task can have; files that they install are fetched when they are asked for."""

    plan = plan

    def __init__(self, chosen: Target) -> None:
        self._chosen = chosen

    @property
    def fleet(self) -> Fleet:
        return self._chosen.fleet

    @cached_property
    def phantomjs(self) -> Callable[[Host], list[Step]]:
        return phantomjs_steps(self._chosen)

    @cached_property
    def libraries(self) -> Callable[[Host], list[Step]]:
        return library_steps(self._chosen)


Steps = Callable[[Choice, Host], Sequence[Step]]
"""The steps of one host; none where the task does not concern it."""


def step(c: Any, options: Options, steps: Steps) -> None:
    """Bring the chosen hosts to these steps, and to no others."""
    chosen = target(c, options)
    run, choice = Run(chosen, options), Choice(chosen)
    wanted = {host: steps(choice, host) for host in chosen.hosts}
    concerned = [host for host in chosen.hosts if wanted[host]]
    for host in chosen.hosts:
        if host not in concerned:
            run.skip(host, "this step does not concern it")
    with run.locked():
        distribute(run, run.look(lambda host: wanted[host], concerned), concerned)
    run.finish()
