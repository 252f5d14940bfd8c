"""A daemon of the distribution's own, under systemd or SysV scripts, whichever runs the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .base import Action, CannotLook, Found, Payload, Probe
from .shell import cmd, lines

START_SECONDS = 180.0

# A daemon must not stay in the exchange's process group (it would die with it) nor hold fd 3, on
# which the exchange reports its progress.
_FUNCTIONS = """\
svc_find() {
  for each; do
    svc=${each%%:*}
    [ "$svc" = "$each" ] || command -v "${each#*:}" >/dev/null || continue
    if [ -d /run/systemd/system ]; then
      [ "$(systemctl show -p LoadState "$svc")" = LoadState=loaded ] && return 0
    else
      [ -x "/etc/init.d/$svc" ] && return 0
    fi
  done
  svc=; return 1
}
svc_runs() {
  if [ -d /run/systemd/system ]; then systemctl is-active --quiet "$svc"
  else service "$svc" status >/dev/null 2>&1 3>&-; fi
}
svc_boots() {
  if [ -d /run/systemd/system ]; then systemctl is-enabled --quiet "$svc" 2>/dev/null
  else set -- /etc/rc[2345].d/S[0-9][0-9]"$svc"; [ -e "$1" ]; fi
}
svc_line() {
  svc_find "$@" || { echo service none; return; }
  echo "service $svc $(svc_runs && echo runs || echo down) $(svc_boots && echo boots || echo manual)"
}
svc_restart() {
  if [ -d /run/systemd/system ]; then
    systemctl restart "$svc" 3>&- || { journalctl -u "$svc" -n 20 --no-pager; return 1; }
  else (umask 022; setsid service "$svc" restart 3>&-); fi
}
svc_enable() {
  if [ -d /run/systemd/system ]; then systemctl enable "$svc"
  elif command -v update-rc.d >/dev/null; then update-rc.d "$svc" defaults; update-rc.d "$svc" enable
  else chkconfig "$svc" on; fi
}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """The state of a service."""

    service: str = ""
    """The name that this host knows it by; empty where it is not installed."""
    runs: bool = False
    boots: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """A service runs now, and starts at boot."""

    alternatives: tuple[str, ...]
    """Its names on different distributions; the first that the host has is meant.

    `NAME:PROGRAM` counts only where that program is: a package that was removed may leave its script behind.
    """

    @property
    def name(self) -> str:
        return f"service {self._called(None)}"

    def probe(self) -> Probe:
        return Probe(look(self.alternatives))

    def diff(self, found: Found) -> Sequence[Action]:
        seen = parse(found.text)
        actions = [] if seen.runs else [self.restart("it does not run", known=seen)]
        return [*actions, *self.boot(seen)]

    def restart(
        self,
        reason: str,
        before: str = ":",
        after: str = ":",
        payloads: tuple[Payload, ...] = (),
        known: Running | None = None,
    ) -> Action:
        """The action that (re)starts it; `before` and `after` are scripts around it, `$svc` is its name in them."""
        script = lines(before, "svc_restart", after)
        return Action(f"start {self._called(known)}: {reason}", self.script(script), payloads, START_SECONDS)

    def _called(self, known: Running | None) -> str:
        return (known and known.service) or self.alternatives[0].partition(":")[0]

    def boot(self, seen: Running) -> list[Action]:
        """The missing action for its start at boot, if any."""
        return [] if seen.boots else [Action(f"start {self._called(seen)} at boot", self.script("svc_enable"))]

    def script(self, body: str) -> str:
        """A script in which `$svc` and the svc_ functions stand for this service."""
        names = " or ".join(one.partition(":")[0] for one in self.alternatives)
        absent = cmd("echo", f"this host has no service {names}")
        return _FUNCTIONS + lines(f"{cmd('svc_find', *self.alternatives)} || {{ {absent}; exit 1; }}", body)


def look(alternatives: Sequence[str]) -> str:
    """A script that prints one line about a service, for `parse`."""
    return _FUNCTIONS + str(cmd("svc_line", *alternatives))


def parse(text: str) -> Running:
    """The line of `look` among others. Raises CannotLook where it is missing."""
    line = next((line.split(" ") for line in text.splitlines() if line.startswith("service ")), [])
    match line:
        case ["service", "none"]:
            return Running()
        case ["service", name, ("runs" | "down") as now, ("boots" | "manual") as boot]:
            return Running(name, now == "runs", boot == "boots")
    raise CannotLook(f"the host did not say how its service is: {text!r}")
