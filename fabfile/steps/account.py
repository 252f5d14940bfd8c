"""The user that the cluster runs as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Problem
from ..shell import Command, cmd, lines
from .base import Action, CannotLook, Found, Probe
from .files import parse_stat, stat_line


@dataclass(frozen=True, slots=True)
class Account:
    """A login user without a password, its group of the same name and its home.

    One that exists keeps its number, shell, home and password; only what is missing is added.
    """

    user: str
    home: str = ""
    """/home/USER unless given. A user that exists keeps its own, wherever that is."""
    shell: str = "/bin/sh"

    @property
    def name(self) -> str:
        return f"account {self.user}"

    def probe(self) -> Probe:
        home = Command('"$home"')
        script = f"""\
user={cmd(self.user)}
id -u "$user" >/dev/null 2>&1 || {{ echo absent; exit 0; }}
# getent knows directories such as LDAP; a host without it has only the file.
home=$({{ getent passwd "$user" || grep "^$user:" /etc/passwd; }} 2>/dev/null | cut -d: -f6)
echo "user $(id -u "$user") $home"
echo "groups $(id -Gn "$user")"
echo "home $({stat_line(home, follow=True)})\""""
        return Probe(script)

    def diff(self, found: Found) -> Sequence[Action]:
        if found.text.strip() == "absent":
            return [Action(f"make user {self.user}", self._make())]
        number, home, groups, stood = self._parse(found)
        if number == "0":
            raise Problem(f"user {self.user} is root on this host; choose another user in hosts.toml")
        actions = []
        if self.user not in groups:
            actions.append(Action(f"make group {self.user} and put its user in it", self._join()))
        seen = parse_stat(stood)
        if not seen.exists:
            actions.append(Action(f"make {home}", self._make_home(home)))
        elif seen.owner != self.user:
            actions.append(Action(f"give {home} to {self.user}", str(cmd("chown", f"{self.user}:", home))))
        return actions

    def _parse(self, found: Found) -> tuple[str, str, list[str], str]:
        rows = dict((line + " ").split(" ", 1) for line in found.text.splitlines())
        try:
            number, home = rows["user"].rstrip().split(" ", 1)
            return number, home, rows["groups"].split(), rows["home"].strip()
        except (KeyError, ValueError) as error:
            raise CannotLook(f"{self.name}: the host answered {found.text!r}") from error

    def _make(self) -> str:
        home = self.home or f"/home/{self.user}"
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
        return lines(
            Command(f"(umask 022; {cmd('mkdir', '-p', home)})"),
            cmd("chown", f"{self.user}:", home),
            cmd("chmod", "0755", home),
        )

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
