"""The answer of a MySQL that runs on a host, as root asks it there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .base import CannotLook

_KINDS = {"version", "database", "holds", "account"}
"""The first words of the rows that are no variables."""
_SWITCH = {"ON": "1", "OFF": "0"}


@dataclass(frozen=True, slots=True)
class MySQLServer:
    """The answer of a running MySQL."""

    version: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Those that this server knows."""
    listens: bool = False
    """Whether somebody listens at the address and port that are wanted."""
    databases: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()
    """Every database that is not the server's own."""
    accounts: frozenset[tuple[str, str]] = frozenset()
    grants: tuple[str, ...] = ()
    login: bool = False
    denied: bool = False
    """Whether it refuses the password."""
    full: bool = False
    """Whether it lets in nobody but root by now, so that nobody knows whether the password is right."""

    @classmethod
    def parse(cls, answer: Sequence[str], rest: Sequence[str], product: str) -> MySQLServer:
        """From tab-separated rows, and the lines of the login. Raises CannotLook where root was not let in."""
        rows = [line.split("\t") for line in answer]
        version = next((row[1] for row in rows if row[0] == "version"), None)
        if version is None:
            raise CannotLook(
                f"{product} runs, but does not answer root over its socket; repair that, or name it as an existing one",
                detail="\n".join(answer),
            )
        settings = {row[0]: _SWITCH.get(row[1], row[1]) for row in rows if row[0] not in _KINDS and len(row) == 2}
        databases = frozenset(row[1] for row in rows if row[0] == "database")
        holds = frozenset(row[1] for row in rows if row[0] == "holds")
        accounts = frozenset((row[1], row[2]) for row in rows if row[0] == "account")
        grants = tuple(line for line in answer if line.startswith("GRANT "))
        return cls(
            version,
            settings,
            "listens" in rest,
            databases,
            holds,
            accounts,
            grants,
            "login" in rest,
            "denied" in rest,
            "full" in rest,
        )
