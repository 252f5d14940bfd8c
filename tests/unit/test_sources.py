"""What the control machine fetches: in the order asked for, verified, kept; against a web server of our own."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fabfile.errors import NoCache, Problem
from fabfile.sources import lock_digest, phantomjs_binary, python_tarball, wheelhouse

PINS = Path(__file__).parent.parent.parent / "fabfile" / "pins"
CONTENT = b"the right bytes"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pyspider-fabfile"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "web"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def fetch(sources: list[str], base: Path, said: list[str] | None = None, version: str = "2.7.18") -> Path:
    return python_tarball(version, SHA256, sources, base, (said if said is not None else []).append)


def test_the_first_source_with_the_right_bytes_wins_and_the_wrong_ones_are_named(
    web: tuple[str, Path], tmp_path: Path
) -> None:
    address, folder = web
    (tmp_path / "wrong.tgz").write_bytes(b"wrong")
    (folder / "Python-2.7.18.tgz").write_bytes(CONTENT)
    said: list[str] = []
    path = fetch(["cache", "wrong.tgz", "absent.tgz", address + "/Python-{version}.tgz"], tmp_path, said)
    assert path.read_bytes() == CONTENT
    assert any("wrong.tgz" in line and SHA256 in line for line in said)
    assert any("absent.tgz" in line and "not a file" in line for line in said)


def test_what_was_fetched_once_comes_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / "python.tgz").write_bytes(CONTENT)
    first = fetch(["python.tgz"], tmp_path)
    (tmp_path / "python.tgz").unlink()
    assert fetch(["cache"], tmp_path) == first


def test_damage_in_the_cache_is_noticed_and_repaired(tmp_path: Path) -> None:
    (tmp_path / "python.tgz").write_bytes(CONTENT)
    fetch(["python.tgz"], tmp_path).write_bytes(b"damaged")
    assert fetch(["cache", "python.tgz"], tmp_path).read_bytes() == CONTENT


def test_when_all_sources_fail_one_problem_names_each_with_its_reason(web: tuple[str, Path], tmp_path: Path) -> None:
    address, _ = web
    with pytest.raises(Problem) as caught:
        fetch(
            ["cache", "debian", "absent.tgz", f"{address}/{{version}}.tgz", "http://127.0.0.1:1/"],
            tmp_path,
            version="2.7.11",
        )
    for part in (
        "cache: not there",
        "debian: Debian has 2.7.18",
        "absent.tgz",
        f"{address}/2.7.11.tgz: HTTP Error 404",
        "refused",
    ):
        assert part in str(caught.value)


def test_a_failed_fetch_leaves_nothing_behind(web: tuple[str, Path], tmp_path: Path, cache: Path) -> None:
    address, folder = web
    (folder / "short.tgz").write_bytes(CONTENT[:-1])
    with pytest.raises(Problem, match=SHA256):
        fetch([f"{address}/short.tgz"], tmp_path)
    assert list((cache / "files").iterdir()) == []


def test_a_phantomjs_from_a_path_is_kept_executable(tmp_path: Path) -> None:
    (tmp_path / "phantomjs").write_bytes(CONTENT)
    path = phantomjs_binary("phantomjs", SHA256, tmp_path, lambda _: None)
    assert path.stat().st_mode & 0o777 == 0o755
    assert path.read_bytes() == CONTENT


def test_comments_and_order_of_a_lock_do_not_count(tmp_path: Path) -> None:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("# why\na==1 --hash=sha256:00\nb==2 --hash=sha256:11\n")
    two.write_text("b==2 --hash=sha256:11\n\na==1 --hash=sha256:00\n")
    assert lock_digest(one) == lock_digest(two)
    two.write_text("b==2 --hash=sha256:12\na==1 --hash=sha256:00\n")
    assert lock_digest(one) != lock_digest(two)


@pytest.mark.parametrize("pins", sorted(PINS.glob("*.txt")), ids=lambda path: path.name)
def test_every_pin_is_exact_and_hashed_and_no_address_is_named(pins: Path) -> None:
    asked = [line for line in pins.read_text().splitlines() if line and not line.startswith("#")]
    assert asked
    for line in asked:
        requirement, _, digest = line.partition(" --hash=sha256:")
        assert "==" in requirement
        assert len(digest) == 64
    assert "://" not in pins.read_text()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip configured to find one source package for Python 2 and one wheel for cp27mu, in a folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    files = {
        "PKG-INFO": "Metadata-Version: 1.1\nName: old-thing\nVersion: 1.0\n",
        "setup.py": "print 'this is Python 2'\n",
    }
    with tarfile.open(folder / "old-thing-1.0.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"old-thing-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    with zipfile.ZipFile(folder / "compiled-2.0-cp27-cp27mu-manylinux1_x86_64.whl", "w") as wheel:
        wheel.writestr("compiled-2.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: compiled\nVersion: 2.0\n")
        wheel.writestr("compiled-2.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp27-cp27mu-manylinux1_x86_64\n")
        wheel.writestr("compiled-2.0.dist-info/RECORD", "")
    (tmp_path / "constraints.txt").write_text("compiled<1\n")
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nno-index = true\nfind-links = {folder}\nconstraint = {tmp_path}/constraints.txt\n")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    return folder


def lock(tmp_path: Path, index: Path) -> Path:
    digests = {path.name.split("-")[0]: hashlib.sha256(path.read_bytes()).hexdigest() for path in index.iterdir()}
    pins = tmp_path / "pins.txt"
    pins.write_text(
        f"compiled==2.0 --hash=sha256:{digests['compiled']}\nold-thing==1.0 --hash=sha256:{digests['old']}\n"
    )
    return pins


def test_a_wheelhouse_holds_exactly_its_lock_and_runs_no_setup_py(tmp_path: Path, index: Path) -> None:
    pins = lock(tmp_path, index)
    house = wheelhouse(pins, lambda _: None)
    with tarfile.open(house) as archive:
        assert sorted(archive.getnames()) == sorted(["requirements.txt", *(path.name for path in index.iterdir())])
    for path in index.iterdir():
        path.unlink()
    assert wheelhouse(pins, lambda _: None) == house


def test_a_package_that_differs_from_its_hash_fails_whole_and_says_which(
    tmp_path: Path, index: Path, cache: Path
) -> None:
    pins = lock(tmp_path, index)
    with (index / "old-thing-1.0.tar.gz").open("ab") as file:
        file.write(b"more")
    with pytest.raises(Problem, match=r"pins\.txt") as caught:
        wheelhouse(pins, lambda _: None)
    assert "old-thing" in caught.value.detail
    assert [path.name for path in (cache / "wheelhouses").iterdir()] == [".lock"]


def test_two_at_once_fetch_a_wheelhouse_only_once(tmp_path: Path, index: Path) -> None:
    pins = lock(tmp_path, index)
    program = (
        "import sys, pathlib; from fabfile.sources import wheelhouse; "
        "said = []; wheelhouse(pathlib.Path(sys.argv[1]), said.append); print(len(said))"
    )
    root = Path(__file__).parent.parent.parent
    both = [
        subprocess.Popen([sys.executable, "-c", program, str(pins)], cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sorted(process.communicate(timeout=120)[0].strip() for process in both) == ["0", "1"]


def test_a_cache_without_room_is_told_and_blamed_on_no_source(cache: Path, tmp_path: Path) -> None:
    cache.mkdir(parents=True)
    for name in ("files", "wheelhouses"):
        # Nobody, also not root, can make a file there.
        (cache / name).symlink_to("/proc/self")
    (tmp_path / "Python-2.7.18.tgz").write_bytes(b"x")
    with pytest.raises(NoCache, match=r"files: can't be read or written: .*; make room there, or set XDG_CACHE_HOME"):
        fetch(["Python-2.7.18.tgz"], tmp_path)
    with pytest.raises(NoCache, match="can't be read or written"):
        wheelhouse(PINS / "webui.txt", print)
