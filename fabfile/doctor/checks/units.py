"""How supervisord is started on a host: by systemd's unit or another boot file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ... import plan
from ...steps.sight import Unit
from ..findings import Hit, Patient, View


def _systemd(host: Patient) -> Unit | None:
    """The cluster's unit, on a host that this project has deployed and systemd runs."""
    return host.facts.sight.unit if host.ours else None


def without_boot(view: View) -> Iterator[Hit]:
    for host in view.manned:
        if host.facts.conf and not host.facts.boot:
            conf = host.facts.conf.path
            yield Hit(host.name, f"no unit, rc script, crontab or rc.local starts supervisord -c {conf}")


def unwatched(view: View) -> Iterator[Hit]:
    for host in view.manned:
        watcher, unit = host.facts.sight.watcher, host.facts.sight.unit
        if host.ours and watcher and not watcher.pids and unit is None:
            yield Hit(host.name, "no process of root's watches over supervisord")


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
