"""What the web UI's pages load: taken out of packages, packed with a manifest, put on a host whole."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fabfile.errors import Problem
from fabfile.local import cache_dir
from fabfile.runs.engine import apply, look, missing
from fabfile.sources import libraries as source
from fabfile.steps.libraries import Libraries

from .local import LocalLink


def packages(folder: Path, names: list[str]) -> Path:
    """A wheel and a source package that carry the files between them."""
    folder.mkdir()
    half = len(names) // 2
    with zipfile.ZipFile(folder / "one-1.0-py2.py3-none-any.whl", "w") as wheel:
        for name in names[:half]:
            wheel.writestr(name, name)
    with tarfile.open(folder / "two-1.0.tar.gz", "w:gz") as archive:
        for name in names[half:]:
            info = tarfile.TarInfo(f"two-1.0/{name}")
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
    return folder


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive as `libraries` leaves it in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = cache_dir("libraries") / f"{source.libraries_digest()}.tar.gz"
    return source.packed({"vue/vue.min.js": b"vue", "a/b.css": b"style"}, path)


def test_the_files_come_out_of_wheels_and_source_packages_alike(tmp_path: Path) -> None:
    chosen = source.taken(packages(tmp_path / "packages", sorted({*source.FILES.values(), "else/where.js"})))
    assert chosen == {name: member.encode() for name, member in source.FILES.items()}


def test_a_package_that_lacks_a_file_is_refused_by_its_name(tmp_path: Path) -> None:
    names = sorted(source.FILES.values())
    with pytest.raises(Problem, match="the packages lack xstatic/"):
        source.taken(packages(tmp_path / "packages", names[:-1]))


def test_the_stand_ins_are_for_paths_that_no_package_serves() -> None:
    assert source.stand_ins()
    assert not source.stand_ins().keys() & source.FILES.keys()


def test_what_is_in_the_cache_is_not_fetched_again(archive: Path) -> None:
    said: list[str] = []
    assert source.webui_libraries(said.append) == archive
    assert said == []


def test_the_manifest_names_every_other_file(archive: Path) -> None:
    with tarfile.open(archive) as content:
        manifest = content.extractfile(source.MANIFEST)
        assert manifest
        sums = dict(line.split("  ")[::-1] for line in manifest.read().decode().splitlines())
    assert sums == {
        "vue/vue.min.js": hashlib.sha256(b"vue").hexdigest(),
        "a/b.css": hashlib.sha256(b"style").hexdigest(),
    }


def absent(_folder: Path) -> None:
    pass


def changed(folder: Path) -> None:
    (folder / "a/b.css").write_text("by hand")


def lost(folder: Path) -> None:
    (folder / "vue/vue.min.js").unlink()


def older(folder: Path) -> None:
    (folder / ".digest").write_text("000000000000\n")


def half_made(folder: Path) -> None:
    folder.with_name("libraries.new").mkdir()
    folder.rename(folder.with_name("libraries.old"))


@pytest.mark.parametrize("damage", [absent, changed, lost, older, half_made])
def test_whatever_is_wrong_on_the_host_is_made_right_once(
    tmp_path: Path, archive: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "libraries"
    step, link = Libraries(archive, "63b872cba6e0", str(folder)), LocalLink()
    if damage is not absent:
        assert install(link, step)
        damage(folder)
    assert install(link, step) == ("install the web UI's scripts and styles",)
    assert install(link, step) == ()
    assert (folder / "a/b.css").read_text() == "style"
    assert [path.name for path in tmp_path.glob("libraries*")] == ["libraries"]


def install(link: LocalLink, step: Libraries) -> tuple[str, ...]:
    """What was done on the host."""
    todo = missing([step], look(link, [step]))
    return apply(link, [step], todo, lambda _: None) if todo else ()
