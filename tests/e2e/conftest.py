"""Sandboxes for the end-to-end tests: real hosts, set up by the commands a user types."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fabfile.sandbox.sandbox import Init, Sandbox, free_network

if TYPE_CHECKING:
    from .by_hand import ByHand

PROJECT = Path(__file__).parent.parent.parent
FAB = Path(sys.executable).with_name("fab")
FAB_SECONDS = 1200


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
        assert "Traceback (most recent" not in result.stdout + result.stderr, result.stdout + result.stderr
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


def begun(command: dict[str, Any]) -> subprocess.Popen[str]:
    """A process that takes SIGINT, also where the tests themselves run in the background and ignore it."""
    words = ["env", "--default-signal=INT", *command.pop("args")]
    return subprocess.Popen(words, **command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


LIVE = (
    "/proc /sys /run /dev /var/lib/mysql /var/lib/redis /var/log /home/work/supervisor /home/work/distri_pyspider/data"
)
"""Paths that change all by themselves while a cluster runs."""
FILES = (
    f"find / -xdev \\( {' -o '.join(f'-path {path}' for path in LIVE.split())} \\) -prune -o "
    "-printf '%p %y %T@ %s %m %U %l\\n'"
)
"""A script that lists all other files, with all by which a change shows."""
ONE_HOST = """
[cluster]
name = "bare"
[defaults]
key = ".sandbox/id_ed25519"
known_hosts = ".sandbox/known_hosts"
[hosts.node1]
address = "{network}.11"
[hosts.node1.roles]
mysql = 1
redis = 1
scheduler = 1
fetcher = 1
processor = 1
result_worker = 1
webui = 1
phantomjs = 1
"""
"""A hosts.toml of one host with every role."""


@dataclass(frozen=True)
class Shared:
    """Three hosts that several modules work on, one after the other."""

    init: Init
    modules: tuple[str, ...]


SHARED = {
    "doctor": Shared("none", ("test_doctor", "test_doctor_by_hand", "test_printed_fixes")),
    "plain": Shared(
        "none",
        (
            "test_boot",
            "test_doctor_machine",
            "test_doctor_promises",
            "test_logs",
            "test_operate",
            "test_scale",
            "test_strangers",
            "test_supervise",
            "test_watching",
        ),
    ),
    "systemd": Shared(
        "systemd",
        (
            "test_cluster",
            "test_doctor_mysql",
            "test_live",
            "test_pictures",
            "test_preflight",
            "test_profile",
            "test_rounds",
            "test_webui",
            "test_working",
        ),
    ),
    "systemd-2": Shared(
        "systemd",
        (
            "test_choices",
            "test_dashboard",
            "test_doctor_network",
            "test_host_keys",
            "test_interrupted",
            "test_login",
            "test_no_page_lost",
            "test_scripts",
        ),
    ),
    "systemd-3": Shared(
        "systemd",
        ("test_another_python", "test_capacity", "test_moving", "test_renderers", "test_rotating", "test_systemd"),
    ),
    # Made by hand, on one host; the second of them ends what was made.
    "by-hand": Shared("systemd", ("test_advice_by_hand", "test_tutorial")),
}
"""Half of the tests on hosts run where systemd does, half where it does not: always the same ones."""


def shared(module: str) -> str:
    """Of which cluster a module's tests are; a module that has hosts of its own is one by itself."""
    return next((name for name, one in SHARED.items() if module in one.modules), module)


@contextmanager
def one_at_a_time(factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where the cache is empty, the first of several processes builds Python, and the others take it from there."""
    base = factory.getbasetemp()
    with ((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def brought_up(
    folder: Path,
    sandbox: Sandbox,
    alone: AbstractContextManager[object],
    init: Init | Mapping[str, Init],
    count: int = 3,
    release: str = "",
    change: Callable[[str], str] = str,
) -> Cluster:
    """Hosts, bootstrapped (`alone`) and deployed with the shipped hosts.toml, after a change of its text."""
    sandbox.up(count, release=release, init=init)
    text = change((PROJECT / "hosts.toml").read_text())
    (folder / "hosts.toml").write_text(text.replace("10.77.0.", f"{sandbox.network.prefix}."))
    one = Cluster(folder, sandbox)
    with alone:
        one.fab("bootstrap")
    one.fab("deploy")
    return one


@contextmanager
def made(
    factory: pytest.TempPathFactory,
    name: str,
    init: Init | Mapping[str, Init],
    count: int = 3,
    release: str = "",
    change: Callable[[str], str] = str,
) -> Iterator[Cluster]:
    """A cluster of its own for a test, taken down afterwards."""
    folder = factory.mktemp(name)
    sandbox = Sandbox(folder / ".sandbox", free_network())
    try:
        yield brought_up(folder, sandbox, one_at_a_time(factory), init, count, release, change)
    finally:
        sandbox.down()


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Cluster]]:
    """The shared clusters by name, each made at its first use and kept until the end."""
    with ExitStack() as stack:
        there: dict[str, Cluster] = {}

        def named(name: str) -> Cluster:
            if name not in there:
                there[name] = stack.enter_context(made(tmp_path_factory, name, SHARED[name].init))
            return there[name]

        yield named


@pytest.fixture(scope="session")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    """The cluster that was made by hand, and crawls."""
    from .by_hand import by_hand

    with by_hand(tmp_path_factory) as one:
        yield one


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module about connections (CLIENTS) runs once with each of the clients."""
    if "cluster" in metafunc.fixturenames and (clients := getattr(metafunc.module, "CLIENTS", ())):
        metafunc.parametrize("cluster", clients, indirect=True, scope="module")


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, clusters: Callable[[str], Cluster]) -> Iterator[Cluster]:
    """The cluster that this module shares with others, reached by the client that the test is for."""
    one, client = clusters(shared(request.path.stem)), getattr(request, "param", "")
    text = one.hosts_toml.read_text()
    if client:
        one.variant(one.hosts_toml.name, (r"^\[defaults\]$", f'[defaults]\nssh = "{client}"'))
    yield one
    if client:
        one.hosts_toml.write_text(text)
