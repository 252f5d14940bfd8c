"""The arrows between the rooms of the project: who may import whom, and that only tasks print."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FABFILE = Path(__file__).parent.parent.parent / "fabfile"

MAY_IMPORT: dict[str, set[str]] = {
    "__init__": {"cli"},
    "__main__": set(),
    "errors": set(),
    "local": set(),
    "inventory": {"errors", "local"},
    "render": {"inventory"},
    "sources": {"errors", "local"},
    "health": {"errors", "inventory"},
    "sandbox": {"cli", "errors", "local"},
    "steps": {"errors", "render"},
    "ssh": {"cli", "errors", "inventory", "local", "steps"},
    "plan": {"inventory", "render", "sources", "steps"},
    "doctor": {"inventory", "plan", "render", "steps"},
    "runs": {"errors", "inventory", "local", "ssh", "steps", "tasks"},
    "tasks": {"doctor", "errors", "health", "inventory", "local", "plan", "runs", "sources", "ssh", "steps"},
    "demo": {"cli", "errors", "health", "inventory", "local", "runs", "tasks"},
    "cli": {"demo", "errors", "runs", "sandbox", "ssh", "tasks"},
}
PRINTERS = ("cli", "demo", "tasks", "runs")


def modules() -> list[Path]:
    return sorted(path for path in FABFILE.rglob("*.py") if "remote" not in path.parts and "backend" not in path.parts)


def room(path: Path) -> str:
    return path.relative_to(FABFILE).with_suffix("").parts[0]


def imported_rooms(path: Path) -> Iterator[str]:
    """The rooms that a module's relative imports lead to, its own left out."""
    package = path.relative_to(FABFILE).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package[: len(package) - node.level + 1]
        full = (*base, *(node.module.split(".") if node.module else ()))
        names = [full[0]] if full else [alias.name for alias in node.names]
        yield from (name for name in names if name != room(path))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(FABFILE)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    assert set(imported_rooms(path)) <= MAY_IMPORT[room(path)]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(FABFILE)))
def test_only_tasks_and_reports_print(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    prints = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
    assert prints == [] or room(path) in PRINTERS


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(FABFILE)))
def test_a_module_is_short_enough_to_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 330


def test_no_module_takes_the_name_of_one_that_others_import() -> None:
    """`fab` puts fabfile/ itself on sys.path."""
    import sys

    names = {path.stem for path in FABFILE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert names & (set(sys.stdlib_module_names) | {"fabric", "invoke", "jinja2", "pymysql", "redis", "rich"}) == set()


def test_listing_the_tasks_loads_nothing_of_what_they_do() -> None:
    import subprocess
    import sys

    script = "import sys, fabric; before = set(sys.modules); import fabfile; print(*(set(sys.modules) - before))"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=FABFILE.parent, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "fabfile.cli.deploy" in loaded
    own = {name for name in loaded if name.startswith("fabfile.") and not name.startswith("fabfile.cli")}
    assert own == {"fabfile.errors", "fabfile.runs", "fabfile.runs.options", "fabfile.sandbox", "fabfile.sandbox.sudo"}
    assert not {"rich", "msgspec", "jsonschema", "jinja2", "pymysql", "redis", "urllib.request"} & set(loaded)
