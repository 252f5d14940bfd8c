"""Narrow hosts: sudo by the printed lines alone, other login shells, umask 077, a /proc that hides, a /tmp without
programs, a small disk, and /home on a file system that squashes root."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from fabfile.sandbox.archive import archive_of
from fabfile.sandbox.sandbox import Sandbox, free_network
from fabfile.sandbox.services import Proxy

from ..waiting import until
from .conftest import Cluster, one_at_a_time

pytestmark = [pytest.mark.e2e, pytest.mark.long]

SHELLS = {"node1": "tcsh", "node2": "fish", "node3": "zsh"}
HOSTS = """\
[cluster]
name = "narrow"
{places}
[defaults]
user = "oper"
key = ".sandbox/id_ed25519"
known_hosts = ".sandbox/known_hosts"
[hosts.node1]
address = "{node1}"
roles = {{ mysql = 1, redis = 1, scheduler = 1, webui = 1 }}
[hosts.node2]
address = "{node2}"
roles = {{ fetcher = 1, processor = 1, phantomjs = 1 }}
[hosts.node3]
address = "{node3}"
roles = {{ processor = 1, result_worker = 1 }}
[stores.redis]
username = "crawl"
[pyspider.webui]
host = "address"
username = "admin"
need-auth = true
"""
ELSEWHERE = 'home = "/srv/pyspider"\nlogs = "/var/log/pyspider"'
STARTUP = {"tcsh": ".cshrc", "fish": ".config/fish/config.fish", "zsh": ".zshenv"}
NARROWED = """\
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends {shell} {more} >/dev/null
useradd -m -p '*' -s "$(command -v {shell})" oper
mkdir -p "$(dirname ~oper/{startup})"
echo 'umask 077' >~oper/{startup}
chown -R oper: ~oper
mount -o remount,hidepid=2 /proc
mount -t tmpfs -o noexec,mode=1777,size=192m tmpfs /tmp
"""
SQUASHED = """\
set -e
cat >/root/squash.c
gcc -Wall -O -D_FILE_OFFSET_BITS=64 -I/usr/include/fuse3 -o /usr/local/sbin/squash /root/squash.c -lfuse3
useradd -m work
chmod 700 /home/work
[ -e /dev/fuse ] || mknod -m 666 /dev/fuse c 10 229
mkdir /srv/home
mount --bind /home /srv/home
squash /srv/home /home
if touch /home/work/file || ls /home/work; then exit 9; fi 2>/dev/null
su work -c 'touch /home/work/own'
"""
ONLY = "oper ALL=(root) NOPASSWD: /usr/bin/apt-get"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("narrow")
    sandbox = Sandbox(folder / ".sandbox", free_network())
    try:
        sandbox.up(len(SHELLS))
        one = Cluster(folder, sandbox)
        archive, proxy = archive_of(""), Proxy(sandbox.network, sandbox.state)
        proxy.start(archive)
        with ThreadPoolExecutor() as pool:
            list(pool.map(partial(narrowed, one, proxy.apt_files(archive)), SHELLS))
        source = Path(__file__).parent / "on_hosts" / "squash.c"
        console(one, "node3", SQUASHED, source.read_bytes())
        described(one, "")
        yield one
    finally:
        sandbox.down()


def narrowed(narrow: Cluster, files: Mapping[str, str], host: str) -> None:
    for path, text in files.items():
        console(narrow, host, f"cat >/{path}", text.encode())
    shell, more = SHELLS[host], "libfuse3-dev" if host == "node3" else ""
    console(narrow, host, NARROWED.format(shell=shell, more=more, startup=STARTUP[shell]))


def console(narrow: Cluster, host: str, script: str, given: bytes = b"") -> None:
    done = narrow.sandbox.exec(host, "sh", "-c", script, input=given, limit=300)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def described(narrow: Cluster, places: str) -> None:
    text = HOSTS.format(places=places, **{name: narrow.sandbox.address(name) for name in SHELLS})
    narrow.hosts_toml.write_text(text)


def secret(narrow: Cluster, name: str) -> str:
    kept: dict[str, str] = tomllib.loads((narrow.folder / ".secrets" / "narrow.toml").read_text())
    return kept[name]


def allowed(narrow: Cluster, host: str, text: str) -> None:
    script = "cat >/etc/sudoers.d/oper && chmod 440 /etc/sudoers.d/oper && visudo -cqf /etc/sudoers.d/oper"
    console(narrow, host, script, text.encode() + b"\n")


def test_a_sudo_that_allows_too_little_is_one_sentence_that_names_the_lines(narrow: Cluster) -> None:
    said = "sudo refuses oper: a password is required; give it with --prompt-for-sudo-password (`fab doctor --sudoers`"
    assert said in narrow.fab("-H", "node1", "run", "true", status=1).stdout
    allowed(narrow, "node1", f"Defaults:oper !authenticate\n{ONLY}")
    for words in (("run", "true"), ("doctor",)):
        said = narrow.fab("-H", "node1", *words, status=1).stdout
        assert "sudo does not allow oper to run /bin/sh as root; `fab doctor --sudoers` prints the lines that" in said
        assert len(said) < 1500


def test_the_printed_lines_are_all_that_sudo_has_to_allow(narrow: Cluster) -> None:
    lines = narrow.fab("doctor", "--sudoers").stdout
    assert lines.startswith("# node1, node2, node3: as root there, visudo -f /etc/sudoers.d/pyspider-fabfile\n")
    for host in SHELLS:
        allowed(narrow, host, lines)
    said = narrow.fab("run", "id -u; umask").stdout
    assert said.count("\n0\n") + said.count("| 0\n") >= 3 or said.count("0") >= 3, said


def test_a_disk_that_is_too_small_is_known_before_anything_is_sent(narrow: Cluster) -> None:
    described(narrow, ELSEWHERE)
    console(narrow, "node3", "mkdir -p /opt/pyspider && mount -t tmpfs -o size=50m,mode=755 tmpfs /opt/pyspider")
    said = narrow.fab("-H", "node3", "bootstrap", status=1).stdout
    assert "nothing was changed here: /opt/pyspider has 50 MB free, and about" in said and "(Python" in said
    assert narrow.on("node3", "ls -A /opt/pyspider") == ""
    console(narrow, "node3", "umount /opt/pyspider")


def test_a_home_that_squashes_root_is_refused_with_the_way_on(narrow: Cluster) -> None:
    described(narrow, "")
    said = narrow.fab("-H", "node3", "bootstrap", status=1).stdout
    assert "nothing was changed here: /home/work" in said and "NFS that squashes root" in said
    assert "name a path on a local disk in hosts.toml" in said
    described(narrow, ELSEWHERE)


def test_such_hosts_are_set_up_deployed_and_crawl(narrow: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    with one_at_a_time(tmp_path_factory):
        narrow.fab("bootstrap")
    narrow.fab("deploy")
    until(lambda: bool(narrow.status()["healthy"]), 120)
    for task in ("bootstrap", "deploy"):
        assert "nothing changed" in narrow.fab(task).stdout
    narrow.fab("demo.crawl", "--pages", "20")
    narrow.fab("passwords.rotate", "redis")
    until(lambda: bool(narrow.status()["healthy"]), 60)
    # Its user was refused nothing, whatever programs and tasks have done.
    log = "printf 'AUTH %s\\nACL LOG\\nACL WHOAMI\\n' " + secret(narrow, "redis_admin") + " | redis-cli"
    # Logins are there: whether a password is valid already is asked in this way.
    answers = narrow.on("node1", log).split()
    assert {"command", "key"}.isdisjoint(answers) and answers[-1] == "default"
    said = narrow.fab("doctor", status=None).stdout
    assert "nothing found" in said, said
    modes = narrow.on("node1", "stat -c %a /opt/pyspider /opt/pyspider/current/ /etc/supervisord.conf")
    assert modes.split() == ["755", "755", "644"]


def test_a_full_disk_stops_a_deploy_before_anything_is_changed(narrow: Cluster) -> None:
    console(narrow, "node2", "mount -t tmpfs -o size=100m tmpfs /mnt && head -c 90000000 /dev/zero >/mnt/full")
    console(narrow, "node2", "mkdir -p /mnt/home && chown work: /mnt/home")
    full = narrow.variant("full.toml", ('^home = "/srv/pyspider"$', 'home = "/mnt/home"'))
    said = narrow.fab("-H", "node2", "deploy", status=1, hosts_toml=full).stdout
    assert "/mnt: 14 of 100 MB are free, and 25 are needed there (disk-full)" in said
    assert narrow.on("node2", "ls -A /mnt/home") == ""
