"""The far side of a bench: its keepers on the hosts, the guard of its databases, and the look at what all of it uses.

Everything is under a lease: each look grants some seconds more, and where none comes, all of it goes away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .base import Action, Found, Payload, Probe
from .given import FOLDER
from .ground import SOUND
from .mysql import FIND, RUN, text
from .shell import assign, cmd, lines
from .shipped import shipped

LEASE_SECONDS = 25
"""The seconds that a look grants."""
FIRST_SECONDS = 60
"""The seconds that a bench has until its first look."""
SLOW_SECONDS = 120
"""The seconds that are granted while production programs of one role stop."""
SPREAD_SECONDS = 15
"""Keepers that end by their deadline end within so many seconds of each other."""
END_SECONDS = 90

# Builtins only, where they will do: it runs every second or two on a host that is being measured.
_LOOK = """\
grant() { [ ! -d "$1" ] || { echo {seconds} >"$1/renewed.new" && mv -f "$1/renewed.new" "$1/renewed"; }; }
alive() { read -r p <"$1/pid" && tr '\\0' ' ' <"/proc/$p/cmdline" | grep -qF "$1"; } 2>/dev/null
for d in "$K" "$G"; do
  [ -d "$d" ] || continue
  s=dead; ! alive "$d" || s=alive
  echo "place ${d##*/} $s"
  [ {seconds} = 0 ] || grant "$d"
done
read -r up _ </proc/uptime; echo "at $up"
echo "cores $(getconf _NPROCESSORS_ONLN)"
read -r line </proc/stat; echo "stat $line"
while read -r name kb _; do
  case $name in MemAvailable:|MemFree:|Cached:) echo "memory ${name%:} $kb" ;; esac
done </proc/meminfo
for n in /sys/class/net/*; do
  [ "$n" != /sys/class/net/lo ] || continue
  read -r rx <"$n/statistics/rx_bytes" && read -r tx <"$n/statistics/tx_bytes" || continue
  speed=; { read -r speed <"$n/speed"; } 2>/dev/null
  echo "net ${n##*/} $rx $tx ${speed:-0}"
done 2>/dev/null
for c in /proc/[0-9]*/comm; do
  read -r name <"$c" || continue
  case $name in
    mysqld|mariadbd) role=mysql ;;
    redis-server|valkey-server) role=redis ;;
    *) continue ;;
  esac
  read -r line <"${c%comm}stat" && echo "store $role $line"
done 2>/dev/null
echo "ticks $(getconf CLK_TCK)"
[ ! -f "$K/seen.json" ] || { printf 'seen '; cat "$K/seen.json"; echo; }
"""
_PORTS = """\
while read -r _ local _ state _; do [ "$state" != 0A ] || echo "port ${local##*:}"; done </proc/net/tcp
[ ! -f /proc/net/tcp6 ] || while read -r _ local _ state _; do
  [ "$state" != 0A ] || echo "port ${local##*:}"
done </proc/net/tcp6
"""
_READY = """\
[ -x {python} ] && sound {python} || {
  echo 'there is no Python of root alone for pyspider; run fab bootstrap first'
  exit 1
}
[ -f {run} ] || { echo 'there is no release here; run fab deploy first'; exit 1; }
"""
_GUARD = """\
cd {place} || exit 1
n=$(cat renewed)
rm -f renewed
while [ "$n" -gt 0 ] && [ ! -e end ]; do
  sleep 1
  n=$((n-1))
  if [ -s renewed ]; then n=$(cat renewed); rm -f renewed; fi
done
{find}
n=0
until "$client" $plain --user=root --batch <drop.sql >/dev/null 2>&1; do
  n=$((n+1))
  [ "$n" -lt 30 ] || exit 1
  sleep 1
done
cd /
rm -rf {place}
"""
_GONE = """\
n=0
while [ -d {place} ]; do
  n=$((n+1))
  # Made anew by what has told it to end, just when it did.
  [ -s {place}/settings.json ] || [ -s {place}/guard ] || { rm -rf {place}; break; }
  [ "$n" -lt {tries} ] || { cat {place}/why 2>/dev/null; echo {still}; exit 1; }
  sleep 0.2
