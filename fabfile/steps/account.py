"""The user that the cluster runs as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import Problem
from .base import Action, CannotLook, Found, Probe
from .files import NOTHING, Seen, parse_stat
from .ground import GROUND, MAKE, ODD, refuse_odd
from .shell import assign, cmd, lines


@dataclass(frozen=True, slots=True)
class Account:
    """A login user without a password, its group of the same name and its home.

    A user that exists keeps its number, shell, home and password; only missing things are added.
    """

    user: str
    home: str = ""
    """/home/USER unless given. A user that exists keeps its own, wherever that is."""
    shell: str = "/bin/sh"

    @property
    def name(self) -> str:
        return f"account {self.user}"

    @property
    def _home(self) -> str:
        return self.home or f"/home/{self.user}"

    def probe(self) -> Probe:
        return Probe(lines(GROUND, assign("user", self.user), assign("home", self._home), _LOOK))

    def diff(self, found: Found) -> Sequence[Action]:
        refuse_odd(found)
        seen = _parsed(found)
        if why := self._not_ours(seen):
            mended = f"take its line out of sudoers (sudo -l -U {self.user}), or " if why.endswith(_BY_SUDO) else ""
            raise Problem(f"nothing was changed here: {why}; {mended}choose another user in hosts.toml")
        if seen.number is None:
            return [Action(f"make user {self.user}", self._make())]
        actions = []
        if self.user not in seen.groups:
            actions.append(Action(f"make group {self.user} and put its user in it", self._join()))
        if not seen.stood.exists:
            actions.append(Action(f"make {seen.home}", self._make_home(seen.home)))
        elif seen.stood.owner != self.user:
            actions.append(Action(f"give {seen.home} to {self.user}", self._give(seen.home)))
        return actions

    def _not_ours(self, seen: _Seen) -> str:
        """The reason why the cluster can't run as this user; empty where it can."""
        first, number, group = seen.first, seen.number, seen.group
        rooted = ", ".join(sorted(ROOTS.intersection(seen.groups)))

        whose = f"{seen.home}, the home of user {self.user},"
        claims = {
            f"user {self.user} is root on this host": number == 0,
            f"user {self.user} is an account of the system here (number {number}, below {first})": _below(
                number, first
            ),
            f"group {self.user} is one of the system here (number {group}, below {first})": _below(group, first)
            and (number is None or self.user not in seen.groups),
            f"user {self.user} is in the group {rooted}: crawled pages' scripts could become root": bool(rooted),
            f"user {self.user}{_BY_SUDO}": seen.sudo,
            f"{whose} is that of {', '.join(seen.others)} as well": bool(seen.others),
            f"{whose} belongs to {seen.stood.owner}": seen.stood.owner not in ("", "root", self.user),
            f"{whose} is root's": seen.stood.owner == "root" and PurePosixPath(seen.home).name != self.user,
        }
        return next((text for text, holds in claims.items() if holds), "")

    def _make(self) -> str:
        home = self._home
        user, group = cmd(self.user), _group(self.user)
        useradd = cmd("useradd", "-M", "-d", home, "-s", self.shell, "-g", self.user, self.user)
        adduser = cmd("adduser", "-D", "-H", "-h", home, "-s", self.shell, "-G", self.user, self.user)
        return lines(
            group,
            f"if id -u {user} >/dev/null 2>&1; then :",
            f"elif command -v useradd >/dev/null; then {useradd}",
            f"else {adduser}",
            "fi",
            self._make_home(home),
        )

    def _make_home(self, home: str) -> str:
        return lines(GROUND + MAKE, cmd("make_way", home, "0755"), self._give_here())

    def _give(self, home: str) -> str:
        return lines(GROUND + MAKE, cmd("enter", home), self._give_here())

    def _give_here(self) -> str:
        return str(cmd("give_here", self.user, "", "0755"))

    def _join(self) -> str:
        usermod = cmd("usermod", "-a", "-G", self.user, self.user)
        addgroup = cmd("addgroup", self.user, self.user)
        return lines(_group(self.user), f"if command -v usermod >/dev/null; then {usermod}; else {addgroup}; fi")


def _group(name: str) -> str:
    groupadd, addgroup = cmd("groupadd", name), cmd("addgroup", name)
    return lines(
        f"if grep -q {cmd(f'^{name}:')} /etc/group; then :",
        f"elif command -v groupadd >/dev/null; then {groupadd}",
        f"else {addgroup}",
        "fi",
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A host's answer about the user; `number` is None without such a user, `group` without such a group."""

    number: int | None
    group: int | None
    first: int
    """The first number of people's accounts."""
    home: str = ""
    groups: tuple[str, ...] = ()
    stood: Seen = NOTHING
    """The thing that stands at the home."""
    others: tuple[str, ...] = ()
    """Other users with the same home."""
    sudo: bool = False
    """Whether sudo lets the user run a shell as root, with or without a password."""


_BY_SUDO = " becomes root by sudo here: crawled pages' scripts could, too"
ROOTS = frozenset({"root", "sudo", "wheel", "admin", "docker", "lxd", "libvirt", "disk", "shadow", "kmem"})
"""Groups whose members become root, or read root's files."""


def _below(number: int | None, first: int) -> bool:
    return number is not None and number < first


def _parsed(found: Found) -> _Seen:
    rows = [(line + " ").partition(" ")[::2] for line in found.text.splitlines()]
    known = {key: value.strip() for key, value in rows}
    try:
        first, group = int(known["first"]), int(known["group"]) if known["group"] else None
        number, home = known["user"].split(" ", 1)
        if number == "absent":
            return _Seen(None, group, first, home, stood=parse_stat(known["home"]))
        others = tuple(value.strip() for key, value in rows if key == "shared")
        groups = tuple(known["groups"].split())
        stood = parse_stat(known["home"])
        return _Seen(int(number), group, first, home, groups, stood, others, "sudo" in known)
    except (KeyError, ValueError) as error:
        raise CannotLook(f"account: the host answered {found.text!r}") from error


# getent knows directories such as LDAP; a host without it has only the files.
_LOOK = f"""\
entry() {{ {{ getent "$1" "$user" || grep "^$user:" "/etc/$1"; }} 2>/dev/null; }}
first=1000
while read -r key value _; do [ "$key" != UID_MIN ] || first=$value; done 2>/dev/null </etc/login.defs
echo "first $first"
echo "group $(entry group | cut -d: -f3)"
number=$(id -u "$user" 2>/dev/null) && home=$(entry passwd | cut -d: -f6) || number=absent
at=.
reach "$home" || {{
  # Its own directory, into which root may not go (NFS that squashes root), is as it should be.
  [ ! -x "$home" ] && [ "$(stat -c %F:%U "$home" 2>/dev/null)" = "directory:$user" ] && left= at=$home ||
    {{ echo "{ODD}$odd"; exit 0; }}
}}
echo "user $number $home"
echo "groups $(id -Gn "$user" 2>/dev/null)"
if [ "$number" != absent ] && sudo -n -l -U "$user" /bin/sh >/dev/null 2>&1; then echo 'sudo yes'; fi
if [ -z "$left" ]; then echo "home $(stat -c '%f %U %G' "$at")"; else echo home; fi
while IFS=: read -r other _ its _ _ place _; do
  [ "$place" != "$home" ] || [ "$its" = "$number" ] || echo "shared $other"
done </etc/passwd
"""
