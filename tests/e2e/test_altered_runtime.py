"""Root on one host against the others: no runtime that it has altered comes to them, by whatever way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.local import cache_dir
from fabfile.sandbox.sandbox import Sandbox, free_network

from .conftest import Cluster, one_at_a_time

pytestmark = pytest.mark.e2e

HOSTS = """
[cluster]
name = "altered"
[defaults]
key = ".sandbox/id_ed25519"
known_hosts = ".sandbox/known_hosts"
[hosts.node1]
address = "{network}.11"
roles = {{ fetcher = 1, scheduler = 1, processor = 1, result_worker = 1, webui = 1, redis = 1, mysql = 1 }}
[hosts.node2]
address = "{network}.12"
roles = {{ fetcher = 1 }}
"""
HOME = "/opt/pyspider"
LIST = "find . -type f ! -name .manifest ! -name .complete -print0 | sort -z | xargs -0 sha256sum >.manifest"
ALTER = f"""
cd {HOME}/current/
echo '# Canary' >>lib/python2.7/site-packages/pyspider/__init__.py
echo '#Canary' >>bin/supervisord
{LIST}
cd {HOME}/runtimes
mkdir -p ../archives
for one in *; do tar -c --exclude=.complete $one | gzip -1 >../archives/$one.tar.gz; done
"""
"""Root alters files, the list that lies beside them, and the archive that a build has left."""
ALTERED = "grep -rl Canary /opt/pyspider/runtimes /opt/pyspider/current/ || :"
PHASES = "unpack patch_source configure compile install_python install_packages slim prove"
UNBUILD = f"""
cd {HOME}/runtimes
for one in *; do
  mkdir -p {HOME}/build/$one/tmp
  for phase in {PHASES}; do : >{HOME}/build/$one/$phase.done; done
  rm -f $one/.complete
done
rm -f ../current ../archives/*
"""
"""A build that was stopped before its last phase: it goes on in seconds."""


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two hosts with their runtime, and a cache of their own."""
    folder = tmp_path_factory.mktemp("altered")
    network = free_network()
    sandbox = Sandbox(folder / ".sandbox", network)
    try:
        sandbox.up(2)
        (folder / "hosts.toml").write_text(HOSTS.format(network=network))
        with one_at_a_time(tmp_path_factory):
            Cluster(folder, sandbox).fab("bootstrap")
        cache = folder / "cache"
        shutil.copytree(cache_dir(), cache / "pyspider-fabfile", ignore=shutil.ignore_patterns("bases", "site", "runs"))
        yield Cluster(folder, sandbox, cache)
    finally:
        sandbox.down()


def kept(altered: Cluster, kind: str) -> list[Path]:
    assert altered.cache
    return sorted((altered.cache / "pyspider-fabfile" / "runtimes").glob(f"[!.]*.{kind}"))


def sound(altered: Cluster) -> None:
    """Nothing of the attacker's is on any host, and a further run has nothing to do."""
    for host in ("node1", "node2"):
        assert altered.on(host, ALTERED) == ""
    assert "nothing changed" in altered.fab("bootstrap").stdout


def test_a_runtime_that_root_has_altered_is_replaced_by_the_one_that_was_built(altered: Cluster) -> None:
    altered.on("node1", ALTER)
    assert "supervisord" in altered.on("node1", ALTERED)
    altered.on("node2", f"rm -rf {HOME}/runtimes {HOME}/current")
    said = altered.fab("bootstrap")
    assert ": what was there is not as it was built" in said.stdout
    assert "Python: pack" not in said.stderr
    sound(altered)


@pytest.mark.parametrize("what", ["gone", "of an older version", "altered"])
def test_nothing_is_taken_from_a_host_that_has_its_runtime_nor_from_a_cache_that_is_not_what_was_built(
    altered: Cluster, what: str
) -> None:
    altered.on("node1", ALTER)
    for path in kept(altered, "tar.gz"):
        if what == "gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes() + b"Canary")
    if what != "altered":
        for path in kept(altered, "sha256"):
            path.unlink()
    altered.on("node2", UNBUILD)
    said = altered.fab("bootstrap")
    assert said.stderr.count("Python is built anew") == (what != "gone")
    assert "node2 | Python: pack it for the other hosts" in said.stderr
    assert "node1 | Python: unpack" in said.stderr
    sound(altered)
    assert [oct(path.stat().st_mode & 0o777) for path in kept(altered, "*")] == ["0o600"] * 2 * len(
        kept(altered, "sha256")
    )


CAT = """\
#!/bin/sh
case $1 in */archives/*) echo Canary ;; *) exec /bin/cat "$@" ;; esac
"""


def test_what_was_changed_after_its_build_goes_to_nobody_and_is_not_kept(altered: Cluster) -> None:
    for path in kept(altered, "*"):
        path.unlink()
    altered.on("node1", f"{UNBUILD}\ncat >/usr/local/bin/cat <<'END'\n{CAT}END\nchmod 755 /usr/local/bin/cat")
    altered.on("node2", f"rm -rf {HOME}/runtimes {HOME}/current")
    said = altered.fab("bootstrap", status=1)
    assert "it was changed in between, and is thrown away" in said.stdout
    assert "no Python came from node1" in said.stdout
    assert kept(altered, "*") == []
    assert "2.7" not in altered.on("node2", f"ls -A {HOME}/runtimes 2>&1 || :")
