"""The runtime: what a host answers, what is then missing, and the scripts that don't need a real build."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from fabfile.errors import Problem
from fabfile.steps import runtime
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.phantomjs import PHANTOMJS, PhantomJSBinary
from fabfile.steps.runtime import Build, Runtime, Ship, altered_on, archive_path, complete_on, no_build, told, wanted_on
from fabfile.steps.runtime_spec import Platform, RuntimeSpec

from ..waiting import eventually
from . import shells
from .local import PROJECT

SPEC = RuntimeSpec("2.7.18", "a" * 64, "b" * 64)
BOOKWORM = Platform("debian", "12", "x86_64", "glibc 2.36")
ID = SPEC.id(BOOKWORM)
BUILD = Build(Path("Python.tgz"), Path("wheels.tar"))
SHIP = Ship(Path("runtime.tar.gz"), "c" * 64, "e" * 64)


def answer(*more: str, current: str = "", version: str = "12", os_id: str = "debian", arch: str = "x86_64") -> Found:
    head = [f"os_id={os_id}", f"os_version={version}", f"arch={arch}", "libc=glibc 2.36", f"current={current}"]
    return Found(0, "\n".join([*head, *more, "end="]))


BARE = answer()
RIGHT = answer("python=2.7.18", "works=yes", f"complete={ID}", current=f"runtimes/{ID}")
OTHER = answer("works=yes", "complete=2.7.18-0", f"complete={ID}", current="runtimes/2.7.18-0")
OLD = answer("works=yes", "complete=2.7.18-0", current="runtimes/2.7.18-0")
LIBRARY = answer("fault=pycurl: ImportError: libcurl.so.4", f"complete={ID}", current=f"runtimes/{ID}")
ALTERED = answer(f"altered={ID}", f"complete={ID}", current=f"runtimes/{ID}")
DAMAGED = answer("fault=lxml: ImportError: No module named lxml", current=f"runtimes/{ID}")


def says(found: Found, origin: Build | Ship | None = BUILD) -> list[str]:
    return [action.says.split()[0] for action in Runtime(SPEC, origin=origin).diff(found)]


@pytest.mark.parametrize(
    ("found", "origin", "wanted"),
    [
        (RIGHT, None, []),
        (RIGHT, BUILD, []),
        (BARE, BUILD, ["build", "make"]),
        (BARE, SHIP, ["unpack", "make"]),
        (OLD, SHIP, ["unpack", "make"]),
        (OTHER, None, ["make"]),
        (LIBRARY, None, ["make"]),
        (DAMAGED, SHIP, ["unpack", "make"]),
        (ALTERED, SHIP, ["unpack", "make"]),
    ],
    ids=["right", "right-build", "bare", "bare-ship", "old", "other-is-current", "library-gone", "damaged", "altered"],
)
def test_only_what_is_missing_is_done(found: Found, origin: Build | Ship | None, wanted: list[str]) -> None:
    assert says(found, origin) == wanted


def test_a_runtime_that_comes_from_nowhere_is_a_problem_that_names_the_remedy() -> None:
    with pytest.raises(Problem, match="fab bootstrap"):
        says(BARE, None)


def test_another_architecture_is_refused_before_anything_is_built() -> None:
    with pytest.raises(Problem, match="aarch64"):
        says(answer(arch="aarch64"))


@pytest.mark.parametrize("text", ["", "sh: not found", RIGHT.text.removesuffix("end="), "os_id=debian\nend="])
def test_an_answer_that_is_cut_short_says_nothing_about_the_host(text: str) -> None:
    with pytest.raises(CannotLook):
        says(Found(0, text))


def test_a_host_needs_a_runtime_where_there_is_none_or_an_altered_one() -> None:
    step = Runtime(SPEC)
    assert (wanted_on(step, BARE), complete_on(step, BARE)) == (BOOKWORM, None)
    assert (wanted_on(step, OTHER), complete_on(step, OTHER)) == (None, BOOKWORM)
    assert (wanted_on(step, ALTERED), complete_on(step, ALTERED)) == (BOOKWORM, None)
    assert [altered_on(step, found) for found in (BARE, OTHER, ALTERED)] == [False, False, True]


def test_every_ingredient_changes_the_id() -> None:
    others = [
        RuntimeSpec("2.7.17", "a" * 64, "b" * 64),
        RuntimeSpec("2.7.18", "c", "b" * 64),
        RuntimeSpec("2.7.18", "a" * 64, "c"),
    ]
    platforms = [Platform("ubuntu", "12", "x86_64", "glibc 2.36"), Platform("debian", "12", "x86_64", "glibc 2.31")]
    ids = {ID, *(spec.id(BOOKWORM) for spec in others), *(SPEC.id(platform) for platform in platforms)}
    assert len(ids) == 6
    assert ID.startswith("2.7.18-")
    assert len(ID) == len("2.7.18-") + 12


def test_minor_releases_of_the_redhat_family_share_a_runtime_and_ubuntu_releases_do_not() -> None:
    def platform(os_id: str, version: str) -> Platform | None:
        return wanted_on(Runtime(SPEC), answer(os_id=os_id, version=version))

    assert platform("rocky", "9.3") == platform("rocky", "9.4")
    assert platform("ubuntu", "22.04") != platform("ubuntu", "22.10")


def test_a_comment_in_the_build_script_does_not_rebuild_every_cluster() -> None:
    """The recipe counts, its explanations don't."""
    from fabfile.steps.runtime_spec import _recipe

    assert "./configure" in _recipe() and "makes nothing" not in _recipe()
    assert not [line for line in _recipe().splitlines() if line.strip().startswith("#")]


