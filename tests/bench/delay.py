"""A line with 25 ms each way between two network namespaces, made of two tun devices and a queue.

Whole packets are held back, the first of a connection as well: TCP behaves as over a long line.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import select
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .carried import carried

FAR = "10.77.255"
HERE = "10.77.255.254"
ONE_WAY = 0.025
_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_NEW_NETWORK = 0x40000000


@contextmanager
def delayed(near: Path) -> Iterator[Path]:
    """A new namespace from which FAR.1 to FAR.250 are in `near`, a round trip of 50 ms away; it ends with the block."""
    with carried(__name__, near, what="the line with a delay") as pid:
        yield Path(f"/proc/{pid}/ns/net")


def main() -> None:
    """Make the line, say `ready`, and carry packets until stdin ends."""
    far_end = tun("bench1")
    _ip("addr add 10.77.255.253 peer 10.77.255.254 dev bench1", "link set bench1 up")
    # Every address behind the line is this host's.
    _ip("route add local 10.77.255.0/25 dev lo", "route add local 10.77.255.128/26 dev lo")
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "no new network namespace")
    near_end = tun("bench0")
    _ip(f"addr add {HERE}/24 dev bench0", "link set bench0 up", "link set lo up")
    print("ready", flush=True)
    _carry(near_end, far_end)


def tun(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
    return device


def _ip(*commands: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def _carry(one: int, other: int) -> None:
    """Hold every packet back for ONE_WAY seconds; packets keep their order."""
    opposite = {one: other, other: one}
    held: list[tuple[float, int, int, bytes]] = []
    count = 0
    while True:
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        ready, _, _ = select.select([one, other, 0], [], [], wait)
        if 0 in ready:
            return
        for device in ready:
            for packet in _packets(device):
                count += 1
                heapq.heappush(held, (time.monotonic() + ONE_WAY, count, opposite[device], packet))
        now = time.monotonic()
        while held and held[0][0] <= now:
            _, _, device, packet = heapq.heappop(held)
            os.write(device, packet)


def _packets(device: int) -> Iterator[bytes]:
    while True:
        try:
            yield os.read(device, 65536)
        except BlockingIOError:
            return


if __name__ == "__main__":
    main()
