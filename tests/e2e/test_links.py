"""Login shells that are none, sudo that wants a terminal, and cables that are cut in the middle of long work."""

from __future__ import annotations

import io
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fabric import Config

from fabfile.errors import Problem
from fabfile.inventory import load
from fabfile.sandbox.sandbox import Sandbox, free_network
from fabfile.ssh.pool import Links

from ..waiting import BUSY, eventually, until
from .conftest import Cluster, begun, receivers

pytestmark = pytest.mark.e2e

HOSTS = """
[cluster]
name = "links"
[defaults]
key = ".sandbox/id_ed25519"
known_hosts = ".sandbox/known_hosts"
[hosts.node1]
roles = { mysql = 1, redis = 1, scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1 }
"""
PASSWORD = "correct-horse-2718"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Three hosts with nothing on them."""
    one = Sandbox(tmp_path_factory.mktemp("links") / ".sandbox", free_network())
    try:
        one.up(3)
        yield one
    finally:
        one.down()


@pytest.fixture(scope="module", params=["paramiko", "openssh"])
def three(sandbox: Sandbox, request: pytest.FixtureRequest) -> Cluster:
    """The hosts, reached by each of the two."""
    folder, names = sandbox.state.parent, ("node2", "node3")
    tables = "".join(f'[hosts.{name}]\naddress = "{sandbox.address(name)}"\n' for name in names)
    first = HOSTS.replace("[hosts.node1]\n", f'[hosts.node1]\naddress = "{sandbox.address("node1")}"\n')
    (folder / "hosts.toml").write_text(first.replace("[defaults]", f'[defaults]\nssh = "{request.param}"') + tables)
    return Cluster(folder, sandbox)


STARTUPS = {
    "exit 0": "the login shell ended before it ran anything (status 0)",
    "read -p 'project? ' project": "the login shell waits for input",
    '[ -n "$AGAIN" ] || { export AGAIN=1; exec bash -l; }': "starts another shell",
    '[ -n "$AGAIN" ] || { export AGAIN=1; read a; exec bash -i; }': "starts another shell",
    "echo mounting; sleep 3600": "the login shell has not come to the command within 15 s",
}


@pytest.mark.parametrize("startup", STARTUPS)
def test_a_login_shell_that_runs_something_else_is_one_sentence_and_nothing_of_ours_is_executed(
    three: Cluster, startup: str
) -> None:
    three.sandbox.exec("node2", "sh", "-c", "cat >/root/.bashrc", input=startup.encode())
    begun = time.monotonic()
    result = three.fab("run", "touch /run/was-run", status=1)
    assert time.monotonic() - begun < BUSY * 20
    assert STARTUPS[startup] in result.stdout and "--prompt-for" not in result.stdout
    assert "2 ok, 1 failed" in result.stdout
    assert "was-run" in three.on("node1", "ls /run") and "was-run" not in three.on("node2", "ls /run")
    three.on("node2", "rm /root/.bashrc; pkill -x sleep || true")


def test_a_noisy_login_shell_works_and_is_not_taken_for_a_file(three: Cluster) -> None:
    noise = rb'echo "welcome to \xff\xfe"; stty erase ^H; tput bold' + b"\nprintf no-newline\n"
    three.sandbox.exec("node2", "sh", "-c", "cat >/root/.bashrc", input=noise)
    assert "in here" in three.fab("-H", "node2", "run", "echo in here").stdout
    three.on("node2", "rm /root/.bashrc")


def test_a_file_comes_whole_and_a_full_disk_here_is_no_lost_connection(three: Cluster, tmp_path: Path) -> None:
    three.on("node2", "seq 1 300000 >/root/file")
    fleet = load(three.hosts_toml)
    with closing(Links().prepare(Config(), fleet, [fleet.host("node2")])) as links:
        link = links[fleet.host("node2")]
        with (tmp_path / "file").open("wb") as stream:
            link.fetch("/root/file", stream)
        assert (tmp_path / "file").read_text().split() == [str(number) for number in range(1, 300001)]
        with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
            link.fetch("/root/file", full)
        with pytest.raises(Problem, match=r"node2: /root/away can't be read \(exit status 1\)"):
            link.fetch("/root/away", io.BytesIO())


def test_an_account_without_a_shell_is_told_in_its_own_words(three: Cluster) -> None:
    three.on("node2", "id shut 2>/dev/null || useradd -m -s /usr/sbin/nologin shut; echo shut:x | chpasswd")
    file = three.variant("shut.toml", (r"^key = ", 'user = "shut"\nkey = '))
    said = three.fab("-H", "node2", "run", "true", status=1, hosts_toml=file).stdout
    assert "(status 1): This account is currently not available." in said


def oper(three: Cluster, rule: str) -> Path:
    """Somebody who uses sudo by this rule, and a hosts.toml for that."""
    three.on("node2", "id oper 2>/dev/null || useradd -m -s /bin/bash oper")
    three.on("node2", f"echo oper:{PASSWORD} | chpasswd; printf '%b' '{rule}' >/etc/sudoers.d/oper")
    return three.variant("oper.toml", (r"^key = ", 'user = "oper"\nkey = '))


def asked(three: Cluster, file: Path, password: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = three.command("--prompt-for-sudo-password", "-H", "node2", *words, hosts_toml=file)
    del command["stdin"]
    return subprocess.run(
        **command,
        input=f"{password}\n",
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )


TTY = "Defaults:oper requiretty\\n"
BYTES = "printf '\\001\\003\\004\\023\\032 all of it' | od -An -c"


def test_sudo_that_wants_a_terminal_gets_one(three: Cluster) -> None:
    file = oper(three, f"{TTY}oper ALL=(ALL) NOPASSWD: ALL\\n")
    said = three.fab("-H", "node2", "run", f"id -un; {BYTES}", hosts_toml=file).stdout
    assert "root" in said and "003 004 023 032" in said
    file = oper(three, f"{TTY}oper ALL=(ALL) ALL\\n")
    result = asked(three, file, PASSWORD, "run", "id -un")
    assert result.returncode == 0 and "root" in result.stdout, result.stdout + result.stderr
    assert PASSWORD not in result.stdout + result.stderr
    wrong = asked(three, file, "wrong", "run", "id -un")
    assert wrong.returncode == 1 and "sudo refuses oper" in wrong.stdout, wrong.stdout + wrong.stderr


def test_work_in_a_terminal_ends_with_its_fab(three: Cluster) -> None:
    file = oper(three, f"{TTY}oper ALL=(ALL) NOPASSWD: ALL\\n")
    with subprocess.Popen(
        **three.command("-H", "node2", "run", "sleep 3141", hosts_toml=file), stdout=subprocess.DEVNULL
    ) as fab:
        until(lambda: "sleep 3141" in three.on("node2", "ps -eo args="), 20)
        fab.kill()
    until(lambda: not receivers(three, "node2") and "sleep 3141" not in three.on("node2", "ps -eo args="), 15)


def test_sudo_is_asked_for_its_password_only_where_it_wants_one(three: Cluster) -> None:
    said = three.fab("-H", "node2", "run", "true", status=1, hosts_toml=oper(three, "oper ALL=(ALL) ALL\\n")).stdout
    assert "sudo refuses oper: a password is required; give it with --prompt-for-sudo-password" in said
    wrong = asked(three, oper(three, "oper ALL=(ALL) ALL\\n"), "wrong", "run", "true")
    assert "sudo refuses oper" in wrong.stdout and "--prompt-for" not in wrong.stdout
    three.on("node2", "mv /usr/bin/sudo /usr/bin/sudo.away")
    try:
        said = three.fab("-H", "node2", "run", "true", status=1, hosts_toml=three.folder / "oper.toml").stdout
    finally:
        three.on("node2", "mv /usr/bin/sudo.away /usr/bin/sudo")
    assert "sudo refuses oper" in said and "not found" in said and "--prompt-for" not in said


def test_a_password_is_typed_into_no_login_shell(three: Cluster) -> None:
    file = oper(three, "oper ALL=(ALL) ALL\\n")
    startup = 'while read -t 8 -r line; do echo "$line" >>/tmp/heard; done'
    three.sandbox.exec("node2", "sh", "-c", "cat >/home/oper/.bashrc", input=startup.encode())
    result = asked(three, file, PASSWORD, "run", "true")
    heard = three.on("node2", "cat /tmp/heard; rm -f /tmp/heard /home/oper/.bashrc")
    assert result.returncode == 1 and "exit 97" in heard and PASSWORD not in heard


def cut_off(three: Cluster, verb: Callable[[str], None], undo: Callable[[str], None]) -> str:
    """The words of a `fab` that loses node3 in the middle of long work on two hosts."""
    command = three.command("-H", "node2,node3", "run", "sleep 30; sleep 3141")
    with subprocess.Popen(**command, stdout=subprocess.PIPE, text=True) as fab:
        until(lambda: "sleep 30" in three.on("node3", "ps -eo args="), 20)
        verb("node3")
        try:
            # node2 goes on: its limit is 900 s.
            until(lambda: "sleep 3141" in three.on("node2", "ps -eo args="), 60)
            three.on("node2", "pkill -x sleep")
            output, _ = fab.communicate(timeout=60)
        finally:
            fab.kill()
            undo("node3")
    return output


@pytest.mark.parametrize("way", ["cut", "pause"])
def test_a_host_that_falls_silent_in_long_work_is_given_up_and_another_is_not(three: Cluster, way: str) -> None:
    undo = {"cut": three.sandbox.heal, "pause": three.sandbox.resume}[way]
    said = cut_off(three, getattr(three.sandbox, way), undo)
    assert "node3: no sign of life for 20 s" in said
    assert "node2" in said and "1 unreachable" in said


@pytest.mark.parametrize("way", ["cut", "pause"])
def test_silence_costs_20_seconds_whatever_the_limit_of_the_work(three: Cluster, way: str) -> None:
    command = three.command("-H", "node3", "run", "sleep 2718")
    with subprocess.Popen(**command, stdout=subprocess.PIPE, text=True) as fab:
        try:
            until(lambda: "sleep 2718" in three.on("node3", "ps -eo args="), 20)
            getattr(three.sandbox, way)("node3")
            begun = time.monotonic()
            output, _ = fab.communicate(timeout=60)
            took = time.monotonic() - begun
        finally:
            fab.kill()
            {"cut": three.sandbox.heal, "pause": three.sandbox.resume}[way]("node3")
    assert fab.returncode == 3 and "no sign of life for 20 s" in output
    assert 15 < took < 25
    until(lambda: "sleep 2718" not in three.on("node3", "ps -eo args="), 20)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory with a .ssh of its own."""
    (tmp_path / ".ssh" / "conf.d").mkdir(mode=0o700, parents=True)
    return tmp_path


