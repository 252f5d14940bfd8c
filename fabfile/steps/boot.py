"""The start of supervisord at boot: by a systemd unit, a SysV script or a line of cron's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from .. import render
from .base import Action, CannotLook, Found, Payload, Probe
from .files import kept_suffix, swap_in
from .selinux import LABEL
from .shell import Command, as_user, assign, cmd, lines
from .supervisor import FOLDER, Place
from .watcher import Watcher

WHERE = """\
hook=
if [ -d /run/systemd/system ]; then
  kind=systemd; script=$folder/$name; hook=/etc/systemd/system/$name.service
elif [ -d /etc/init.d ] && { command -v update-rc.d || command -v chkconfig; } >/dev/null; then
  kind=sysv; script=/etc/init.d/$name
elif [ -d /etc/cron.d ]; then
  kind=cron; script=$folder/$name; hook=/etc/cron.d/$name
else
  kind=none; script=
fi
"""
"""A script: $kind of start at boot of this host, and the paths $script and $hook of the service $name."""
STARTS = """\
case $kind in
  systemd) set -- "/etc/systemd/system/multi-user.target.wants/$name.service";;
  sysv) set -- /etc/rc[2345].d/S[0-9][0-9]"$name" /etc/rc.d/rc[2345].d/S[0-9][0-9]"$name";;
  *) set -- "$script";;
esac
for link; do [ ! -e "$link" ] || { echo boots; break; }; done
echo "kind $kind"
[ "$kind" != systemd ] || systemctl show -p NeedDaemonReload "$name.service"
"""
"""A script that prints whether the service $name starts at boot, its kind, and whether systemd has to read it again."""
_LOOK = """\
for one in "$script" ${hook:+"$hook"}; do
  [ ! -f "$one" ] || grep -q "Made by fab deploy" "$one" || echo "foreign $one"
done
for one in /etc/systemd/system/multi-user.target.wants/pyspider-*.service /etc/rc[2345].d/S[0-9][0-9]pyspider-*; do
  other=${one##*/}; other=${other%.service}; other=${other#S[0-9][0-9]}
  if [ "$other" != "$name" ] && grep -q "Made by fab deploy" "$one" && grep -qE -- "-c $conf([ ']|\\$)" "$one"; then
    echo "other $other"
  fi
done 2>/dev/null
[ -z "$script" ] || { stat -c '%n %a %U' "$script" ${hook:+"$hook"}; sha256sum "$script" ${hook:+"$hook"}; } 2>/dev/null
:
"""
ENABLE = (
    LABEL
    + """\
case $kind in
  systemd) programs "$folder"; systemctl daemon-reload; systemctl enable "$name.service";;
  sysv) if command -v update-rc.d >/dev/null; then update-rc.d "$name" defaults; update-rc.d "$name" enable
    else chkconfig --add "$name"; chkconfig "$name" on; fi
    # What has a file there is stopped at shutdown; what runs now was not started by its script.
    [ ! -d /var/lock/subsys ] || touch "/var/lock/subsys/$name";;
esac
"""
)
"""A script that makes the service $name, of the kind that WHERE finds, start at boot."""
# A supervisord that runs through the other unit is moved by the step that starts supervisord.
_DISABLE = """\
if [ "$kind" = systemd ]; then
  systemctl disable "$other.service"
  [ "$(systemctl show -p SubState "$other.service")" != SubState=auto-restart ] || systemctl stop "$other.service"
