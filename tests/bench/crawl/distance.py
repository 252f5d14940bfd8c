"""Stores that are some milliseconds away: what they answer is held back on its way out of their host.

Only packets from the stores' ports take this way, through a tun device and a queue; whole packets are held back, the
first of a connection as well. The kernel's own means for this, netem, is not in every kernel.
"""

from __future__ import annotations

import collections
import ctypes
import os
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from ..carried import carried
from ..delay import tun

PORTS = (3306, 6379)
DEVICE, TABLE = "distance", "77"
_NEW_NETWORK = 0x40000000
_ROUNDS = 30


@contextmanager
def distant(stores: Path, seconds: float) -> Iterator[None]:
    """While it lasts, an answer of the stores in that namespace takes so much longer."""
    if not seconds:
        yield
        return
    with carried(__name__, stores, str(seconds), what="the distance to the stores"):
        yield


def round_trip(namespace: Path, address: str, port: int = PORTS[1]) -> float:
    """The median of the seconds that Redis' answer takes, as seen from a namespace."""

    def ask() -> float:
        with socket.create_connection((address, port), 10) as connection:
            return statistics.median(_asked(connection) for _ in range(_ROUNDS))

    return inside(namespace, ask)


def _asked(connection: socket.socket) -> float:
    begun = time.perf_counter()
    connection.sendall(b"PING\r\n")
    # Who has not logged in is refused: that is an answer too.
    connection.recv(100)
    return time.perf_counter() - begun


def inside(namespace: Path, function: Callable[[], float]) -> float:
    """The figure that a function returns in a network namespace: in a thread of its own, which alone goes there."""

    def work() -> float:
        with namespace.open() as opened:
            if ctypes.CDLL(None, use_errno=True).setns(opened.fileno(), _NEW_NETWORK) != 0:
                raise OSError(ctypes.get_errno(), f"no way into {namespace}")
        return function()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def main() -> None:
    """Lead the stores' answers here, say `ready`, and carry them until stdin ends."""
    device = tun(DEVICE)
    rules = [f"rule add ipproto tcp sport {port} lookup {TABLE}" for port in PORTS]
    _ip(f"link set {DEVICE} up", f"route replace default dev {DEVICE} table {TABLE}", *rules)
    # A late packet on a busy machine would be a longer distance.
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
    print("ready", flush=True)
    try:
        _carry(device, out, float(sys.argv[1]))
    finally:
        _ip(*(rule.replace("add", "del", 1) for rule in rules))


def _carry(device: int, out: socket.socket, seconds: float) -> None:
    """Hold every packet back for so long; packets keep their order."""
    held: collections.deque[tuple[float, bytes]] = collections.deque()
    while True:
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        ready, _, _ = select.select([device, 0], [], [], wait)
        if 0 in ready:
            return
        if ready:
            with suppress(BlockingIOError):
                while True:
                    held.append((time.monotonic() + seconds, os.read(device, 65536)))
        while held and held[0][0] <= time.monotonic():
            _, packet = held.popleft()
            # A lost packet is sent again, as on any line.
            with suppress(OSError):
                out.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))


def _ip(*commands: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


if __name__ == "__main__":
    main()
