"""Hosts of other families, as far as they can be had: a Debian under dnf or zypper, with packages of its own."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network
from fabfile.steps.families import FAMILIES, Name

from ..waiting import until
from .conftest import Cluster

pytestmark = pytest.mark.e2e

SCRIPT = Path(__file__).with_name("rpm_hosts.sh")
HOSTS = """
[cluster]
name = "rpm"
[defaults]
key = ".sandbox/id_ed25519"
known_hosts = ".sandbox/known_hosts"
[hosts.node1]
address = "{network}.11"
roles = {{ redis = 1 }}
[hosts.node2]
address = "{network}.12"
roles = {{ scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1, phantomjs = 1 }}
[stores.mysql]
host = "192.0.2.1"
password = {{ file = "mysql-password" }}
"""
FAMILY = {"node1": "redhat", "node2": "suse"}


def names(family: str) -> str:
    """Of alternatives the last: the first is not to be had there."""
    sets = FAMILIES[family].packages
    wanted: list[Name] = [one for name in ("runtime", "phantomjs", "firewall") for one in sets[name]]
    return " ".join(one if isinstance(one, str) else one[-1] for one in wanted)


@pytest.fixture(scope="module")
def rpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("rpm")
    network = free_network()
    sandbox = Sandbox(folder / ".sandbox", network)
    try:
        sandbox.up(len(FAMILY), "bare")
        (folder / "hosts.toml").write_text(HOSTS.format(network=network))
        (folder / "mysql-password").write_text("s3cret")
        (folder / "mysql-password").chmod(0o600)
        for host, family in FAMILY.items():
            words = f"FAMILY={family} NAMES={shlex.quote(names(family))}\n"
            sandbox.exec(host, "sh", input=(words + SCRIPT.read_text()).encode(), limit=400)
        yield Cluster(folder, sandbox)
    finally:
        sandbox.down()


@pytest.mark.platform("RHEL, Rocky, Alma 8 and 9, Fedora (dnf)", "redis: a stand-in", "boot: a stand-in")
def test_a_store_of_an_rpm_package_is_set_up_and_started_by_its_script_and_chkconfig(rpm: Cluster) -> None:
    said = rpm.fab("-H", "node1", "bootstrap").stdout
    assert "install packages redis, iptables" in said
    assert "write pyspider.conf for Redis" in said
    assert rpm.on("node1", "tail -n 1 /etc/redis.conf") == "include /etc/redis-pyspider.conf\n"
    assert rpm.on("node1", "rpm -q redis iptables; ls /etc/rc3.d/S85redis").split("\n")[2] == "/etc/rc3.d/S85redis"
    assert "nothing changed" in rpm.fab("-H", "node1", "bootstrap").stdout
    rpm.sandbox.kill("node1")
    rpm.sandbox.start("node1")
    until(lambda: "nothing changed" in rpm.fab("-H", "node1", "bootstrap").stdout, 60)


@pytest.mark.platform("openSUSE, SLES (zypper)", "bootstrap: its packages, on a stand-in")
def test_zypper_installs_what_python_and_phantomjs_need(rpm: Cluster) -> None:
    assert (
        "install packages ca-certificates, ca-certificates-mozilla, libsqlite3-0, libopenssl1_0_0, "
        in rpm.fab("-H", "node2", "step.packages").stdout
    )
    found = rpm.on("node2", f"rpm -q {names('suse')} >/dev/null && echo all")
    assert found == "all\n"
    assert "nothing changed" in rpm.fab("-H", "node2", "step.packages").stdout


def test_sources_that_no_longer_serve_are_told_in_one_sentence(rpm: Cluster) -> None:
    gone = "sed -i s=/srv/repo=/srv/gone= /etc/*/repos.d/local.repo /etc/yum.repos.d/local.repo 2>/dev/null"
    for host, package in (("node1", "iptables"), ("node2", "fontconfig")):
        rpm.on(host, f"{gone}; rpm --force-debian -e {package}; rm -rf /var/cache/dnf /var/cache/zypp")
        failed = rpm.fab("-H", host, "step.packages", status=1).stdout
        assert "the package sources of this host give no lists: they are away, or no longer serve its release" in failed


def test_a_store_that_is_not_set_up_there_is_refused(rpm: Cluster) -> None:
    moved = rpm.variant("moved.toml", ("roles = { redis = 1 }", ""), (r"phantomjs = 1 }", "phantomjs = 1, redis = 1 }"))
    failed = rpm.fab("-H", "node2", "bootstrap", status=1, hosts_toml=moved).stdout
    assert "openSUSE runs Redis and Valkey as instances" in failed
