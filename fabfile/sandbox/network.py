"""A sandbox's own network: a bridge on this machine, and a namespace with a link to it for each host."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import Problem, WrongInput
from ..local import only_writer, write_whole
from .cgroups import remove_all
from .processes import end, in_network, lineage, started

NAMESPACES = Path("/run/netns")
DEVICES = Path("/sys/class/net")
CLAIMS = Path("/run/pyspider-sandbox")
UP = 0x1
"""IFF_UP of <net/if.h>."""


@dataclass(frozen=True, slots=True)
class Network:
    """10.77.N.0/24. Every name is made from N, so two sandboxes cannot collide and remains can be found."""

    number: int

    @classmethod
    def parse(cls, prefix: str) -> Network:
        """From its first three numbers, `10.77.0`. Raises WrongInput for any other network."""
        match = re.fullmatch(r"10\.77\.(\d{1,3})", prefix)
        if not match or int(match[1]) > 254:
            raise WrongInput(f"not a network for a sandbox: {prefix!r}; choose one from 10.77.0 to 10.77.254")
        return cls(int(match[1]))

    @property
    def prefix(self) -> str:
        return f"10.77.{self.number}"

    @property
    def bridge(self) -> str:
        return f"ps{self.number}br"

    def address(self, last: int) -> str:
        return f"{self.prefix}.{last}"

    def claim(self, owner: Path) -> None:
        """Make the bridge, for the sandbox whose state is in `owner`. Raises Problem when it is another's."""
        with _claims():
            holder = self.holder()
            if holder not in (None, owner, *lineage()):
                raise Problem(_taken(self.prefix, holder))
            self._check_routes()
            write_whole(self._record, json.dumps({"state": str(owner)}), 0o644)
            if not (DEVICES / self.bridge).exists():
                # A fixed address: a bridge takes its ports' lowest otherwise, and changes it as they come and go.
                mac = f"02:77:00:00:{self.number:02x}:01"
                ip("link", "add", self.bridge, "address", mac, "type", "bridge")
            ip("addr", "replace", f"{self.address(1)}/24", "dev", self.bridge)
            ip("link", "set", self.bridge, "up")

    def release(self, owner: Path) -> None:
        """End all that runs on the network and remove it, unless it is another's than the owner's. Twice is fine."""
        with _claims():
            if self.holder() not in (None, owner):
                return
            for namespace in NAMESPACES.glob(f"ps{self.number}-*"):
                end(in_network(namespace))
                _remove_namespace(namespace)
            remove_all(f"ps{self.number}-")
            for device in DEVICES.glob(f"ps{self.number}v*"):
                ip("link", "del", device.name, check=False)
            if (DEVICES / self.bridge).exists():
                ip("link", "del", self.bridge)
            self._record.unlink(missing_ok=True)

    def holder(self) -> Path | int | None:
        """The state directory of the sandbox that is on this network, or the living process that reserved it."""
        try:
            record = json.loads(self._record.read_text())
        except (FileNotFoundError, ValueError):
            return None
        if "pid" in record:
            pid = int(record["pid"])
            return pid if started(pid) == record["started"] else None
        # A claim outlives a reboot where /run is on disk; a bridge does not.
        return Path(record["state"]) if (DEVICES / self.bridge).exists() else None

    def reserve(self) -> bool:
        """Keep the network for this process, unless anything is on it."""
        if self.holder() is not None or (DEVICES / self.bridge).exists() or self._devices_here():
            return False
        write_whole(self._record, json.dumps({"pid": os.getpid(), "started": started(os.getpid())}), 0o644)
        return True

    def _check_routes(self) -> None:
        others = [name for name in self._devices_here() if name != self.bridge]
        if others:
            raise Problem(
                f"this machine's {others[0]} already is on {self.prefix}.0/24: set SANDBOX_NETWORK to another"
            )

    def _devices_here(self) -> list[str]:
        links = json.loads(ip("-json", "-4", "addr", "show"))
        return [
            link["ifname"]
            for link in links
            if any(str(one.get("local", "")).startswith(f"{self.prefix}.") for one in link.get("addr_info", ()))
        ]

    @property
    def _record(self) -> Path:
        return CLAIMS / f"{self.number}.json"


