"""The base, the init and the release of each host of a sandbox: those that were asked for, else its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ..errors import Problem, WrongInput
from .host import SandboxHost
from .image import Base, Init


@dataclass(frozen=True, slots=True)
class Wish:
    """The disk and the first process of a host."""

    base: Base
    init: Init
    release: str
    """Empty for any."""


def wished(
    hosts: Sequence[SandboxHost],
    base: Base | Mapping[str, Base],
    init: Init | Mapping[str, Init] | None,
    release: str | Mapping[str, str],
) -> dict[str, Wish]:
    """The wish of each host, by name. Raises WrongInput where a host is named that the sandbox has not."""
    names = [host.name for host in hosts]
    bases, inits, releases = _named(names, "base", base), _named(names, "init", init), _named(names, "release", release)
    return {
        host.name: Wish(
            cast("Base", bases.get(host.name, _base(host))),
            cast("Init", inits.get(host.name, host.init)),
            releases.get(host.name, ""),
        )
        for host in hosts
    }


def refuse_odd(release: str | Mapping[str, str]) -> None:
    """Raises WrongInput where a release is no code name: it becomes a part of a path."""
    names = [release] if isinstance(release, str) else release.values()
    if odd := [one for one in names if one and not one.isidentifier()]:
        raise WrongInput(f"{odd[0]!r} is no code name of a release; name one like trixie")


def _named(names: Sequence[str], what: str, asked: str | Mapping[str, str] | None) -> Mapping[str, str]:
    if asked is None or isinstance(asked, str):
        return {} if asked is None else dict.fromkeys(names, asked)
    if unknown := asked.keys() - set(names):
        raise WrongInput(f"{what}: the sandbox has no host {', '.join(sorted(unknown))}")
    return asked


def _base(host: SandboxHost) -> str:
    return host.base.parent.name if host.installed() else "full"


def refuse_others(hosts: Sequence[SandboxHost], wishes: Mapping[str, Wish]) -> None:
    """Raises Problem where a host that is there is another one than the wished."""
    for host in hosts:
        wish = wishes[host.name]
        if not host.installed():
            continue
        if host.init != wish.init:
            raise Problem(f"{host.name} was made with --init {host.init}, not {wish.init}: take the sandbox down first")
        if wish.release not in ("", host.release):
            raise Problem(f"{host.name} is of {host.release}, not of {wish.release}: take the sandbox down first")
        if _base(host) != wish.base:
            raise Problem(
                f"{host.name} lies over the {_base(host)} base, not the {wish.base} one: take the sandbox down first"
            )