done
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a cluster's bench is on each host."""

    cluster: str
    user: str
    home: str
    socket: str
    python: str
    stopped: str = ""
    """The file of the programs that were stopped on purpose."""
    kept: str = FOLDER
    """The folder of root's alone on each host; the cluster's lock is there too."""

    @property
    def keeper(self) -> str:
        """The keeper's place."""
        return f"{self.kept}/bench.{self.cluster}"

    @property
    def guard(self) -> str:
        """The place of the guard of a managed MySQL's databases."""
        return f"{self.kept}/bench-mysql.{self.cluster}"

    @property
    def folder(self) -> str:
        """The folder of the cluster's user, with the files and logs of the programs."""
        return f"{self.home}/.pyspider-bench"

    def look(self, seconds: int = 0, ports: bool = False) -> Probe:
        """A look that grants so many seconds; 0 changes nothing."""
        script = lines(assign("K", self.keeper), assign("G", self.guard))
        script += "\n" + _LOOK.replace("{seconds}", str(seconds)) + (_PORTS if ports else "")
        return Probe(script, limit=20)

    def begin(self, settings: Mapping[str, object]) -> Action:
        """Starts the keeper, which has no program yet. `settings` hold passwords."""
        options = {
            "place": self.keeper, "user": self.user, "folder": self.folder, "socket": self.socket,
            "stopped": self.stopped,
            "seconds": FIRST_SECONDS, "spread": SPREAD_SECONDS, **settings,
        }  # fmt: skip
        script = lines(
            SOUND,
            _READY.replace("{python}", str(cmd(self.python))).replace("{run}", str(cmd(self.home + "/current/run.py"))),
            cmd("mkdir", "-p", self.kept),
            cmd("rm", "-rf", self.keeper),
            cmd("mkdir", "-m", "700", self.keeper),
            f'cat "$1" >{cmd(self.keeper + "/zip")}; cat "$2" >{cmd(self.keeper + "/settings.json")}',
            cmd(self.python, "-E", "-s", "-B", self.keeper + "/zip", "keep", self.keeper + "/settings.json"),
        )
        return Action("begin a bench", script, (_zip(), Payload(json.dumps(options).encode())))

    def want(self, programs: Mapping[str, object]) -> Action:
        """From now on just these programs are to run."""
        place = self.keeper
        script = lines(
            # A keeper that has ended is told of by the next look.
            f"[ -d {cmd(place)} ] || exit 0",
            f'cat "$1" >{cmd(place + "/wanted.new")}',
            cmd("mv", place + "/wanted.new", place + "/wanted.json"),
        )
        return Action("change the bench's programs", script, (Payload(json.dumps(dict(programs)).encode()),))

    def end(self) -> Action:
        """Everything of the bench's programs is gone, also what an earlier bench has left; nothing where none is."""
        place = str(cmd(self.keeper))
        python = str(cmd(self.python))
        run = cmd(self.python, "-E", "-s", "-B", self.keeper + "/zip", "keep", self.keeper + "/settings.json")
        script = lines(
            SOUND,
            f"[ -d {place} ] || exit 0",
            f"touch {place}/end 2>/dev/null || [ ! -d {place} ]",
            # One whose beginning was cut off has no settings yet, and so has begun nothing.
            f"[ -s {place}/settings.json ] || {{ rm -rf {place}; exit 0; }}",
            # It takes the lock of a keeper that is there, and leaves it alone.
            f"[ ! -x {python} ] || ! sound {python} || {run} >/dev/null || :",
            _gone(self.keeper),
        )
        return Action("end the bench's programs", script, limit=END_SECONDS + 30)

    def guarded(self, make: Sequence[str], drop: Sequence[str]) -> Action:
        """Makes databases and a user in a managed MySQL, under a guard that drops them. The statements hold secrets."""
        place = str(cmd(self.guard))
        guard = _GUARD.replace("{place}", place).replace("{find}", FIND)
        script = lines(
            cmd("mkdir", "-p", self.kept),
            cmd("rm", "-rf", self.guard),
            cmd("mkdir", "-m", "700", self.guard),
            f'cat "$2" >{place}/drop.sql; cat "$3" >{place}/guard; echo {FIRST_SECONDS} >{place}/renewed',
            f"setsid /bin/sh {place}/guard </dev/null >/dev/null 2>&1 &",
            f"echo $! >{place}/pid",
            FIND + RUN,
        )
        texts = ("\n".join([*make, ""]), "\n".join([*drop, ""]), guard)
        return Action("make the bench's databases", script, tuple(Payload(one.encode()) for one in texts))

    def unguarded(self) -> Action:
        """The databases of the bench and their user are gone, also those of an earlier one."""
        place = str(cmd(self.guard))
        script = lines(
            f"[ -d {place} ] || exit 0",
            f"touch {place}/end 2>/dev/null || [ ! -d {place} ]",
            f"[ -s {place}/guard ] || {{ rm -rf {place}; exit 0; }}",
            f"p=$(cat {place}/pid 2>/dev/null)",
            f'grep -qsF {place} "/proc/$p/cmdline" ||',
            f"  setsid /bin/sh {place}/guard </dev/null >/dev/null 2>&1 &",
            _gone(self.guard),
        )
        return Action("drop the bench's databases", script, limit=END_SECONDS + 30)


def _gone(place: str) -> str:
    still = cmd(f"{place} is still there after {END_SECONDS} s; run this again")
    return (
        _GONE.replace("{place}", str(cmd(place)))
        .replace("{tries}", str(END_SECONDS * 5))
        .replace("{still}", str(still))
    )


def _zip() -> Payload:
    return shipped("keep")


@dataclass(frozen=True, slots=True)
class BenchLook:
    """The look at one host, as a step that wants nothing."""

    bench: Bench
    seconds: int = 0
    ports: bool = False
    name: str = "bench"

    def probe(self) -> Probe:
        return self.bench.look(self.seconds, self.ports)

    def diff(self, _found: Found) -> Sequence[Action]:
        return []


def scratch_sql(user: str, password: str, databases: Sequence[str]) -> tuple[list[str], list[str]]:
    """The statements that make the databases of a bench and the one user of theirs, and those that drop them."""
    account = f"{text(user)}@'%'"
    names = ["`" + name.replace("`", "``") + "`" for name in databases]
    # In a GRANT a bare _ would stand for any character.
    grants = [f"GRANT ALL PRIVILEGES ON {name.replace('_', chr(92) + '_')}.* TO {account};" for name in names]
    make = [f"CREATE DATABASE {name} CHARACTER SET utf8mb4;" for name in names]
    create = f"CREATE USER {account} IDENTIFIED BY {text(password)};"
    # DROP USER IF EXISTS is unknown to MySQL 5.6.
    quoted = text(account)
    drop = [
        f"SELECT COUNT(*) INTO @n FROM mysql.user WHERE user = {text(user)};",
        f"SET @sql = IF(@n, CONCAT('DROP USER ', {quoted}), 'DO 0');",
        "PREPARE gone FROM @sql;",
        "EXECUTE gone;",
    ]
    return [*make, create, *grants], [*(f"DROP DATABASE IF EXISTS {name};" for name in names), *drop]