def at_home(three: Cluster, home: Path, file: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = three.command(*words, hosts_toml=file)
    command["env"] |= {"HOME": str(home), **more}
    return subprocess.run(**command, capture_output=True, text=True, timeout=60, check=False)


def named(three: Cluster) -> Path:
    """A hosts.toml that knows node2 by a name of ssh_config alone, and says nothing of the login."""
    address = three.sandbox.address("node2")
    return three.variant("named.toml", (r"^key = .*$", ""), (f'^address = "{address}"$', 'address = "crawl-2"'))


def crawlers(three: Cluster) -> str:
    return (
        f"Host crawl-*\n HostName {three.sandbox.address('node2')}\n User oper\n Port 22\n HostKeyAlias crawlers\n"
        f" IdentitiesOnly yes\n IdentityFile {three.sandbox.key}\n"
    )


def test_a_host_is_logged_in_to_as_ssh_does(three: Cluster, home: Path) -> None:
    oper(three, "oper ALL=(ALL) NOPASSWD: ALL\\n")
    file = named(three)
    (home / ".ssh" / "config").write_bytes(b"# caf\xe9\nInclude conf.d/*\n")
    (home / ".ssh" / "conf.d" / "crawlers").write_text(crawlers(three))
    unknown = at_home(three, home, file, "-H", "node2", "run", "echo by $SUDO_USER")
    assert unknown.returncode == 3 and "sed 's/^[^ #]*/crawlers/'" in unknown.stdout, unknown.stdout + unknown.stderr
    known = three.sandbox.known_hosts.read_text()
    address = three.sandbox.address("node2")
    line = next(line for line in known.splitlines() if address in line)
    (home / "known").write_text(f"{known}crawlers {line.split(maxsplit=1)[1]}\n")
    file.write_text(file.read_text().replace('".sandbox/known_hosts"', f'"{home}/known"'))
    result = at_home(three, home, file, "-H", "node2", "run", "echo by $SUDO_USER")
    assert result.returncode == 0 and "by oper" in result.stdout, result.stdout + result.stderr


def test_a_proxy_command_that_fails_is_told_in_its_own_words(three: Cluster, home: Path) -> None:
    (home / ".ssh" / "config").write_text("Host *\n    ProxyCommand nc-that-is-not-installed %h %p\n")
    begun = time.monotonic()
    result = at_home(three, home, three.hosts_toml, "-H", "node2", "run", "true")
    assert result.returncode == 3 and time.monotonic() - begun < BUSY * 5
    assert "ProxyCommand of ssh_config (nc-that-is-not-installed" in result.stdout and "not found" in result.stdout


@pytest.mark.parametrize(
    ("text", "words"), [('Host "b c\n User ops\n', "line 1: invalid quotes"), ("Prot 22\n", "line 1: Bad conf")]
)
def test_a_bad_ssh_config_is_wrong_input(three: Cluster, home: Path, text: str, words: str) -> None:
    (home / ".ssh" / "config").write_text(f"{text}\nUser x\n")
    for command in (["run", "true"], ["status"], ["lock.status"]):
        result = at_home(three, home, three.hosts_toml, *command)
        assert result.returncode == 2 and words in result.stderr and "Traceback (most" not in result.stderr
    assert at_home(three, home, three.hosts_toml, "--list").returncode == 0
    missing = at_home(three, home, three.hosts_toml, "-S", "nofile", "run", "true")
    assert missing.returncode == 2 and "-S nofile: there is no such file" in missing.stderr


def test_a_key_of_the_agent_that_cannot_sign_does_not_end_the_login(three: Cluster, home: Path) -> None:
    other, socket = home / "other", home / "agent"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    environment = {"SSH_AUTH_SOCK": str(socket), "PATH": "/usr/bin:/bin"}
    file = three.variant("agent.toml", (r"^key = .*$", ""))
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            until(socket.exists, 10)
            # It wants a confirmation that nobody gives.
            subprocess.run(["ssh-add", "-q", "-c", other], env=environment, check=True)
            subprocess.run(["ssh-add", "-q", three.sandbox.key], env=environment, check=True)
            result = at_home(three, home, file, "-H", "node2", "run", "echo in", **environment)
        finally:
            agent.terminate()
    assert result.returncode == 0 and "in" in result.stdout, result.stdout + result.stderr


def test_a_host_key_is_refused_or_added_as_hosts_toml_says_and_a_changed_one_is_refused(three: Cluster) -> None:
    (three.folder / "added").unlink(missing_ok=True)
    strict = three.variant("strict.toml", (r"^known_hosts = .*$", 'known_hosts = "added"'))
    refused = three.fab("-H", "node2", "run", "true", status=3, hosts_toml=strict).stdout
    assert "is not in" in refused and f"ssh-keyscan -p 22 {three.sandbox.address('node2')}" in refused
    new = three.variant("new.toml", (r"^known_hosts = .*$", 'known_hosts = "added"\nhost_keys = "accept-new"'))
    for _ in range(2):
        three.fab("-H", "node2,node3", "run", "true", hosts_toml=new)
    known = three.folder / "added"
    lines = [line.split() for line in sorted(known.read_text().splitlines())]
    assert len(lines) == 2 and known.stat().st_mode & 0o77 == 0
    (first, *_), (second, *key) = lines
    known.write_text(f"{first} {' '.join(key)}\n{second} {' '.join(key)}\n")
    result = three.fab("-H", "node2,node3", "run", "true", status=3, hosts_toml=new).stdout
    assert result.count("has CHANGED") == 1 and "1 ok, 1 unreachable" in result
    known.write_text(f"@revoked * {' '.join(key)}\n{second} {' '.join(key)}\n")
    assert "marked as revoked" in three.fab("-H", "node3", "run", "true", status=3, hosts_toml=new).stdout


def test_an_ipv6_address_is_reached_by_a_name_of_ssh_config(three: Cluster, tmp_path: Path) -> None:
    node2 = three.sandbox.address("node2")
    config = tmp_path / "config"
    config.write_text("Host six\n HostName ::1\n HostKeyAlias six\n")
    known = three.sandbox.known_hosts.read_text()
    line = next(line for line in known.splitlines() if node2 in line)
    (tmp_path / "known").write_text(f"{known}six {line.split(maxsplit=1)[1]}\n")
    six = (rf'^address = "{three.sandbox.address("node3")}"$', f'address = "six"\ngateway = "root@{node2}"')
    file = three.variant("six.toml", six, (r"^known_hosts = .*$", f'known_hosts = "{tmp_path}/known"'))
    said = three.fab("-S", str(config), "-H", "node3", "run", "echo from ${SSH_CONNECTION%% *}", hosts_toml=file).stdout
    assert "from ::1" in said


def test_a_login_that_is_refused_names_user_and_key(three: Cluster, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    file = three.variant("other.toml", (r"^key = .*$", f'key = "{tmp_path}/other"'))
    said = three.fab("-H", "node2", "run", "true", status=3, hosts_toml=file).stdout
    assert f"node2: root@{three.sandbox.address('node2')}:22: login refused; check user and key in hosts.toml" in said
    assert f"hosts.toml; tried: {tmp_path}/other" in said


@pytest.fixture
def passwords(three: Cluster) -> Iterator[None]:
    """node2 takes passwords at the login."""
    switch = (
        "sed -i 's/^PasswordAuthentication .*/PasswordAuthentication {}/' /etc/ssh/sshd_sandbox; pkill -HUP -o -x sshd"
    )
    three.on("node2", switch.format("yes"))
    yield
    three.on("node2", switch.format("no"))


@pytest.mark.usefixtures("passwords")
def test_a_login_password_is_told_to_the_host_alone(three: Cluster, home: Path) -> None:
    oper(three, "oper ALL=(ALL) NOPASSWD: ALL\\n")
    file = three.variant("password.toml", (r"^key = .*$", 'user = "oper"'))
    command = three.command(
        "--prompt-for-login-password", "-H", "node2", "run", "echo by $SUDO_USER; sleep 2", hosts_toml=file
    )
    command["env"] |= {"HOME": str(home), "SSH_AUTH_SOCK": ""}
    del command["stdin"]
    for password, status in ((PASSWORD, 0), ("wrong", 3)):
        with subprocess.Popen(
            **command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        ) as fab:
            assert fab.stdin
            fab.stdin.write(f"{password}\n".encode())
            fab.stdin.close()
            fab.stdin = None
            if status == 0:
                until(lambda: "sleep 2" in three.on("node2", "ps -eo args="), 20)
            seen = subprocess.run(["ps", "axeww", "-o", "args="], capture_output=True, text=True, check=True).stdout
            output = fab.communicate(timeout=60)[0].decode()
        assert fab.returncode == status and PASSWORD not in seen and password not in output, output
        assert ("by oper" in output) == (status == 0)
    assert "login refused" in output


def test_no_ssh_is_left_where_a_host_hangs_and_fab_is_interrupted(three: Cluster) -> None:
    three.sandbox.pause("node3")
    fab = begun(three.command("-H", "node3", "run", "true"))
    try:
        until(lambda: "run" in Path(f"/proc/{fab.pid}/cmdline").read_text(), 10)
        time.sleep(2)  # the moment is any in the ten seconds of the login
        fab.send_signal(signal.SIGINT)
        output, errors = fab.communicate(timeout=8)
    finally:
        fab.kill()
        three.sandbox.resume("node3")
    assert fab.returncode == 130, output + errors
    assert eventually(lambda: three.sandbox.address("node3") not in processes())


def processes() -> str:
    return subprocess.run(["ps", "ax", "-o", "args="], capture_output=True, text=True, check=True).stdout
