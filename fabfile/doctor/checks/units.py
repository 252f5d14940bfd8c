"""How supervisord is started on a host: by systemd's unit or another boot file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from ... import plan
from ...steps.sight import Unit
from ..findings import Hit, Patient, View


def start_command(host: Patient, verb: str = "start") -> str:
    """How supervisord is started there by hand; empty where no unit does it."""
    units = [PurePosixPath(path).name for path in host.facts.boot if path.endswith(".service")]
    return f"systemctl {verb} {units[0]}" if units else ""


def by_hand(host: Patient, before: str, verb: str = "start") -> str:
    """The fix on a host that somebody set up by hand with a unit; empty elsewhere, where the check has the fix."""
    start = "" if host.ours else start_command(host, verb)
    return f"{before}{start}" if start else ""


def _systemd(host: Patient) -> Unit | None:
    """The cluster's unit, on a host that this project has deployed and systemd runs."""
    return host.facts.sight.unit if host.ours else None


def without_boot(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if host.facts.conf and not host.facts.boot:
            conf = host.facts.conf.path
            yield Hit(host.name, f"no unit, rc script, crontab or rc.local starts supervisord -c {conf}")


def outside(view: View) -> Iterator[Hit]:
    for host in view.manned:
        unit = _systemd(host)
        if unit and host.supervised:
            pid, service = host.facts.sight.supervisord.pid, plan.place(view.fleet).unit
            if unit.main != pid:
                main = f"pid {unit.main}" if unit.main else "nothing"
                yield Hit(host.name, f"supervisord is pid {pid}, and the main process of {service}.service is {main}")


def changed_units(view: View) -> Iterator[Hit]:
    for host in view.manned:
        unit = _systemd(host)
        if not unit or not host.facts.boot:
            continue
        wanted = {
            path: hashlib.sha256(content).hexdigest() for path, content, _ in plan.boot_files(view.fleet, host.host)
        }
        other = [path for path, digest in wanted.items() if host.facts.files.get(path) != digest]
        if other:
            yield Hit(host.name, f"{' and '.join(other)}: not what fab deploy writes")
        elif unit.stale:
            yield Hit(host.name, f"{plan.place(view.fleet).unit}.service has changed since systemd read it")
