"""Redis (or Valkey) as a managed store: the cluster's queues."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from .. import render
from ..errors import Problem
from .base import Action, CannotLook, Found, Payload, Probe
from .families import services
from .files import Seen, kept_suffix, parse_look, parse_stat, told_kept
from .given import Given
from .ground import refuse_odd
from .redis_conf import FIND
from .redis_conf import look as look_at_conf
from .redis_conf import write as write_conf
from .service import Running, Service, look, parse
from .shell import assign, lines

SERVICE = Service(
    tuple(f"{name}:{'valkey' if name.startswith('valkey') else 'redis'}-server" for name in services("redis"))
)

OLDEST = 5
"""The first Redis whose scripts may ask for the time and write afterwards, as all of the queues' do."""

OLDEST_OF_USERS = 6
"""The first Redis that knows users (ACL); one before ends at a line that names one."""

# A Redis that is switched from snapshots to the append-only file by a restart begins empty: it has
# to write that file while it still holds the queues.
_KEEP = """\
for one in "$port" 6379; do
  "$cli" -p "$one" <"$1" >/dev/null 2>&1 || continue
  for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    "$cli" -p "$one" <"$1" 2>/dev/null | grep -q '^aof_rewrite_[a-z_]*:1' || break
    sleep 1
  done
done
"""
# Clients besides the one that asks, keys, or a password that is not the cluster's.
_USE = r"/connected_clients:/p; /db[0-9]*:keys=/p; /NOAUTH/"
_WAIT = """\
tries=0
until "$cli" -p "$port" <"$2" 2>/dev/null | grep -qx PONG; do
  tries=$((tries+1))
  [ "$tries" -lt 60 ] || { echo "$svc does not answer on port $port with its password"; exit 1; }
  sleep 1
done
"""


