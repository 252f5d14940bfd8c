"""The sandbox without hosts: names, archives, processes and locks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.errors import NoCache, Problem, WrongInput
from fabfile.sandbox import host as sandbox_host
from fabfile.sandbox import own, processes
from fabfile.sandbox.archive import Archive, other_release, source_lines
from fabfile.sandbox.cgroups import hierarchy, make, make_room, remove
from fabfile.sandbox.host import SandboxHost
from fabfile.sandbox.image import PACKAGES, digest, image, packages
from fabfile.sandbox.network import Network, Port
from fabfile.sandbox.sandbox import Sandbox
from fabfile.sandbox.wishes import Wish, wished

from ..waiting import eventually

DEBIAN = """\
Debian|http://archive.example/debian/|bookworm|bookworm|main
Debian|http://archive.example/debian/|bookworm|bookworm|contrib
Debian|http://archive.example/debian/|bookworm|bookworm|main
Debian|http://archive.example/debian/|bookworm-updates|bookworm-updates|main
Debian|http://archive.example/security/|bookworm-security|stable-security|main
Debian Backports|http://archive.example/debian/|bookworm-backports|bookworm-backports|main
Debian|http://archive.example/debian/|trixie|trixie|main
Vendor|https://vendor.example/apt/|bookworm|bookworm|main
"""
UBUNTU = """\
Ubuntu|http://archive.example/ubuntu/|noble|noble|main
Ubuntu|http://archive.example/ubuntu/|noble|noble|universe
Ubuntu|http://archive.example/ubuntu/|noble|noble-updates|main
Ubuntu|http://archive.example/ubuntu/|noble|noble-security|main
Ubuntu|http://archive.example/ubuntu/|noble|noble-backports|main
Ubuntu|http://archive.example/ubuntu/|noble|noble-proposed|main
"""


def unsigned(lines: tuple[str, ...]) -> list[str]:
    """Without the keyring, which depends on the machine that the test runs on."""
    return [" ".join(word for word in line.split() if not word.startswith("[signed-by=")) for line in lines]


def test_the_base_comes_from_the_machines_own_release_with_its_updates_and_security_fixes() -> None:
    assert unsigned(source_lines(DEBIAN, "Debian", "bookworm")) == [
        "deb http://archive.example/debian/ bookworm main contrib",
        "deb http://archive.example/debian/ bookworm-updates main",
        "deb http://archive.example/security/ stable-security main",
    ]


def test_backports_and_proposed_updates_are_left_out_where_they_share_the_releases_name() -> None:
    assert unsigned(source_lines(UBUNTU, "Ubuntu", "noble")) == [
        "deb http://archive.example/ubuntu/ noble main universe",
        "deb http://archive.example/ubuntu/ noble-updates main",
        "deb http://archive.example/ubuntu/ noble-security main",
    ]


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (
            "trixie",
            [
                "deb http://archive.example/debian/ trixie main contrib",
                "deb http://archive.example/debian/ trixie-updates main",
                "deb http://archive.example/security/ trixie-security main",
            ],
        ),
        ("unstable", ["deb http://archive.example/debian/ unstable main contrib"]),
    ],
)
def test_another_release_comes_from_the_same_servers(release: str, expected: list[str]) -> None:
    own = source_lines(DEBIAN, "Debian", "bookworm")
    assert unsigned(other_release(own, release)) == expected
    signed = other_release(("deb [signed-by=/k.gpg] http://archive.example/debian/ bookworm main",), release)
    assert signed == (f"deb [signed-by=/k.gpg] http://archive.example/debian/ {release} main",)


def test_a_release_is_a_name_and_no_path(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="no code name"):
        Sandbox(tmp_path / "box").up(1, release="../trixie")


def test_a_machine_whose_apt_knows_nothing_of_its_release_has_no_sources() -> None:
    assert source_lines("", "Debian", "bookworm") == ()


@pytest.mark.parametrize(
    ("option", "proxy"),
    [
        ('Acquire::http::Proxy "http://proxy.example:3142/";', "proxy.example:3142"),
        ('Acquire::http::Proxy "proxy.example:3142";', "proxy.example:3142"),
        ('Acquire::http::Proxy "http://user:word@proxy.example:3142";', "user:word@proxy.example:3142"),
        ('Acquire::https::Proxy "http://proxy.example:3142/";', ""),
        ('Acquire::Retries "3";', ""),
    ],
)
def test_the_machines_own_apt_proxy_is_the_sandbox_proxys_upstream(option: str, proxy: str) -> None:
    assert Archive("bookworm", (), (option,)).upstream_proxy() == proxy


def test_hosts_get_the_machines_apt_options_without_its_proxies_and_certificate_files() -> None:
    kept = 'Acquire::Check-Valid-Until "false";'
    dropped = ('Acquire::http::Proxy "http://a:1";', 'Acquire::https::Proxy "b";', 'Acquire::https::CAInfo "/c";')
    assert Archive("bookworm", (), (kept, *dropped)).direct_options() == (kept,)


def test_the_two_bases_are_kept_apart() -> None:
    assert digest("full") != digest("bare")
    assert set(PACKAGES["bare"]) < set(PACKAGES["full"])


@pytest.mark.parametrize("prefix", ["10.77.255", "10.78.0", "10.77", "10.77.0.0", "192.168.1", "", "10.77.-1"])
def test_a_network_outside_the_sandboxes_own_range_is_refused(prefix: str) -> None:
    with pytest.raises(WrongInput, match=r"10\.77\.0"):
        Network.parse(prefix)


def test_every_interface_name_fits_into_the_kernels_fifteen_characters() -> None:
    network = Network.parse("10.77.254")
    assert max(len(network.bridge), len(Port(network, "node200", 210).device)) <= 15


def test_no_two_networks_share_a_name() -> None:
    names = [
        name
        for number in range(255)
        for network in [Network(number)]
        for name in (network.bridge, *(Port(network, "x", last).device for last in range(10, 211)))
    ]
    assert len(names) == len(set(names))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "4321.5"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_found_by_its_whole_command_line(sleeper: subprocess.Popen[bytes]) -> None:
    assert eventually(lambda: processes.found(processes.running(["sleep", "4321.5"])) == [sleeper.pid])
    assert processes.found(processes.running(["sleep", "4321"])) == []
    assert processes.found(processes.running(["sleep"])) == []


def test_ending_processes_ends_those_that_belong_and_no_other(sleeper: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(["sleep", "4321.75"]) as bystander:
        processes.end(lambda pid: pid == sleeper.pid)
        assert sleeper.wait(5) == -9
        assert bystander.poll() is None
        bystander.kill()


def test_a_process_that_has_ended_but_is_not_reaped_counts_as_gone(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    assert eventually(lambda: processes.state(sleeper.pid) == "Z")
    assert processes.found(lambda pid: pid == sleeper.pid) == []


def test_membership_of_a_network_namespace_is_asked_of_the_kernel() -> None:
    assert processes.in_network(Path("/proc/self/ns/net"))(os.getpid())
    assert not processes.in_network(Path("/proc/self/ns/uts"))(os.getpid())
    assert processes.found(processes.in_network(Path("/run/netns/there-is-no-such-one"))) == []


def test_a_process_without_namespaces_of_its_own_is_nobodys_first() -> None:
    assert processes.first(lambda pid: pid == os.getpid()) is None


def test_a_process_is_named_by_its_number_and_its_start(sleeper: subprocess.Popen[bytes]) -> None:
    assert processes.started(sleeper.pid) >= processes.started(os.getpid()) > 0
    sleeper.kill()
    sleeper.wait()
    assert processes.started(sleeper.pid) == 0


def test_a_childs_lineage_leads_to_this_process() -> None:
    assert processes.lineage()[:2] == [os.getpid(), os.getppid()]


def test_an_unknown_host_is_refused_with_the_hosts_that_there_are(tmp_path: Path) -> None:
    for name in ("node1", "node10", "node2", "node", "notes"):
        (tmp_path / name).mkdir()
    sandbox = Sandbox(tmp_path)
    assert sandbox.names() == ["node1", "node2", "node10"]
    assert sandbox.address("node10") == "10.77.0.20"
    with pytest.raises(WrongInput, match=r"no host 'node3' \(its hosts: node1, node2, node10\)"):
        sandbox.address("node3")


def test_a_sandbox_that_exists_keeps_its_network(tmp_path: Path) -> None:
    (tmp_path / "network").write_text("10.77.9")
    (tmp_path / "node1").mkdir()
    assert Sandbox(tmp_path, "10.77.3").address("node1") == "10.77.9.11"


@pytest.mark.parametrize("hosts", [0, -1, 201])
def test_a_number_of_hosts_that_cannot_be_is_refused(tmp_path: Path, hosts: int) -> None:
    with pytest.raises(WrongInput, match=f"1 to 200 hosts, not {hosts}"):
        Sandbox(tmp_path / "state").up(hosts)
    assert not (tmp_path / "state").exists()


def test_without_root_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    me = os.geteuid()
    os.seteuid(me or 65534)
    try:
        with pytest.raises(Problem, match=r"^the sandbox needs root[^.]*sudo$"):
            Sandbox(tmp_path).status()
    finally:
        os.seteuid(me)


def test_the_tasks_sandbox_is_the_projects_own_unless_the_environment_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SANDBOX_STATE", raising=False)
    monkeypatch.delenv("SANDBOX_NETWORK", raising=False)
    ours = own.sandbox()
    assert (ours.state, ours.network.prefix) == (Path(__file__).parents[2] / ".sandbox", "10.77.0")
    monkeypatch.setenv("SANDBOX_STATE", str(tmp_path))
    monkeypatch.setenv("SANDBOX_NETWORK", "10.77.42")
    other = own.sandbox()
    assert (other.state, other.network.prefix) == (tmp_path, "10.77.42")


@pytest.mark.parametrize(
    ("text", "init"),
    [
        ("", None),
        ("systemd", "systemd"),
        ("none", "none"),
        ("node1=systemd", {"node1": "systemd"}),
        ("node1=systemd, node2=none", {"node1": "systemd", "node2": "none"}),
    ],
)
def test_the_init_is_named_for_all_hosts_or_for_each(text: str, init: object) -> None:
    assert own.inits(text) == init


@pytest.mark.parametrize(
    "text", ["sysv", "node1=", "node1=upstart", "=systemd", "node1", "node1=systemd,", "systemd,none"]
)
def test_an_init_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(WrongInput, match="--init takes systemd, none, or NAME=systemd"):
        own.inits(text)


def test_the_base_with_systemd_is_another_one_than_without() -> None:
    assert digest("full", init="systemd") != digest("full")
    assert "libpam-systemd" in packages("bare", "systemd")
    assert "libpam-systemd" not in packages("bare", "none")


def test_the_cgroup_hierarchy_is_where_the_machine_says() -> None:
    mounts = (
        "proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /somewhere/unified cgroup2 rw 0 0\n"
    )
    assert hierarchy(mounts) == Path("/somewhere/unified")
    assert hierarchy("proc /proc proc rw 0 0\n") is None


@pytest.mark.parametrize("mounts", ["proc /proc proc rw 0 0\n", "cgroup2 {}/missing cgroup2 rw 0 0\n"])
def test_a_machine_without_a_cgroup_hierarchy_to_write_to_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: str
) -> None:
    (tmp_path / "mounts").write_text(mounts.format(tmp_path))
    monkeypatch.setattr("fabfile.sandbox.cgroups.MOUNTS", tmp_path / "mounts")
    with pytest.raises(Problem, match=r"^a host with systemd needs a cgroup v2 hierarchy .*: use --init none$"):
        make("ps1-node1")


def test_a_cgroup_is_removed_with_all_below_it_and_twice_is_fine(tmp_path: Path) -> None:
    (tmp_path / "ps1-node1" / "system.slice" / "one.service").mkdir(parents=True)
    (tmp_path / "ps1-node1" / "init.scope").mkdir()
    remove(tmp_path / "ps1-node1")
    remove(tmp_path / "ps1-node1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("before", "after"), [("128\n", "2048"), ("2048\n", "2048"), ("65536\n", "65536")])
def test_a_limit_that_is_too_low_for_many_systemd_hosts_is_raised_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    limit, said = tmp_path / "limit", list[str]()
    limit.write_text(before)
    monkeypatch.setattr("fabfile.sandbox.cgroups.INSTANCES", limit)
    make_room(said.append)
    assert limit.read_text().strip() == after
    assert bool(said) == (limit.read_text() != before)
    assert all("max_user_instances" in text and "was 128" in text for text in said)


def test_a_limit_that_cannot_be_raised_is_told_with_the_command(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # A limit that even root can only read.
        patch.setattr("fabfile.sandbox.cgroups.INSTANCES", Path("/proc/sys/kernel/ngroups_max"))
        patch.setattr("fabfile.sandbox.cgroups.ENOUGH", 1 << 20)
        with pytest.raises(Problem, match=r"sysctl -w fs\.inotify\.max_user_instances=\d+, or use --init none"):
            make_room(lambda _: None)


def test_a_host_boots_what_is_put_on_its_disk_also_where_sbin_is_no_link_to_usr() -> None:
    """As on a Debian 11 of mmdebstrap's."""
    boot = Path(sandbox_host.__file__).with_name("boot.sh").read_text()
    disk = sandbox_host.SandboxHost(Path("/nowhere"), Port(Network.parse("10.77.9"), "node1", 11))._files({}, "none")
    assert boot.split()[-1].removeprefix("/") in disk


def test_hosts_of_one_sandbox_may_have_different_disks(tmp_path: Path) -> None:
    hosts = [SandboxHost(tmp_path / name, Port(Network(0), name, 11)) for name in ("node1", "node2")]
    got = wished(hosts, {"node2": "bare"}, {"node1": "systemd"}, {"node2": "trixie"})
    assert got == {"node1": Wish("full", "systemd", ""), "node2": Wish("bare", "none", "trixie")}
    with pytest.raises(WrongInput, match="base: the sandbox has no host node3"):
        wished(hosts, {"node3": "bare"}, None, "")
    with pytest.raises(WrongInput, match="release: the sandbox has no host node3"):
        wished(hosts, "full", None, {"node3": "trixie"})


def test_a_cache_that_can_take_no_base_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "pyspider-fabfile" / "bases").mkdir(parents=True)
    # Nobody, also not root, can make a file there.
    (tmp_path / "pyspider-fabfile" / "bases" / "full").symlink_to("/proc/self")
    with pytest.raises(NoCache, match="bases/full: can't be read or written: "):
        image("full", print, release="bookworm")
