"""`./run fab` makes its environment anew where the one that is there can't serve: the script, in a small checkout."""

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


def fab(checkout: Path, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, [*([first] if first else []), Path(sys.base_prefix) / "bin", "/usr/bin", "/bin"]))
    words = {"PATH": path, "HOME": str(checkout.parent)}
    return subprocess.run(
        [checkout / "run", "fab", "status", "--json"],
        env=words,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


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
