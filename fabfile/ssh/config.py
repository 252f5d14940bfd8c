"""ssh_config: how OpenSSH would log in to a host, asked of OpenSSH itself where it is installed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ..errors import WrongInput
from ..inventory import Host
from ..local import account, user_name
from .config_files import BEYOND_PARAMIKO, SYSTEM, ConfigFiles
from .scratch import Scratch

_ASK_SECONDS = 20
_NOBODY, _NO_PORT, _NO_KEY = "fab-nobody", "65535", "/fab-no-key"
# The first value counts: these are heard only where the files say nothing, and ssh has other defaults than hosts.toml.
_LAST = f"Match all\n  User {_NOBODY}\n  Port {_NO_PORT}\n  IdentityFile {_NO_KEY}\n"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that ssh_config says about the login to one address; None and empty where it says nothing."""

    address: str
    """The name or number to connect to."""
    user: str | None = None
    port: int | None = None
    key_files: tuple[str, ...] = ()
    only_these_keys: bool = False
    """Of the agent's keys only those that are in a file as well."""
    host_key_alias: str | None = None
    proxy_command: str | None = None
    proxy_jump: tuple[str, ...] = ()
    """The hops, the nearest to the host last."""
    only_openssh: bool = False
    """It asks for something that the OpenSSH client alone can do."""


class SSHConfig:
    """The user's and the system's ssh_config, or `file` in place of both, read at the first question."""

    def __init__(self, file: str | None = None) -> None:
        self._file = file
        self._folder: Scratch | None = None
        self._files: ConfigFiles | None = None
        self._answers: dict[tuple[object, ...], tuple[str, str]] = {}
        """By what the files can tell apart: the address that was asked for, and ssh's answer."""
        self._told = False

    @property
    def top(self) -> Path:
        """The file that leads to all others, for ssh; it stays as long as this. Raises WrongInput."""
        return self._read().top

    def of(self, host: Host) -> Settings:
        """The settings for a host's address. Raises WrongInput where a file can't be used."""
        files = self._read()
        kerberos = files.kerberos and _ticket()
        if not (files.matters or kerberos):
            return Settings(host.address)
        ssh = shutil.which("ssh")
        if ssh is None:
            self._tell(files)
            return _by_paramiko(files, host)
        like = (_said(host), files.like(host.address))
        asked, answer = self._answers.get(like) or ("", "")
        pairs = [line.partition(" ")[::2] for line in answer.splitlines()]
        address = _renamed(dict(pairs).get("hostname", ""), asked, host.address, files.renames)
        if not address:
            answer = _asked(ssh, files, host)
            pairs = [line.partition(" ")[::2] for line in answer.splitlines()]
            address = dict(pairs)["hostname"]
            self._answers.setdefault(like, (host.address, answer))
        settings = _settings(pairs, host, address)
        return replace(settings, only_openssh=_only_openssh(ssh, files, dict(pairs), kerberos))

    def _tell(self, files: ConfigFiles) -> None:
        """Say once what can't be followed without OpenSSH."""
        if files.includes and not self._told:
            sys.stderr.write("fab: ssh is not installed here: the files that ssh_config includes are not read\n")
        self._told = True

    def _read(self) -> ConfigFiles:
        if self._files is None:
            self._folder = Scratch()
            self._files = ConfigFiles(self._folder.path)
            copies = [self._files.add(file, base) for file, base in self._there()]
            self._files.top.write_text("".join(f'Include "{copy}"\n' for copy in copies) + _LAST)
        return self._files

    def _there(self) -> list[tuple[Path, Path]]:
        """The files at the top, each with the folder at which its relative paths start."""
        home = Path("~/.ssh").expanduser()
        if self._file:
            given = Path(self._file).expanduser()
            if not given.exists() or given.is_dir():
                raise WrongInput(
                    f"-S {self._file}: {'it is a directory' if given.exists() else 'there is no such file'}"
                )
            return [(given, home)]
        return [(file, base) for file, base in ((home / "config", home), (SYSTEM, SYSTEM.parent)) if file.is_file()]


def _said(host: Host) -> tuple[str, ...]:
    """The flags of ssh for hosts.toml's part: it wins, and a Match may depend on it."""
    user = () if "user" in host.unsaid else ("-l", host.user)
    port = () if "port" in host.unsaid else ("-p", str(host.port))
    return (*user, *port)


