"""The pictures of the documentation, and the sources that draw each of them.

docs/pictures.json holds for every picture the digest of these sources as they were when it was made.
`./run pictures` makes all pictures anew on sandbox hosts, then runs `python -m tests.pictures`, which writes that file;
by itself it says that the pictures are right as they are.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

PROJECT = Path(__file__).parent.parent
KEPT = PROJECT / "docs/pictures.json"
PAGE = ("fabfile/dashboard/picture.py", "fabfile/dashboard/static/*")
SOURCES: dict[str, tuple[str, ...]] = {
    "docs/dashboard-dark.png": PAGE,
    "docs/dashboard-light.png": PAGE,
    "docs/live.svg": ("fabfile/watch/screen.py", "fabfile/watch/selection.py", "tests/e2e/shown.py"),
    "docs/profile.svg": ("fabfile/tasks/profile.py", "fabfile/health/stacks.py", "tests/e2e/shown.py"),
    "tests/webui.png": ("fabfile/pins/webui.txt",),
}


def digest(picture: str) -> str:
    """The digest of all that draws it."""
    found = hashlib.sha256()
    for pattern in SOURCES[picture]:
        paths = sorted(PROJECT.glob(pattern))
        assert paths, f"{pattern}: there is no such file"
        for path in paths:
            found.update(f"{path.relative_to(PROJECT)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def kept() -> dict[str, str]:
    """The digests of when the pictures were made."""
    digests: dict[str, str] = json.loads(KEPT.read_text())
    return digests


if __name__ == "__main__":
    KEPT.write_text(json.dumps({picture: digest(picture) for picture in sorted(SOURCES)}, indent=2) + "\n")