@dataclass(frozen=True, slots=True)
class ManagedRedis:
    """The server listens where the cluster expects it, with a password, and never drops a queue's entries.

    Its data are kept in the append-only file, on the disk before they are acknowledged: a lost entry of
    newtask_queue is a page that is never crawled, one of processor2result a result that is never saved, and
    a snapshot of queues that change within seconds is of no use after a crash.
    """

    password: str = field(repr=False)
    bind: str
    port: int = 6379
    maxmemory_policy: str = "noeviction"
    user: str = ""
    """The user (ACL) of the cluster's programs, who may do no more than they need; without, it is the default one."""
    user_password: str = field(default="", repr=False)
    anew: bool = False
    """Whether Redis gets these passwords where the cluster gave it others."""
    name: str = "redis"

    def conf(self) -> bytes:
        """The file that the main configuration includes at its end, so that it has the last word."""
        user = {"user": self.user, "user_password": self.user_password}
        return render.text("redis-pyspider.conf", settings=self._settings(), password=self.password, **user).encode()

    def _rights(self) -> str:
        """What the user may do, in the words of ACL SETUSER; its passwords are left as they are."""
        line = next(one for one in self.conf().decode().splitlines() if one.startswith("user "))
        return " ".join(["resetkeys", *(word for word in line.split()[3:] if not word.startswith(">"))])

    def _settings(self) -> dict[str, str]:
        """The settings that a running server is asked for."""
        everywhere = self.bind in ("0.0.0.0", "127.0.0.1")  # noqa: S104  a comparison, not a bind
        return {
            "bind": self.bind if everywhere else f"{self.bind} 127.0.0.1",
            "port": str(self.port),
            "maxmemory-policy": self.maxmemory_policy,
            "appendonly": "yes",
            "appendfsync": "always",
            # The queues are small and their traffic is not: snapshots beside the file would write it all twice.
            "save": "",
        }

    def probe(self) -> Probe:
        script = f"""\
{look(SERVICE.alternatives)}
{look_at_conf()}{self._given.look()}svc_runs || exit 0
printf 'answer %s\\n' "$("$cli" -p {self.port} <"$1" 2>&1 | tr '\\n' '|')"
[ -z "${{2-}}" ] || printf 'user %s\\n' "$("$cli" -p {self.port} <"$2" 2>&1 | tr '\\n' '|')"
[ -n "$own" ] && [ -e "$own" ] || {{
  echo asked
  for one in {self.port} 6379 $ports; do
    printf 'INFO clients\\nINFO keyspace\\n' | "$cli" -p "$one" 2>&1 | tr -d '\\r' | sed -n 's/^/used /; {_USE}p'
  done
}}"""
        questions = [f"CONFIG GET {key}" for key in self._settings()]
        login = Payload(f"AUTH {self.user} {self.user_password}\nPING\n".encode())
        return Probe(script, (self._commands(*questions), *((login,) if self.user else ())))

    @property
    def _given(self) -> Given:
        return Given("redis", self.user_password or self.password)

    def _commands(self, *words: str) -> Payload:
        return Payload(("\n".join((f"AUTH {self.password}", *words)) + "\n").encode())

    def diff(self, found: Found) -> Sequence[Action]:
        refuse_odd(found)
        service = parse(found.text)
        self._refuse_foreign(found)
        _refuse_old(found, OLDEST_OF_USERS if self.user else OLDEST)
        self._refuse_another(found)
        conf, given = self._conf(found), self._given.state(found)
        noted = [] if conf or given == "same" else [self._given.noted(_product(found))]
        return [*conf, *self._restart(found, service), *SERVICE.boot(service), *noted]

    def _refuse_another(self, found: Found) -> None:
        """Raises Problem where the programs' password would be replaced by another control machine's."""
        given = self._given.state(found)
        if self.anew or given == "same" or not parse_look("\n".join(found.rows("own"))).exists:
            return
        digest = hashlib.sha256((self.user_password or self.password).encode()).hexdigest()
        known = any(row.startswith(digest) for row in found.rows("password"))
        # The programs' own login: the default user's password is no part of a rotation.
        login = "user" if self.user else "answer"
        if not known and not next(iter(found.rows(login)), "").startswith("OK|"):
            raise self._given.refusal(_product(found))

    def _refuse_foreign(self, found: Found) -> None:
        """Raises Problem where others work with a Redis that this project did not set up."""
        mine = any(row.startswith("OK|") for row in found.rows("answer"))
        rows = list(dict.fromkeys(found.rows("used")))
        use = [row for row in rows if row != "connected_clients:1"]
        if not rows and "asked" in found.text.splitlines():
            # It listens on a socket only, by TLS only, or knows no INFO.
            use = ["it does not say what it holds"]
        if use and not mine:
            raise Problem(
                f"nothing was changed here: somebody else's {_product(found)} runs here and is in use "
                f"({', '.join(use)}); name it in hosts.toml by [stores.redis] host, and take the role redis from "
                "this host"
            )

    def _conf(self, found: Found) -> list[Action]:
        main = parse_stat(next(iter(found.rows("main")), ""))
        own = parse_look("\n".join(found.rows("own")))
        if self._right(own, main) and "included" in found.text.splitlines():
            return []
        path = next(iter(found.rows("path")), "")
        script = lines(write_conf(), self._given.note())
        diff = f"--- Redis's pyspider.conf (now)\n+++ Redis's pyspider.conf (new)\n+{self._masked()}"
        says = f"write pyspider.conf for {_product(found)}{told_kept('pyspider.conf', own)}"
        if path and "included" not in found.text.splitlines():
            says += f", and include it in {path} (kept as {path}{kept_suffix()})"
        payloads: tuple[Payload, ...] = (Payload(self.conf()),)
        if self.user:
            # One that runs takes new rights at once; one that does not, or has another password, is restarted.
            script = lines(script, f'"$cli" -p {self.port} <"$2" >/dev/null 2>&1 || :')
            payloads = (*payloads, self._commands(f"ACL SETUSER {self.user} {self._rights()}"))
        return [Action(says, script, payloads, diff=diff)]

    def _right(self, own: Seen, main: Seen) -> bool:
        same = own.sha256 == hashlib.sha256(self.conf()).hexdigest()
        return stat.S_ISREG(own.kind) and same and own.owned(main.owner, main.group, 0o640)

    def _masked(self) -> str:
        shown = self.conf().decode().replace(f"requirepass {self.password}", "requirepass (secret)")
        shown = shown.replace(f" >{self.user_password} ", " (secret) ") if self.user else shown
        return "\n+".join(shown.splitlines()) + "\n"

    def _restart(self, found: Found, service: Running) -> list[Action]:
        if reason := self._wrong(found) if service.runs else "it does not run":
            keep = self._commands("CONFIG SET appendonly yes", "INFO persistence")
            before = FIND + lines(assign("port", self.port), _KEEP)
            return [SERVICE.restart(reason, before, _WAIT, (keep, self._commands("PING")), service)]
        return []

    def _wrong(self, found: Found) -> str:
        """The differences of the running server from the one that is wanted; empty where there are none."""
        answers = found.rows("answer")
        if not answers:
            raise CannotLook(f"{_product(found)} runs, but the host answered {found.text!r}")
        login, *rest = answers[0].split("|")
        if login != "OK":
            return f"it does not answer on port {self.port} with its password"
        if self.user and not next(iter(found.rows("user")), "").startswith("OK|PONG"):
            return f"its user {self.user} is to log in with its password"
        # Each answer is the setting's name and its value, on a line each.
        now = dict(zip(rest[::2], rest[1::2], strict=False))
        return ", ".join(
            f"{key} is to be {value or 'off'}" for key, value in self._settings().items() if now.get(key) != value
        )


def older(version: str, oldest: int) -> bool:
    """Whether a version is known, and is one before `oldest`."""
    major = version.partition(".")[0]
    return major.isdigit() and int(major) < oldest


def _refuse_old(found: Found, oldest: int) -> None:
    """Raises Problem where the server that is installed can't do what the queues, or their user, ask of it."""
    version = next(iter(found.rows("version")), "")
    if not older(version, oldest) or _product(found) != "Redis":
        return
    without = "" if older(version, OLDEST) else "; or leave out its username, which needs Redis 6"
    raise Problem(
        f"nothing was changed here: this host has Redis {version}, and the queues need one from {oldest} on, or "
        f"Valkey; install a newer one by hand, or name one elsewhere by [stores.redis] host{without}"
    )


def _product(found: Found) -> str:
    """The name of the server that is installed; Redis where none is."""
    return next(iter(found.rows("product")), "Redis")
