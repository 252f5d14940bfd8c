"""One cluster of unlike hosts: from nothing to a crawl, each without power once, a crawl again, and one taken out.

It takes minutes, and longer where a Python has to be compiled for each of the three Debians: `./run mixed` runs it.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network
from fabfile.steps.families import FAMILIES

from ..waiting import until
from .conftest import Cluster
from .test_families import SCRIPT
from .test_old_sshd import PORT, SSHD

pytestmark = [pytest.mark.e2e, pytest.mark.long]

PASSWORD = "correct-horse-3141"
RELEASES = {"node1": "trixie", "node2": "bullseye", "node3": "bookworm", "node4": "bookworm", "node5": "bookworm"}
PAGES = 200
HOSTS = """\
[cluster]
name = "mixed"
[defaults]
key = ".sandbox/id_ed25519"
known_hosts = ".sandbox/known_hosts"

# Debian 13 with systemd, and a user who may use sudo without a password.
[hosts.node1]
address = "{node1}"
user = "admin"
roles = {{ mysql = 1, scheduler = 1, webui = 1 }}

# Debian 11 without systemd, and a user whose sudo wants a password.
[hosts.node2]
address = "{node2}"
user = "oper"
roles = {{ fetcher = 1, processor = 2 }}

# Debian 12 with systemd, as root.
[hosts.node3]
address = "{node3}"
roles = {{ fetcher = 1, processor = 1, result_worker = 1, phantomjs = 1 }}

# A stand-in for Red Hat's family, with dnf.
[hosts.node4]
address = "{node4}"
roles = {{ redis = 1 }}

# An sshd as old as CentOS 6's.
[hosts.node5]
address = "{node5}"
port = {port}
key = "id_rsa"
known_hosts = "known"
host_keys = "accept-new"
legacy_ssh = true
roles = {{ result_worker = 1, processor = 1 }}

[pyspider.webui]
host = "address"
username = "admin"
need-auth = true
"""


def old_sshd(cluster: Cluster) -> None:
    """Starts it where it does not run: it stands for the host's own, and no script starts it at boot."""
    cluster.on("node5", f"ss -ltn | grep -q ':{PORT} ' || /usr/sbin/sshd -f /etc/ssh/old/sshd")
    until(lambda: f":{PORT} " in cluster.on("node5", "ss -ltn"), 10)


def prepared(cluster: Cluster) -> None:
    """The logins and the stand-ins that make the hosts unlike."""
    key = (cluster.folder / ".sandbox" / "id_ed25519.pub").read_text().strip()
    cluster.on("node2", f"useradd -m -s /bin/bash oper; echo oper:{PASSWORD} | chpasswd; mkdir -p ~oper/.ssh")
    cluster.on("node2", f"echo '{key}' >~oper/.ssh/authorized_keys; chown -R oper: ~oper/.ssh")
    cluster.on("node2", "echo 'oper ALL=(ALL) ALL' >/etc/sudoers.d/oper")
    sets = FAMILIES["redhat"].packages
    names = [one if isinstance(one, str) else one[-1] for kind in ("runtime", "firewall") for one in sets[kind]]
    words = f"FAMILY=redhat NAMES={shlex.quote(' '.join(names))}\n"
    cluster.sandbox.exec("node4", "sh", input=(words + SCRIPT.read_text()).encode(), limit=400)
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", cluster.folder / "id_rsa"], check=True)
    rsa = (cluster.folder / "id_rsa.pub").read_text().strip()
    cluster.on("node5", f"mkdir -p /etc/ssh/old; echo '{rsa}' >/etc/ssh/old/authorized_keys")
    cluster.on("node5", "ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/old/rsa")
    cluster.sandbox.exec("node5", "sh", "-c", "cat >/etc/ssh/old/sshd", input=SSHD.encode())
    old_sshd(cluster)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("mixed")
    sandbox = Sandbox(folder / ".sandbox", free_network())
    try:
        init = {"node1": "systemd", "node3": "systemd"}
        base = {"node4": "bare"}
        sandbox.up(len(RELEASES), base, init=init, release=RELEASES)  # type: ignore[arg-type]  # words of both kinds
        addresses = {name: sandbox.address(name) for name in RELEASES}
        (folder / "hosts.toml").write_text(HOSTS.format(port=PORT, **addresses))
        one = Cluster(folder, sandbox)
        prepared(one)
        yield one
    finally:
        sandbox.down()


def ran(cluster: Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    """fab, which asks for sudo's password, since one of the hosts wants it."""
    command = cluster.command("--prompt-for-sudo-password", *words)
    del command["stdin"]
    told = {"input": f"{PASSWORD}\n", "capture_output": True, "text": True, "timeout": 1800}
    done = subprocess.run(**command, **told, start_new_session=True, check=False)
    output = done.stdout + done.stderr
    assert PASSWORD not in output and "Traceback (most recent" not in output, output
    return done


def asked(cluster: Cluster, *words: str) -> str:
    """What fab prints where all is well."""
    done = ran(cluster, *words)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def well(cluster: Cluster) -> bool:
    text = ran(cluster, "status", "--json").stdout
    return bool("{" in text and json.loads(text[text.index("{") :])["healthy"])


def crawls(cluster: Cluster) -> None:
    said = asked(cluster, "demo.crawl", "--pages", str(PAGES))
    told = re.search(r"^(\d+) pages' results are in MySQL", said, re.MULTILINE)
    assert told and int(told[1]) >= PAGES


@pytest.mark.platform("Debian 11", "bootstrap", "deploy", "boot: SysV scripts")
@pytest.mark.platform("Debian 13", "boot: systemd")
@pytest.mark.platform("RHEL, Rocky, Alma 8 and 9, Fedora (dnf)", "redis: a stand-in", "boot: a stand-in")
def test_unlike_hosts_become_one_cluster_and_stay_it(mixed: Cluster) -> None:
    asked(mixed, "bootstrap")
    asked(mixed, "deploy")
    runtimes = {name: mixed.on(name, "readlink /opt/pyspider/current").strip() for name in RELEASES if name != "node4"}
    assert runtimes["node3"] == runtimes["node5"] and len(set(runtimes.values())) == 3
    assert mixed.on("node4", "ls /opt/pyspider 2>/dev/null; true") == ""
    asked(mixed, "status")
    assert asked(mixed, "doctor").count("\n") <= 3
    crawls(mixed)
    for name in RELEASES:
        mixed.sandbox.kill(name)
        mixed.sandbox.start(name)
        if name == "node5":
            old_sshd(mixed)
        until(lambda: well(mixed), 180)
    for task in ("bootstrap", "deploy"):
        assert "nothing changed" in asked(mixed, task)
    crawls(mixed)
    asked(mixed, "-H", "node5", "decommission", "--yes")
    assert "node5" not in mixed.hosts_toml.read_text()
    assert mixed.on("node5", "ls -d /opt/pyspider /home/work/distri_pyspider 2>/dev/null; true") == ""
    assert re.search(r": healthy$", asked(mixed, "status"), re.MULTILINE)