def _asked(ssh: str, files: ConfigFiles, host: Host) -> str:
    argv = [ssh, "-G", "-F", str(files.top), *_said(host), "--", host.address]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise WrongInput(f"ssh_config: its Match exec takes more than {_ASK_SECONDS} s for {host.address}") from error
    if done.returncode and account() is None:
        raise WrongInput(
            f"no account here has uid {os.getuid()}, and without one OpenSSH reads no ssh_config: add one "
            "(a line in /etc/passwd), or leave the files out with -S /dev/null"
        )
    if done.returncode:
        words = files.told(done.stderr.decode(errors="replace")).strip().splitlines() or ["it can't be read"]
        raise WrongInput(f"ssh_config: {words[0]}; mend it, or name another file with -S")
    return done.stdout.decode(errors="surrogateescape")


def _renamed(hostname: str, asked: str, address: str, renames: bool) -> str:
    """The address to connect to, from the one of a host that is alike; empty where that can't be told."""
    if hostname == asked or not hostname:
        return address if hostname else ""
    if not renames:
        return hostname
    return hostname.replace(asked, address) if hostname.count(asked) == 1 else ""


def _only_openssh(ssh: str, files: ConfigFiles, said: Mapping[str, str], kerberos: bool) -> bool:
    if kerberos and said.get("gssapiauthentication") == "yes":
        return True
    return files.beyond_paramiko and any(said.get(word) != _silent(ssh).get(word) for word in BEYOND_PARAMIKO)


@cache
def _silent(ssh: str) -> Mapping[str, str]:
    """The values of ssh where no file says anything."""
    asked = [ssh, "-G", "-F", "/dev/null", "host"]
    done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())


@cache
def _ticket() -> bool:
    """Whether there is a ticket of Kerberos that is still good."""
    klist = shutil.which("klist")
    return klist is not None and subprocess.run([klist, "-s"], stdin=subprocess.DEVNULL, check=False).returncode == 0


def _settings(pairs: Iterable[tuple[str, str]], host: Host, address: str) -> Settings:
    pairs = list(pairs)
    said = dict(reversed(pairs))
    user, port = said.get("user", _NOBODY), said.get("port", _NO_PORT)
    known_user, known_port = (None if user == _NOBODY else user), (None if port == _NO_PORT else int(port))
    tokens = _tokens(host, address, known_user or host.user, known_port or host.port)
    filled = _filler(tokens)
    keys = [value for key, value in pairs if key == "identityfile" and value not in (_NO_KEY, "none")]
    jump = said.get("proxyjump", "none")
    alias = said.get("hostkeyalias")
    command = "none" if _jump_forbids_command(pairs) else said.get("proxycommand", "none")
    return Settings(
        address,
        known_user,
        known_port,
        tuple(os.path.expandvars(filled(key)) for key in keys),
        said.get("identitiesonly") == "yes",
        filled(alias) if alias else None,
        filled(command) if command != "none" else None,
        # ssh prints an IPv4 address in brackets.
        () if jump == "none" else tuple(re.sub(r"\[([^]:]+)\]", r"\1", hop) for hop in filled(jump).split(",")),
    )


def _jump_forbids_command(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether a `ProxyJump none` stands before the ProxyCommand: of the two, OpenSSH takes the first."""
    named = [(key, value) for key, value in pairs if key in ("proxyjump", "proxycommand")]
    return named[:1] == [("proxyjump", "none")]


def _tokens(host: Host, address: str, user: str, port: int) -> Mapping[str, str]:
    here = socket.gethostname()
    return {
        **{"%": "%", "h": address, "n": host.address, "p": str(port), "r": user, "k": host.address},
        **{"d": str(Path.home()), "i": str(os.getuid()), "u": user_name(), "l": here, "L": here.split(".")[0]},
    }


def _filler(tokens: Mapping[str, str]) -> Callable[[str], str]:
    return lambda text: re.sub("%(.)", lambda found: tokens.get(found[1], found[0]), text)


def _by_paramiko(files: ConfigFiles, host: Host) -> Settings:
    """paramiko's reading of them, where there is no ssh. Raises WrongInput."""
    import paramiko

    config = paramiko.SSHConfig()
    try:
        for file in files.tops:
            config.parse(file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True))
        found = config.lookup(host.address)
    except (paramiko.SSHException, ValueError) as error:
        raise WrongInput(f"ssh_config: {error}; mend it, or name another file with -S") from error
    jump = found.get("proxyjump", "none")
    return Settings(
        found.get("hostname", host.address),
        found.get("user"),
        int(found["port"]) if "port" in found else None,
        tuple(found.get("identityfile", ())),
        found.get("identitiesonly") == "yes",
        found.get("hostkeyalias"),
        None if _jump_forbids_command(list(found.items())) else found.get("proxycommand"),
        () if jump == "none" else tuple(hop.strip() for hop in jump.split(",")),
    )
