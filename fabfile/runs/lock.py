"""One change of a cluster at a time: a lock on the scheduler's host, which every change has to reach."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..errors import Locked, Problem
from ..inventory import Fleet
from ..local import user_name
from ..ssh.link import Link
from ..ssh.pool import Links
from ..ssh.protocol import message
from ..steps.base import Action, Found, Payload, Probe
from ..steps.given import FOLDER
from ..steps.shell import assign, lines

BEAT_SECONDS = 15.0
EXPIRY_SECONDS = 60
"""A lock without a sign of life for so long belongs to nobody."""
TAKEN = 75


@dataclass(frozen=True, slots=True)
class Owner:
    """The holder of a lock: enough to go and ask, or to see that the process is gone."""

    user: str
    machine: str
    """The machine, its boot and the pid namespace, in which `pid` is this process and no other; only the first where
    the others can't be seen, and without the last in a lock of an earlier version."""
    pid: int
    ticks: int
    """The start of the process, in clock ticks since that of its machine: the pid alone may be another's by now."""
    since: str

    def gone(self) -> bool:
        """Whether it was a process of this very machine that has ended; of one that can't be seen, the lock expires."""
        return "/" in self.machine and self.machine == _machine() and _ended(self.pid, self.ticks)

    @property
    def host(self) -> str:
        """The machine's name alone."""
        return self.machine.partition("/")[0]

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (pid {self.pid}) since {self.since}"


def _ended(pid: int, ticks: int) -> bool:
    """Whether no such process lives. /proc may hide those of other users (hidepid); a signal tells them apart still."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    # Without its start at hand it may be the same process still.
    now = _ticks(pid)
    return bool(now and ticks) and now != ticks


def _ticks(pid: int) -> int:
    """The start of a process; 0 where it can't be seen."""
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return 0


def _machine() -> str:
    """Containers may share a machine's name and boot: a pid is one process only in its own namespace."""
    name, proc = socket.gethostname(), Path("/proc")
    with suppress(OSError):
        # A /proc that was mounted for another namespace tells of other processes.
        if (proc / "self").readlink() == Path(str(os.getpid())):
            boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
            return f"{name}/{boot}/{(proc / 'self/ns/pid').readlink()}"
    return name


def _me() -> Owner:
    now = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return Owner(user_name(), _machine(), os.getpid(), _ticks(os.getpid()), now)


class Hold:
    """The lock while one run has it. It is renewed, and another's is seen, at each beat."""

    def __init__(self, lock: Lock, me: Owner) -> None:
        self._lock, self._me = lock, me
        self._asking = threading.Lock()
        self._asked = _clock()
        self._lost = ""
        self._over = False

    def beat(self) -> None:
        """Renew it. Where it can't be reached, nothing is known, and the run goes on."""
        with suppress(Problem):
            self._lost = self._lost or self._lock.renewed(self._me)
        self._asked = _clock()

    @property
    def lost(self) -> str:
        """The sentence of a run that has it no more; empty where it is its own, or where that is not known.

        After a time without a beat, in which it may have expired, it is asked for.
        """
        with self._asking:
            if not (self._lost or self._over) and _clock() - self._asked > EXPIRY_SECONDS:
                self.beat()
        return self._lost

    def end(self) -> str:
        """See for the last time whether it is lost, if that is to be asked; that stays known."""
        lost, self._over = self.lost, True
        return lost


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock of the cluster called `name`, over a link to its scheduler's host."""

    link: Link
    name: str
    folder: str = FOLDER

    @contextmanager
    def held(self, wait: float = 0) -> Iterator[Hold]:
        """Hold it for a while; `wait` seconds are spent on somebody else's. Raises Locked.

        A run that sleeps, or can't reach the host for longer than the lock lasts, may lose it: its Hold tells.
        """
        me = _me()
        self._acquire(me, wait)
        hold, done = Hold(self, me), threading.Event()
        beats = threading.Thread(target=_beat, args=(hold, done), daemon=True)
        beats.start()
        try:
            yield hold
        finally:
            done.set()
            beats.join()
            # Ctrl-C has ended the link; on one that can't be had again the lock expires by itself.
            self.link.resume()
            hold.end()
            with suppress(Problem):
                self._run(_RELEASE, me)

    def owner(self) -> Owner | None:
        """The holder of the lock; None where there is none, or none that is still alive."""
        owner = self._shown()
        return owner if owner and not owner.gone() else None

    def _shown(self) -> Owner | None:
        found = self.link.exchange(message((), [Probe(self._script(_SHOW))]), lambda _: None)[0]
        return _owner(found.text)

    def release(self) -> Owner | None:
        """Take the lock away from its holder, and return that one; None where it is no longer alive."""
        if owner := self._shown():
            self._run(_RELEASE, owner)
        return owner if owner and not owner.gone() else None

    def _acquire(self, me: Owner, wait: float) -> None:
        deadline = time.monotonic() + wait
        while (found := self._run(_ACQUIRE, me)).status == TAKEN:
            owner = _owner(found.text)
            if owner and owner.gone():
                self._run(_RELEASE, owner)
            elif time.monotonic() >= deadline:
                raise Locked(
                    f"{self.name} is being changed by {owner or 'somebody'}; wait with --lock-wait SECONDS, "
                    "or see `fab lock.status`"
                )
            else:
                time.sleep(min(1.0, max(0.0, deadline - time.monotonic())))
        if found.status != 0:
            raise Problem(f"the lock of {self.name} can't be taken: {found.text.strip()[-300:]}")

    def renewed(self, me: Owner) -> str:
        """Renew it for `me`; a sentence where it is no longer that one's. Raises Problem where it can't be seen."""
        if (found := self._run(_BEAT, me)).status != TAKEN:
            return ""
        owner = _owner(found.text)
        now = f"{owner} has it now" if owner else "it was released, or others have had it since"
        return (
            f"the lock of {self.name} was lost, while this run was suspended or could not reach the scheduler's host: "
            f"{now}; see `fab lock.status`, and when nobody has it, run this again"
        )

    def _run(self, script: str, owner: Owner) -> Found:
        payload = Payload(json.dumps(asdict(owner), sort_keys=True).encode())
        action = Action("lock", self._script(script), (payload,))
        return self.link.exchange(message([action], ()), lambda _: None)[0]

    def _script(self, script: str) -> str:
        return lines(assign("F", self.folder), assign("L", f"{self.folder}/{self.name}.lock"), _FRESH, script)


