"""The table of roles: its parts fit each other, and no other module has facts about a role of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest

from fabfile.inventory.roles import ASKED, PROGRAMS, QUEUES, ROLES, STORES, Role
from fabfile.inventory.schema import Pyspider, Roles, StoresTable

FABFILE = Path(__file__).parent.parent.parent / "fabfile"

OTHER_MEANINGS = {
    "cli/needs.py": "a package of Python",
    "cli/step.py": "a task",
    "doctor/answers.py": "the scheme of an address",
    "doctor/checks/config.py": "the scheme of an address",
    "doctor/checks/modules.py": "a package of Python",
    "doctor/checks/network.py": "a word of a sentence",
    "doctor/checks/tls.py": "a table of hosts.toml",
    "doctor/known.py": "the sections of pyspider's config.json",
    "inventory/load.py": "a table of hosts.toml",
    "inventory/rules.py": "tables of hosts.toml",
    "inventory/schema.py": "a table of hosts.toml",
    "sources/downloads.py": "a file in the cache",
    "steps/logins.py": "the keys of a host's answer",
    "steps/mysql.py": "the step, the service and an account",
    "steps/families.py": "packages and their sets",
    "steps/phantomjs.py": "the step",
    "steps/redis.py": "the step and the service",
}
"""The modules beside the table in which a role's name stands alone, and its meaning there."""


def words(path: Path) -> set[object]:
    return {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}


def test_the_facts_about_roles_stand_in_one_table() -> None:
    paths = {str(path.relative_to(FABFILE)): path for path in FABFILE.rglob("*.py")}
    elsewhere = {name for name, path in paths.items() if not name.startswith("remote/") and words(path) & set(ROLES)}
    assert elsewhere == {*OTHER_MEANINGS, "inventory/roles.py"}


@pytest.mark.parametrize("role", ROLES.values(), ids=lambda role: role.name)
def test_a_role_names_others_that_exist(role: Role) -> None:
    assert set(role.stores) <= {store.name for store in STORES}
    assert set(role.calls) <= {program.name for program in PROGRAMS}
    assert not role.rpc_method or role.asked == "rpc"
    assert bool(role.port) == bool(role.port_option)
    assert role.kind == "store" or role.priority


def test_programs_start_one_role_after_the_other() -> None:
    priorities = [role.priority for role in PROGRAMS]
    assert priorities == sorted(set(priorities))
    assert [role.name for role in PROGRAMS if role.count == "one"] == ["scheduler"]


def test_a_queue_is_emptied_by_one_role_and_the_web_ui_is_asked_first() -> None:
    assert list(QUEUES) == [
        "newtask_queue",
        "status_queue",
        "scheduler2fetcher",
        "fetcher2processor",
        "processor2result",
    ]
    assert sum(len(role.takes_from) for role in PROGRAMS) == len(QUEUES)
    assert ASKED == ("webui", "scheduler", "fetcher")


def test_hosts_toml_has_a_key_for_each_role_and_a_table_for_each_port() -> None:
    assert [field.name for field in msgspec.structs.fields(Roles)] == list(ROLES)
    assert [field.name for field in msgspec.structs.fields(StoresTable)] == [store.name for store in STORES]
    for role in PROGRAMS:
        assert not role.port_option or Pyspider().base_port(role) == role.port
