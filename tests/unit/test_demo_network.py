"""`SANDBOX_NETWORK=10.77.N ./run demo` moves the demo: its hosts.toml names the addresses of that network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fabfile.inventory import load

PROJECT = Path(__file__).parent.parent.parent
SCRIPT = """\
say() { echo "$*"; }
die() { echo "$*"; exit 2; }
as_owner() { "$@"; }
eval "$(sed -n '/^demo_network() {/,/^}/p' run)"
demo_network
echo "HOSTS_TOML=${HOSTS_TOML:-}"
"""


def told(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    for name in ("run", "hosts.toml"):
        shutil.copy(PROJECT / name, folder)
    words = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(["bash", "-c", SCRIPT], cwd=folder, env=words, capture_output=True, text=True, check=False)


def test_the_network_alone_moves_the_demo_and_the_way_for_fab_is_told(tmp_path: Path) -> None:
    path = tmp_path / ".sandbox.toml"
    said = told(tmp_path, SANDBOX_NETWORK="10.77.42").stdout.splitlines()
    assert said == [f"the hosts are on 10.77.42.0/24: for fab, export HOSTS_TOML={path}", f"HOSTS_TOML={path}"]
    moved = load(path)
    assert [host.address for host in moved.hosts] == ["10.77.42.11", "10.77.42.12", "10.77.42.13"]
    assert moved.cluster == load(tmp_path / "hosts.toml").cluster


@pytest.mark.parametrize("environment", [{}, {"SANDBOX_NETWORK": "10.77.0"}])
def test_on_the_usual_network_the_shipped_file_counts(tmp_path: Path, environment: dict[str, str]) -> None:
    assert told(tmp_path, **environment).stdout == "HOSTS_TOML=\n"
    assert not (tmp_path / ".sandbox.toml").exists()


def test_a_file_that_somebody_names_is_theirs(tmp_path: Path) -> None:
    said = told(tmp_path, SANDBOX_NETWORK="10.77.42", HOSTS_TOML="/my.toml")
    assert said.stdout == "HOSTS_TOML=/my.toml\n" and not (tmp_path / ".sandbox.toml").exists()


def test_a_network_that_is_none_is_refused(tmp_path: Path) -> None:
    said = told(tmp_path, SANDBOX_NETWORK="10.77.1/x;e")
    assert said.returncode == 2 and "name one like 10.77.5" in said.stdout
