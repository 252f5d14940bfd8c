"""The arrows between the rooms of the project: who may import whom, and that only tasks print."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

FABFILE = Path(__file__).parent.parent.parent / "fabfile"

FLOORS: tuple[dict[str, set[str]], ...] = (
    {"errors": set(), "remote": set()},
    {"local": {"errors"}},
    {
        "inventory": {"errors", "local"},
        "sources": {"errors", "local"},
        "sandbox": {"errors", "local"},
        "logs": {"errors"},
    },
    {"render": {"inventory"}},
    {"steps": {"errors", "render"}},
    {
        "bench": {"errors", "inventory", "render"},
        "health": {"errors", "inventory", "steps"},
        "plan": {"inventory", "render", "sources", "steps"},
        "ssh": {"errors", "inventory", "local", "steps"},
    },
    {
        "doctor": {"errors", "health", "inventory", "plan", "steps"},
        "runs": {"errors", "inventory", "local", "ssh", "steps"},
    },
    {"watch": {"doctor", "errors", "health", "inventory", "local", "render"}},
    {"dashboard": {"errors", "health", "inventory", "logs", "steps", "watch"}},
    {
        "tasks": {
            "bench",
            "dashboard",
            "doctor",
            "errors",
            "health",
            "inventory",
            "local",
            "logs",
            "plan",
            "render",
            "runs",
            "sources",
            "ssh",
            "steps",
            "watch",
        },
        "demo": {"errors", "health", "inventory", "local", "runs", "ssh"},
    },
    {"cli": {"demo", "errors", "inventory", "local", "runs", "sandbox", "ssh", "tasks"}},
    {"__init__": {"cli"}, "__main__": {"cli", "errors", "local", "runs"}},
)
"""The house from the ground up: each room with those that it imports, all of them on floors below its own."""
ROOMS = {name: below for floor in FLOORS for name, below in floor.items()}
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


@cache
def rooms() -> dict[str, set[str]]:
    """What each room imports of the others."""
    found: dict[str, set[str]] = {}
    for path in [*modules(), *(FABFILE / "remote").glob("*.py")]:
        found.setdefault(room(path), set()).update(imported_rooms(path))
    return found


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_a_room_imports_just_those_that_it_is_said_to(name: str) -> None:
    assert rooms()[name] == ROOMS[name]


def test_every_room_has_its_floor() -> None:
    assert sorted(rooms()) == sorted(ROOMS)
    assert len(ROOMS) == sum(len(floor) for floor in FLOORS)


@pytest.mark.parametrize("number", range(len(FLOORS)))
def test_no_arrow_runs_upward_or_along_a_floor(number: int) -> None:
    lower = {name for floor in FLOORS[:number] for name in floor}
    assert {name for below in FLOORS[number].values() for name in below} <= lower


def test_the_house_is_drawn_with_the_same_floors_from_the_top() -> None:
    text = (
        (FABFILE.parent / "docs/extending.md").read_text().partition("## The house\n")[2].partition("`templates/`")[0]
    )
    drawn = [line[4:38] for line in text.splitlines() if line.startswith("    ")][1:]
    shown = [{word.strip("/") for word in line.split()} for line in drawn]
    assert shown == [set(floor) for floor in reversed(FLOORS)]
    assert len(shown) <= 15


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(FABFILE)))
def test_only_tasks_and_reports_print(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    prints = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
    assert prints == [] or room(path) in PRINTERS


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(FABFILE)))
def test_a_module_is_short_enough_to_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 330


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for path in [*modules(), *(FABFILE / "remote").glob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(FABFILE)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


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
    assert own == {"fabfile.errors", "fabfile.runs", "fabfile.runs.options"}
    assert not {"rich", "msgspec", "jinja2", "pymysql", "redis", "urllib.request"} & set(loaded)
