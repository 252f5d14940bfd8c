"""How to log in to a host: hosts.toml, ssh_config and fab's own flags become one value."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Any

from ..errors import WrongInput
from ..inventory import Host
from ..inventory.fleet import SSH_PORT
from ..local import account
from .config import Settings, SSHConfig
from .known_hosts import entry

CONNECT_SECONDS = 10.0
AUTH_SECONDS = 20.0
_HOP = re.compile(r"(?:\[([^]]+)\]|([^:]+))(?::(.*))?")
"""An IPv6 address stands in brackets."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The options of `fab` itself about logging in; read once, since reading Invoke's configuration is slow."""

    ssh_config: SSHConfig
    key_files: tuple[str, ...] = ()
    passphrase: str | None = None
    password: str | None = None
    connect_seconds: float = CONNECT_SECONDS
    sudo_password: str | None = None


def flags(config: Any) -> Flags:
    """The flags in Fabric's configuration (`-i`, `-t`, `--prompt-for-…`) and the ssh_config that they name (`-S`)."""
    given = dict(config.connect_kwargs)
    files = given.get("key_filename") or ()
    return Flags(
        SSHConfig(config._runtime_ssh_path or config.ssh_config_path),
        (files,) if isinstance(files, str) else tuple(files),
        given.get("passphrase"),
        given.get("password"),
        float(given.get("timeout") or config.timeouts.connect or CONNECT_SECONDS),
        config.sudo.password,
    )


@dataclass(frozen=True, slots=True)
class WayIn:
    """Everything that is known about the way in to one host before the first packet."""

    host: Host
    """With the user and the port that ssh_config says where hosts.toml leaves them open."""
    flags: Flags
    settings: Settings

    @property
    def address(self) -> str:
        return self.settings.address

    @property
    def straight(self) -> str:
        """The address at which this machine itself reaches it; empty where the way leads through another one."""
        behind = self.host.gateway or self.settings.proxy_jump or self.settings.proxy_command
        return "" if behind else self.address

    @property
    def key_files(self) -> tuple[str, ...]:
        """Those of the flags and of ssh_config; hosts.toml's own key comes before them."""
        return (*self.flags.key_files, *self.settings.key_files)

    @property
    def known_as(self) -> str:
        """The name under which known_hosts holds it."""
        return self.settings.host_key_alias or entry(self.address, self.host.port)

    @property
    def where(self) -> str:
        return f"{self.host.name}: {self.host.user}@{self.host.address}:{self.host.port}"


def login(host: Host, given: Flags) -> WayIn:
    """The way in to a host; what hosts.toml says goes before ssh_config. Raises WrongInput."""
    found = given.ssh_config.of(host)
    said = {"user": found.user, "port": found.port}
    known = {key: value for key, value in said.items() if key in host.unsaid and value is not None}
    return WayIn(replace(host, **known), given, found)  # type: ignore[arg-type]


def hop(text: str, given: Flags, like: Host) -> Host:
    """A ProxyJump of ssh_config, `[user@]address[:port]`, as a host to log in to; keys are looked up as for `like`."""
    user, _, where = text.removeprefix("ssh://").rpartition("@")
    found = _HOP.fullmatch(where)
    address, port = (found[1] or found[2], found[3] or "") if found else ("", where)
    if port and not port.isdigit():
        raise WrongInput(f"{like.name}: ssh_config: ProxyJump {text}: no port number")
    unsaid = {key for key, said in (("user", user), ("port", port)) if not said}
    named = Host(
        text,
        address,
        int(port or SSH_PORT),
        user or _local_user(f"{like.name}: ssh_config: ProxyJump {text}"),
        known_hosts=like.known_hosts,
        host_keys=like.host_keys,
        ssh=like.ssh,
        unsaid=frozenset(unsaid),
    )
    return login(named, given).host


def _local_user(where: str) -> str:
    if name := account():
        return name
    raise WrongInput(f"{where}: no account here has uid {os.getuid()}; say there as whom to log in (USER@ADDRESS)")
