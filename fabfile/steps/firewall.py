"""The cluster's own firewall: only its hosts reach its ports. It works by one script, which stays on the host."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from .. import render
from .base import Action, CannotLook, Found, Probe
from .boot_script import BootScript, kind_of, status_of
from .shell import lines

# Through its unit, so that whoever reloads the host's other rules has these loaded again.
_START = """\
if [ "$kind" != systemd ]; then "$script" start
elif ! systemctl restart "$name.service"; then "$script" start; exit 1
fi
"""
START_SECONDS = 300.0
"""firewalld takes half a second for each question."""


@dataclass(frozen=True, slots=True)
class Firewall:
    """Only these addresses reach these ports of the host, now and after a restart; all other traffic is left alone.

    Where no rules can be set (a container) the script is there for a day on which they can, and that counts as done.
    Without ports there is neither a rule nor a script.
    """

    cluster: str
    ports: tuple[int, ...]
    sources: tuple[str, ...]
    confined: str = ""
    """A user that may open none of the doors of the cluster from the inside; it may be missing yet."""
    doors: tuple[int, ...] = ()
    pages: tuple[int, ...] = ()
    """The ports of web UIs, which that user may reach elsewhere."""
    name: str = "firewall"

    @property
    def script(self) -> BootScript:
        """The script that sets the rules, takes them away, and tells whether they are in force."""
        service = f"pyspider-{self.cluster}-firewall"
        names = {"service": service, "cluster": self.cluster, "cluster_service": f"pyspider-{self.cluster}"}
        values = {key: " ".join(map(str, getattr(self, key))) for key in ("ports", "doors", "pages")}
        hosts = " ".join(self.sources)
        filled = {**names, **values, "table": self._table, "hosts": hosts, "confined": self.confined}
        one = BootScript(service, render.text("pyspider-firewall", **filled).encode(), b"", b"")
        unit = render.text("pyspider-firewall.service", **names, script=one.path)
        crontab = render.text("pyspider-start.cron", script=one.path)
        return BootScript(service, one.text, unit.encode(), crontab.encode())

    @property
    def _table(self) -> str:
        """The name of its table and chains; iptables takes 28 characters, of which a chain here adds four."""
        name = f"pyspider-{self.cluster}"
        return name if len(name) <= 24 else f"{name[:15]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"

    def probe(self) -> Probe:
        return Probe(self.script.look())

    def diff(self, found: Found) -> Sequence[Action]:
        kind, status = kind_of(found), status_of(found)
        if kind is None:
            raise CannotLook(f"the rules of the firewall can't be seen: {found.text[-300:]}")
        if not self.ports:
            gone = Action("filter no port any more", self.script.remove(), limit=START_SECONDS)
            return [gone] if status is not None else []
        in_force = status is not None and status.endswith(" holds")
        return [] if in_force and self.script.right(found, kind) else [self._set(kind)]

    def _set(self, kind: str) -> Action:
        ports = ", ".join(map(str, self.ports))
        says = f"let only {len(self.sources)} addresses, the cluster's, reach port{'s' * (len(self.ports) > 1)} {ports}"
        script = self.script
        return Action(says, lines(script.install(), _START), script.payloads(kind), START_SECONDS)