def test_every_script_is_posix_shell() -> None:
    runtime = [*Runtime(SPEC, origin=BUILD).diff(BARE), *Runtime(SPEC, origin=SHIP).diff(BARE)]
    phantomjs = PhantomJSBinary(Path("binary"), "d" * 64)
    actions = [*runtime, *phantomjs.diff(Found(0, "file=\nsha256=\nstarts=no"))]
    for script in [Runtime(SPEC).probe().script, phantomjs.probe().script, *(action.script for action in actions)]:
        assert subprocess.run(["sh", "-n"], check=False, input=script, text=True, capture_output=True).stderr == ""


def test_the_probe_answers_on_a_host_that_has_nothing() -> None:
    """This machine has a system, whatever else it has."""
    script = Runtime(SPEC, user="nobody").probe().script
    done = subprocess.run(["sh"], input=script, text=True, capture_output=True, timeout=60, check=False)
    assert done.stderr == ""
    assert wanted_on(Runtime(SPEC), Found(done.returncode, done.stdout)) is not None


STRANGE = answer("strange=/opt/pyspider: others than root can change it", f"complete={ID}", current=f"runtimes/{ID}")


def test_what_is_not_roots_alone_is_neither_used_nor_given_to_others() -> None:
    with pytest.raises(Problem, match="nothing was changed here: /opt/pyspider: others than root can change it"):
        says(STRANGE)
    assert (wanted_on(Runtime(SPEC), STRANGE), complete_on(Runtime(SPEC), STRANGE)) == (None, None)


@pytest.mark.parametrize("names", [["pyvenv.cfg"], ["releases"]])
def test_nothing_is_run_where_others_made_something_of_that_name(tmp_path: Path, names: list[str]) -> None:
    place = tmp_path / "pyspider"
    (place / "current/bin").mkdir(parents=True)
    for name in names:
        (place / name).touch()
    python = place / "current/bin/python2.7"
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    python.chmod(0o755)
    script = Runtime(SPEC, user="no-such-user").probe().script.replace("/opt/pyspider", str(place))
    done = subprocess.run(["sh"], input=script, text=True, capture_output=True, timeout=60, check=False)
    with pytest.raises(Problem, match=f"nothing was changed here: {place}/{names[0]}: somebody else's"):
        says(Found(done.returncode, done.stdout))
    assert not (tmp_path / "ran").exists()


