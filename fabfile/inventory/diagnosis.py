"""Faults in the shape of hosts.toml: all of them, and the file as it was probably meant.

Imported only for a file that has such faults.
"""

from __future__ import annotations

import copy
import json
import re
from math import isfinite
from pathlib import Path as File
from typing import Any

import jsonschema
import msgspec

from .faults import Fault, Path
from .fleet import hint, near
from .passwords import masked
from .schema import ENDPOINTS, HostsFile

SCHEMA = File(__file__).parent.parent / "hosts.schema.json"
REFERENCE = 'must be { env = "NAME" } or { file = "path" }, never the password itself; without the key one is made'
ADDRESS = 'is no address in text on one line, and none of { env = "NAME" } and { file = "path" }'
"""Never with the value: it may hold a password."""
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
ROUNDS = 16
"""What got its right name is looked at again; tables are not nested deeper than this."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of hosts.toml, for editors and for `mended`."""
    made: dict[str, Any] = _without_null(msgspec.json.schema(HostsFile))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _without_null(schema: Any) -> Any:
    """TOML has no null: an optional key is left out."""
    if isinstance(schema, list):
        return [_without_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _without_null(value) for name, value in schema.items() if (name, value) not in _NO_DEFAULTS}
    choices = [one for one in kept.pop("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        return choices[0] | kept
    return kept | ({"anyOf": choices} if choices else {})


_NO_DEFAULTS = (("default", None), ("default", ""))


def mended(data: dict[str, Any]) -> tuple[list[Fault], dict[str, Any], frozenset[Path]]:
    """The faults; the data as it was probably meant, without what can't be used; the keys whose values are in doubt."""
    mender = _Mender(copy.deepcopy(data))
    validator = _validator()(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for _ in range(ROUNDS):
        errors = sorted(validator.iter_errors(mender.data), key=_place)
        if not errors:
            break
        # A table may hold under a wrong name what it seems to lack: names first, and hosts' own names at last.
        first = min(_urgency(error) for error in errors)
        for error in errors:
            if _urgency(error) == first:
                mender.mend(error)
    return list(mender.faults), mender.data, frozenset(mender.doubtful)


def _validator() -> Any:
    """A validator that sees numbers as TOML and the types do: 1.0 is no integer, nan no number."""
    plain = jsonschema.Draft202012Validator
    numbers = {
        "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
        "number": lambda _, value: isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value),
    }
    extended: Any = jsonschema.validators
    return extended.extend(plain, type_checker=plain.TYPE_CHECKER.redefine_many(numbers))


def _place(error: Any) -> list[str]:
    return [str(part) for part in error.absolute_path]


def _urgency(error: Any) -> int:
    if "propertyNames" in error.relative_schema_path:
        return 2
    return 0 if error.validator == "additionalProperties" else 1


class _Mender:
    """Turns the validator's errors into faults, and the data into what can be judged further."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.faults: dict[Fault, None] = {}
        self.doubtful: set[Path] = set()

    def mend(self, error: Any) -> None:
        path = tuple(str(part) for part in error.absolute_path if not isinstance(part, int))
        if "password" in path:
            self._fault(path[: path.index("password") + 1], REFERENCE)
            self._drop(path[: path.index("password") + 1])
        elif "propertyNames" in error.relative_schema_path:
            self._rename_host(path, error)
        elif error.validator == "additionalProperties":
            for key in [key for key in error.instance if key not in error.schema["properties"]]:
                self._unknown(path, key, error.schema["properties"])
        elif error.validator == "required":
            for key in [key for key in error.validator_value if key not in error.instance]:
                self._missing(path, key)
        elif error.validator == "minProperties":
            self._missing(path[:-1], path[-1])
        elif path[:2] == ("pyspider", "fetcher") and path[2:3] and path[2] in ENDPOINTS:
            self._fault(path[:3], ADDRESS)
            self._drop(path[:3])
        else:
            self._fault(path, _complaint(error))
            self._drop(path)

    def _fault(self, path: Path, text: str) -> None:
        self.faults[Fault(path, text)] = None

    def _table(self, path: Path) -> dict[str, Any]:
        table: Any = self.data
        for part in path:
            table = table.get(part, {}) if isinstance(table, dict) else {}
        return table if isinstance(table, dict) else {}

    def _drop(self, path: Path) -> None:
        self.doubtful.add(path)
        self._table(path[:-1]).pop(path[-1], None)

    def _unknown(self, path: Path, key: str, known: dict[str, Any]) -> None:
        noun = "role" if path[-1:] == ("roles",) else "key"
        value = self._table(path).pop(key, None)
        spelt = key.replace("_", "-")
        if path[:1] == ("pyspider",) and spelt in DERIVED:
            self._fault((*path, key), f"not to be set here: {DERIVED[spelt]}; remove this key")
            return
        choice = "" if (meant := near(key, known)) else f"; known are {', '.join(known)}"
        self._fault(path, f"unknown {noun} '{key}'{hint(key, known)}{choice}")
        if meant and meant not in self._table(path):
            self._table(path)[meant] = value

    def _missing(self, path: Path, key: str) -> None:
        place = (*path, key)
        if place not in self.doubtful:
            self._fault(place, f"missing; {_WHAT_FOR[key]}")
            self.doubtful.add(place)
        self._table(path)[key] = {
            "cluster": {"name": "unnamed"},
            "hosts": {"unnamed": {"address": "unnamed.invalid"}},
            "name": "unnamed",
            "address": f"unknown-{len(self.doubtful)}.invalid",
        }[key]

    def _rename_host(self, path: Path, error: Any) -> None:
        name = error.instance
        self._fault(path, f"{name!r} is not {error.schema['description']}")
        table = self._table(path)
        better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63]
        value = table.pop(name, None)
        if better and better not in table:
            table[better] = value
        else:
            self.doubtful.add((*path, "*"))


_WHAT_FOR = {
    "cluster": "begin with a table [cluster] that holds its name",
    "hosts": "describe at least one machine in a table [hosts.NAME]",
    "name": 'name the cluster, like name = "demo"',
    "address": "give the host's IPv4 address or name",
}


def _complaint(error: Any) -> str:
    wanted = error.schema.get("description")
    if error.validator == "type" and error.validator_value in _PLAIN:
        plain = _PLAIN[error.validator_value]
        wanted = wanted if wanted and error.validator_value not in ("object", "boolean") else plain
    return f"{_shown(error.instance)} is not {wanted or error.message}"


_PLAIN = {
    "object": "a table of keys",
    "boolean": "true or false",
    "array": "a list",
    "string": "text in quotes",
    "integer": "a whole number",
    "number": "a number",
}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list) and value:
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, str) and "://" in value:
        value = masked(value)
    text = repr(value) if isinstance(value, str | int | float | dict | list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def schema_text() -> str:
    """What hosts.schema.json holds."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