elif command -v update-rc.d >/dev/null; then update-rc.d "$other" disable
else chkconfig "$other" off
fi
"""


@dataclass(frozen=True, slots=True)
class Boot:
    """supervisord starts at boot as its user, with its configuration; the one that runs now is left alone."""

    place: Place
    cluster: str
    unit: str
    """The text of systemd's unit."""
    only_unit: bool = False
    """Nothing is wanted where supervisord is started without one."""
    name: str = "boot"

    @property
    def service(self) -> str:
        """The name of the unit, the script or the crontab."""
        return self.place.unit

    @property
    def script(self) -> bytes:
        """The script for boot: systemd's unit gives it the word run, SysV and cron the word start."""
        folder = PurePosixPath(self.place.python).parent
        # The digest tells fab deploy the configuration of this supervisord; the user may read any of them.
        digest = Command(f"export PYSPIDER_SUPERVISORD=$({cmd('sha256sum', self.place.conf)} | cut -c1-12)")
        enter = cmd("cd", self.place.home) & digest
        run = enter & cmd("exec", folder / "supervisord", "-n", "-c", self.place.conf)
        start = enter & cmd("exec", folder / "supervisord", "-c", self.place.conf)
        control = (folder / "supervisorctl", "-c", self.place.conf)
        text = render.text(
            "pyspider-boot",
            service=self.service,
            cluster=self.cluster,
            systemctl=cmd("systemctl"),
            unit=cmd(f"{self.service}.service"),
            run=run,
            start=as_user(self.place.user, start),
            watch=Watcher(self.place).begin,
            stop=as_user(self.place.user, cmd(*control, "shutdown")),
            status=as_user(self.place.user, cmd(*control, "pid")),
        )
        return text.encode()

    @property
    def crontab(self) -> bytes:
        """The crontab for a host that has neither systemd nor SysV scripts."""
        script = f"{FOLDER}/{self.service}"
        return render.text("pyspider.cron", script=script, conf=self.place.conf).encode()

    def probe(self) -> Probe:
        return Probe(self._where() + STARTS + _LOOK)

    def diff(self, found: Found) -> Sequence[Action]:
        seen = found.text.splitlines()
        kind = next((line.removeprefix("kind ") for line in seen if line.startswith("kind ")), None)
        if kind is None:
            raise CannotLook(f"the start at boot can't be seen: {found.text[-300:]}")
        files = self.files(kind)
        wanted = {"boots", *described(files), *(["NeedDaemonReload=no"] if kind == "systemd" else [])}
        if kind == "none" or (self.only_unit and kind != "systemd"):
            return []
        others = list(dict.fromkeys(line.removeprefix("other ") for line in seen if line.startswith("other ")))
        return [*self._enabled(kind, seen, wanted), *map(self._disabled, others)]

    def _enabled(self, kind: str, seen: Sequence[str], wanted: set[str]) -> list[Action]:
        if wanted <= set(seen):
            return []
        files = self.files(kind)
        payloads = tuple(Payload(content) for _, content, _ in files)
        foreign = [line.removeprefix("foreign ") for line in seen if line.startswith("foreign ")]
        kept = "".join(f" (somebody else's is kept as {path}{kept_suffix()})" for path in foreign)
        return [Action(f"start supervisord at boot ({kind}){kept}", self._install(), payloads)]

    def _disabled(self, other: str) -> Action:
        """The cluster had another name before: two would start supervisord with one configuration."""
        return Action(
            f"start supervisord no more by {other} at boot", lines(self._where(), assign("other", other), _DISABLE)
        )

    def files(self, kind: str) -> list[tuple[str, bytes, int]]:
        """The files of such a host: (path, content, mode), the script first."""
        script = f"/etc/init.d/{self.service}" if kind == "sysv" else f"{FOLDER}/{self.service}"
        hooks = {
            "systemd": [(f"/etc/systemd/system/{self.service}.service", self.unit.encode(), 0o644)],
            "cron": [(f"/etc/cron.d/{self.service}", self.crontab, 0o644)],
        }
        return [(script, self.script, 0o755), *hooks.get(kind, [])]

    def _where(self) -> str:
        conf = assign("conf", self.place.conf)
        return lines(assign("name", self.service), assign("folder", FOLDER), conf, WHERE)

    @property
    def _places(self) -> tuple[str, ...]:
        """The directories of the socket and the logs, and of all that the programs write."""
        return (self.place.logs, self.place.home, str(PurePosixPath(self.place.socket).parent))

    def _install(self) -> str:
        return lines(
            self._where(),
            '(umask 022; mkdir -p "$(dirname "$script")")',
            swap_in(Command('"$script"'), "root:root", 0o755, keep=True),
            lines('if [ -n "$hook" ]; then', "shift", swap_in(Command('"$hook"'), "root:root", 0o644, keep=True), "fi"),
            ENABLE,
            cmd("relabel", *self._places),
        )


def described(files: Sequence[tuple[str, bytes, int]]) -> set[str]:
    """The lines that the look prints where the files are right."""
    stats = {f"{path} {mode:o} root" for path, _, mode in files}
    return stats | {f"{hashlib.sha256(content).hexdigest()}  {path}" for path, content, _ in files}