class Made:
    """A runtime as a build leaves it, with a Python that tells that it ran; and a look at it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.ran = folder / "pyspider", folder / "ran"
        self.place = self.home / "runtimes" / ID
        (self.place / "bin").mkdir(parents=True)
        self.write("bin/python2.7", f"#!/bin/sh\ntouch {self.ran}\n")
        (self.place / "bin/python").symlink_to("python2.7")
        (self.place / ".complete").touch()
        (self.home / "current").symlink_to(f"runtimes/{ID}")
        self.list_files()
        self.manifest = hashlib.sha256((self.place / ".manifest").read_bytes()).hexdigest()

    def write(self, name: str, text: str) -> None:
        (self.place / name).write_text(text)
        (self.place / name).chmod(0o755)

    def list_files(self) -> None:
        """Write the list that lies beside the files, as root on the host can at any time."""
        script = "find . -type f ! -name .manifest ! -name .complete -print0 | sort -z | xargs -0 sha256sum >.manifest"
        subprocess.run(["sh", "-c", script], cwd=self.place, check=True)

    def alter(self, what: str) -> None:
        if what == "link":
            (self.place / "bin/python").unlink()
            (self.place / "bin/python").symlink_to("/bin/true")
        elif what != "nothing":
            self.write("bin/python2.7", f"#!/bin/sh\ntouch {self.ran}\n: evil\n")
        if what == "file and list":
            self.list_files()

    def look(self, *manifests: tuple[str, str]) -> Found:
        script = Runtime(SPEC, "no-such-user", manifests=manifests).probe().script
        # Here, others than root are above it.
        script = script.replace("/opt/pyspider", str(self.home)).replace("sound() {", "sound() {\nreturn 0")
        script = script.replace("'^0 ........-'", f"'^{os.getuid()} ........-'")
        done = subprocess.run(["sh"], input=script, text=True, capture_output=True, timeout=60, check=False)
        assert done.stderr == ""
        return Found(done.returncode, re.sub("^strange=.*\n", "", done.stdout, flags=re.MULTILINE))


@pytest.mark.parametrize("what", ["nothing", "file", "file and list", "link"])
def test_a_runtime_is_held_against_what_its_build_told_and_not_run_where_it_is_another(
    tmp_path: Path, what: str
) -> None:
    made = Made(tmp_path)
    made.alter(what)
    found = made.look(("2.7.18-0", "f" * 64), (ID, made.manifest))
    rows = found.text.splitlines()
    assert (f"altered={ID}" in rows) == (what != "nothing")
    assert ("works=yes" in rows) == made.ran.exists() == (what == "nothing")


def test_a_runtime_of_whose_build_nothing_is_known_is_judged_by_the_hosts_own_list(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.write("bin/python2.7", "#!/bin/sh\nexit 1\n")
    rows = made.look().text.splitlines()
    assert f"complete={ID}" not in rows and f"altered={ID}" not in rows
    made.list_files()
    assert f"complete={ID}" in made.look().text.splitlines()


def test_what_a_build_tells_is_two_digests_or_a_problem() -> None:
    text = f"noise\narchive={'a' * 64}  -\nmanifest={'b' * 64}  -\n"
    assert told(text) == ("a" * 64, "b" * 64)
    for wrong in ("", text.replace("manifest", "list"), text.replace("a" * 64, "a" * 63)):
        with pytest.raises(Problem, match="run fab bootstrap again"):
            told(wrong)


@pytest.mark.parametrize("what", ["archive", "list"])
def test_a_packed_runtime_of_other_bytes_is_not_unpacked(tmp_path: Path, what: str) -> None:
    made = Made(tmp_path)
    packed = tmp_path / "packed.tar.gz"
    subprocess.run(["tar", "-czf", packed, "-C", made.home / "runtimes", ID], check=True)
    sha256 = hashlib.sha256(packed.read_bytes()).hexdigest()
    ship = Ship(packed, "0" * 64 if what == "archive" else sha256, "0" * 64 if what == "list" else made.manifest)
    script = Runtime(SPEC, origin=ship).diff(BARE)[0].script.replace("/opt/pyspider", str(tmp_path / "other"))
    words = ["sh", "-c", f"say() {{ :; }}; set -e; {script}", "sh", packed]
    done = subprocess.run(words, text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == "the Python that came is not the one that was built\n"
    assert not made.ran.exists() and not (tmp_path / "other/runtimes" / ID).exists()


def test_an_archive_has_the_name_of_its_runtime() -> None:
    assert archive_path(ID) == f"/opt/pyspider/archives/{ID}.tar.gz"


@pytest.mark.parametrize(
    ("file", "sha256", "starts", "wanted"),
    [
        ("755 root", "d" * 64, "yes", []),
        ("", "", "no", ["install"]),
        ("755 root", "e" * 64, "yes", ["install"]),
        ("700 root", "d" * 64, "yes", ["install"]),
        ("755 work", "d" * 64, "yes", ["install"]),
        ("755 root", "d" * 64, "no", ["try"]),
    ],
    ids=["right", "absent", "other-bytes", "private", "not-roots", "does-not-start"],
)
def test_phantomjs_is_the_right_file_and_starts(file: str, sha256: str, starts: str, wanted: list[str]) -> None:
    line = f"{sha256}  {PHANTOMJS}" if sha256 else ""
    found = Found(0, f"file={file}\nsha256={line}\nstarts={starts}")
    actions = PhantomJSBinary(Path("binary"), "d" * 64).diff(found)
    assert [action.says.split()[0] for action in actions] == wanted


def test_phantomjs_that_could_not_be_looked_at_is_not_installed_blindly() -> None:
    with pytest.raises(CannotLook):
        PhantomJSBinary(Path("binary"), "d" * 64).diff(Found(1, "sh: stat: not found"))


def test_unpacking_that_is_ended_on_the_way_leaves_no_half_and_takes_older_halves_away(tmp_path: Path) -> None:
    (tmp_path / "runtimes" / ".py-1.new").mkdir(parents=True)
    (tmp_path / "archive").write_bytes(b"")
    (tmp_path / "tar").write_text('#!/bin/sh\n: >"$0.runs"\nexec sleep 60\n')
    (tmp_path / "tar").chmod(0o755)
    names = f"HOME_DIR={tmp_path} ID=py-2 PROOF=pass SHA256={hashlib.sha256().hexdigest()}"
    begun = subprocess.Popen(
        ["sh", "-c", f"say() {{ :; }}\n{names}\nset -e\n{runtime._SHIP}", "sh", tmp_path / "archive"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        start_new_session=True,
    )
    # A shell that gets a signal just before it starts a program hears of it when that has ended.
    assert eventually((tmp_path / "tar.runs").exists)
    assert (tmp_path / "runtimes" / ".py-2.new").exists()
    os.killpg(begun.pid, signal.SIGTERM)
    begun.wait(10)
    assert list((tmp_path / "runtimes").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ('ID="ol"\nVERSION_ID="7.9"', ("ol", "7")),
        ("ID=arch", ("arch", "")),
        ('VERSION_ID="3"', ("rhel", "3")),
        ('ID=eurolinux\nID_LIKE="rhel fedora centos"\nVERSION_ID="9.4"', ("eurolinux", "9")),
        ('ID=opensuse-leap\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"', ("opensuse-leap", "15.6")),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\nVERSION_ID="20261120"', ("opensuse-tumbleweed", "")),
        ('ID="ubuntu"\nID_LIKE=debian\nVERSION_ID="24.04"', ("ubuntu", "24.04")),
        ("PRETTY_NAME=My own Linux (7)\nID=mine", ("rhel", "")),
        # bash takes the lines before the fault, dash none.
        ('ID=rhel\nPRETTY_NAME="Red Hat', ("rhel", "")),
        ("set -eu; exit 3", ("rhel", "")),
    ],
)
@pytest.mark.parametrize("shell", ["dash", "bash --posix"])
def test_an_os_release_that_no_shell_reads_ends_no_look(
    tmp_path: Path, shell: str, text: str, platform: tuple[str, str]
) -> None:
    (tmp_path / "os-release").write_text(f"{text}\n")
    script = Runtime(SPEC, user="no-such-user").probe().script.replace("/etc/os-release", f"{tmp_path}/os-release")
    script = script.replace("/opt/pyspider", f"{tmp_path}/none")
    done = subprocess.run(shell.split(), input=script, text=True, capture_output=True, timeout=60, check=False)
    found = wanted_on(Runtime(SPEC), Found(done.returncode, done.stdout))
    assert found and (found.os_id, found.os_version) == platform and done.stderr == ""


def test_an_old_python_is_judged_by_the_openssl_to_build_with_and_not_by_that_of_the_one_before() -> None:
    old = Runtime(RuntimeSpec("2.7.11", "a" * 64, "b" * 64))
    trial = ("openssl=OpenSSL 3.0.22 25 Aug 2026", "works=yes", "complete=2.7.18-0")
    assert no_build(old, answer("to_build_with=1.0.2", *trial)) == ""
    assert no_build(old, answer("to_build_with=", *trial)) == ""
    assert "has no ssl with this host's OpenSSL 1.1.1:" in no_build(old, answer("to_build_with=1.1.1", *trial))
    assert no_build(Runtime(SPEC), answer(*trial)) == ""


@pytest.mark.parametrize("kind", shells.KINDS)
def test_a_phase_of_the_build_is_on_the_disk_before_its_stamp_is_there(kind: str, tmp_path: Path) -> None:
    text = (PROJECT / "fabfile" / "remote" / "build.sh").read_text()
    phase = text[text.index("phase() {") :].partition("\n}\n")[0] + "\n}\n"
    script = f"""set -e
say() {{ :; }}
sync() {{ [ ! -e "$BUILD/one.done" ] && cat "$BUILD/made"; }}
one() {{ echo made >"$BUILD/made"; }}
broken() {{ false; }}
{phase}
phase one x; phase one x; [ -e "$BUILD/one.done" ]
phase broken x
"""
    env = {"BUILD": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run([shells.shell(kind), "-c", script], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "made\n"), done.stderr
    assert not (tmp_path / "broken.done").exists()
