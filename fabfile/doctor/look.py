"""One look at a host for doctor: the probe that collects its facts."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .. import plan
from ..inventory import Fleet, Host, doors
from ..steps.anywhere import by_any_python
from ..steps.base import Action, Found, Probe
from .facts import Facts

REACH_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Examination:
    """A look at everything that the checks judge; nothing is wanted."""

    fleet: Fleet
    host: Host
    name: str = "examination"

    def probe(self) -> Probe:
        cluster = self.fleet.cluster
        where = plan.place(self.fleet)
        files = [path for path, _, _ in plan.boot_files(self.fleet, self.host)]
        options = where.options(user=cluster.user, home=cluster.home, site=self.fleet.doctor.site, files=files)
        return by_any_python(where, "doctor", options, limit=60)

    def diff(self, _found: Found) -> Sequence[Action]:
        return []


def from_here(host: Host, seen: Facts) -> dict[int, str]:
    """How connections from this machine to the host's web UIs end: open, refused or silent, by port.

    Empty where SSH to the host does not lead straight to its address: its web UI is then reached some other way
    as well.
    """
    ports = {one.port for one in seen.webuis if not one.address.startswith(("127.", "::1"))}
    # Behind a gateway, another machine may have the same address here.
    if not ports or host.gateway or reach(host.address, host.port) != "open":
        return {}
    return {port: reach(host.address, port) for port in ports}


def strange(fleet: Fleet, host: Host, seen: Facts) -> dict[int, str]:
    """How requests of this machine end at the host's ports that are for the cluster alone: answered, or another word.

    Empty where this machine is one of those that may reach them, or SSH does not lead straight to the host's address.
    """
    heard = {one.port for one in seen.listeners if not one.address.startswith(("127.", "::1"))}
    ports = heard.intersection(doors.ports(fleet, host))
    if not ports or not (own := _own_address(host)) or _may_come_in(fleet, own):
        return {}
    with ThreadPoolExecutor(len(ports)) as at_once:
        return dict(zip(ports, at_once.map(lambda port: request(host.address, port), ports), strict=True))


def _own_address(host: Host) -> str:
    """This machine's address on the way to the host; empty where there is no straight way."""
    if host.gateway:
        return ""
    try:
        with socket.create_connection((host.address, host.port), REACH_SECONDS) as way:
            return str(way.getsockname()[0])
    except OSError:
        return ""


def _may_come_in(fleet: Fleet, own: str) -> bool:
    address = ipaddress.ip_address(own)
    for source in doors.sources(fleet):
        try:
            found = ipaddress.ip_network(source, strict=False)
        except ValueError:
            try:
                found = ipaddress.ip_network(socket.gethostbyname(source))
            except OSError:
                continue
        if address in found:
            return True
    return False


def request(address: str, port: int) -> str:
    """How a request ends that every server of the cluster answers somehow: answered, closed, refused or silent."""
    try:
        with socket.create_connection((address, port), REACH_SECONDS) as way:
            way.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return "answered" if way.recv(1) else "closed"
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:
        return "closed"
    except OSError:
        return "silent"


def reach(address: str, port: int) -> str:
    """How a TCP connection from this machine ends: open, refused or silent."""
    try:
        socket.create_connection((address, port), REACH_SECONDS).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "silent"
    return "open"
