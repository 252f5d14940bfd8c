"""`fab sandbox.…`: throw-away hosts on this machine, for the demo and for trying things out.

Each task needs root. A user with sudo calls it as any other: `as_root` runs the same task through sudo.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import counted
from ..runs.options import whole_number
from .flags import task
from .sudo import as_root, through_sudo

if TYPE_CHECKING:
    from ..sandbox.sandbox import Base, Sandbox


def sandbox() -> Sandbox:
    """The sandbox of this checkout; imported when a task runs."""
    from ..sandbox import own

    return own.sandbox()


@task(
    help={
        "hosts": "how many: node1, node2 … (3)",
        "bare": "over a base with nothing but sshd, and a package proxy",
        "init": "process 1: systemd or none (SysV scripts), or by host: node1=systemd,node2=none",
        "release": "another release than this machine's, by its code name: trixie",
    }
)
@as_root
def up(_: Any, hosts: str = "3", bare: bool = False, init: str = "", release: str = "") -> None:
    """Make the hosts, or bring back those that are off, cut or half made."""
    from ..sandbox.own import inits

    here, count = sandbox(), whole_number("--hosts", hosts, 1)
    base: Base = "bare" if bare else "full"
    here.up(count, base, lambda text: print(text, flush=True), init=inits(init), release=release)
    up = f"{counted(count, 'host')} {'is' if count == 1 else 'are'} up"
    print(f"{up}; log in with: ssh -F {shlex.quote(str(here.ssh_config))} node1")


@task()
@as_root
def down(_: Any) -> None:
    """Remove the hosts, their disks and their network."""
    sandbox().down()


def _as_json(here: Sandbox) -> str:
    from json import dumps

    fields = ("address", "power", "link", "processes")
    return dumps({one.name: {field: getattr(one, field) for field in fields} for one in here.status()}, indent=2)


@task(help={"json": "print one JSON object: the hosts by name"})
@as_root
def status(_: Any, json: bool = False) -> None:
    """Show each host: its address, power, network link and number of processes."""
    if json:
        print(_as_json(sandbox()))
        return
    rows = [("host", "address", "power", "link", "processes")]
    rows += [(one.name, one.address, one.power, one.link, str(one.processes)) for one in sandbox().status()]
    for row in rows:
        print("{:<8} {:<14} {:<7} {:<5} {}".format(*row))


@task(help={"name": "the host"})
@as_root
def kill(_: Any, name: str) -> None:
    """Power a host off without a word; its disk stays."""
    sandbox().kill(name)


@task(help={"name": "the host"})
@as_root
def start(_: Any, name: str) -> None:
    """Power a host on again, with the same disk."""
    sandbox().start(name)


@task(help={"name": "the host"})
@as_root
def cut(_: Any, name: str) -> None:
    """Pull a host's network cable."""
    sandbox().cut(name)


@task(help={"name": "the host"})
@as_root
def heal(_: Any, name: str) -> None:
    """Plug a host's network cable in again."""
    sandbox().heal(name)


@task(help={"name": "the host"})
@as_root
def pause(_: Any, name: str) -> None:
    """Freeze a host: it accepts connections and never answers."""
    sandbox().pause(name)


@task(help={"name": "the host"})
@as_root
def resume(_: Any, name: str) -> None:
    """Let a paused host go on."""
    sandbox().resume(name)


@task(help={"directory": "the directory"})
def serve(_: Any, directory: str) -> None:
    """Let the hosts fetch the files of a directory of this machine; print their URL."""
    print(served(Path(directory)))


def served(directory: Path) -> str:
    """The URL at which hosts find the files of a directory, also for a caller who is not root."""
    if os.geteuid() == 0:
        return sandbox().serve(directory)
    return through_sudo("serve", {"directory": str(directory.absolute())}, show=False).strip()
