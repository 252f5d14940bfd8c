"""The README's first page, as a user with sudo types it on a machine that has nothing but Debian, sudo and git.

The machine is a host of a sandbox; the demo's own hosts are a sandbox inside of it.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.local import cache_dir
from fabfile.sandbox.archive import own_archive
from fabfile.sandbox.image import digest
from fabfile.sandbox.sandbox import Sandbox, free_network
from fabfile.sandbox.services import PROXY_PORT

from .conftest import PROJECT

pytestmark = pytest.mark.e2e

DEV = "dev"
CHECKOUT = f"/home/{DEV}/pyspider-fabfile"
LEFT_OUT = (".venv*", ".sandbox", ".secrets", ".git", ".*_cache", ".hypothesis", "__pycache__")
PREPARE = """\
set -eu
apt-get update -qq
apt-get install -y -qq --no-install-recommends sudo git ca-certificates
useradd --create-home --shell /bin/bash dev
echo 'dev ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/dev
# The disk of a host is an overlay; what lies over another one, as the disks of hosts inside, can't be.
mount -t tmpfs -o mode=755,uid=dev tmpfs /home/dev
mkdir -p /srv/pyspider-fabfile
tar -C /srv/pyspider-fabfile -x
chown -R dev: /srv/pyspider-fabfile
cd /srv/pyspider-fabfile
su dev -c 'git init -q -b main && git add -A && git -c user.name=dev -c user.email=dev@localhost commit -q -m all'
"""


class Machine:
    """A fresh Debian with a user who may use sudo."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def root(self, script: str, input: bytes = b"") -> str:
        """What a script of root's prints."""
        return self._run(["sh", "-c", script], input)

    def dev(self, command: str) -> str:
        """What a command of the user's prints, on both streams, in the checkout."""
        return self._run(["su", "-", DEV, "-c", f"cd {CHECKOUT} 2>/dev/null; exec 2>&1; {command}"], b"")

    def _run(self, argv: list[str], stdin: bytes) -> str:
        begun = time.monotonic()
        done = self.sandbox.exec("node1", *argv, input=stdin, check=False, limit=900)
        output = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        print(f"{time.monotonic() - begun:6.1f} s  {argv[-1]:.80}")
        assert done.returncode == 0, output
        assert "Traceback (most recent" not in output and "Permission denied" not in output, output
        return output

    def not_the_users(self) -> list[str]:
        """What lies in the user's home and belongs to somebody else, but for the hosts' disks."""
        found = f"find /home/{DEV} -path '*/.sandbox/*' -prune -o -path '*/.sandbox' -o ! -user {DEV} -print"
        return self.root(found).split()


def packed(folder: Path, *names: str) -> bytes:
    exclude = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    return subprocess.run(["tar", "-C", folder, "-c", *exclude, *names], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine of that release of Debian; with the clone that every test works in."""
    release: str = request.param
    sandbox = Sandbox(tmp_path_factory.mktemp("machine") / "state", free_network())
    try:
        sandbox.up(1, "bare", release=release)
        one = Machine(sandbox)
        one.root("mkdir -p /etc && cat >/etc/pip.conf", pip_conf(sandbox).encode())
        one.root(PREPARE, packed(PROJECT, "."))
        # What takes minutes and is the same for everybody.
        if made := bases(release):
            one.root("mkdir -p /root/.cache/pyspider-fabfile && tar -C /root/.cache/pyspider-fabfile -x", made)
        kept = [name for name in ("runtimes", "files", "libraries", "wheelhouses") if (cache_dir() / name).exists()]
        cache = f"/home/{DEV}/.cache/pyspider-fabfile"
        one.root(f"mkdir -p {cache} && tar -C {cache} -x && chown -R dev: /home/dev", packed(cache_dir(), *kept))
        one.dev(f"git clone -q /srv/pyspider-fabfile {CHECKOUT}")
        yield one
    finally:
        sandbox.down()


def pip_conf(sandbox: Sandbox) -> str:
    proxy = f"http://{sandbox.network.address(1)}:{PROXY_PORT}"
    return f"[global]\nproxy = {proxy}\ncert = /etc/apt/sandbox-authorities.crt\n"


def bases(release: str) -> bytes:
    name = f"{release}-{digest('full')}"
    return packed(cache_dir("bases"), f"full/{name}") if (cache_dir("bases", "full") / name).exists() else b""


OWN = own_archive().release
OTHERS = [pytest.param(one, marks=pytest.mark.long) for one in sorted({"bookworm", "trixie"} - {OWN})]
on_own_release = pytest.mark.parametrize("machine", [OWN], indirect=True)


@pytest.mark.platform("Debian 12", "bootstrap", "deploy", "mysql: MariaDB 10.11", "redis: Redis 7.0")
@pytest.mark.platform("Debian 13", "bootstrap", "deploy", "mysql: MariaDB 11.8", "redis: Redis 8.0")
@pytest.mark.parametrize("machine", [OWN, *OTHERS], indirect=True)
def test_the_first_page(machine: Machine) -> None:
    assert "Take it down with" in machine.dev("./run demo")
    assert machine.not_the_users() == []
    machine.dev("./run fab status")
    machine.dev("./run fab -H node1,node2 bootstrap")
    machine.dev("./run fab deploy --role processor")
    assert machine.dev("ssh -F .sandbox/ssh_config node1 id -un") == "root\n"
    assert machine.not_the_users() == []


@on_own_release
def test_a_user_can_carry_it_on(machine: Machine) -> None:
    # Some of the unit tests: what another user and another machine change is in all of them alike.
    machine.dev("./run check tests/unit/test_[a-d]*.py")
    assert machine.not_the_users() == []


FETCH = """import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=9).read()[:9])
except urllib.error.HTTPError as error:
    print(error.code)
"""


@on_own_release
def test_the_pages_that_the_hosts_fetch_are_no_way_to_roots_files(machine: Machine) -> None:
    machine.dev("ln -s /etc/shadow ~/.cache/pyspider-fabfile/site/python-docs/shadow")
    answers = [machine.dev(f"python3 -c '{FETCH}' http://10.77.0.10:8000/{page}") for page in ("index.html", "shadow")]
    assert answers[0].startswith("b'") and answers[1] == "404\n"


@on_own_release
def test_without_sudo_a_user_is_told_how_to_become_root(machine: Machine) -> None:
    done = machine.dev("PATH=/nowhere .venv/bin/python -m fabfile sandbox.status || echo $?")
    assert "log in as root, or install sudo" in done
    assert done.split()[-1] == "1"


@on_own_release
def test_what_root_begins_in_the_users_checkout_is_the_users(machine: Machine) -> None:
    machine.dev("rm -rf .venv")
    machine.root(f"cd {CHECKOUT} && ./run demo")
    assert machine.not_the_users() == []
    machine.dev("./run fab status")


@on_own_release
def test_sudo_by_habit_leaves_everything_to_the_user_too(machine: Machine) -> None:
    machine.dev("sudo ./run demo")
    assert machine.not_the_users() == []
    machine.dev("./run fab status")
    machine.dev("sudo ./run fab status")
    machine.dev("./run demo --down")
    machine.root(f"test ! -e {CHECKOUT}/.sandbox")


@on_own_release
def test_what_an_older_version_has_made_as_root_is_given_back(machine: Machine) -> None:
    machine.root(f"cd {CHECKOUT} && chown -R root: .venv .secrets && ln -s /etc .hypothesis")
    machine.dev("./run fab sandbox.status")
    assert machine.not_the_users() == []
    assert machine.root("stat -c %U /etc").split() == ["root"]
