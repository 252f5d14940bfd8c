"""Words after a task that are no tasks: `fab stop processor1 fetcher` is `fab stop --name=processor1,fetcher`.

Invoke takes such words as tasks of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TAKING = ("bench.compare", "logs", "profile", "start", "stop", "restart", "scale", "passwords.rotate", "ui")
"""The tasks that take names of programs, roles with numbers, or names of passwords."""


def with_names(words: Sequence[str], tasks: Iterable[Any], core: Any) -> list[str]:
    """The words of a command line with the names as a flag. `tasks` and `core` are Invoke's contexts."""
    contexts = {name: context for context in tasks for name in (context.name, *context.aliases)}
    done: list[str] = []
    names: list[str] = []
    current, flags, value = "", _flags(core), False
    for word in words:
        if names and _is_name(word.partition("=")[0], flags):
            raise ValueError("give the names as words or by --name, not both ways")
        if value or word.startswith("-"):
            done.append(word)
            value = not value and _takes_value(word, flags)
        elif word in contexts or current not in TAKING:
            done += _flag(names)
            names, current = [], word
            flags = {**_flags(core), **(_flags(contexts[word]) if word in contexts else {})}
            done.append(word)
        else:
            names += word.split(",")
    return [*done, *_flag(names)]


def _is_name(word: str, flags: Mapping[str, Any]) -> bool:
    return word in flags and flags[word].name == "name"


def meant(said: str, tasks: Iterable[str], flags: Iterable[str]) -> str:
    """` (did you mean 'deploy'?)` for the word that Invoke does not know, or nothing where no known one is near."""
    from ..inventory.fleet import hint

    found = re.match(r"No idea what '(.+)' is", said)
    if found is None:
        return ""
    word = found[1].partition("=")[0]
    return hint(word, [one for one in flags if one.startswith("--")] if word.startswith("-") else tasks)


def _flags(context: Any) -> dict[str, Any]:
    """The flags of a context, also by their short names, which Invoke keeps apart as aliases."""
    return {name: context.flags[name] for name in (*context.flags, *context.flags.aliases)}


def _takes_value(word: str, flags: Mapping[str, Any]) -> bool:
    """Whether the next word is this flag's value."""
    return word in flags and bool(flags[word].takes_value)


def _flag(names: Sequence[str]) -> list[str]:
    return [f"--name={','.join(names)}"] if names else []
