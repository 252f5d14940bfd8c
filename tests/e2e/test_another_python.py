"""A version of this project with another Python is deployed, and the cluster goes back: code, launcher and Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fabfile.local import cache_dir

from .conftest import FAB_SECONDS, PROJECT, Cluster
from .faults import healthy_again
from .test_altered_runtime import HOME, PHASES

pytestmark = pytest.mark.e2e
HOSTS = ("node1", "node2", "node3")
BUILT = f"""
cd {HOME}/runtimes
cp -a "$(basename "$(readlink ../current)")" @NEW@
rm -f @NEW@/.complete
mkdir -p {HOME}/build/@NEW@/tmp
for phase in {PHASES}; do : >{HOME}/build/@NEW@/$phase.done; done
"""
"""A build of the new one that was stopped before its last phase: it goes on in seconds."""
USED = "for pid in $(pgrep -u work -f '[r]un.py'); do readlink /proc/$pid/exe; done"


@pytest.fixture
def later(cluster: Cluster, tmp_path: Path) -> Cluster:
    """The same cluster, with a cache of its own: no runtime that this test makes is kept for others."""
    kept = tmp_path / "cache"
    shutil.copytree(cache_dir(), kept / "pyspider-fabfile", ignore=shutil.ignore_patterns("bases", "site", "runs"))
    for name in ("fabfile", "templates"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "fabric.yaml", tmp_path)
    recipe = tmp_path / "fabfile" / "remote" / "build.sh"
    recipe.write_text(recipe.read_text() + ":\n")
    launcher = tmp_path / "templates" / "launcher" / "ending.py"
    launcher.write_text(launcher.read_text() + "LATER = True\n")
    return replace(cluster, cache=kept)


def typed(later: Cluster, version: Path, *words: str, status: int = 0) -> str:
    """`fab` of that version of the project; its output."""
    command = later.command(*words) | {"args": [sys.executable, "-m", "fabfile", *words], "cwd": version}
    done = subprocess.run(**command, capture_output=True, text=True, timeout=FAB_SECONDS, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def pythons(cluster: Cluster) -> set[str]:
    """The Pythons that the cluster's programs run with, and those that are current."""
    found = {cluster.on(host, f"readlink -f {HOME}/current") for host in HOSTS}
    found |= {line.partition("/bin/")[0] for host in HOSTS for line in cluster.on(host, USED).splitlines()}
    return {Path(one.strip()).name for one in found}


def test_a_rollback_brings_back_the_python_that_a_release_ran_with(
    cluster: Cluster, later: Cluster, tmp_path: Path
) -> None:
    with healthy_again(cluster):
        (old,) = pythons(cluster)
        (new,) = set(
            re.findall(r"Python (2\.7\.18-[0-9a-f]+) has to be built", typed(later, tmp_path, "bootstrap", "--dry-run"))
        )
        for host in HOSTS:
            cluster.on(host, BUILT.replace("@NEW@", new))
        kept = cluster.pids()
        refused = typed(later, tmp_path, "deploy", status=1)
        assert f"has Python {old}, and hosts.toml of this version wants {new}; run `fab bootstrap`" in refused, refused
        assert cluster.pids() == kept and "nothing changed" in cluster.fab("deploy").stdout
        typed(later, tmp_path, "bootstrap")
        typed(later, tmp_path, "deploy")
        assert pythons(cluster) == {new}
        before = cluster.pids()
        shown = json.loads(typed(later, tmp_path, "releases", "--json"))
        assert all({"launcher", "runtime"} <= set(shown[host][0]["changed"]) for host in HOSTS), shown

        told = typed(later, tmp_path, "rollback")
        assert told.count(f"make Python {old} current") == len(HOSTS), told
        assert pythons(cluster) == {old}
        after = cluster.pids()
        assert {name for name in before if before[name] == after[name]} <= {"node3/phantomjs1"}
        assert "LATER" not in cluster.on("node2", "cat /home/work/distri_pyspider/current/launcher/ending.py")
        assert "nothing changed" in cluster.fab("deploy").stdout
        forward(cluster, later, tmp_path, old, new)


def forward(cluster: Cluster, later: Cluster, version: Path, old: str, new: str) -> None:
    """A deploy after a rollback brings its own Python along; a program that alone runs on another one begins anew."""
    told = typed(later, version, "deploy")
    assert told.count(f"make Python {new} current") == len(HOSTS), told
    assert pythons(cluster) == {new}
    cluster.fab("deploy")
    assert pythons(cluster) == {old}
    before = cluster.pids()
    turn = f"ln -sfn runtimes/{{}} {HOME}/current"
    again = f"{HOME}/current/bin/supervisorctl -c /etc/supervisord.conf restart processor1"
    cluster.on("node2", f"{turn.format(new)}; {again}; {turn.format(old)}")
    assert pythons(cluster) == {old, new}
    assert "restart processor1" in cluster.fab("deploy").stdout
    assert pythons(cluster) == {old}
    after = cluster.pids()
    assert [name for name in before if before[name] != after[name]] == ["node2/processor1"]
