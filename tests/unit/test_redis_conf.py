"""Redis's configuration where its own user may have put anything: root is led nowhere, and changes nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fabfile.steps.base import Found
from fabfile.steps.files import kept_suffix
from fabfile.steps.redis_conf import look, write

from . import shells

THEIRS = 65534
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="the rule is about root")
NEW = "# Made by `fab bootstrap`, for this test.\nport 6379\n"
CANARY = "canary of root's\n"


@dataclass(frozen=True)
class Host:
    """A folder that stands for a host, on which /etc/redis belongs to Redis's user."""

    root: Path
    sh: str

    @property
    def folder(self) -> Path:
        return self.root / "etc/redis"

    @property
    def main(self) -> Path:
        return self.folder / "redis.conf"

    @property
    def own(self) -> Path:
        return self.folder / "pyspider.conf"

    @property
    def crontab(self) -> Path:
        return self.root / "etc/crontab"

    @property
    def state(self) -> list[tuple[str, int, int, str]]:
        """What is root's, outside of that folder."""
        files = (self.crontab, self.root / "etc/secret")
        shown = [(one.name, one.stat().st_mode, one.stat().st_uid, one.read_text()) for one in files]
        return [*shown, (" ".join(sorted(one.name for one in (self.root / "etc").iterdir())), 0, 0, "")]

    @property
    def names(self) -> list[str]:
        return sorted(one.name for one in self.folder.iterdir())

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        payload = self.root / "payload"
        payload.write_text(NEW)
        payload.chmod(0o600)
        known = {"PATH": f"{self.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        words = [self.sh, "-ec", script.replace("/etc/", f"{self.root}/etc/"), "sh", str(payload)]
        return subprocess.run(words, capture_output=True, text=True, check=False, env=known, cwd="/", timeout=60)

    def look(self) -> str:
        done = self.run(look())
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self) -> str:
        """What it says, where it fails; empty where all is written."""
        done = self.run(write())
        return done.stdout + done.stderr if done.returncode else ""

    def theirs(self, name: str, text: str = "", mode: int = 0o640) -> None:
        (self.folder / name).write_text(text)
        os.chown(self.folder / name, THEIRS, THEIRS)
        (self.folder / name).chmod(mode)

    def written(self) -> None:
        """Both files are there, with the owner of the main one, and nothing is left over."""
        for path in (self.main, self.own):
            found = path.lstat()
            assert stat.S_ISREG(found.st_mode), path
            assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (THEIRS, THEIRS, 0o640)
        assert self.own.read_text() == NEW
        assert self.main.read_text().endswith(f"the last setting of this file.\ninclude {self.own}\n")
        assert not (self.folder / ".pyspider-fabfile").exists()


