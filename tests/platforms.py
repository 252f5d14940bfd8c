"""The table of docs/platforms.md: what the tests run on each platform, by their own marks; `./run platforms` writes it.

    @pytest.mark.platform("Debian 13", "bootstrap", "mysql: MariaDB 11.8")

says that a test runs this there, on a real host. All else is said here, by hand.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .bench.section import replaced

PROJECT = Path(__file__).parent.parent
PAGE = PROJECT / "docs" / "platforms.md"
COMMAND = "./run platforms"
COLUMNS = {
    "bootstrap": "bootstrap",
    "deploy": "deploy, crawl",
    "boot": "start at boot",
    "mysql": "managed MySQL",
    "redis": "managed Redis",
    "renderer": "renderers",
}
WRITTEN = "written"
DEBIAN = {"renderer": "written (PhantomJS)"}
SAID: Mapping[str, Mapping[str, str]] = {
    "Debian 11": {"mysql": "run by hand (MariaDB 10.5)", "redis": "run by hand (Redis 6.0)", **DEBIAN},
    "Debian 12": {},
    "Debian 13": DEBIAN,
    "Debian unstable (GCC 16)": {
        "bootstrap": "run by hand",
        "deploy": "run by hand",
        "redis": "run by hand (Valkey 9.1)",
        **DEBIAN,
    },
    "Debian 9 and 10, Ubuntu 14.04 to 24.04": {
        **dict.fromkeys(COLUMNS, WRITTEN),
        "redis": "written; refused before Redis 5: Debian 9, Ubuntu 14.04 to 18.04",
    },
    "CentOS 6 and 7 (yum)": {
        "mysql": "7: written (MariaDB 5.5); 6: refused once installed, as MySQL 5.1 reads no directory of settings",
        "redis": "refused: EPEL's is Redis 3.2 and older, and the queues need one from 5 on",
    },
    "RHEL, Rocky, Alma 8 and 9, Fedora (dnf)": {"bootstrap": "written; run by hand on a stand-in"},
    "Amazon Linux, Oracle Linux, CentOS Stream, openEuler (as RHEL; no package's name was compared)": {},
    "openSUSE, SLES (zypper)": {"redis": "refused: Redis runs there as instances (redis@NAME)"},
    "other than x86-64 (aarch64)": {
        **dict.fromkeys(("bootstrap", "deploy", "boot"), "refused: the pinned packages (lxml, msgpack) are for x86-64"),
        "renderer": "refused: PhantomJS is one binary, for x86-64",
    },
    "musl (Alpine)": dict.fromkeys(COLUMNS, "refused: the pinned packages are for glibc"),
    "without apt-get, dnf, yum and zypper": dict.fromkeys(COLUMNS, "refused"),
}
"""What nobody's mark tells: what is only written, what was run by hand, and what is refused."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that a test runs on a platform."""

    platform: str
    column: str
    detail: str
    module: str


def marks() -> Iterator[Mark]:
    """All marks of the tests on hosts, in the order of the modules."""
    for path in sorted((PROJECT / "tests" / "e2e").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "platform":
                platform, *things = [ast.literal_eval(word) for word in node.args]
                for thing in things:
                    column, _, detail = thing.partition(": ")
                    yield Mark(platform, column, detail, path.stem)


def table() -> str:
    """The table as Markdown."""
    found = list(marks())
    lines = ["| platform | " + " | ".join(COLUMNS.values()) + " | by |", "|---" * (len(COLUMNS) + 2) + "|"]
    lines += [_row(name, [mark for mark in found if mark.platform == name]) for name in SAID]
    return "\n".join(lines) + "\n"


def _row(name: str, found: list[Mark]) -> str:
    cells = [_cell(name, column, [one for one in found if one.column == column]) for column in COLUMNS]
    by = ", ".join(dict.fromkeys(f"`{one.module}`" for one in found))
    return f"| {name} | {' | '.join(cells)} | {by or 'unit tests'} |"


def _cell(name: str, column: str, found: list[Mark]) -> str:
    said = SAID[name].get(column, "")
    if not found:
        return said or WRITTEN
    details = ", ".join(dict.fromkeys(one.detail for one in found if one.detail))
    return "; ".join(filter(None, (f"run ({details})" if details else "run", said if "by hand" in said else "")))


def main() -> None:
    """Write the table into the page."""
    PAGE.write_text(replaced(PAGE.read_text(), COMMAND, table()))


if __name__ == "__main__":
    main()
