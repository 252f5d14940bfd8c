"""Attacks by the cluster's own user, who runs strangers' scripts: root is led nowhere, and waits for nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network

from .conftest import ONE_HOST, Cluster, one_at_a_time

pytestmark = pytest.mark.e2e

HOME, LOGS = "/home/work/distri_pyspider", "/home/work/supervisor"
CURRENT = f"{HOME}/current"
PYTHON = "/opt/pyspider/current/bin/python"
CANARY = "CANARY-OF-ROOT"
SECONDS = 60
"""No run takes longer, whatever stands in its way."""

# What is root's, and what it holds: a user's hash in /etc/shadow, files that only root may read.
CANARIES = f"""
useradd decoy; usermod -p '{CANARY}' decoy
mkdir /etc/canary; echo '{CANARY}' >/etc/canary/secret; echo '{{"{CANARY}": 1}}' >/root/canary.json
printf '[supervisord]\\nlogfile=/{CANARY}\\n[program:a]\\ncommand=pyspider -c {CANARY} fetcher\\n' >/root/canary.conf
chmod 600 /etc/canary/secret /root/canary.*
"""
STATE = """
find /etc /root /boot /opt /usr/local /var/log -xdev ! -path '/var/log/*' -printf '%p %U %G %m\\n' | sort | sha256sum
find /etc /root /boot /usr/local ! -user root -printf '%p %u\\n' | sort
sha256sum /etc/passwd /etc/shadow /etc/group /etc/canary/secret /root/canary.json /root/canary.conf
stat -c '%n %U %G %a %s' /etc/canary/* /etc/init.d/*
"""
KINDS = {
    "link to a file": "ln -s /etc/shadow $p",
    "link to a directory": "ln -s /etc/canary $p",
    "FIFO": "mkfifo $p; chown work: $p",
    "link to a device": "ln -s /dev/zero $p",
    "device": "mknod $p c 1 5; chown work: $p",
    "hard link": "ln /etc/canary/secret $p",
    "socket": f"{PYTHON} -c 'import socket; socket.socket(1).bind(\"'$p'\")'; chown work: $p",
    "directory": "mkdir $p; chown work: $p",
}
RELEASE = [f"{CURRENT}/{name}" for name in ("run.py", "config.json", "launcher/queues.py", "programs.conf")]
WRITTEN = [f"{LOGS}/{name}" for name in ("supervisord.pid", "supervisord.log", "scheduler.log", "fetcher1.log")]
FOLDERS = [HOME, LOGS, CURRENT, f"{CURRENT}/launcher", f"{HOME}/releases", f"{HOME}/data"]


@dataclass(frozen=True)
class Untrusted:
    """A cluster of one host, and what is said about every command on it while it is under attack."""

    cluster: Cluster

    def on(self, script: str) -> str:
        return self.cluster.on("node1", f"exec 2>&1; {script}")

    def fab(self, *words: str) -> str:
        """Its output, after the claims that hold for every run: short, no traceback, nothing of root's."""
        begun = time.monotonic()
        result = self.cluster.fab(*words, status=None)
        said = result.stdout + result.stderr
        assert time.monotonic() - begun < SECONDS, said
        assert CANARY not in said
        assert result.returncode in (0, 1), said
        assert "this is a bug" not in said
        assert "is the host hung" not in said
        return said

    @contextmanager
    def planted(self, *paths: str, kind: str) -> Iterator[None]:
        """Something else in the place of each path; afterwards root's files are as before, and the paths too."""
        before = self.on(STATE)
        self.on("\n".join(f"p={path}; mv $p $p.kept; {KINDS[kind]}" for path in paths))
        try:
            yield
            assert self.on(STATE) == before
        finally:
            # What a deploy has mended meanwhile is right as it is.
            back = "[ -e $p.kept ] || [ -L $p.kept ]; then rm -rf $p; mv -T $p.kept $p; fi; rm -rf $p.before-*"
            self.on("\n".join(f"p={path}; if {back}" for path in paths))

    def runs(self, *commands: str) -> str:
        """What all of them say."""
        return "\n".join(self.fab(*words.split()) for words in commands)


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Untrusted]:
    folder = tmp_path_factory.mktemp("untrusted")
    network = free_network()
    sandbox = Sandbox(folder / ".sandbox", network)
    try:
        sandbox.up(1, init="systemd")
        (folder / "hosts.toml").write_text(ONE_HOST.format(network=network).replace("phantomjs = 1\n", ""))
        one = Untrusted(Cluster(folder, sandbox))
        with one_at_a_time(tmp_path_factory):
            one.cluster.fab("bootstrap")
        one.cluster.fab("deploy")
        one.on(CANARIES)
        yield one
        one.cluster.fab("deploy", "--reload")
        assert one.cluster.status()["healthy"]
    finally:
        sandbox.down()


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_of_a_release_leads_root_anywhere(untrusted: Untrusted, kind: str) -> None:
    with untrusted.planted(*RELEASE, kind=kind):
        said = untrusted.runs("deploy --dry-run", "deploy")
        assert "make release" in said
        assert "run.py is a" in said or kind == "hard link"
        assert untrusted.on(f"find {CURRENT}/ ! -type d -printf '%y %n\\n' | sort -u") == "f 1\n"


@pytest.mark.parametrize("kind", KINDS)
def test_no_log_leads_root_anywhere(untrusted: Untrusted, kind: str) -> None:
    with untrusted.planted(*WRITTEN, kind=kind):
        untrusted.runs("doctor --fix", "deploy")
        assert (
            untrusted.on("timeout 20 /etc/init.d/pyspider-bare status </dev/null >/dev/null; echo $?").strip() != "124"
        )


@pytest.mark.parametrize("kind", ["link to a directory", "FIFO"])
@pytest.mark.parametrize("path", FOLDERS)
def test_no_directory_leads_root_anywhere(untrusted: Untrusted, path: str, kind: str) -> None:
    with untrusted.planted(path, kind=kind):
        said = untrusted.runs("deploy", "doctor --fix")
        if path in (HOME, LOGS):
            said = untrusted.fab("bootstrap")
            assert f"nothing was changed here: {path}: a" in said
            assert "a link stands there" in said or "a FIFO is in the way, where a directory belongs" in said


@pytest.mark.parametrize("kind", ["link to a file", "FIFO", "hard link", "directory"])
def test_nothing_but_a_socket_is_taken_for_one(untrusted: Untrusted, kind: str) -> None:
    with untrusted.planted(f"{LOGS}/supervisor.sock", kind=kind):
        assert f"nothing was changed here: {LOGS}/supervisor.sock: " in untrusted.runs("deploy", "doctor --fix")


def test_a_log_directory_that_is_a_link_to_etc_gives_nobody_etc(untrusted: Untrusted) -> None:
    with untrusted.planted(LOGS, kind="link to a directory"):
        untrusted.on(f"su work -s /bin/sh -c 'ln -sfn /etc {LOGS}'")
        said = untrusted.fab("bootstrap")
        assert f"nothing was changed here: {LOGS}: a link stands there, where others than root can put one" in said
        assert untrusted.on("stat -c %U /etc") == "root\n"


def test_fix_gives_nobody_a_directory_behind_a_link(untrusted: Untrusted) -> None:
    untrusted.on(
        f"touch {LOGS}/of-root; su work -s /bin/sh -c 'ln -s /etc/init.d {HOME}/init.d; ln -s /etc {LOGS}/etc'"
    )
    assert f"give {LOGS}/of-root to work" in untrusted.fab("doctor", "--fix")
    assert untrusted.on(f"stat -c %U /etc/init.d /etc/init.d/* /etc/passwd {LOGS}/of-root | uniq") == "root\nwork\n"
    untrusted.on(f"rm {HOME}/init.d {LOGS}/etc {LOGS}/of-root")


def test_a_diff_shows_nothing_that_the_user_could_not_read(untrusted: Untrusted) -> None:
    path = f"{CURRENT}/config.masked.json"
    file = untrusted.cluster.folder / "hosts.toml"
    text = file.read_text()
    with untrusted.planted(path, kind="link to a file"):
        try:
            file.write_text(text + "\n[pyspider]\nqueue-maxsize = 321\n")
            said = untrusted.fab("deploy", "--dry-run")
        finally:
            file.write_text(text)
        assert f"in the way: {path} is a link" in said


def test_a_fifo_in_place_of_a_program_is_named_at_once_and_replaced(untrusted: Untrusted) -> None:
    with untrusted.planted(f"{CURRENT}/run.py", kind="FIFO"):
        begun = time.monotonic()
        said = untrusted.fab("deploy", "--dry-run")
        assert time.monotonic() - begun < 15
        assert "run.py is a FIFO" in said
        untrusted.fab("deploy")
        assert untrusted.on(f"test -f {CURRENT}/run.py && echo yes") == "yes\n"


PROCESS = """
import os, sys
os.execv(sys.executable, sys.argv[1:])
"""


def test_doctor_runs_and_reads_what_a_process_names_with_no_more_than_its_rights(untrusted: Untrusted) -> None:
    """A process of the user can call itself anything, and name any interpreter and any file."""
    started = f"""
mkdir -p /home/work/evil; cd /home/work/evil
printf 'import time\\ntime.sleep(600)\\n' >run.py; cp run.py supervisord
printf '#!/bin/sh\\nid -u >>/home/work/evil/ran\\n' >python; chmod 755 python; chown -R work: .
cat >start.py <<'END'
{PROCESS}
END
cd /home/work/evil
for words in '/home/work/evil/python /home/work/evil/run.py -c /root/canary.json fetcher' \\
  '/home/work/evil/python /home/work/evil/supervisord -c /root/canary.conf' \\
  '{PYTHON} /home/work/evil/run.py -c /root/canary.json fetcher'; do
  su work -s /bin/sh -c "{PYTHON} start.py $words" </dev/null >/dev/null 2>&1 &
done
n=0; until [ $(pgrep -cf /home/work/evil/) -ge 3 ] || [ $n -ge 50 ]; do n=$((n+1)); sleep 0.1; done
"""
    try:
        untrusted.on(started)
        said = untrusted.fab("doctor", "--json")
        assert "schedulers" not in said
        ran = untrusted.on("sort -u /home/work/evil/ran; id -u work").split()
        assert ran[:-1] == [ran[-1]]
    finally:
        untrusted.on("pkill -f [/]home/work/evil/")
        untrusted.on("rm -rf /home/work/evil")


FAKE = """
import socket, xmlrpclib
server = socket.socket(socket.AF_UNIX)
server.bind("/home/work/fake.sock")
server.listen(9)
said = {"getState": {"statename": "RUNNING"}, "getPID": 1, "getAllProcessInfo": []}
while True:
    client, text = server.accept()[0], ""
    while "</methodCall>" not in text:
        text += client.recv(65536)
    body = xmlrpclib.dumps((next(said[name] for name in said if name in text),), methodresponse=True)
    head = "HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nContent-Type: text/xml\\r\\n\\r\\n"
    client.sendall(head % len(body) + body)
    client.close()
"""
FAKE_CONF = f"""
[unix_http_server]
file=/home/work/fake.sock
[supervisorctl]
[ctlplugin:x]
supervisor.ctl_factory=pydoc:pipepager
cmd=id -u >>/var/tmp/ran
[program:fetcher]
command={PYTHON} /home/work/run.py -c /home/work/c.json fetcher
"""


def test_a_plugin_of_supervisorctl_is_run_with_no_more_than_its_authors_rights(untrusted: Untrusted) -> None:
    """A configuration of the user's own, and a fake supervisord that claims to be process 1."""
    for path, text in (("fake.py", FAKE), ("fake.conf", FAKE_CONF)):
        untrusted.on(f"cat >/home/work/{path} <<'END'\n{text}\nEND")
    untrusted.on("mv /etc/supervisord.conf /root/")
    fake = f"exec -a supervisord {PYTHON} /home/work/fake.py -c /home/work/fake.conf"
    untrusted.on(f"cd /; setsid su -s /bin/bash work -c '{fake}' </dev/null >/dev/null 2>&1 &")
    try:
        untrusted.on("n=0; until [ -S /home/work/fake.sock ] || [ $n -ge 50 ]; do n=$((n+1)); sleep 0.1; done")
        # It was asked: it knows no program.
        assert "supervisord knows 0" in untrusted.fab("doctor", "--json")
        assert "0" not in untrusted.on("cat /var/tmp/ran || true").split()
    finally:
        untrusted.on("pkill -f [f]ake.py; rm -f /home/work/fake.* /var/tmp/ran; mv /root/supervisord.conf /etc/")


@pytest.mark.parametrize("target", ["/etc/shadow", "/etc/canary/secret", "/etc/canary"])
def test_nothing_in_the_folder_of_rediss_own_user_leads_root_anywhere(untrusted: Untrusted, target: str) -> None:
    """Debian's /etc/redis belongs to the user of Redis, who may be led by who takes Redis over."""
    today = untrusted.on("date +%Y%m%d").strip()
    kept = f".before-pyspider-fabfile-{today}"
    names = (".redis.conf.new", ".pyspider.conf.new", "pyspider.conf", f"redis.conf{kept}", f"pyspider.conf{kept}")
    planted = "; ".join(f"ln -sfn {target} {name}" for name in names)
    without = "sed -i '/^include .*pyspider.conf/d' redis.conf"
    untrusted.on("rm -rf /root/redis; cp -a /etc/redis /root/redis")
    root = "sha256sum /etc/passwd /etc/shadow /etc/group /etc/canary/secret; ls -la /etc/canary; stat -c %U:%a /etc"
    before = untrusted.on(root)
    try:
        untrusted.on(f'cd /etc/redis; su redis -s /bin/sh -c "{without}; {planted}"')
        assert "write pyspider.conf for Redis" in untrusted.fab("bootstrap")
        assert untrusted.on("cd /etc/redis; stat -c '%F %U %a' redis.conf pyspider.conf | uniq") == (
            "regular file redis 640\n"
        )
        assert untrusted.on("tail -n 1 /etc/redis/redis.conf") == "include /etc/redis/pyspider.conf\n"
        assert "nothing changed" in untrusted.fab("bootstrap")
        if target != "/etc/canary":
            untrusted.on(f"su redis -s /bin/sh -c 'ln -sf {target} /etc/redis/redis.conf'")
            said = untrusted.fab("bootstrap")
            assert "nothing was changed here: /etc/redis/redis.conf: a link stands there" in said
        assert untrusted.on(root) == before
    finally:
        untrusted.on("find /etc/redis -mindepth 1 -delete; cp -a /root/redis/. /etc/redis/; rm -rf /root/redis")


SWAP = f"""
import os, sys, time
# Whichever of the two stands there when root looks, another one stands there when root acts.
while True:
    for path in ("{LOGS}", "{LOGS}.d/x", "{CURRENT}"):
        try:
            os.rename(path, path + ".swapped")
            os.symlink("/etc", path)
            time.sleep(0.0005)
            os.unlink(path)
            os.rename(path + ".swapped", path)
            os.chmod(path, 0o700)
        except OSError:
            pass
        time.sleep(0.0005)
"""


def test_what_is_swapped_all_the_while_leads_root_nowhere(untrusted: Untrusted) -> None:
    before = untrusted.on(STATE)
    untrusted.on(
        f"mkdir -p {LOGS}.d/x {HOME}/x; chown work: {LOGS}.d {LOGS}.d/x; touch {LOGS}.d/x/passwd {HOME}/x/passwd"
    )
    untrusted.on(f"cat >/home/work/swap.py <<'END'\n{SWAP}\nEND")
    untrusted.on(f"su work -s /bin/sh -c '{PYTHON} /home/work/swap.py' </dev/null >/dev/null 2>&1 &")
    try:
        assert untrusted.on("pgrep -cf [s]wap.py").strip() != "0"
        for words in ("bootstrap", "doctor --fix", "deploy --dry-run") * 3:
            untrusted.fab(*words.split())
            assert untrusted.on("stat -c '%U %a' /etc /etc/init.d /etc/passwd /etc/shadow") == (
                "root 755\nroot 755\nroot 644\nroot 640\n"
            )
    finally:
        untrusted.on(
            "pkill -f [s]wap.py; until ! pgrep -f [s]wap.py >/dev/null; do :; done; "
            f"for p in {LOGS} {CURRENT}; do if [ -e $p.swapped ] || [ -L $p.swapped ]; then rm -f $p; "
            f"mv -T $p.swapped $p; fi; done; rm -rf {LOGS}.d {HOME}/x"
        )
        untrusted.on("rm /home/work/swap.py")
    assert untrusted.on(STATE) == before


@pytest.mark.parametrize(
    ("set_up", "lines", "why"),
    [
        ("useradd -r spider", 'user = "spider"', "user spider is an account of the system here (number"),
        ("groupadd -r spider", 'user = "spider"', "group spider is one of the system here (number"),
        ("mkdir /home/spider; chown decoy: /home/spider", 'user = "spider"', "/home/spider, the home of user"),
        ("", 'home = "/home/decoy/crawl"', "/home/decoy/crawl is in /home/decoy, the home of decoy; name another path"),
        ("mkdir /srv/d; chown decoy: /srv/d", 'logs = "/srv/d"', "/srv/d belongs to decoy; name another"),
        ("touch /srv/f", 'logs = "/srv/f"', "/srv/f: a file is in the way, where a directory belongs; move it away"),
    ],
)  # fmt: skip
def test_what_belongs_to_somebody_else_on_the_host_is_refused(
    untrusted: Untrusted, set_up: str, lines: str, why: str
) -> None:
    file = untrusted.cluster.variant("other.toml", (r'^name = "bare"$', f'name = "bare"\n{lines}'))
    untrusted.on(set_up)
    before = untrusted.on(STATE)
    try:
        said = untrusted.cluster.fab("bootstrap", status=1, hosts_toml=file).stdout
        assert f"node1: nothing was changed here: {why}" in said
        assert untrusted.on(STATE) == before
    finally:
        untrusted.on("userdel spider; groupdel spider; rm -rf /home/spider /srv/d /srv/f; true")