def _beat(hold: Hold, done: threading.Event) -> None:
    while not done.wait(BEAT_SECONDS):
        hold.beat()


def _clock() -> float:
    """Seconds that also pass while the machine sleeps, where its system counts those."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def cluster_lock(config: Any, fleet: Fleet) -> Lock:
    """The lock of a cluster, on its scheduler's host."""
    links: Links = config["links"]
    host = fleet.scheduler_host
    return Lock(links.prepare(config, fleet, [host])[host], fleet.cluster.name)


def _owner(text: str) -> Owner | None:
    try:
        return msgspec.json.decode(text, type=Owner)
    except msgspec.MsgspecError:
        return None


_FRESH = f"""\
# One that is dated in the future, by a clock that was set back, is dated now: without beats it expires from now on.
old() {{
  t=$(stat -c %Y "$1" 2>/dev/null) && n=$(date +%s) || return 1
  [ "$t" -le "$n" ] || {{ touch "$1" 2>/dev/null; return 1; }}
  [ $((n-t)) -ge {EXPIRY_SECONDS} ]
}}
fresh() {{ [ -e "$L/owner" ] && ! old "$L/owner"; }}
mine() {{ [ "$(cat "$1")" = "$(cat "$L/owner" 2>/dev/null)" ]; }}
"""
# A directory that holds its owner from the first moment on, put in place by one rename: that fails
# where a lock is. A lock without life is taken away under a second one, so that nobody takes a new one for it.
_ACQUIRE = f"""\
mkdir -p "$F"
for one in "$F"/*.break "$F"/.new.* "$F"/.old.*; do ! old "$one" || rm -rf "$one"; done
N=$F/.new.$$
rm -rf "$N"
mkdir "$N"
cat "$1" >"$N/owner"
if [ -e "$L" ] && ! fresh && mkdir "$L.break" 2>/dev/null; then
  fresh || rm -rf "$L"
  rmdir "$L.break"
fi
if mv -T "$N" "$L" 2>/dev/null; then exit 0; fi
rm -rf "$N"
cat "$L/owner" 2>/dev/null || :
exit {TAKEN}
"""
_RELEASE = """\
if mine "$1"; then mv -T "$L" "$F/.old.$$" && rm -rf "$F/.old.$$"; fi
"""
# One that can't be read is not another's.
_BEAT = f"""\
if [ -e "$L/owner" ]; then cat "$L/owner" >/dev/null || exit 1; fi
if mine "$1"; then touch "$L/owner"; exit 0; fi
cat "$L/owner" 2>/dev/null || :
exit {TAKEN}
"""
_SHOW = """\
if fresh; then cat "$L/owner"; fi
"""
