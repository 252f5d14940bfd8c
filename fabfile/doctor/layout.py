"""The one place where a fix is phrased for the layout found: its supervisord, its user, its configuration, its unit.

A fix names commands by words in braces; all that follows `on HOST as root …:` can be typed there as it stands,
as far as `, then on ANOTHER as root: `.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from ..steps.shell import as_user, cmd
from ..steps.situation import LiveSupervisord
from .facts import Facts

LINES = "%s\\n"
"""printf's word for one line after the other."""
BOOT = "pyspider-by-hand"
"""The name of a boot file of a host that was set up by hand."""
GENERAL = {
    "conf": "CONF",
    "socket": "SOCKET",
    "ctl": "supervisorctl -c CONF",
    "start": "supervisord -c CONF (as the user it ran as, or by its unit)",
    "boot": "write a systemd unit, or into /etc/cron.d: @reboot root supervisord -c CONF",
    "hup": "kill -HUP PID",
    "again": "kill PID; supervisord -c CONF",
    "layout_user": "USER",
    "items": "NAME",
    "restarted": ", then on {host} as root: supervisorctl -c CONF restart PROGRAM",
}
"""The words as a page shows them, which knows no host."""


Reader = tuple[str, Facts, Sequence[str]]
"""A host, its facts, and the programs there that have read something that was changed."""


def filled(
    text: str,
    host: str,
    user: str,
    facts: Facts | None = None,
    items: Sequence[str] = (),
    readers: Sequence[Reader] = (),
) -> str:
    """A fix for that host, with its own commands, about these programs or paths.

    `readers` are the programs to restart where they are not those of this host alone.
    """
    words = {**GENERAL, **commands(facts)} if facts else dict(GENERAL)
    if facts:
        words["items"] = str(cmd(*items)) if items else "all"
        words["restarted"] = _restarted("{host}", words["ctl"], items)
    if readers:
        each = ((name, commands(its).get("ctl", GENERAL["ctl"]), programs) for name, its, programs in readers)
        words["restarted"] = "".join(_restarted(*one) for one in each)
    pattern = "|".join(map(re.escape, [*words, "host", "user"]))
    values = {**{key: re.sub(r"\{host\}", host, value) for key, value in words.items()}, "host": host, "user": user}
    # In one go: a name that somebody chose there is no word of ours.
    return re.sub(rf"\{{({pattern})\}}", lambda match: values[match[1]], text)


def _restarted(host: str, ctl: str, programs: Sequence[str]) -> str:
    return f", then on {host} as root: {ctl} restart {cmd(*programs)}" if programs else ""


def commands(facts: Facts) -> dict[str, str]:
    """The words of one host's layout; only those that it has."""
    conf = facts.conf.path if facts.conf else ""
    found = {"socket": str(cmd(facts.socket_path)), "conf": conf and str(cmd(conf))}
    found["layout_user"] = facts.layout.user
    if conf:
        pid = next((one.pid for one in _mine(facts)), None)
        found.update(ctl=_ctl(facts, conf), start=start(facts), boot=boot(facts, conf))
        if pid:
            gone = f"while kill -0 {pid} 2>/dev/null; do sleep 1; done"
            # It reads its configuration again, opens its socket again, and starts all of its programs again.
            found["hup"] = f"kill -HUP {pid}"
            found["again"] = f"kill {pid}; {gone}; {start(facts)}"
            if facts.layout.unit:
                found["again"] = str(cmd("systemctl", "restart", facts.layout.unit))
    return {key: value for key, value in found.items() if value}


def start(facts: Facts) -> str:
    """The start of a supervisord that does not run: by its unit, or as the user that it ran as."""
    if unit := _starter(facts):
        # One that died may be active in systemd's eyes still.
        return "; ".join([*_made(facts), str(cmd("systemctl", "restart", unit))])
    conf = facts.conf.path if facts.conf else ""
    return "; ".join([*_made(facts), *_cleared(facts), as_its_user(facts, _daemon(facts, conf))])


def boot(facts: Facts, conf: str) -> str:
    """Its unit enabled, or a file that starts it when the host starts, as the user that it runs as."""
    if facts.layout.unit:
        return str(cmd("systemctl", "enable", facts.layout.unit))
    if facts.sight.unit is None:
        line = f"@reboot root {as_its_user(facts, _daemon(facts, conf))}"
        return f"{cmd('echo', line)} >/etc/cron.d/{BOOT}"
    user = facts.layout.user or "root"
    unit = ("[Unit]", "After=network-online.target", "[Service]", "Type=forking", f"User={user}",
            f"ExecStart={_daemon(facts, conf)}", "[Install]", "WantedBy=multi-user.target")  # fmt: skip
    written = f"{cmd('printf', LINES, *unit)} >/etc/systemd/system/{BOOT}.service"
    return f"{written}; systemctl daemon-reload; systemctl enable {BOOT}"


def as_its_user(facts: Facts, command: str) -> str:
    """A command with the rights of the user that supervisord runs as there: root runs no file of that user's."""
    user = facts.layout.user
    return command if user in ("root", "") else str(as_user(user, command))


def _ctl(facts: Facts, conf: str) -> str:
    words = [facts.layout.supervisorctl or "supervisorctl", "-c", conf]
    user = facts.layout.user
    if user in ("root", "") or facts.layout.rooted:
        return str(cmd(*words))
    # The words after it are added by the fix: they are names of programs, and need no quotes.
    return f"su -s /bin/sh {user} -c 'exec \"$@\"' -- ctl {cmd(*words)}"


def _daemon(facts: Facts, conf: str) -> str:
    return str(cmd(facts.layout.supervisord or "supervisord", "-c", conf))


def _mine(facts: Facts) -> list[LiveSupervisord]:
    conf = facts.conf.path if facts.conf else ""
    return [one for one in facts.daemons if one.conf == conf] or list(facts.daemons)


def _starter(facts: Facts) -> str:
    """The unit that starts it when the host starts."""
    return facts.layout.unit or next((path.rpartition("/")[2] for path in facts.boot if path.endswith(".service")), "")


def _made(facts: Facts) -> list[str]:
    """The folders that supervisord needs, and a reboot or somebody took away."""
    return [_folder(path, facts.layout.user or "root") for path in facts.layout.lost]


def _folder(path: str, user: str) -> str:
    """A folder made for that user. One that somebody has put there meanwhile, or a link, is not given away."""
    above = cmd("mkdir", "-p", posixpath.dirname(path))
    return f"{above} && {cmd('mkdir', path)} && {cmd('chown', '-h', user, path)}"


def _cleared(facts: Facts) -> list[str]:
    """The files of a dead supervisord, which are in the way of the next: removed by the user who has named them."""
    pidfile = facts.pidfile.path if facts.pidfile and not facts.pidfile.alive else ""
    socket = facts.socket_path if facts.socket and facts.socket.kind == "socket" else ""
    left = [path for path in (socket, pidfile) if path]
    removed = str(cmd("rm", "-f", *left))
    return [by_writer(facts, removed)] if left and not facts.daemons else []


def by_writer(facts: Facts, command: str) -> str:
    """A command about names from the configuration, with the rights of the user who wrote it."""
    writer = facts.conf.writer if facts.conf else ""
    return str(as_user(writer, command)) if writer else command
