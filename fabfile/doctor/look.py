"""One look at a host for doctor: the probe that collects its facts."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from .. import plan
from ..inventory import Fleet, Host
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
    if not ports or reach(host.address, host.port) != "open":
        return {}
    return {port: reach(host.address, port) for port in ports}


def reach(address: str, port: int) -> str:
    """How a TCP connection from this machine ends: open, refused or silent."""
    try:
        socket.create_connection((address, port), REACH_SECONDS).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "silent"
    return "open"
