"""`./run fab` gets to fab after an upgrade of Python, and with a BSD's tools: the script, in a small checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent
REACHED = '#!/bin/sh\necho "fab $*"\n'
INSTALLED = "installing requirements.txt into .venv"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The script, with one package that needs no network, and a fab that tells its arguments."""
    folder = tmp_path / "checkout"
    (folder / "fabfile" / "cli").mkdir(parents=True)
    shutil.copy(PROJECT / "run", folder)
    (folder / "fabfile" / "cli" / "fab").write_text(REACHED)
    wheel = tmp_path / "fabric-3.2.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        about = "fabric-3.2.3.dist-info"
        archive.writestr("fabric/__init__.py", "")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: fabric\nVersion: 3.2.3\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "requirements.txt").write_text(f"{wheel} --hash=sha256:{digest}\n")
    for name in ("requirements-dev.txt", "requirements-bench.txt"):
        (folder / name).write_text(f"# {name}\n")
    return folder


def environment(checkout: Path, python: str, packages_of: str) -> Path:
    """An environment as `./run` leaves it: its Python is a link, its packages are in the folder of a version."""
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    for name in ("python", "python3"):
        (venv / "bin" / name).symlink_to(python)
    (venv / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\ninclude-system-site-packages = false\n")
    for name in ("fabric", "pip"):
        (venv / "lib" / packages_of / "site-packages" / name).mkdir(parents=True)
    (venv / "installed").write_text(hashlib.sha256((checkout / "requirements.txt").read_bytes()).hexdigest())
    return venv


def ran(checkout: Path, *arguments: str, **words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(checkout.parent), **words}
    return subprocess.run(
        ["./run", *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def fab(checkout: Path, *first: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, [*first, Path(sys.base_prefix) / "bin", "/usr/bin", "/bin"]))
    return ran(checkout, "fab", "status", "--json", PATH=path)


def this_python() -> Path:
    return Path(sys.executable).resolve()


def test_an_environment_that_fits_is_left_alone(checkout: Path) -> None:
    venv = environment(checkout, str(this_python()), f"python{sys.version_info[0]}.{sys.version_info[1]}")
    done = fab(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fab status --json\n", "")
    assert sorted(path.name for path in (venv / "lib").rglob("site-packages/*")) == ["fabric", "pip"]


def test_a_python_whose_name_tells_no_version_is_asked(checkout: Path, tmp_path: Path) -> None:
    asked = tmp_path / "python3"
    asked.write_text(f"#!/bin/sh\necho asked >>{tmp_path}/asked\n")
    asked.chmod(0o755)
    environment(checkout, str(asked), "python3.11")
    done = fab(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fab status --json\n", "")
    assert (tmp_path / "asked").read_text() == "asked\n"


@pytest.mark.parametrize("harm", ["gone", "newer"])
def test_after_an_upgrade_of_this_machines_python_the_environment_is_made_anew(checkout: Path, harm: str) -> None:
    python = checkout / "no" / "python3.9" if harm == "gone" else this_python()
    venv = environment(checkout, str(python), "python3.9")
    # As README has it, the environment is the first on the path: its Python is then found before this machine's.
    done = fab(checkout, venv / "bin")
    assert (done.returncode, done.stdout) == (0, "fab status --json\n"), done.stderr
    assert INSTALLED in done.stderr
    assert not (venv / "lib" / "python3.9").exists()
    assert subprocess.run([venv / "bin" / "python", "-c", "import fabric"], check=False).returncode == 0
    once_more = fab(checkout, venv / "bin")
    assert (once_more.returncode, once_more.stdout, once_more.stderr) == (0, "fab status --json\n", "")


SAME = ("bash", "cat", "chmod", "cmp", "cp", "cut", "dirname", "find", "grep", "mv", "paste", "sed")
"""The tools that are asked for nothing but what POSIX has, or both kinds (`find -maxdepth`)."""
REFUSES = 'case $1 in -{letter}*) echo "{name}: illegal option -- {letter}" >&2; exit 1 ;; esac\n'
AS_BSD = {
    "readlink": REFUSES.format(name="readlink", letter="f") + 'exec /usr/bin/readlink "$@"',
    "stat": REFUSES.format(name="stat", letter="c") + '[ "$1 $2" = "-f %u" ] || exit 1\nexec /usr/bin/stat -c %u "$3"',
    "shasum": '[ "$1 $2" = "-a 256" ] || exit 1\nexec /usr/bin/sha256sum "$3"',
    "uname": "echo Darwin",
    "id": 'exec /usr/bin/id "$@"',
}
"""What a BSD's tools refuse; GNU's answer the rest. There is no realpath -m, sha256sum, setpriv, getent, dpkg-query."""
LATER_THAN_3 = "enable -n mapfile readarray\n"


@pytest.fixture
def bsd(tmp_path: Path) -> Path:
    """A folder for PATH, all of whose tools are as a BSD has them, and a bash without what came after 3.2."""
    folder = tmp_path / "bsd"
    folder.mkdir()
    for name in SAME:
        (folder / name).symlink_to(Path(shutil.which(name) or name).resolve())
    (folder / "python3").symlink_to(this_python())
    for name, text in AS_BSD.items():
        script(folder / name, text)
    (tmp_path / "bash_env").write_text(LATER_THAN_3)
    return folder


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def as_bsd(checkout: Path, bsd: Path, *arguments: str, **words: str) -> subprocess.CompletedProcess[str]:
    return ran(checkout, *arguments, PATH=str(bsd), BASH_ENV=str(bsd.parent / "bash_env"), **words)


def test_the_tools_of_a_bsd_lead_to_fab_too(checkout: Path, bsd: Path) -> None:
    environment(checkout, str(this_python()), f"python{sys.version_info[0]}.{sys.version_info[1]}")
    done = as_bsd(checkout, bsd, "fab", "status")
    assert (done.returncode, done.stdout, done.stderr) == (0, "fab status\n", "")


def test_a_relative_hosts_toml_is_that_of_the_callers_folder(checkout: Path, bsd: Path) -> None:
    environment(checkout, str(this_python()), f"python{sys.version_info[0]}.{sys.version_info[1]}")
    (checkout / "fabfile" / "cli" / "fab").write_text('#!/bin/sh\necho "$HOSTS_TOML in $PWD"\n')
    (checkout / "elsewhere").mkdir()
    (checkout / "elsewhere" / "link").symlink_to("../run")
    done = subprocess.run(
        ["./link", "fab"],
        cwd=checkout / "elsewhere",
        env={"PATH": str(bsd), "BASH_ENV": str(bsd.parent / "bash_env"), "HOSTS_TOML": "my own.toml"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{checkout}/elsewhere/my own.toml in {checkout}\n", done.stderr


@pytest.mark.parametrize("what", ["demo", "test", "bench", "chaos", "mixed", "pictures"])
def test_what_needs_the_sandbox_says_so_elsewhere_than_on_linux(checkout: Path, bsd: Path, what: str) -> None:
    done = as_bsd(checkout, bsd, what)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"run: ./run {what} needs Linux: ") and len(done.stderr.splitlines()) == 1


def test_root_in_somebodys_checkout_is_told_the_way_where_nothing_can_make_it_that_user(
    checkout: Path, bsd: Path
) -> None:
    script(bsd / "id", "echo 0")
    script(bsd / "stat", '[ "$1 $2" = "-f %u" ] && echo 501')
    done = as_bsd(checkout, bsd, "fab", "status", SUDO_UID="501")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("work as the user whom it belongs to, without sudo\n"), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of root's")
def test_files_of_roots_are_given_back_without_mapfile(checkout: Path, bsd: Path) -> None:
    environment(checkout, str(this_python()), f"python{sys.version_info[0]}.{sys.version_info[1]}")
    script(bsd / "id", "echo 501")
    script(bsd / "stat", '[ "$1 $2" = "-f %u" ] && echo 501')
    script(bsd / "sudo", f'printf "%s\\n" "$@" >{checkout}/asked')
    done = as_bsd(checkout, bsd, "fab", "status")
    assert (done.returncode, done.stdout) == (0, "fab status\n"), done.stderr
    asked = (checkout / "asked").read_text().splitlines()
    assert asked[asked.index("chown") :][:6] == ["chown", "-R", "-h", "-P", "501:501", "--"]
    assert ".venv/installed" in asked


def test_a_fab_whose_python_is_gone_names_the_way(tmp_path: Path) -> None:
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    script(folder / "fab", "")
    (folder / "fab").write_text((PROJECT / "fabfile" / "cli" / "fab").read_text())
    (folder / "python").symlink_to("/no/python3.9")
    done = subprocess.run([folder / "fab", "status"], capture_output=True, text=True, check=False)
    said = f"fab: {folder}/python is gone; use ./run fab in place of fab: it makes that environment anew\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_fab_is_found_through_links_without_readlink_f(checkout: Path, bsd: Path, tmp_path: Path) -> None:
    shutil.copy(PROJECT / "fabfile" / "cli" / "fab", checkout / "fabfile" / "cli" / "fab")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    script(checkout / ".venv" / "bin" / "fab", "")
    (checkout / ".venv" / "bin" / "fab").write_text((PROJECT / "fabfile" / "cli" / "fab").read_text())
    script(checkout / ".venv" / "bin" / "python", 'echo "$0 $*"')
    (tmp_path / "near").symlink_to(checkout / ".venv" / "bin")
    (tmp_path / "link").symlink_to("near/fab")
    done = subprocess.run(
        [tmp_path / "link", "status"], env={"PATH": str(bsd)}, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{checkout}/.venv/bin/python -X utf8 {tmp_path}/link status\n", done.stderr
