"""The flags that several tasks share: declared once, handed over as one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from invoke.tasks import Task
from invoke.tasks import task as declared

from ..runs.options import Options

SHORT = {
    "role": "r",
    "limit": "l",
    "exclude": "e",
    "batch": "b",
    "max_fail": "m",
    "dry_run": "d",
    "timings": "t",
    "json": "j",
    "yes": "y",
    "follow": "f",
    "lines": "n",
    "since": "s",
    "grep": "g",
}
"""The short flag of each flag that has one, in every task; Invoke itself would take any letter that is free."""

JSON = {"json": "print one JSON object instead of the recap"}
CHOICE = {
    "role": "only hosts with one of these roles (comma-separated)",
    "limit": "of the chosen hosts only these: names or patterns like node[12]* (comma-separated)",
    "exclude": "of the chosen hosts all but these: names or patterns (comma-separated)",
}
TIMINGS = {"timings": "show the time by host and phase, and the slowest actions"}
PACE = {
    "batch": "so many hosts at a time (2, or 25%), the next ones only when these are well",
    "max_fail": "stop when more hosts than this (2, or 10%) failed or are unreachable (0 with --batch)",
    "retry_failed": "only the hosts that the last run of this task left failed, unreachable or not reached",
}
LOCK = {"lock_wait": "seconds to wait for another change of the cluster to end"}
DRY = {"dry_run": "look, show the changes that would be made, and change nothing on any host"}


class ClusterTask(Task):  # type: ignore[type-arg]
    """A task of which each flag has the short flag that it has in all others, or none."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Any]:
        """The flags, each time with their help: Invoke hands that out once."""
        before = dict(self.help)
        try:
            return super().get_arguments(ignore_unknown_help)
        finally:
            self.help = before

    def arg_opts(self, name: str, default: Any, taken_names: set[str]) -> dict[str, Any]:
        """Invoke's options of a flag."""
        options = super().arg_opts(name, default, taken_names)
        own = [one for one in options["names"] if len(one) > 1]
        return {**options, "names": [*own, *([SHORT[name]] if name in SHORT else [])]}


def task(**options: Any) -> Callable[[Callable[..., None]], Any]:
    """Invoke's decorator, for tasks with the flags of this project."""
    decorator: Callable[[Callable[..., None]], Any] = declared(klass=ClusterTask, auto_shortflags=False, **options)
    return decorator


_DEFAULTS = {field.name: field.default for field in fields(Options)}


def sharing(
    *groups: Mapping[str, str], positional: Sequence[str] = (), **own: str
) -> Callable[[Callable[..., None]], Any]:
    """A task that has the flags of the groups besides its own; `own` is the help of those.

    The function gets the shared ones as `options`, its second argument.
    """
    shared = {name: text for group in groups for name, text in group.items()}

    def declare(body: Callable[..., None]) -> Any:
        @functools.wraps(body)
        def whole(c: Any, *words: Any, **given: Any) -> None:
            options = Options(**{name: given.pop(name) for name in shared if name in given})
            body(c, options, *words, **given)

        context, _, *rest = inspect.signature(body).parameters.values()
        flags = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=_DEFAULTS[name])
            for name in shared
            if name not in own
        ]
        needed = [one for one in rest if one.default is inspect.Parameter.empty]
        optional = [one for one in rest if one not in needed]
        vars(whole)["__signature__"] = inspect.Signature([context, *needed, *flags, *optional])
        return task(positional=positional, help={**shared, **own})(whole)

    return declare
