"""A real Redis on loopback, with its files in a folder of the test."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis, RedisError

from ..waiting import eventually

# Debian's redis-tools brings the server's program under this name, and starts no server of its own.
PROGRAM = shutil.which("redis-server") or shutil.which("redis-check-rdb")


class RedisServer:
    """A server that a test starts, kills, stops and starts again with the same data."""

    def __init__(self, folder: Path, *options: str) -> None:
        if PROGRAM is None:
            pytest.skip("no redis-server here: install redis-tools, as ./run test does")
        self.folder, self.options = folder, options
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.client = Redis(port=self.port)
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        words = ["redis-server", *options, "--appendonly", "yes", "--appendfsync", "everysec", *self.options]
        log = (self.folder / "redis.log").open("a")
        # A process is known by the name that its file was called by.
        called = self.folder / "redis-server"
        if not called.is_symlink():
            called.symlink_to(str(PROGRAM))
        self.process = subprocess.Popen(words, executable=called, stdout=log, stderr=log)
        log.close()
        assert eventually(self.answers), (self.folder / "redis.log").read_text()

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)
        self.process.wait(10)


@contextmanager
def watching(folder: Path) -> Iterator[int]:
    """The port of a real Sentinel, of which nobody knows whether its master is there."""
    server = RedisServer(folder)
    (folder / "sentinel.conf").write_text("sentinel monitor one 127.0.0.1 9 1\n")
    words = ["redis-sentinel", str(folder / "sentinel.conf"), "--port", str(server.port), "--bind", "127.0.0.1"]
    with subprocess.Popen(words, executable=PROGRAM, stdout=subprocess.DEVNULL, cwd=folder) as process:
        try:
            assert eventually(server.answers)
            yield server.port
        finally:
            process.kill()


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A server until the end, with further options of redis-server."""
    server = RedisServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.end()
