"""The systemd unit and the crontab line that keep `fab watch` running on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from ..errors import WrongInput
from ..inventory import Fleet
from ..local import account
from ..render import text
from .kept import place


def unit(fleet: Fleet) -> str:
    """A unit for /etc/systemd/system."""
    return text(
        "pyspider-watch.service",
        cluster=fleet.cluster.name,
        user=_user(),
        hosts_toml=_in_unit(f"HOSTS_TOML={_hosts_toml(fleet)}"),
        fab=_in_unit(_fab()).replace("$", "$$"),
    )


def crontab(fleet: Fleet) -> str:
    """A line for this user's crontab, with a comment."""
    return text(
        "pyspider-watch.cron",
        cluster=fleet.cluster.name,
        user=_user(),
        hosts_toml=_in_cron(f"HOSTS_TOML={shlex.quote(_hosts_toml(fleet))}"),
        lock=_in_cron(shlex.quote(str(place(fleet).with_suffix(".cron")))),
        fab=_in_cron(shlex.quote(_fab())),
    )


def _user() -> str:
    if name := account():
        return name
    raise WrongInput(
        f"no account here has uid {os.getuid()}, and only an account has a unit or a crontab; make one first"
    )


def _hosts_toml(fleet: Fleet) -> str:
    return _on_one_line(fleet.path.resolve())


def _fab() -> str:
    own = Path(sys.prefix) / "bin" / "fab"
    return _on_one_line(own if own.exists() else Path(shutil.which("fab") or sys.argv[0]).resolve())


def _on_one_line(path: Path) -> str:
    if not str(path).isprintable():
        raise WrongInput(f"{str(path)!r}: neither a unit nor a crontab can hold such a path; rename it")
    return str(path)


def _in_unit(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _in_cron(words: str) -> str:
    # cron ends the command at a bare %.
    return words.replace("%", "\\%")
