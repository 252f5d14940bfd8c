"""One sandbox of its own for the end-to-end tests: three real hosts, set up by the commands a user types."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fabfile.sandbox import Init, Sandbox, free_network

PROJECT = Path(__file__).parent.parent.parent
FAB = Path(sys.executable).with_name("fab")
FAB_SECONDS = 1200


def until(claim: Callable[[], bool], seconds: float) -> None:
    """Waits for a claim to come true; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.5)


@dataclass(frozen=True)
class Cluster:
    """A copy of the shipped hosts.toml on a network of its own, and `fab` on it."""

    folder: Path
    sandbox: Sandbox
    cache: Path | None = None
    """In place of the user's cache."""

    @property
    def hosts_toml(self) -> Path:
        return self.folder / "hosts.toml"

    def command(self, *words: str, hosts_toml: Path | None = None) -> dict[str, Any]:
        """`fab` on this cluster and its sandbox, as arguments for subprocess."""
        environment = dict(
            os.environ,
            HOSTS_TOML=str(hosts_toml or self.hosts_toml),
            SANDBOX_STATE=str(self.sandbox.state),
            SANDBOX_NETWORK=self.sandbox.network.prefix,
            NO_COLOR="1",
            COLUMNS="200",
        )
        if self.cache:
            environment["XDG_CACHE_HOME"] = str(self.cache)
        return {"args": [FAB, *words], "cwd": PROJECT, "env": environment, "stdin": subprocess.DEVNULL}

    def fab(
        self, *words: str, status: int | None = 0, hosts_toml: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run fab as a user would; checks the exit status unless it is None, and that no traceback is shown."""
        result = subprocess.run(
            **self.command(*words, hosts_toml=hosts_toml),
            capture_output=True,
            text=True,
            timeout=FAB_SECONDS,
            check=False,
        )
        assert "Traceback" not in result.stdout + result.stderr, result.stdout + result.stderr
        assert status is None or result.returncode == status, f"{result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.fab("status", "--json", status=None).stdout)
        return answer

    def pids(self) -> dict[str, int]:
        """The pid of every program, by host/program."""
        hosts = self.status()["hosts"]
        return {f"{name}/{one['name']}": one["pid"] for name, host in hosts.items() for one in host["programs"]}

    def on(self, host: str, script: str) -> str:
        """What a shell script prints at the host's console (not over SSH)."""
        return self.sandbox.exec(host, "sh", "-c", script).stdout.decode(errors="replace")

    def variant(self, name: str, *changes: tuple[str, str]) -> Path:
        """A changed copy of hosts.toml beside it; every change must apply."""
        text = self.hosts_toml.read_text()
        for pattern, replacement in changes:
            text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
            assert count, f"hosts.toml has nothing like {pattern}"
        path = self.folder / name
        path.write_text(text)
        return path


def receivers(cluster: Cluster, host: str) -> list[str]:
    """The shells on a host that work on behalf of a control machine."""
    return [line for line in cluster.on(host, "ps -eo args=").splitlines() if "exec setsid /bin/sh" in line]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three hosts, bootstrapped and deployed."""
    yield from deployed(tmp_path_factory.mktemp("cluster"), None)


@pytest.fixture(scope="session")
def systemd_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The same on hosts that run systemd."""
    yield from deployed(tmp_path_factory.mktemp("systemd"), "systemd")


def deployed(folder: Path, init: Init | None) -> Iterator[Cluster]:
    """The cluster of the shipped hosts.toml, until the generator ends."""
    network = free_network()
    sandbox = Sandbox(folder / ".sandbox", network)
    try:
        sandbox.up(3, init=init)
        text = (PROJECT / "hosts.toml").read_text()
        (folder / "hosts.toml").write_text(text.replace("10.77.0.", f"{network}."))
        one = Cluster(folder, sandbox)
        one.fab("bootstrap")
        one.fab("deploy")
        yield one
    finally:
        sandbox.down()
