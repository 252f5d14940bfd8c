"""From a task's arguments to the hosts it works on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import WrongInput
from ..inventory import Fleet, Host, load
from ..links import Links
from ..options import Options


@dataclass(frozen=True, slots=True)
class Target:
    """What a task works on: the cluster, the chosen hosts, and a link to each."""

    fleet: Fleet
    hosts: tuple[Host, ...]
    roles: tuple[str, ...]
    links: Links
    config: Any

    def also(self, hosts: Iterable[Host]) -> Links:
        """Links to further hosts of the cluster, for looking."""
        return self.links.prepare(self.config, self.fleet, hosts)


def target(c: Any, options: Options | None = None) -> Target:
    """The hosts that `-H` and the flags choose together; all of the cluster's without any. Raises WrongInput."""
    flags = options or Options()
    fleet = load()
    roles = _words(flags.role)
    hosts = fleet.select(tuple(c.config["chosen"]), roles, _words(flags.limit), _words(flags.exclude))
    if not hosts:
        raise WrongInput(f"no host of {fleet.path.name} is chosen by {_given(c, flags)}")
    return Target(fleet, hosts, roles, c.config["links"].prepare(c.config, fleet, hosts), c.config)


def _given(c: Any, flags: Options) -> str:
    named = {
        "-H": ",".join(c.config["chosen"]),
        "--role": flags.role,
        "--limit": flags.limit,
        "--exclude": flags.exclude,
    }
    return " ".join(f"{flag} {value}" for flag, value in named.items() if value)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