@pytest.fixture(params=shells.KINDS)
def host(tmp_path: Path, request: pytest.FixtureRequest) -> Host:
    sh = shells.shell(request.param)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    one = Host(tmp_path, sh)
    one.folder.mkdir(parents=True)
    os.chown(one.folder, THEIRS, THEIRS)
    one.folder.chmod(0o2770)
    one.theirs("redis.conf", "# port 1\nport 6380\nport-x 2\n")
    one.crontab.write_text(CANARY)
    (tmp_path / "etc/secret").write_text(CANARY)
    (tmp_path / "etc/secret").chmod(0o600)
    (tmp_path / "bin").mkdir()
    for name, says in (("redis-server", "Redis server v=7.0.15 sha=0"), ("redis-cli", "")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\necho {says}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return one


def test_the_passwords_in_the_file_are_told_by_their_digests(host: Host) -> None:
    host.own.write_text("# requirepass no\nrequirepass one-Pw_1\nuser crawl on >two ~* +get\n")
    os.chown(host.own, THEIRS, THEIRS)
    told = host.look()
    digests = [hashlib.sha256(word).hexdigest() for word in (b"one-Pw_1", b"two")]
    assert [row.split()[0] for row in Found(0, told).rows("password")] == digests
    assert "one-Pw_1" not in told


def test_the_files_are_written_once_with_their_owner_and_the_old_one_is_kept(host: Host) -> None:
    before, text = host.main.stat(), host.main.read_text()
    rows = Found(0, host.look())
    assert rows.rows("main") == ["81a0 nobody nogroup"] and rows.rows("path") == [str(host.main)]
    assert rows.rows("port") == ["6380"] and not rows.rows("own") and "included" not in rows.text
    assert host.write() == ""
    host.written()
    kept = host.folder / f"redis.conf{kept_suffix()}"
    assert (kept.stat().st_ino, kept.read_text(), kept.stat().st_mode) == (before.st_ino, text, before.st_mode)
    rows = Found(0, host.look())
    assert "included" in rows.text.splitlines()
    assert [len(row.split()) for row in rows.rows("own")] == [3, 1] and "foreign" not in rows.text
    assert host.write() == ""
    host.written()
    assert host.main.read_text().count("include ") == 1
    assert host.names == ["pyspider.conf", "redis.conf", kept.name]


def test_it_goes_on_where_a_stopped_run_left_its_folder(host: Host) -> None:
    stage = host.folder / ".pyspider-fabfile"
    stage.mkdir(mode=0o700)
    for name in ("was", "main", "own", ".own.new"):
        (stage / name).write_text("half")
    assert host.write() == ""
    host.written()


def test_somebody_elses_file_is_kept_each_time(host: Host) -> None:
    for number, name in enumerate(("", ".1")):
        host.theirs("pyspider.conf", f"theirs {number}\n")
        assert " foreign" in host.look()
        assert host.write() == ""
        host.written()
        kept = host.folder / f"pyspider.conf{kept_suffix()}{name}"
        assert (kept.read_text(), kept.stat().st_uid) == (f"theirs {number}\n", THEIRS)


@pytest.mark.parametrize("target", ["crontab", "secret"])
def test_a_main_file_that_is_a_link_is_refused(host: Host, target: str) -> None:
    host.main.unlink()
    host.main.symlink_to(host.root / "etc" / target)
    before, names = host.state, host.names
    why = f"{host.main}: a link stands there, or on the way there, where others than root can put one"
    assert f"odd: {why}" in host.look()
    assert host.write().startswith(why)
    assert (host.state, host.names) == (before, names)


def test_a_link_that_root_made_is_followed_where_only_root_can_have_made_it() -> None:
    """In a folder that root alone can reach: those of tests are below one that everybody can write."""
    root = Path("/var/lib/pyspider-fabfile-test")
    shutil.rmtree(root, ignore_errors=True)
    try:
        (root / "etc").mkdir(parents=True)
        (root / "srv").mkdir()
        (root / "bin").mkdir()
        for name in ("redis-server", "redis-cli"):
            (root / "bin" / name).write_text("#!/bin/sh\necho Redis server v=7.0.15\n")
            (root / "bin" / name).chmod(0o755)
        (root / "etc/redis.conf").symlink_to("../srv/redis.conf")
        (root / "srv/redis.conf").write_text("port 1\n")
        host = Host(root, "/bin/sh")
        assert f"path {root}/srv/redis.conf\n" in host.look()
        assert host.write() == ""
        assert (root / "srv/redis-pyspider.conf").read_text() == NEW
        assert (root / "srv/redis.conf").read_text().endswith(f"\ninclude {root}/srv/redis-pyspider.conf\n")
        # Beyond it, one of others is not.
        os.chown(root / "srv", THEIRS, THEIRS)
        (root / "srv/redis.conf").rename(root / "srv/it")
        (root / "srv/redis.conf").symlink_to("it")
        assert f"odd: {root}/srv/redis.conf: a link stands there" in host.look()
    finally:
        shutil.rmtree(root)


PLANTED: dict[str, Callable[[Path, Host], object]] = {
    "link": lambda path, host: path.symlink_to(host.crontab),
    "link to a secret": lambda path, host: path.symlink_to(host.root / "etc/secret"),
    "link to a directory": lambda path, host: path.symlink_to(host.root / "etc"),
    "link to nothing": lambda path, host: path.symlink_to(host.root / "etc/made"),
    "hard link": lambda path, host: os.link(host.root / "etc/secret", path),
    "FIFO": lambda path, _: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_nothing_that_is_planted_leads_anywhere(host: Host, kind: str) -> None:
    names = ("pyspider.conf", ".redis.conf.new", ".pyspider.conf.new", f"redis.conf{kept_suffix()}")
    for name in (*names, f"pyspider.conf{kept_suffix()}"):
        PLANTED[kind](host.folder / name, host)
    before = host.state
    assert "odd: " not in host.look()
    assert host.write() == ""
    host.written()
    assert host.state == before
    assert CANARY not in host.main.read_text()


@pytest.mark.parametrize("kind", [*PLANTED, "directory"])
def test_something_in_the_place_of_roots_folder_is_refused(host: Host, kind: str) -> None:
    path = host.folder / ".pyspider-fabfile"
    if kind == "directory":
        path.mkdir()
        os.chown(path, THEIRS, THEIRS)
    else:
        PLANTED[kind](path, host)
    before, text = host.state, host.main.read_text()
    assert f"{path}: something of nobody's is in the way; remove it" in host.write()
    assert (host.state, host.main.read_text()) == (before, text)
    assert not host.own.exists()


def test_a_hard_link_gives_nothing_that_its_user_could_not_read(host: Host) -> None:
    host.main.unlink()
    os.link(host.root / "etc/secret", host.main)
    before = host.state
    assert "can't read it" in host.write()
    assert host.state == before


def test_no_more_than_the_rights_of_a_file_are_copied(host: Host) -> None:
    os.link(host.crontab, host.folder / "x")
    host.main.unlink()
    (host.folder / "x").rename(host.main)
    host.crontab.chmod(0o6755)
    before = host.state
    assert host.write() == ""
    assert (stat.S_IMODE(host.main.stat().st_mode), host.main.stat().st_uid) == (0o755, 0)
    assert host.state == before


def test_a_folder_of_roots_that_others_can_write_is_refused(host: Host) -> None:
    os.chown(host.folder, 0, THEIRS)
    why = f"{host.folder}: it belongs to root, but others can change what is in it"
    assert f"odd: {why}" in host.look()
    assert host.write().startswith(why) and not host.own.exists()


SWAP = """
import os
os.setgid(65534), os.setuid(65534)
names = ["redis.conf", "pyspider.conf", ".pyspider-fabfile", "redis.conf" + os.environ["KEPT"]]
while True:
    for name in names:
        for target in ("etc", "etc/crontab"):
            for words in ((os.rename, name, name + "~"), (os.symlink, os.environ["ROOT"] + "/" + target, name),
                          (os.unlink, name), (os.rename, name + "~", name)):
                try:
                    words[0](*words[1:])
                except OSError:
                    pass
"""


def test_what_is_swapped_all_the_while_leads_root_nowhere(host: Host) -> None:
    before = host.state
    known = {"ROOT": str(host.root), "KEPT": kept_suffix()}
    with subprocess.Popen(["python3", "-c", SWAP], cwd=host.folder, env=known) as process:
        try:
            said = {host.write()[:20] for _ in range(8)}
            assert process.poll() is None
        finally:
            process.kill()
    assert host.state == before
    assert said
