"""The way from a task's arguments to its hosts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from invoke.exceptions import Exit

from ..errors import Problem, WrongInput
from ..inventory import Fleet, Host, load
from ..inventory.roles import SCHEDULER
from ..ssh.pool import Links
from . import report
from .options import Options, words
from .retry import LastRun


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a task: the cluster, the chosen hosts, and a link to each."""

    fleet: Fleet
    hosts: tuple[Host, ...]
    roles: tuple[str, ...]
    links: Links
    config: Any
    last: LastRun | None = None
    """The record of this run's undone hosts, for `--retry-failed`."""
    left: tuple[str, ...] = ()
    """The hosts that the run before left undone; empty without `--retry-failed`."""

    skipped: tuple[Host, ...] = ()
    """Hosts that -H names, and that have none of the roles."""
    read: Fleet | None = None
    """The cluster as its files described it when the task began."""

    def also(self, hosts: Iterable[Host]) -> Links:
        """Links to further hosts of the cluster, for looking."""
        return self.links.prepare(self.config, self.fleet, hosts)


def target(c: Any, options: Options | None = None, task: str = "", allow_unlisted: bool = False) -> Target:
    """The hosts that `-H` and the flags choose together; all of the cluster's without any. Raises WrongInput.

    `task` names the record for `--retry-failed`; a run without a name has none.
    With `allow_unlisted`, -H may name hosts that hosts.toml does not list, by user@address:port.
    """
    flags = options or Options()
    fleet = load()
    last = LastRun(fleet.path, fleet.cluster.name, task) if task else None
    left = last.left() if last and flags.retry_failed else ()
    names = tuple(c.config["chosen"]) or _still_known(fleet, left)
    roles = words(flags.role)
    hosts = fleet.select(names, roles, words(flags.limit), words(flags.exclude))
    everyone = fleet.select(names, (), words(flags.limit), words(flags.exclude)) if c.config["chosen"] else hosts
    skipped = tuple(host for host in everyone if host not in hosts)
    if flags.retry_failed:
        hosts = _to_retry(hosts, left, flags, task)
    if not hosts:
        raise WrongInput(f"no host of {fleet.file} is chosen by {_given(c, flags)}")
    if not allow_unlisted:
        _refuse_unlisted(fleet, hosts)
    links = c.config["links"].prepare(c.config, fleet, hosts)
    links.refuse_logins(fleet, hosts)
    return Target(fleet, hosts, roles, links, c.config, last, left, skipped, fleet)


def route(chosen: Target, reachable: list[Host], address: str, port: int) -> Callable[[], Any]:
    """A function that opens a way to a store from a host of the cluster: the scheduler's, if it is reachable."""
    ordered = sorted(reachable, key=lambda host: not host.has(SCHEDULER))

    def opener() -> Any:
        if not ordered:
            raise Problem("no host of the cluster can be reached, so nothing can be said about it")
        return chosen.links[ordered[0]].tunnel(address, port)

    return opener


def _still_known(fleet: Fleet, left: Sequence[str]) -> tuple[str, ...]:
    """The names that hosts.toml still has."""
    known = []
    for name in left:
        try:
            known.append(fleet.named(name).name)
        except WrongInput:
            print(f"fab: {name} is left out: it is no longer in {fleet.file}", file=sys.stderr)
    return tuple(known)


def _refuse_unlisted(fleet: Fleet, hosts: Sequence[Host]) -> None:
    if names := ", ".join(host.name for host in hosts if host not in fleet.hosts):
        raise WrongInput(
            f"{fleet.file} says nothing of {names}; add a table [hosts.NAME] first "
            "(bootstrap, status, doctor, logs, dashboard and run work without)"
        )


def _to_retry(hosts: Sequence[Host], left: Sequence[str], flags: Options, task: str) -> tuple[Host, ...]:
    """The chosen hosts that the last run left undone; without any, the run ends here, and well."""
    undone = tuple(host for host in hosts if host.name in left)
    if undone:
        return undone
    if flags.json:
        print(report.as_json([]))
        sys.stdout.flush()
    whom = "of the chosen hosts " if left else ""
    raise Exit(f"fab: nothing to retry: the last {task} left none {whom}undone", 0)


def _given(c: Any, flags: Options) -> str:
    named = {
        "-H": ",".join(c.config["chosen"]),
        "--role": flags.role,
        "--limit": flags.limit,
        "--exclude": flags.exclude,
    }
    return " ".join(f"{flag} {value}" for flag, value in named.items() if value)
