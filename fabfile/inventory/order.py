"""The order in which programs of several roles stop and start, and the queue that has to be empty in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import WrongInput
from .fleet import Fleet, Host, Program, hint
from .roles import FETCHER, PROCESSOR, PROGRAMS, RESULT_WORKER, SCHEDULER

FED_BY: Mapping[str, str] = {
    FETCHER.name: SCHEDULER.name,
    PROCESSOR.name: FETCHER.name,
    RESULT_WORKER.name: PROCESSOR.name,
}
"""The role that fills a role's queue. A scheduler's own are filled by programs that stop after it: they wait."""
Chosen = Mapping[str, Sequence[Program]]
"""Programs by the name of their host."""


@dataclass(frozen=True, slots=True)
class Phase:
    """The programs of one role on all hosts, which stop or start together."""

    role: str
    names: Mapping[str, tuple[str, ...]]
    """The names of the programs by their host's."""
    queues: tuple[str, ...] = ()
    """These have to be empty before the programs stop: nobody fills them any more."""


def role_of(name: str) -> str:
    """The role of a program of this project's, by its name."""
    return name.rstrip("0123456789")


def stopping(fleet: Fleet, chosen: Chosen) -> list[Phase]:
    """The phases of a stop: programs that fill a queue end before those that empty it.

    A queue is waited for only where all that fill it stop here, and all that empty it: others would go on.
    """
    whole = {role.name for role in PROGRAMS if _whole(fleet, chosen, role.name)}
    return [
        Phase(role.name, names, role.takes_from if {role.name, FED_BY.get(role.name)} <= whole else ())
        for role in reversed(PROGRAMS)
        if (names := _names(chosen, role.name))
    ]


def starting(chosen: Chosen) -> list[Phase]:
    """The phases of a start: programs that empty a queue begin before those that fill it."""
    return [Phase(role.name, names) for role in PROGRAMS if (names := _names(chosen, role.name))]


def _names(chosen: Chosen, role: str) -> dict[str, tuple[str, ...]]:
    found = {host: tuple(one.name for one in programs if one.role == role) for host, programs in chosen.items()}
    return {host: names for host, names in found.items() if names}


def _whole(fleet: Fleet, chosen: Chosen, role: str) -> bool:
    wanted = {(host.name, one.name) for host in fleet.hosts for one in fleet.programs(host) if one.role == role}
    return bool(wanted) and wanted <= {(host, one.name) for host, programs in chosen.items() for one in programs}


def named(fleet: Fleet, hosts: Iterable[Host], roles: Sequence[str], words: Sequence[str]) -> Chosen:
    """The programs of these hosts that have one of the roles and one of the words: their name, or their role's.

    No roles stand for all of them, no words likewise. Raises WrongInput for a word that is neither, or that no
    chosen host has.
    """
    every = {host.name: [one for one in fleet.programs(host) if not roles or one.role in roles] for host in hosts}
    known = {word for host in fleet.hosts for one in fleet.programs(host) for word in (one.name, one.role)}
    there = {word for programs in every.values() for one in programs for word in (one.name, one.role)}
    for word in words:
        if word not in known:
            raise WrongInput(f"unknown program '{word}'{hint(word, known)}; programs are {', '.join(sorted(known))}")
        if word not in there:
            raise WrongInput(f"none of the chosen hosts has '{word}'; `fab status` shows which one has")
    return {
        host: [one for one in programs if not words or {one.name, one.role} & set(words)]
        for host, programs in every.items()
    }
