"""The sandbox's hosts, for real: what the demo and every other end-to-end test build on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabfile.errors import Problem, WrongInput
from fabfile.sandbox.cgroups import MOUNTS, hierarchy
from fabfile.sandbox.network import NAMESPACES, Network
from fabfile.sandbox.sandbox import HostState, Sandbox, free_network

from ..waiting import BUSY, eventually

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
UP = (
    "import sys; from pathlib import Path; from fabfile.sandbox.sandbox import Sandbox; "
    "Sandbox(Path({!r}), {!r}).up({}, {!r})"
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    yield from removed(Sandbox(tmp_path_factory.mktemp("shared") / "state", free_network()))


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    """Two hosts that are up, whatever the test before did to them."""
    shared.up(2)
    return shared


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox of the test's own, not up yet."""
    yield from removed(Sandbox(tmp_path / "state", free_network()))


def removed(sandbox: Sandbox) -> Iterator[Sandbox]:
    try:
        yield sandbox
    finally:
        sandbox.down()


def ssh(sandbox: Sandbox, login: str, *words: str, limit: float = 20) -> str:
    """What a command prints, run through ssh with the sandbox's own configuration."""
    argv = ["ssh", "-o", "BatchMode=yes", "-F", str(sandbox.ssh_config), login, *words]
    result = subprocess.run(argv, capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def printed(sandbox: Sandbox, name: str, *argv: str) -> str:
    return sandbox.exec(name, *argv).stdout.decode()


def hello(address: str, limit: float) -> bytes:
    """The first bytes of sshd. Raises OSError as a connection does."""
    with socket.create_connection((address, 22), limit) as connection:
        return connection.recv(4)


def remains(network: Network) -> list[str]:
    """Everything of a sandbox that can be seen on this machine."""
    links = [link["ifname"] for link in json.loads(subprocess.check_output(["ip", "-json", "link", "show"]))]
    ours = [name for name in links if name.startswith((f"ps{network.number}br", f"ps{network.number}v"))]
    cgroups = hierarchy(MOUNTS.read_text())
    folders = (NAMESPACES, *((cgroups,) if cgroups else ()))
    return ours + [path.name for folder in folders for path in folder.glob(f"ps{network.number}-*")]


def running(*words: str) -> list[int]:
    """The processes with all these words in their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if all(word in line for word in words):
                found.append(int(entry.name))
    return found


def test_root_logs_in_by_name_with_a_checked_host_key(sandbox: Sandbox) -> None:
    assert [ssh(sandbox, name, "id -u; hostname").split() for name in ("node1", "node2")] == [
        ["0", "node1"],
        ["0", "node2"],
    ]


def test_an_ordinary_user_logs_in_and_has_to_use_sudo(sandbox: Sandbox) -> None:
    assert ssh(sandbox, "admin@node1", "id -un; sudo -n id -un").split() == ["admin", "root"]


def test_a_host_key_that_changed_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    other = sandbox.known_hosts.read_text().splitlines()[1].split(" ", 1)[1]
    (tmp_path / "known").write_text(f"{sandbox.address('node1')} {other}\n")
    argv = ["ssh", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={tmp_path}/known", "-F", sandbox.ssh_config]
    result = subprocess.run([*argv, "node1", "true"], check=False, capture_output=True, timeout=20)
    assert result.returncode == 255
    assert b"IDENTIFICATION HAS CHANGED" in result.stderr


def test_hosts_reach_each_other_by_name_and_nothing_outside(sandbox: Sandbox) -> None:
    script = "exec 3<>/dev/tcp/node2/22; head -c 4 <&3"
    assert printed(sandbox, "node1", "bash", "-c", script) == "SSH-"
    begun = time.monotonic()
    assert sandbox.exec("node1", "bash", "-c", "echo >/dev/tcp/192.0.2.1/80", check=False).returncode != 0
    assert sandbox.exec("node1", "getent", "hosts", "host.example", check=False).returncode != 0
    assert time.monotonic() - begun < BUSY * 3


def test_up_again_leaves_running_hosts_alone(sandbox: Sandbox) -> None:
    pid = ssh(sandbox, "node1", "sleep 600 >/dev/null 2>&1 </dev/null & echo $!").strip()
    sandbox.up(2)
    assert printed(sandbox, "node1", "cat", f"/proc/{pid}/comm") == "sleep\n"


def test_a_host_added_later_is_known_to_the_others(sandbox: Sandbox) -> None:
    sandbox.up(3)
    assert sandbox.address("node3") in printed(sandbox, "node1", "getent", "hosts", "node3")
    assert ssh(sandbox, "node3", "getent hosts node1").split() == [sandbox.address("node1"), "node1"]


def test_a_killed_host_falls_silent_and_comes_back_with_its_disk(sandbox: Sandbox) -> None:
    printed(sandbox, "node1", "sh", "-c", "echo kept >/root/note; echo lost >/run/note")
    sandbox.kill("node1")
    assert sandbox.status()[0] == HostState("node1", sandbox.address("node1"), "off", "cut", 0)
    with pytest.raises(TimeoutError):
        hello(sandbox.address("node1"), 1)
    with pytest.raises(Problem, match="node1 is off"):
        sandbox.exec("node1", "true")
    sandbox.start("node1")
    assert ssh(sandbox, "node1", "cat /root/note; ls /run/note 2>/dev/null || echo gone").split() == ["kept", "gone"]


def test_a_host_that_was_cut_off_runs_on_and_can_be_healed(sandbox: Sandbox) -> None:
    sandbox.cut("node2")
    with pytest.raises(TimeoutError):
        hello(sandbox.address("node2"), 1)
    assert printed(sandbox, "node2", "hostname") == "node2\n"
    assert (sandbox.status()[1].power, sandbox.status()[1].link) == ("up", "cut")
    sandbox.heal("node2")
    assert hello(sandbox.address("node2"), 5) == b"SSH-"


def test_a_paused_host_accepts_a_connection_and_says_nothing(sandbox: Sandbox) -> None:
    sandbox.pause("node1")
    assert sandbox.status()[0].power == "paused"
    with socket.create_connection((sandbox.address("node1"), 22), 1) as connection:
        with pytest.raises(TimeoutError):
            connection.recv(4)
        with pytest.raises(Problem, match="node1 is paused"):
            sandbox.exec("node1", "true")
        sandbox.resume("node1")
        assert connection.recv(4) == b"SSH-"


@pytest.mark.parametrize("harm", ["kill", "cut", "pause"])
def test_up_brings_back_a_host_whatever_happened_to_it(sandbox: Sandbox, harm: str) -> None:
    getattr(sandbox, harm)("node1")
    sandbox.up(2)
    assert ssh(sandbox, "node1", "hostname") == "node1\n"


def test_up_brings_back_a_host_whose_sshd_has_died(sandbox: Sandbox) -> None:
    printed(sandbox, "node1", "sh", "-c", "kill -9 $(cat /run/sshd.pid)")
    sandbox.up(2)
    assert ssh(sandbox, "node1", "hostname") == "node1\n"


def test_an_orphan_becomes_the_first_process_child_and_is_reaped(sandbox: Sandbox) -> None:
    pid = printed(sandbox, "node1", "sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!").strip()
    assert eventually(lambda: "PPid:\t1\n" in printed(sandbox, "node1", "cat", f"/proc/{pid}/status"))
    printed(sandbox, "node1", "kill", "-9", pid)
    assert eventually(lambda: sandbox.exec("node1", "test", "-e", f"/proc/{pid}", check=False).returncode != 0)


def test_services_start_with_the_host_once_they_are_enabled(sandbox: Sandbox) -> None:
    def answer() -> str:
        return sandbox.exec("node2", "redis-cli", "ping", check=False).stdout.decode().strip()

    assert answer() != "PONG"
    printed(sandbox, "node2", "update-rc.d", "redis-server", "enable")
    sandbox.kill("node2")
    sandbox.start("node2")
    assert eventually(lambda: answer() == "PONG")
    printed(sandbox, "node2", "update-rc.d", "redis-server", "disable")


def test_a_command_at_the_console_that_takes_too_long_is_ended_inside_too(sandbox: Sandbox) -> None:
    with pytest.raises(Problem, match="node1: sleep took more than 1 s"):
        sandbox.exec("node1", "sleep", "98765", limit=1)
    assert eventually(lambda: not running("sleep\x0098765"))


def test_the_console_hands_over_input_and_reports_failure(sandbox: Sandbox) -> None:
    assert sandbox.exec("node1", "cat", input=b"\x00\xff").stdout == b"\x00\xff"
    with pytest.raises(Problem, match="node1: sh ended with status 3: told you"):
        sandbox.exec("node1", "sh", "-c", "echo told you >&2; exit 3")


def test_pages_are_served_to_hosts_until_down(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<h1>hello</h1>")
    url = sandbox.serve(tmp_path)
    servers = running("webserver.py", str(tmp_path))
    assert url == f"http://{sandbox.network.prefix}.10:8000"
    assert sandbox.serve(tmp_path) == url
    assert running("webserver.py", str(tmp_path)) == servers
    assert printed(sandbox, "node1", "curl", "-sf", f"{url}/page.html") == "<h1>hello</h1>"
    sandbox.up(2)
    assert printed(sandbox, "node1", "curl", "-sf", f"{url}/page.html") == "<h1>hello</h1>"


def test_another_directory_takes_the_place_of_the_one_that_was_served(sandbox: Sandbox, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page").write_text(name)
        url = sandbox.serve(tmp_path / name)
    assert printed(sandbox, "node1", "curl", "-sf", f"{url}/page") == "new"


def test_hosts_and_pages_outlive_the_process_that_made_them(fresh: Sandbox, tmp_path: Path) -> None:
    script = UP.format(str(fresh.state), fresh.network.prefix, 1, "full")
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=300)
    assert ssh(fresh, "node1", "hostname") == "node1\n"


def test_two_sandboxes_live_side_by_side(sandbox: Sandbox, fresh: Sandbox) -> None:
    fresh.up(1)
    assert ssh(fresh, "node1", "hostname") == "node1\n"
    fresh.down()
    assert remains(fresh.network) == []
    assert ssh(sandbox, "node1", "hostname") == "node1\n"


def test_down_leaves_nothing_and_twice_is_fine(fresh: Sandbox, tmp_path: Path) -> None:
    fresh.up(2)
    fresh.serve(tmp_path)
    fresh.pause("node1")
    network = fresh.network
    fresh.down()
    fresh.down()
    assert not fresh.state.exists()
    assert remains(network) == []
    assert running(str(fresh.state)) == []


def test_down_finds_everything_although_its_state_was_deleted_by_hand(fresh: Sandbox) -> None:
    fresh.up(1)
    subprocess.run(["rm", "-rf", fresh.state], check=True)
    fresh.down()
    assert remains(fresh.network) == []
    assert running(str(fresh.state)) == []


def test_up_after_a_reboot_brings_the_hosts_back_with_their_disks(fresh: Sandbox) -> None:
    fresh.up(2)
    printed(fresh, "node2", "sh", "-c", "echo kept >/root/note")
    # What a reboot leaves: files, and neither processes nor a network.
    fresh.network.release(fresh.state)
    assert [one.power for one in fresh.status()] == ["off", "off"]
    with pytest.raises(Problem, match=r"is not up: run fab sandbox\.up first"):
        fresh.start("node1")
    fresh.up(2)
    assert ssh(fresh, "node2", "cat /root/note") == "kept\n"


def test_a_network_in_use_is_refused_with_the_directory_of_its_sandbox(sandbox: Sandbox, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "other", sandbox.network.prefix)
    with pytest.raises(Problem, match=str(sandbox.state)):
        other.up(1)
    other.down()
    assert ssh(sandbox, "node1", "hostname") == "node1\n"


def test_processes_that_ask_at_once_get_different_networks() -> None:
    script = "from fabfile.sandbox.sandbox import free_network; print(free_network(), flush=True); input()"
    askers = [
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    given = [asker.stdout.readline() for asker in askers if asker.stdout]
    for asker in askers:
        asker.communicate(b"\n", timeout=20)
    assert len(set(given)) == len(askers)
    assert all(network.startswith(b"10.77.") for network in given)


STAGES: dict[str, Callable[[Sandbox], bool]] = {
    "the bridge": lambda sandbox: bool(remains(sandbox.network)),
    "the first disk": lambda sandbox: (sandbox.state / "node1").exists(),
    "the first namespace": lambda sandbox: any("node1" in name for name in remains(sandbox.network)),
    "the first process": lambda sandbox: (
        bool(running("boot.sh", str(sandbox.state))) or any(one.power == "up" for one in sandbox.status())
    ),
}


@pytest.mark.parametrize("stage", STAGES)
def test_up_repairs_what_an_up_that_was_killed_has_left(fresh: Sandbox, stage: str) -> None:
    script = UP.format(str(fresh.state), fresh.network.prefix, 3, "full")
    killed = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, start_new_session=True)
    assert eventually(lambda: STAGES[stage](fresh), 60)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    fresh.up(3)
    assert [ssh(fresh, name, "hostname").strip() for name in fresh.names()] == ["node1", "node2", "node3"]
    network = fresh.network
    fresh.down()
    assert remains(network) == []
    assert running(str(fresh.state)) == []


def test_a_bare_host_gets_packages_through_the_proxy_although_its_base_was_killed_half_built(
    fresh: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bases = tmp_path / "cache/pyspider-fabfile/bases/bare"
    script = UP.format(str(fresh.state), fresh.network.prefix, 1, "bare")
    killed = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, start_new_session=True)
    assert eventually(lambda: any(bases.glob("*.partial/var/lib/dpkg")), 60)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert eventually(lambda: not running(str(bases)), 5)
    assert list(bases.glob("*.partial"))
    fresh.up(1, "bare")
    assert not list(bases.glob("*.partial"))
    install = (
        "command -v gcc sudo && exit 9; apt-get -q update && apt-get -q install -y --no-install-recommends redis-server"
    )
    fresh.exec("node1", "sh", "-c", install, limit=200)
    assert eventually(lambda: printed(fresh, "node1", "redis-cli", "ping") == "PONG\n")
    with pytest.raises(Problem, match="lies over the bare base, not the full one"):
        fresh.up(1, "full")
    fresh.down()
    assert running("tinyproxy", str(fresh.state)) == []


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    yield from removed(Sandbox(tmp_path_factory.mktemp("mixed") / "state", free_network()))


@pytest.fixture
def systemd(mixed: Sandbox) -> Sandbox:
    """node1 runs systemd and node2 does not; both are up."""
    mixed.up(2, init={"node1": "systemd"})
    return mixed


def boot_id(sandbox: Sandbox, name: str) -> str:
    """What changes with each start of systemd."""
    return printed(sandbox, name, "systemctl", "show", "--property", "UserspaceTimestampMonotonic")


def test_systemd_runs_one_host_and_sysv_scripts_another(systemd: Sandbox) -> None:
    assert ssh(systemd, "node1", "systemctl is-system-running --wait").strip() == "running"
    assert ssh(systemd, "node1", "cat /proc/1/comm; hostname").split() == ["systemd", "node1"]
    assert systemd.exec("node2", "test", "-e", "/run/systemd/system", check=False).returncode == 1
    assert [one.power for one in systemd.status()] == ["up", "up"]


def test_a_login_on_a_systemd_host_is_a_session_of_its_own(systemd: Sandbox) -> None:
    for login in ("node1", "admin@node1"):
        cgroup = next(line for line in ssh(systemd, login, "cat /proc/self/cgroup").splitlines() if "0::" in line)
        assert "/session-" in cgroup


def test_the_console_of_a_systemd_host_is_in_no_service(systemd: Sandbox) -> None:
    assert "0::/console\n" in printed(systemd, "node1", "cat", "/proc/self/cgroup")


def test_a_systemd_host_cannot_change_the_kernel_of_this_machine(systemd: Sandbox) -> None:
    assert systemd.exec("node1", "test", "-w", "/proc/sys/kernel/pid_max", check=False).returncode == 1
    assert printed(systemd, "node1", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo done") == "done\n"


def test_reboot_starts_a_systemd_host_again_by_itself(systemd: Sandbox) -> None:
    printed(systemd, "node1", "sh", "-c", "echo kept >/root/note")
    before = boot_id(systemd, "node1")
    printed(systemd, "node1", "systemctl", "reboot")

    def again() -> bool:
        try:
            return boot_id(systemd, "node1") != before
        except Problem:
            return False

    assert eventually(again, 150)
    systemd.start("node1")
    assert ssh(systemd, "node1", "cat /root/note; systemctl is-system-running --wait").split() == ["kept", "running"]


def test_a_systemd_host_that_powered_itself_off_is_silent_until_it_is_started(systemd: Sandbox) -> None:
    printed(systemd, "node1", "systemctl", "poweroff")
    assert eventually(lambda: systemd.status()[0].power == "off" and systemd.status()[0].processes == 0, 60)
    with pytest.raises(OSError, match=r"timed out|No route"):
        hello(systemd.address("node1"), 4)
    systemd.start("node1")
    assert ssh(systemd, "node1", "systemctl is-system-running --wait").strip() == "running"


@pytest.mark.parametrize("harm", ["kill", "cut", "pause"])
def test_up_brings_back_a_systemd_host_whatever_happened_to_it(systemd: Sandbox, harm: str) -> None:
    getattr(systemd, harm)("node1")
    systemd.up(2)
    assert ssh(systemd, "node1", "hostname") == "node1\n"


def test_a_systemd_host_is_killed_and_paused_with_its_services_in_other_networks(systemd: Sandbox) -> None:
    alone = ("systemd-run", "--quiet", "--property", "PrivateNetwork=yes", "sleep", "34567")
    printed(systemd, "node1", *alone)
    assert eventually(lambda: len(running("sleep\x0034567")) == 1)
    (pid,) = running("sleep\x0034567")
    systemd.pause("node1")
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    systemd.resume("node1")
    systemd.kill("node1")
    assert running("sleep\x0034567") == []


def test_a_host_keeps_the_init_that_it_was_made_with(systemd: Sandbox) -> None:
    with pytest.raises(Problem, match="node1 was made with --init systemd, not none: take the sandbox down first"):
        systemd.up(2, init="none")
    with pytest.raises(WrongInput, match="no host node7"):
        systemd.up(2, init={"node7": "systemd"})
    assert ssh(systemd, "node1", "cat /proc/1/comm") == "systemd\n"


def test_down_removes_the_cgroups_of_systemd_hosts_in_whatever_state_they_are(systemd: Sandbox) -> None:
    printed(systemd, "node1", "systemd-run", "--quiet", "--slice", "a-b-c", "sleep", "1000")
    assert f"ps{systemd.network.number}-node1" in remains(systemd.network)
    systemd.pause("node1")
    subprocess.run(["rm", "-rf", systemd.state], check=True)
    network = systemd.network
    systemd.down()
    assert remains(network) == []
