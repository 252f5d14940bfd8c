"""Two passwords for one account of a managed store, while programs change from one to the other.

MySQL has them since 8.0.14, MariaDB since 10.4, Redis since 6. An older server takes the new one at once: programs keep
their connections, and one that reconnects before it is restarted waits, and loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import Problem
from .base import Action, CannotLook, Found, Payload, Probe
from .given import OTHER
from .mysql import FIND as FIND_MYSQL
from .mysql import RUN, text
from .redis_conf import FIND as FIND_REDIS

TWO_MARIADB, TWO_MYSQL, TWO_REDIS = (10, 4), (8, 0, 14), (6,)
BOTH, ONLY = "let MySQL user {} in by both passwords", "let MySQL user {} in by the new password only"
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_ASK_MYSQL = """\
root() { "$client" $plain --user=root --batch --raw --skip-column-names --connect-timeout=10 "$@"; }
printf 'version %s\\n' "$(echo 'SELECT VERSION()' | root 2>&1)"
socket=$(echo 'SELECT @@socket' | root 2>/dev/null)
ask() {
  said=$(echo 'SELECT 1' | "$client" --defaults-file="$1" $plain --socket="$socket" --connect-timeout=10 2>&1) && return
  case $said in *'ERROR 1045 '*|*'ERROR 1698 '*) ;; *) echo unknown ;; esac
  return 1
}
"""
_ASK_REDIS = """\
ask() {
  said=$("$cli" -p @PORT@ <"$1" 2>/dev/null | tr -d '\\r')
  printf '%s\\n' "$said" | sed -n 's/^redis_version:/version /p'
  case $said in OK*) return 0 ;; esac
  return 1
}
"""
# redis-cli ends well also where Redis has refused. A refusal repeats the words of a command that Redis does not know.
_TELL_REDIS = """\
if "$cli" -p @PORT@ <"$1" 2>&1 | tr -d '\\r' | sed 's/, with args.*//' | grep -vxE 'OK|'; then exit 1; fi"""
_EACH = 'if ask "$1"; then echo valid old; fi\nif ask "$2"; then echo valid new; fi\n'


def _version(found: Found, store: str) -> tuple[int, ...]:
    row = next(iter(found.rows("version")), "")
    match = _VERSION.search(row)
    if match is None:
        raise CannotLook(f"{store} does not say its version; is it this cluster's own, and does it run?", detail=row)
    return tuple(int(part) for part in match[0].split("."))


def _right(found: Found, only: bool, store: str) -> bool:
    """Whether nothing is left to do. Raises Problem where neither is valid: programs use a third one."""
    valid = found.rows("valid")
    # One that is full, or whose account is locked, says nothing of passwords.
    unknown = "unknown" in found.text.splitlines()
    if not valid and not unknown:
        raise Problem(f"nothing was changed here: {OTHER.format(store)}")
    return ("old" not in valid and not unknown) if only else "new" in valid


@dataclass(frozen=True, slots=True)
class MySQLPasswords:
    """The account can log in by the new password, and by the old one as well or (`only`) not."""

    user: str
    old: str = field(repr=False)
    new: str = field(repr=False)
    only: bool = False
    name: str = "passwords of MySQL"

    def probe(self) -> Probe:
        return Probe(FIND_MYSQL + _ASK_MYSQL + _EACH, (self._login(self.old), self._login(self.new)), limit=60)

    def _login(self, password: str) -> Payload:
        return Payload(f'[client]\nuser="{self.user}"\npassword="{password}"\n'.encode())

    def diff(self, found: Found) -> Sequence[Action]:
        version = _version(found, "MySQL")
        mariadb = "mariadb" in next(iter(found.rows("version"))).lower()
        if _right(found, self.only, "MySQL"):
            return []
        sql = self._one(mariadb, version) if self.only else self._both(mariadb, version)
        says = (ONLY if self.only else BOTH).format(self.user)
        return [Action(says, FIND_MYSQL + RUN, (Payload(f"{sql};\n".encode()),))]

    def _both(self, mariadb: bool, version: tuple[int, ...]) -> str:
        way = "mysql_native_password USING PASSWORD"
        if mariadb and version >= TWO_MARIADB:
            return f"ALTER USER {self._account} IDENTIFIED VIA {way}({text(self.new)}) OR {way}({text(self.old)})"
        if not mariadb and version >= TWO_MYSQL:
            return f"ALTER USER {self._account} IDENTIFIED BY {text(self.new)} RETAIN CURRENT PASSWORD"
        return self._one(mariadb, version)

    def _one(self, mariadb: bool, version: tuple[int, ...]) -> str:
        if not mariadb and self.only and version >= TWO_MYSQL:
            return f"ALTER USER {self._account} DISCARD OLD PASSWORD"
        if version >= (10, 2) or (not mariadb and version >= (5, 7, 6)):
            return f"ALTER USER {self._account} IDENTIFIED BY {text(self.new)}"
        return f"SET PASSWORD FOR {self._account} = PASSWORD({text(self.new)})"

    @property
    def _account(self) -> str:
        return f"{text(self.user)}@'%'"


@dataclass(frozen=True, slots=True)
class RedisPasswords:
    """The same for Redis' default user, or for the `user` of programs, whom the default one changes."""

    old: str = field(repr=False)
    new: str = field(repr=False)
    port: int
    only: bool = False
    user: str = ""
    admin: str = field(default="", repr=False)
    """The password of the default user, where programs have a user of their own."""
    name: str = "passwords of Redis"

    def probe(self) -> Probe:
        script = FIND_REDIS + _ASK_REDIS.replace("@PORT@", str(self.port)) + _EACH
        user = f"{self.user} " if self.user else ""
        return Probe(script, tuple(_payload(f"{user}{one}", "INFO server") for one in (self.old, self.new)))

    def diff(self, found: Found) -> Sequence[Action]:
        several = _version(found, "Redis") >= TWO_REDIS
        if _right(found, self.only, "Redis"):
            return []
        ways = "by the new password only" if self.only else "by both passwords"
        told = _payload(self.admin or (self.new if self.only else self.old), self._word(several))
        script = FIND_REDIS + _TELL_REDIS.replace("@PORT@", str(self.port))
        return [Action(f"let Redis' clients in {ways}", script, (told,))]

    def _word(self, several: bool) -> str:
        if not several:
            return f"CONFIG SET requirepass {self.new}"
        return f"ACL SETUSER {self.user or 'default'} {f'<{self.old}' if self.only else f'>{self.new}'}"


def _payload(login: str, *words: str) -> Payload:
    return Payload(("\n".join((f"AUTH {login}", *words)) + "\n").encode())
