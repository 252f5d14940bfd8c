"""A script of this project's own that a host starts when it boots, as its systemd, SysV scripts or cron do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .base import Found, Payload
from .boot import ENABLE, STARTS, WHERE, described
from .files import swap_in
from .shell import Command, assign, lines
from .supervisor import FOLDER

_PLACE = '[ "$script" ] || script=$folder/$name\n'
_LOOK = """\
{ stat -c '%n %a %U' "$script" ${hook:+"$hook"}; sha256sum "$script" ${hook:+"$hook"}; } 2>/dev/null
[ ! -x "$script" ] || echo "status $("$script" status)"
"""
TAKE_AWAY = """\
case $kind in
  systemd) systemctl disable --now "$name.service";;
  sysv) rm -f "$script"; if command -v update-rc.d >/dev/null; then update-rc.d "$name" remove
    else chkconfig --del "$name"; fi;;
esac
rm -f "$script" ${hook:+"$hook"}
[ "$kind" != systemd ] || systemctl daemon-reload
"""
"""A script that takes the files of the service $name away, after WHERE; it starts no more at boot."""


@dataclass(frozen=True, slots=True)
class BootScript:
    """A script that knows start, stop and status, and the files by which it is started."""

    service: str
    """The name of the unit, the script or the crontab."""
    text: bytes = field(repr=False)
    unit: bytes = field(repr=False)
    crontab: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The script, on hosts that have no SysV scripts."""
        return f"{FOLDER}/{self.service}"

    def files(self, kind: str) -> list[tuple[str, bytes, int]]:
        """The files of such a host: (path, content, mode), the script first."""
        script = f"/etc/init.d/{self.service}" if kind == "sysv" else self.path
        hooks = {
            "systemd": [(f"/etc/systemd/system/{self.service}.service", self.unit, 0o644)],
            "cron": [(f"/etc/cron.d/{self.service}", self.crontab, 0o644)],
        }
        return [(script, self.text, 0o755), *hooks.get(kind, [])]

    def look(self) -> str:
        """A script that prints how its files are, and `status` with its own words."""
        return self._where() + STARTS + _LOOK

    def right(self, found: Found, kind: str) -> bool:
        """Whether the files are as they should be, and are started at boot."""
        reloaded = ["NeedDaemonReload=no"] if kind == "systemd" else []
        return {"boots", *described(self.files(kind)), *reloaded} <= set(found.text.splitlines())

    def payloads(self, kind: str) -> tuple[Payload, ...]:
        """The files' contents, for `install`."""
        return tuple(Payload(content) for _, content, _ in self.files(kind))

    def install(self, further: Sequence[str] = ()) -> str:
        """A script that puts the files there and starts them at boot; nothing is started now."""
        return lines(
            self._where(),
            '(umask 022; mkdir -p "$(dirname "$script")")',
            swap_in(Command('"$script"'), "root:root", 0o755),
            "shift",
            lines('if [ -n "$hook" ]; then', swap_in(Command('"$hook"'), "root:root", 0o644), "shift", "fi"),
            *further,
            ENABLE,
        )

    def remove(self) -> str:
        """A script that stops it, and takes all of its files away."""
        return self._where() + '"$script" stop\n' + TAKE_AWAY

    def _where(self) -> str:
        return lines(assign("name", self.service), assign("folder", FOLDER), WHERE + _PLACE)


def kind_of(found: Found) -> str | None:
    """The kind of the host, in the answer to `look`; None where it is cut short."""
    return next(iter(found.rows("kind")), None)


def status_of(found: Found) -> str | None:
    """The script's own words on its status; None where there is no script."""
    return next(iter(found.rows("status")), None)
