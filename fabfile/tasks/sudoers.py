"""`fab doctor --sudoers`: the lines by which sudo lets the hosts' logins do all that fab does there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import WrongInput
from ..runs.options import Options
from ..runs.target import target
from ..ssh.gate import SHELL

FILE = "/etc/sudoers.d/pyspider-fabfile"
_WHY = """\
# Every task begins one shell as root, which reads its work from its input. So this is as much as root itself: no list
# of commands makes it narrower, and a login that is not to be root can't be fab's."""


def sudoers(c: Any, options: Options, fix: bool = False) -> None:
    """Print them for the chosen hosts, whose logins hosts.toml and ssh_config tell. Raises WrongInput."""
    if fix or options.json:
        raise WrongInput("doctor --sudoers takes neither --fix nor --json: it asks no host")
    chosen = target(c, options, allow_unlisted=True)
    logins: dict[str, list[str]] = {}
    for host in chosen.hosts:
        logins.setdefault(chosen.links[host].ways[0].host.user, []).append(host.name)
    asks = bool(c.config.sudo.password)
    print("\n\n".join("\n".join(told(user, hosts, asks)) for user, hosts in sorted(logins.items())))


def told(user: str, hosts: Sequence[str], asks: bool) -> Iterator[str]:
    """The lines for one login; `asks` stands for a sudo that wants its password."""
    names = ", ".join(hosts)
    if user == "root":
        yield f"# {names}: the login is root's, and needs no sudo."
        return
    yield f"# {names}: as root there, visudo -f {FILE}"
    yield _WHY
    yield f"{user} ALL=(root) {'' if asks else 'NOPASSWD: '}{SHELL[0]}"
