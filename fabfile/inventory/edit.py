"""Changes of hosts.toml: a role's number on a host, a host less. Comments and order stay."""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import Problem, WrongInput, reason
from ..local import is_root, write_whole
from .fleet import Fleet
from .load import load
from .place import called

CANT = "hosts.toml is written in a way that can't be edited here; change it by hand, then `fab deploy`"
_WHOLE = (
    "hosts.toml is written in a way that {host} can't be taken out of it here; write all of that host as one table, "
    "[hosts.{host}], and that line at no other place, then run this again"
)
Edit = Callable[[str], str]
"""From the text of hosts.toml to the new one."""


def with_count(host: str, role: str, count: int) -> Edit:
    """The edit that gives a host so many of a role; with 0, the role is no longer named there."""

    def edit(text: str) -> str:
        wanted = _meaning(text)
        roles = wanted["hosts"][host].setdefault("roles", {})
        # An equal number may be written in another way, which stays.
        if roles.get(role, 0) == count:
            return text
        wanted["hosts"][host]["roles"] = _with(roles, role, count)
        return _proven(_line_ends_of(text, _counted(text, host, role, count)), wanted)

    return edit


def without_host(host: str) -> Edit:
    """The edit that takes a host out, with the comment right above it."""

    def edit(text: str) -> str:
        wanted = _meaning(text)
        del wanted["hosts"][host]
        try:
            return _proven(_cut(text, host), wanted)
        except WrongInput as error:
            # A host that is first taken out by hand would be left running, and its task could not get there any more.
            raise WrongInput(_WHOLE.format(host=host)) from error

    return edit


def edited(fleet: Fleet, before: str, *edits: Edit) -> tuple[Fleet, str]:
    """The cluster after these edits of its file's text, and the new text, which is not written yet. Raises WrongInput.

    The faults that the new file would have are told as those of any hosts.toml.
    """
    text = before
    for edit in edits:
        text = edit(text)
    return load(fleet.path, text), text


def write(path: Path, before: str, text: str) -> None:
    """Put the text in the file's place by one rename. Raises Problem, also where the file has changed meanwhile.

    `before` is the text that was edited. Mode and owner stay. Of a link, the file that it leads to is replaced.
    """
    if read(path) != before:
        raise Problem(f"{path}: somebody has changed it meanwhile; run this task again")
    real = path.resolve()
    try:
        was = real.stat()
        write_whole(real, text, stat.S_IMODE(was.st_mode))
        if is_root():
            os.chown(real, was.st_uid, was.st_gid, follow_symlinks=False)
    except OSError as error:
        raise Problem(f"{path}: can't be written: {reason(error)}") from error


def diff(path: Path, before: str, text: str) -> str:
    """The change as a unified diff; the line before a host's roles often names the host."""
    old, new = (one.splitlines(keepends=True) for one in (before, text))
    return "".join(difflib.unified_diff(old, new, f"{called(path)} (now)", f"{called(path)} (new)", n=1))


def read(path: Path) -> str:
    """The text of the file, with its line ends as they are. Raises Problem."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except OSError as error:
        raise Problem(f"{path}: can't be read: {reason(error)}") from error


def _proven(text: str, wanted: Mapping[str, Any]) -> str:
    """The text, if it says just what is wanted. Raises WrongInput."""
    found = _meaning(text)
    for host in found.get("hosts", {}).values():
        host.setdefault("roles", {})
    same: dict[str, Any] = {**wanted, "hosts": {name: {"roles": {}} | one for name, one in wanted["hosts"].items()}}
    if found != same:
        raise WrongInput(CANT)
    return text


def _meaning(text: str) -> dict[str, Any]:
    """Raises WrongInput where the text is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongInput(CANT) from error


def _line_ends_of(text: str, made: str) -> str:
    return made.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else made


def _with(roles: Mapping[str, int], role: str, count: int) -> dict[str, int]:
    changed = {**roles, role: count}
    return changed if count else {name: number for name, number in changed.items() if name != role}


def _counted(text: str, host: str, role: str, count: int) -> str:
    import tomlkit
    from tomlkit.items import InlineTable

    document = _document(text)
    table = document["hosts"][host]
    roles = table.get("roles")
    if roles is None:
        table["roles"] = tomlkit.value(_inline({role: count}))
    elif isinstance(roles, InlineTable) and not (count and role in roles):
        numbers = _with({name: int(number) for name, number in roles.items()}, role, count)
        table["roles"] = tomlkit.value(_inline(numbers, like=roles.as_string()))
    elif count:
        roles[role] = count
    else:
        del roles[role]
    return tomlkit.dumps(document)


def _document(text: str) -> Any:
    """Raises WrongInput where tomlkit can't take it apart."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise WrongInput(CANT) from error


def _inline(numbers: Mapping[str, int], like: str = "{ }") -> str:
    """Roles in one line, spaced as they were."""
    space = " " if like[1:2] == " " or "=" not in like else ""
    equals = " = " if " = " in like or "=" not in like else "="
    inner = ", ".join(f"{name}{equals}{number}" for name, number in numbers.items())
    return f"{{{space}{inner}{space}}}" if inner else "{}"


def _cut(text: str, host: str) -> str:
    """The text without the tables of a host; where it has none of its own, without its key."""
    lines = text.splitlines(keepends=True)
    heads = [number for number, line in enumerate(lines) if re.match(r"\s*\[", line)]
    own = [number for number in heads if _of(lines[number], host)]
    if not own:
        import tomlkit

        document = _document(text)
        del document["hosts"][host]
        return tomlkit.dumps(document)
    for number in reversed(own):
        after = next((head for head in heads if head > number), len(lines))
        del lines[_above(lines, number) : _above(lines, after) if after < len(lines) else after]
    return "".join(lines)


def _of(line: str, host: str) -> bool:
    name = re.escape(host)
    return bool(re.match(rf"""\s*\[\s*["']?hosts["']?\s*\.\s*(["']?){name}\1\s*[.\]]""", line))


def _above(lines: list[str], number: int) -> int:
    """The first line of the comment right above a line."""
    while number and lines[number - 1].lstrip().startswith("#"):
        number -= 1
    return number
