"""hosts.schema.json, by which editors complete and check hosts.toml; `./run schema` writes it from the types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from .schema import HostsFile

SCHEMA = Path(__file__).parent.parent / "hosts.schema.json"
_NO_DEFAULTS = (("default", None), ("default", ""))


def schema_text() -> str:
    """The JSON Schema of hosts.toml."""
    made: dict[str, Any] = _without_null(msgspec.json.schema(HostsFile))
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _without_null(schema: Any) -> Any:
    """The schema without null, which TOML has not: an optional key is left out."""
    if isinstance(schema, list):
        return [_without_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _without_null(value) for name, value in schema.items() if (name, value) not in _NO_DEFAULTS}
    choices = [one for one in kept.pop("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        return choices[0] | kept
    return kept | ({"anyOf": choices} if choices else {})


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
