"""A host without the cluster: what bootstrap and deploy have put there for it is gone, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .base import Action, CannotLook, Found, Probe
from .boot import WHERE
from .boot_script import TAKE_AWAY, BootScript, kind_of, status_of
from .runtime import HOME
from .shell import as_user, assign, cmd, lines
from .sight import Sight
from .supervisor import FOLDER, Place, action, look, own
from .watcher import Watcher

REMOVE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class NoSupervisord:
    """No supervisord of the cluster, and none that starts again."""

    place: Place
    stop_seconds: int = 90
    name: str = "no supervisord"

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        sight = own(self.place, found)
        if sight is None:
            return []
        guarded = sight.watcher is not None and bool(sight.watcher.pids)
        watch = [Watcher(self.place).remove()] if guarded else []
        return [*watch, *([self._end(sight)] if sight.supervisords else [])]

    def _end(self, sight: Sight) -> Action:
        signals = [("SIGTERM", self.stop_seconds), ("SIGKILL", 5)]
        end = self.place.as_root("end", end=[one.as_data() for one in sight.supervisords], signals=signals)
        service = f"{self.place.unit}.service"
        # Else systemd would start it again.
        through = [cmd("systemctl", "stop", service)] if sight.unit is not None else []
        return action("end supervisord", lines(*through, end), self.stop_seconds * 2 + 30)


@dataclass(frozen=True, slots=True)
class NoBoot:
    """Nothing starts the cluster's supervisord at boot."""

    place: Place
    name: str = "no start at boot"

    def probe(self) -> Probe:
        return Probe(lines(self._where(), _OURS))

    def diff(self, found: Found) -> Sequence[Action]:
        if kind_of(found) is None:
            raise CannotLook(f"the start at boot can't be seen: {found.text[-300:]}")
        if not found.rows("there"):
            return []
        return [Action("start supervisord at boot no more", lines(self._where(), TAKE_AWAY))]

    def _where(self) -> str:
        return lines(assign("name", self.place.unit), assign("folder", FOLDER), WHERE)


@dataclass(frozen=True, slots=True)
class NoService:
    """A script of this project's own is stopped and gone."""

    service: str

    @property
    def name(self) -> str:
        return f"no {self.service}"

    @property
    def _script(self) -> BootScript:
        return BootScript(self.service, b"", b"", b"")

    def probe(self) -> Probe:
        return Probe(self._script.look())

    def diff(self, found: Found) -> Sequence[Action]:
        if kind_of(found) is None:
            raise CannotLook(f"{self.service} can't be seen: {found.text[-300:]}")
        if status_of(found) is None:
            return []
        return [Action(f"end {self.service} and remove it", self._script.remove(), limit=REMOVE_SECONDS)]


@dataclass(frozen=True, slots=True)
class NoFiles:
    """The cluster's files are gone; Python too, where no other cluster is on the host.

    Accounts, packages and the journal stay.
    """

    place: Place
    render: str
    """The folder of the programs around PhantomJS."""
    opt: str = HOME
    folder: str = FOLDER
    name: str = "no files"

    def probe(self) -> Probe:
        return Probe(lines(self._names(), _EACH, 'each there; ! ours || { there "$home"; there "$logs"; }'))

    def diff(self, found: Found) -> Sequence[Action]:
        if found.status != 0:
            raise CannotLook(f"the cluster's files can't be seen: {found.text[-300:]}")
        left = found.rows("there")
        if not left:
            return []
        # Below these two, its user may have put anything in anything's place: so that user removes them.
        place = self.place
        script = lines(
            self._names(),
            _EACH,
            f"if ours; then {as_user(place.user, cmd('rm', '-rf', '--', place.home, place.logs))} || :",
            'rest "$home"; rest "$logs"; fi',
            "each take",
            '! alone || [ ! -d "$opt" ] || [ "$(ls -A "$opt")" ] || rmdir "$opt" || :',
        )
        # The cluster's own programs may use it until now.
        known = any(one.startswith(f"{self.opt}/runtimes") for one in left)
        python = [] if known else [f"{self.opt} where nobody else uses it"]
        return [Action(f"remove {', '.join([*left, *python])}", script, limit=REMOVE_SECONDS)]

    def _names(self) -> str:
        place = self.place
        values = {"conf": place.conf, "home": place.home, "logs": place.logs, "unit": place.unit}
        values |= {"folder": self.folder, "opt": self.opt, "render": self.render}
        return lines(*(assign(name, value) for name, value in values.items()))


_OURS = """\
echo "kind $kind"
for one in ${script:+"$script"} ${hook:+"$hook"}; do
  ! { [ -f "$one" ] && grep -q "Made by fab deploy" "$one"; } || echo "there $one"
done
"""
_EACH = """\
# Without both, its folders may be somebody else's, of a cluster made by hand.
ours() { [ -d "$home/releases" ] || { [ -f "$conf" ] && grep -q "Made by fab" "$conf"; }; }
there() { [ ! -e "$1" ] && [ ! -L "$1" ] || echo "there $1"; }
take() { rm -rf -- "$1"; }
alone() {
  case $(ls -l /proc/[0-9]*/exe 2>/dev/null) in *"-> $opt/"*) return 1 ;; esac
  for o in "$folder"/* "$opt"/render/*; do
    case $o in
      "$folder/$unit" | "$folder/$unit".* | "$folder/$unit"-firewall* | "$folder/$unit"-render* | "$render") ;;
      *) [ ! -e "$o" ] || return 1 ;;
    esac
  done
}
each() {
  if [ -f "$conf" ] && grep -q "Made by fab" "$conf"; then
    for o in "${conf%/*}/.${conf##*/}".was-*; do "$1" "$o"; done
    "$1" "$conf"
  fi
  if alone; then
    for o in bin boot build render runtimes archives libraries current; do "$1" "$opt/$o"; done
  else
    "$1" "$render"
    for o in "$folder/$unit" "$folder/$unit".*; do "$1" "$o"; done
  fi
}
# In a folder of root's, its user could empty it, and no more.
rest() {
  if [ -d "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %u "${1%/*}")" = 0 ]; then rmdir "$1"; fi
}
"""
