"""Faults in the shape of hosts.toml: all of them, in one pass over the file beside its types.

Imported only for a file that has such faults.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from .faults import Fault, KeyPath
from .fleet import hint, near
from .kinds import PasswordRef
from .others import refused
from .passwords import masked
from .roles import FETCHER, ROLES
from .schema import HostsFile

REFERENCE = 'must be { env = "NAME" } or { file = "path" }, never the password itself; without the key one is made'
ADDRESS = 'is no address in text on one line, and none of { env = "NAME" } and { file = "path" }'
"""Never with the value: it may hold a password."""
UNNAMED = 'must be { env = "NAME" } or { file = "path" }, never the address or the secret itself'
DERIVED = {
    "taskdb": "it comes from [stores.mysql]",
    "projectdb": "it comes from [stores.mysql]",
    "resultdb": "it comes from [stores.mysql]",
    "message-queue": "it comes from [stores.redis]",
    "amqp-url": "the queues are in [stores.redis]",
    "beanstalk": "the queues are in [stores.redis]",
    "phantomjs-proxy": "it comes from the host with the role phantomjs",
    "xmlrpc": "it is always on, the web UI and `fab status` ask there",
    "xmlrpc-host": "it is the address of the host",
    "scheduler-rpc": "it comes from the host with the role scheduler",
    "fetcher-rpc": "it comes from the first host with the role fetcher",
    "auto-restart": "supervisor restarts phantomjs",
}
"""Options of pyspider that the rest of the file decides."""
PURPOSES = {
    "cluster": "begin with a table [cluster] that holds its name",
    "hosts": "describe at least one machine in a table [hosts.NAME]",
    "name": 'name the cluster, like name = "demo"',
    "address": "give the host's IPv4 address or name",
}
"""The keys that a file must have, and their use."""


def misshapen(data: Mapping[str, Any]) -> list[Fault]:
    """Every fault in the shape of a file, in the file's order; none exactly where its types take the file."""
    return list(_table((), data, HostsFile))


def _table(path: KeyPath, value: Any, kind: type[msgspec.Struct]) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield _no_table(path, value)
        return
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    meant = _meant(path, value, known)
    for key, inner in value.items():
        if key not in known:
            yield _unknown(path, key, known, inner)
        if key in meant:
            yield from _value((*path, meant[key]), inner, known[meant[key]].type)
    for key, field in known.items():
        if field.required and key not in meant.values():
            yield Fault((*path, key), f"missing; {PURPOSES[key]}")


def _meant(path: KeyPath, table: Mapping[str, Any], known: Collection[str]) -> dict[str, str]:
    """The table's keys, each with the known key that it is or is probably meant to be; the others are left out."""
    meant = {key: key for key in table if key in known}
    for key in table:
        better = None if key in known or _derived(path, key) else near(key, known)
        if better and better not in meant.values():
            meant[key] = better
    return meant


def _unknown(path: KeyPath, key: str, known: Collection[str], value: Any) -> Fault:
    other = refused(value) if isinstance(value, str) else ""
    if why := _derived(path, key):
        reason = other or refused(key)
        return Fault((*path, key), f"not to be set here: {why}; remove this key{f' ({reason})' if reason else ''}")
    if path == ("stores",) and (other := refused(key)):
        return Fault((*path, key), other)
    noun = "role" if path[-1:] == ("roles",) else "key"
    choice = "" if near(key, known) else f"; known are {', '.join(known)}"
    return Fault(path, f"unknown {noun} '{key}'{hint(key, known)}{choice}")


def _derived(path: KeyPath, key: str) -> str | None:
    return DERIVED.get(key.replace("_", "-")) if path[:1] == ("pyspider",) else None


def _value(path: KeyPath, value: Any, kind: Any) -> Iterator[Fault]:
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        yield from _table(path, value, bare)
    elif get_origin(bare) is dict:
        yield from _named_tables(path, value, *get_args(bare))
    elif get_origin(bare) is tuple and isinstance(value, list):
        inner = [fault for one in value for fault in _leaf(path, one, get_args(bare)[0])]
        yield from inner or _leaf(path, value, kind)
    else:
        yield from _leaf(path, value, kind)


def _named_tables(path: KeyPath, value: Any, name_kind: Any, kind: type[msgspec.Struct]) -> Iterator[Fault]:
    """The faults of tables whose names the operator has chosen."""
    if not isinstance(value, dict):
        yield _no_table(path, value)
    elif not value:
        yield Fault(path, f"missing; {PURPOSES[path[-1]]}")
    else:
        for name, inner in value.items():
            yield from () if _fits(name, name_kind) else [Fault(path, f"{name!r} is not {_wanted(name_kind)}")]
            yield from _table((*path, name), inner, kind)


def _no_table(path: KeyPath, value: Any) -> Fault:
    if path[-1] == "roles" and isinstance(value, list):
        names = [one for one in value if isinstance(one, str) and one in ROLES] or [FETCHER.name]
        return Fault(path, f"each role has its number: roles = {{ {', '.join(f'{name} = 1' for name in names)} }}")
    # A password that stands by mistake where a host does is not shown either.
    return Fault(path, REFERENCE if path[-1] == "password" else f"{_shown(value)} is not a table of keys")


def _leaf(path: KeyPath, value: Any, kind: Any) -> Iterator[Fault]:
    if _fits(value, kind):
        return
    if path[:1] == ("stores",) and isinstance(value, str) and (reason := refused(value)):
        yield Fault(path, reason)
    elif PasswordRef not in _alternatives(kind):
        yield Fault(path, f"{_shown(value)} is not {_wanted(kind)}")
    else:
        yield Fault(path, _not_a_reference(path, kind))


def _not_a_reference(path: KeyPath, kind: Any) -> str:
    if path[0] == "watch":
        return UNNAMED
    return ADDRESS if any(get_origin(one) is Annotated for one in _alternatives(kind)) else REFERENCE


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _wanted(kind: Any) -> str:
    """The values of a type, in words."""
    told = [one.__metadata__[0].description for one in _alternatives(kind) if get_origin(one) is Annotated]
    return told[0] if told else "a list" if get_origin(kind) is tuple else "true or false"


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list) and value:
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, str) and "://" in value:
        value = masked(value)
    text = repr(value) if isinstance(value, str | int | float | dict | list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
