"""New passwords in the place of generated ones, through states that a later run can go on from.

Beside NAME, the file of passwords keeps NAME_next until the new one is in use, and then NAME_before until the old one
is valid no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import WrongInput
from .fleet import Fleet
from .passwords import Password, checked, kept, random, rewritten
from .roles import MYSQL, REDIS, WEBUI

NAMES = (MYSQL.name, REDIS.name, WEBUI.name)
NEXT, BEFORE = "_next", "_before"


@dataclass(frozen=True, slots=True)
class Change:
    """One password and the one that takes its place."""

    name: str
    old: Password = field(repr=False)
    new: Password = field(repr=False)


def chosen(fleet: Fleet, words: Sequence[str]) -> tuple[str, ...]:
    """The passwords that are meant: those named, or all that were generated. Raises WrongInput."""
    unknown = [word for word in words if word not in NAMES]
    if unknown:
        raise WrongInput(f"there is no password of {', '.join(unknown)}: name {', '.join(NAMES)}, or none for all")
    own = [name for name in NAMES if _generated(fleet, name)]
    if others := [word for word in words if word not in own]:
        raise WrongInput(
            f"the password of {', '.join(others)} was not made by fab: change it where {fleet.file} has it from "
            "(and in a store that bootstrap has not made), then run `fab bootstrap --set-passwords`, and `fab deploy`"
        )
    if not own:
        raise WrongInput(f"{fleet.file} has no password that fab has made: there is nothing to change")
    return tuple(name for name in own if not words or name in words)


def _generated(fleet: Fleet, name: str) -> bool:
    """Whether the cluster uses what the file of passwords keeps."""
    now = _now(fleet, name)
    return now is not None and kept(fleet.passwords_path).get(name) == now.reveal()


def _now(fleet: Fleet, name: str) -> Password | None:
    return {
        MYSQL.name: fleet.stores.mysql.password,
        REDIS.name: fleet.stores.redis.password,
        WEBUI.name: fleet.webui_password,
    }[name]


def begun(path: Path, names: Sequence[str]) -> list[Change]:
    """The change of each password; a new one is made and kept, unless an earlier run has made it."""

    def change(known: dict[str, object]) -> dict[str, object]:
        fresh = [name for name in names if name + NEXT not in known and name + BEFORE not in known]
        return known | {name + NEXT: random() for name in fresh}

    known = rewritten(path, change)
    return [_change(path, known, name) for name in names]


def _change(path: Path, known: dict[str, object], name: str) -> Change:
    keys = (name + BEFORE, name) if name + BEFORE in known else (name, name + NEXT)
    old, new = (checked(path, key, known[key]) for key in keys)
    return Change(name, old, new)


def in_use(path: Path, changes: Sequence[Change]) -> None:
    """From now on the new ones are the cluster's; the old ones are kept beside them."""

    def change(known: dict[str, object]) -> dict[str, object]:
        made = {one.name: one.new.reveal() for one in changes} | {
            one.name + BEFORE: one.old.reveal() for one in changes
        }
        return {key: value for key, value in (known | made).items() if key not in _keys(changes, NEXT)}

    rewritten(path, change)


def unfinished(path: Path) -> tuple[str, ...]:
    """The passwords whose change an earlier run has begun, and none has ended."""
    known = kept(path)
    return tuple(name for name in NAMES if name + NEXT in known or name + BEFORE in known)


def half_done(path: Path) -> frozenset[str]:
    """The passwords that stores and programs are taking from this machine; a store's own file may still lack it."""
    known = kept(path)
    return frozenset(name for name in NAMES if name + BEFORE in known)


def done(path: Path, changes: Sequence[Change]) -> None:
    """Forgets the old ones."""
    rewritten(path, lambda known: {key: one for key, one in known.items() if key not in _keys(changes, BEFORE)})


def _keys(changes: Sequence[Change], suffix: str) -> set[str]:
    return {one.name + suffix for one in changes}


def with_new(fleet: Fleet, changes: Sequence[Change]) -> Fleet:
    """The cluster with its new passwords."""
    new = {one.name: one.new for one in changes}
    mysql, redis = fleet.stores.mysql, fleet.stores.redis
    mysql = replace(mysql, password=new.get(MYSQL.name, mysql.password))
    redis = replace(redis, password=new.get(REDIS.name, redis.password))
    stores = replace(fleet.stores, mysql=mysql, redis=redis)
    return replace(fleet, stores=stores, webui_password=new.get(WEBUI.name, fleet.webui_password))
