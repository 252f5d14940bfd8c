"""`fab ui`: a way from this machine's browser to a web UI, whatever it listens on over there."""

from __future__ import annotations

import os
import sys
import time
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Problem, WrongInput, printable
from ..inventory import Fleet, Host, Program
from ..inventory.fleet import hint
from ..inventory.roles import WEBUI
from ..runs.options import Options, whole_number
from ..runs.target import Target, target
from ..ssh.forward import Forward
from ..ssh.link import SSHLink, Stopped
from ..ssh.protocol import message
from ..steps.base import Probe

LOOK_SECONDS = 5.0
"""How often it is looked whether the host is still there."""


@dataclass(frozen=True, slots=True)
class Door:
    """A web UI, and the address where it listens, as its own host sees it."""

    host: Host
    program: Program
    address: str
    port: int


def ui(c: Any, options: Options, words: Sequence[str], port: str, browser: bool) -> None:
    """Lead to a web UI until Ctrl-C."""
    number = whole_number("--port", port, 1) if port else 0
    if number > 65535:
        raise WrongInput(f"--port {port}: the last one is 65535")
    chosen = target(c, options)
    door = _chosen(chosen, words)
    link = chosen.links[door.host]
    opener = _opener(link, door)
    # Whatever is wrong is better told here than in the browser.
    opener().close()
    forward = Forward(opener, number or door.port, exactly=bool(number))
    forward.begin()
    try:
        _tell(chosen.fleet, door, f"http://127.0.0.1:{forward.port}/", browser)
        _hold(link, forward, door)
    finally:
        forward.close()
        link.rest()


def doors(fleet: Fleet, hosts: Sequence[Host]) -> list[Door]:
    """The web UIs of these hosts."""
    found = []
    for host in hosts:
        address = fleet.bind_address(host)
        for one in fleet.programs(host):
            if one.role == WEBUI.name and one.port:
                found.append(Door(host, one, "127.0.0.1" if address == "0.0.0.0" else address, one.port))  # noqa: S104
    return found


def _chosen(chosen: Target, words: Sequence[str]) -> Door:
    """The first web UI of the chosen hosts that has one of these names: its own, or its host's. Raises WrongInput."""
    every = doors(chosen.fleet, chosen.hosts)
    known = {word for one in every for word in (one.program.name, one.host.name)}
    for word in words:
        if word not in known:
            raise WrongInput(f"none of the chosen hosts has a web UI '{word}'{hint(word, known)}{_there(every)}")
    found = [one for one in every if not words or {one.program.name, one.host.name} >= set(words)]
    if not found:
        raise WrongInput(f"none of the chosen hosts has a web UI{_there(every)}")
    return found[0]


def _there(every: Sequence[Door]) -> str:
    listed = ", ".join(f"{one.program.name} on {one.host.name}" for one in every)
    return f"; there is {listed}" if listed else "; hosts.toml says which hosts have the role webui"


def _opener(link: SSHLink, door: Door) -> Callable[[], Any]:
    def opener() -> Any:
        try:
            return link.tunnel(door.address, door.port)
        except Problem as error:
            if error.exit_status != Problem.exit_status:
                raise
            raise Problem(
                f"{error}: does {door.program.name} run (fab status), and does sshd there allow it "
                "(AllowTcpForwarding)?"
            ) from error

    return opener


def _tell(fleet: Fleet, door: Door, address: str, browser: bool) -> None:
    print(f"{door.program.name} on {door.host.name}: {address}")
    if place := fleet.webui_password_place():
        print(f"  user name: {fleet.pyspider.webui.username}\n  password:  {place}")
    print("It is there until Ctrl-C.", flush=True)
    if browser and _graphical():
        # The address holds no secret: others on this machine see the words of a process.
        webbrowser.open(address)


def _graphical() -> bool:
    """Whether a browser would open beside this terminal, and not in it."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _hold(link: SSHLink, forward: Forward, door: Door) -> None:
    """Keep the way open. A host that can't be reached any more is tried again and again."""
    lost = False
    while True:
        try:
            link.exchange(message((), [Probe(":")]).kept_open(), lambda _: None)
            if lost:
                print(f"fab: {door.host.name}: here again", file=sys.stderr, flush=True)
            lost = False
        except Stopped:
            return
        except Problem as error:
            if not lost:
                print(f"fab: {printable(str(error))}; trying again", file=sys.stderr, flush=True)
            lost = True
            link.close()
            forward.cut()
        time.sleep(LOOK_SECONDS / 5 if lost else LOOK_SECONDS)