@dataclass(frozen=True, slots=True)
class Port:
    """One namespace on the bridge: where a host, or the site, is plugged in."""

    network: Network
    name: str
    last: int
    """The last number of its address."""

    @property
    def namespace(self) -> Path:
        return NAMESPACES / f"ps{self.network.number}-{self.name}"

    @property
    def device(self) -> str:
        return f"ps{self.network.number}v{self.last}"

    @property
    def address(self) -> str:
        return self.network.address(self.last)

    def connect(self) -> None:
        """Make or repair the namespace and its link; the link is up afterwards."""
        if not self.namespace.is_file() or _is_remains(self.namespace):
            _remove_namespace(self.namespace)
            ip("netns", "add", self.namespace.name)
        if not (DEVICES / self.device).exists():
            peer = ("peer", "name", "eth0", "netns", self.namespace.name)
            ip("link", "add", self.device, "type", "veth", *peer)
        ip("link", "set", self.device, "master", self.network.bridge, "up")
        # No default route: an address outside is unreachable at once, instead of after a timeout.
        inside = f"link set lo up\naddr replace {self.address}/24 dev eth0\nlink set eth0 up\n"
        ip("-netns", self.namespace.name, "-batch", "-", stdin=inside)

    def plug(self, up: bool) -> None:
        """Take the cable in or out."""
        if (DEVICES / self.device).exists():
            ip("link", "set", self.device, "up" if up else "down")

    def plugged(self) -> bool:
        """Whether the link is up on this machine's side."""
        try:
            return bool(int((DEVICES / self.device / "flags").read_text(), 16) & UP)
        except FileNotFoundError:
            return False


def holders() -> Iterator[Path]:
    """The state directories of all sandboxes that are on a network of this machine, also those of other users."""
    for number in range(255):
        if isinstance(holder := Network(number).holder(), Path):
            yield holder


def free_network() -> str:
    """An unused network, reserved until this process ends, for sandboxes of its own and of its children."""
    with _claims():
        for number in range(1, 255):
            if Network(number).reserve():
                return Network(number).prefix
    raise Problem("all networks from 10.77.1 to 10.77.254 are taken: take unused sandboxes down")


def ip(*words: str, check: bool = True, stdin: str | None = None) -> str:
    """The output of iproute2's `ip`. Raises Problem with its own words when it fails."""
    result = subprocess.run(["ip", *words], input=stdin, capture_output=True, text=True, check=False, timeout=30)
    if check and result.returncode != 0:
        raise Problem(f"ip {' '.join(words)} failed on this machine: {result.stderr.strip()}")
    return result.stdout


def _taken(prefix: str, holder: Path | int | None) -> str:
    if isinstance(holder, int):
        return f"network {prefix} is reserved by process {holder}: set SANDBOX_NETWORK to another"
    return (
        f"network {prefix} belongs to the sandbox in {holder}: "
        "take that one down, or set SANDBOX_NETWORK to another network"
    )


def _is_remains(namespace: Path) -> bool:
    """`ip netns add` was stopped between making the file and mounting the namespace on it."""
    return namespace.stat().st_dev == namespace.parent.stat().st_dev


def _remove_namespace(namespace: Path) -> None:
    if namespace.exists() and _is_remains(namespace):
        namespace.unlink()
    elif namespace.exists():
        ip("netns", "del", namespace.name)


@contextmanager
def _claims() -> Iterator[None]:
    CLAIMS.mkdir(mode=0o755, exist_ok=True)
    with only_writer(CLAIMS / "lock"):
        yield
