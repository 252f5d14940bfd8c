"""The command lines of the OpenSSH client: the way in to a host, through its gateways; nobody is asked anything."""

from __future__ import annotations

import math
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from ..errors import Unreachable
from .authenticate import key_files
from .keys import SECURITY_KEYS
from .known_hosts import known_hosts_path
from .silence import SILENCE_SECONDS
from .told import told
from .way import WayIn

_ALIVE_SECONDS = 5
_WEAK = (
    ("kex", "KexAlgorithms", ("diffie-hellman-group-exchange-sha1", "diffie-hellman-group14-sha1")),
    ("key", "HostKeyAlgorithms", ("ssh-rsa",)),
    # The name before OpenSSH 8.5, which the later ones know as well.
    ("key", "PubkeyAcceptedKeyTypes", ("ssh-rsa",)),
    ("cipher", "Ciphers", ("aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc")),
    ("mac", "MACs", ("hmac-sha1",)),
)
"""By the word that `ssh -Q` lists them for: all that sshd of OpenSSH 5.3 offers, but for the weakest of it."""
_QUIET = (
    *("LogLevel=ERROR", "NumberOfPasswordPrompts=1", "ConnectionAttempts=1", "EscapeChar=none", "RemoteCommand=none"),
    *("ClearAllForwardings=yes", "ForwardAgent=no", "ForwardX11=no"),
)
_STRICT = ("StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null", "UpdateHostKeys=no", "CheckHostIP=no")


def ssh(ways: Sequence[WayIn], *first: str, legacy: bool | None = None, target: Sequence[str] = ()) -> list[str]:
    """The words up to the command. `ways` are the host's own and those of its gateways, the nearest to it first.

    `first` are options that win over all others, `target` the words before the address. `legacy` allows weak
    algorithms, in place of hosts.toml's word. Raises Unreachable where there is no ssh on this machine.
    """
    way, *via = ways
    path = program(way)
    options = [*first, *_options(way, way.host.legacy_ssh if legacy is None else legacy)]
    if via:
        options.append(f"ProxyCommand={_by_gateway(way, via)}")
    words = [word for option in options for word in ("-o", option)]
    login = ["-l", way.host.user, "-p", str(way.host.port)]
    return [path, "-F", str(way.flags.ssh_config.top), *words, *login, *target, "--", way.host.address]


def program(way: WayIn) -> str:
    """The path of ssh. Raises Unreachable."""
    found = shutil.which("ssh")
    if found is None:
        raise Unreachable(
            f"{way.where}: it is to be reached by ssh, which is not installed here; install OpenSSH's client"
        )
    return found


def _by_gateway(way: WayIn, via: Sequence[WayIn]) -> str:
    words = ssh(via, target=("-W", f"[{way.address}]:{way.host.port}"))
    # ssh fills in what % begins.
    return shlex.join(words).replace("%", "%%")


def _options(way: WayIn, legacy: bool) -> Iterator[str]:
    yield from (*_QUIET, *_STRICT, *told(way.flags))
    if has("KnownHostsCommand=none"):
        yield "KnownHostsCommand=none"
    yield f"UserKnownHostsFile={_quoted(known_hosts_path(way.host))}"
    yield f"ConnectTimeout={math.ceil(way.flags.connect_seconds)}"
    yield f"ServerAliveInterval={_ALIVE_SECONDS}"
    # The link's own judgement comes first.
    yield f"ServerAliveCountMax={SILENCE_SECONDS // _ALIVE_SECONDS + 2}"
    if way.host.key is not None or way.settings.only_these_keys:
        yield "IdentitiesOnly=yes"
    yield from (f"IdentityFile={_quoted(path)}" for path in _keys(way))
    if legacy:
        yield from (f"{option}=+{','.join(names)}" for option, names in weak().items())


def _keys(way: WayIn) -> Iterator[Path]:
    more = () if way.host.key is not None or way.settings.only_these_keys else SECURITY_KEYS
    for file in (*key_files(way), *more):
        path = Path(file).expanduser()
        if path.exists() or Path(f"{path}.pub").exists():
            yield path


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("%", "%%") + '"'


@cache
def weak() -> dict[str, tuple[str, ...]]:
    """The weak algorithms by ssh's option for them, as far as this machine's ssh still has them."""
    kept = {option: tuple(one for one in wanted if one in _known(kind)) for kind, option, wanted in _WEAK}
    return {option: names for option, names in kept.items() if names}


@cache
def has(option: str) -> bool:
    """Whether this machine's ssh knows an option."""
    asked = ["ssh", "-G", "-F", "/dev/null", "-o", option, "host"]
    return subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


@cache
def _known(kind: str) -> frozenset[str]:
    asked = subprocess.run(["ssh", "-Q", kind], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return frozenset(asked.stdout.split())
