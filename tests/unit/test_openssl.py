"""An old Python 2.7 is not compiled where the host's OpenSSL would leave it without ssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fabfile.steps.openssl import barrier, question, refusal

HEADER = 'case " $* " in *" -E "*) cat >/dev/null; echo "\\"OpenSSL {}  1 Jan 2020\\"" ;; *) exit 1 ;; esac'
NO_HEADER = "cat >/dev/null; exit 1"
COMMAND = 'echo "{} 3.0.15 3 Sep 2024 (Library: OpenSSL 3.0.15 3 Sep 2024)"'
OPENSSL = COMMAND.format("OpenSSL")
LIBRE = COMMAND.format("LibreSSL")


def ran(folder: Path, script: str, **tools: str) -> subprocess.CompletedProcess[str]:
    """The script, where these are the only tools beside sed and grep."""
    for tool in ("cat", "grep", "sed"):
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    for name, text in tools.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    words = ["/bin/dash", "-euc", script]
    return subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": str(folder)})


HOSTS = [
    ({"gcc": HEADER.format("1.0.2k-fips"), "openssl": OPENSSL}, "1.0.2", False),
    ({"gcc": HEADER.format("1.1.1w"), "openssl": LIBRE}, "1.1.1", True),
    ({"gcc": HEADER.format("3.5.0")}, "3.5.0", True),
    ({"gcc": NO_HEADER, "openssl": OPENSSL}, "3.0.15", True),
    ({"openssl": OPENSSL}, "3.0.15", True),
    ({"openssl": LIBRE}, "", False),
    ({}, "", False),
]


@pytest.mark.parametrize(("tools", "version", "refused"), HOSTS)
def test_the_header_counts_and_without_it_the_command(
    tmp_path: Path, tools: dict[str, str], version: str, refused: bool
) -> None:
    done = ran(tmp_path, question("2.7.11"), **tools)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"to_build_with={version}\n", "")
    assert bool(refusal("2.7.11", version)) == refused


@pytest.mark.parametrize(("tools", "version", "refused"), HOSTS)
def test_the_build_ends_with_the_same_sentence_before_it_begins(
    tmp_path: Path, tools: dict[str, str], version: str, refused: bool
) -> None:
    done = ran(tmp_path, barrier("2.7.12") + "\necho built", **tools)
    assert done.stdout.strip() == (refusal("2.7.12", version) or "built")
    assert (done.returncode, done.stderr) == (int(refused), "")


@pytest.mark.parametrize("version", ["2.7.13", "2.7.18"])
def test_a_python_that_takes_every_openssl_is_asked_nothing(version: str) -> None:
    assert question(version) == barrier(version) == refusal(version, "3.0.15") == ""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc here")
def test_a_real_header_is_read_as_its_own_command_says(tmp_path: Path) -> None:
    include = tmp_path / "include" / "openssl"
    include.mkdir(parents=True)
    text = '# ifdef OPENSSL_FIPS\n#  define OPENSSL_VERSION_TEXT "OpenSSL 1.0.1e-fips 11 Feb 2013"\n# else\n'
    (include / "opensslv.h").write_text(f'{text}#  define OPENSSL_VERSION_TEXT "OpenSSL 1.0.1e 11 Feb 2013"\n# endif\n')
    words = ["sh", "-c", question("2.7.9")]
    path = {"PATH": "/usr/bin:/bin", "CPATH": str(include.parent)}
    assert subprocess.run(words, capture_output=True, text=True, check=True, env=path).stdout == "to_build_with=1.0.1\n"
