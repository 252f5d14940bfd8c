"""Words after a task that are no tasks: `fab stop processor1 fetcher` is `fab stop --name=processor1,fetcher`.

Invoke takes such words as tasks of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TAKING = ("start", "stop", "restart", "scale", "passwords.rotate", "profile")
"""The tasks that take names of programs, roles with numbers, or names of passwords."""


def with_names(words: Sequence[str], tasks: Iterable[Any], core: Any) -> list[str]:
    """The words of a command line with the names as a flag. `tasks` and `core` are Invoke's contexts."""
    contexts = {name: context for context in tasks for name in (context.name, *context.aliases)}
    done: list[str] = []
    names: list[str] = []
    current, flags, value = "", {**core.flags}, False
    for word in words:
        if names and word.partition("=")[0] in ("-n", "--name"):
            raise ValueError("give the names as words or by --name, not both ways")
        if value or word.startswith("-"):
            done.append(word)
            value = not value and _takes_value(word, flags)
        elif word in contexts or current not in TAKING:
            done += _flag(names)
            names, current = [], word
            flags = {**core.flags, **(contexts[word].flags if word in contexts else {})}
            done.append(word)
        else:
            names += word.split(",")
    return [*done, *_flag(names)]


def _takes_value(word: str, flags: Mapping[str, Any]) -> bool:
    """Whether the next word is this flag's value."""
    return word in flags and bool(flags[word].takes_value)


def _flag(names: Sequence[str]) -> list[str]:
    return [f"--name={','.join(names)}"] if names else []
