"""hosts.toml as it should be: what is read from it, and what is chosen from it."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fabfile.errors import WrongInput
from fabfile.inventory import Fleet, load
from fabfile.inventory.editors import SCHEMA, schema_text
from fabfile.inventory.schema import HostsFile

PROJECT = Path(__file__).parent.parent.parent
SHIPPED = PROJECT / "hosts.toml"
SMALL = """
[cluster]
name = "small"
[hosts.one]
address = "192.0.2.1"
roles = { mysql = 1, redis = 1, scheduler = 1, fetcher = 2, processor = 2, result_worker = 1, webui = 1, phantomjs = 1 }
"""


def read(folder: Path, text: str = SMALL) -> Fleet:
    path = folder / "hosts.toml"
    path.write_text(text)
    return load(path)


@pytest.fixture
def shipped(tmp_path: Path) -> Fleet:
    return read(tmp_path, SHIPPED.read_text())


@pytest.fixture
def tutorial(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    for name in ("MYSQL", "REDIS", "WEBUI"):
        monkeypatch.setenv(f"TUTORIAL_{name}_PASSWORD", f"{name.lower()}-password")
    return load(PROJECT / "examples" / "tutorial.toml")


def test_the_shipped_file_describes_the_sandbox(shipped: Fleet) -> None:
    assert [(host.name, host.address) for host in shipped.hosts] == [
        ("node1", "10.77.0.11"),
        ("node2", "10.77.0.12"),
        ("node3", "10.77.0.13"),
    ]
    assert all(host.user == "root" and host.port == 22 for host in shipped.hosts)
    assert shipped.hosts[0].key == shipped.path.parent / ".sandbox" / "id_ed25519"
    assert shipped.hosts[0].known_hosts == shipped.path.parent / ".sandbox" / "known_hosts"
    assert shipped.stores.mysql.managed and shipped.stores.redis.managed
    assert shipped.mysql_address() == shipped.redis_address() == "10.77.0.11"


def test_the_shipped_file_shows_every_key_of_the_schema_with_a_comment() -> None:
    shown: dict[str, set[str]] = {}
    table, before = "", ""
    for line in SHIPPED.read_text().splitlines():
        if header := re.match(r"\[([\w.-]+)\]", line):
            table = re.sub(r"^hosts\..*", "hosts", header[1])
        elif key := re.match(r"#?([a-z][\w-]*) = ", line):
            first = key[1] not in shown.setdefault(table, set())
            shown[table].add(key[1])
            assert before.startswith("#") or not first or key[1] in ("roles",), f"{line} has no comment"
        before = line
    for name, keys in expected_keys(HostsFile).items():
        assert keys <= shown.get(name, set()) | {"roles"}, name


def expected_keys(kind: Any, name: str = "") -> dict[str, set[str]]:
    """The keys per table that a type stands for; a host's login is described once, in [defaults]."""
    found: dict[str, set[str]] = {name: set()}
    for field in msgspec.structs.fields(kind):
        path = f"{name}.{field.encode_name}".strip(".")
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and field.encode_name != "databases":
            found |= expected_keys(inner, path)
        elif name:
            found[name].add(field.encode_name)
    return {"hosts": {"address"}} | found


def test_switching_every_commented_key_on_leaves_a_file_of_the_right_shape() -> None:
    text = re.sub(r"^#(?=[a-z][\w-]* = )", "", SHIPPED.read_text(), flags=re.MULTILINE)
    assert text != SHIPPED.read_text()
    msgspec.convert(tomllib.loads(text), HostsFile)


def test_a_commented_key_shows_its_default() -> None:
    plain = msgspec.convert(tomllib.loads(SHIPPED.read_text()), HostsFile)
    text = SHIPPED.read_text()
    for table in ("cluster", "python", "phantomjs"):
        body = text.split(f"[{table}]\n")[1].split("\n[")[0]
        values = tomllib.loads(re.sub(r"^#(?=[a-z])", "", body, flags=re.MULTILINE))
        for key, value in values.items():
            default = msgspec.to_builtins(getattr(plain, table))[key]
            assert default in ((), value, tuple(value) if isinstance(value, list) else value), key


def test_the_schema_file_and_the_types_agree() -> None:
    assert SCHEMA.read_text() == schema_text(), "hosts.schema.json is stale; run: ./run schema"


@pytest.mark.parametrize("path", [SHIPPED, PROJECT / "examples" / "tutorial.toml"], ids=lambda path: path.name)
def test_each_file_names_the_schema_for_editors(path: Path) -> None:
    """They look for it from the file's own folder; an example's is the top one, which README has it copied to."""
    named = path.read_text().splitlines()[0].removeprefix("#:schema ")
    assert (PROJECT / named).resolve() == SCHEMA
    for readme in ("README.md", "README.zh-CN.md"):
        assert "    cp examples/tutorial.toml my.toml\n" in (PROJECT / readme).read_text()
    json.loads(SCHEMA.read_text())


def test_hosts_toml_names_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(tmp_path)
    monkeypatch.setenv("HOSTS_TOML", str(tmp_path / "hosts.toml"))
    assert load().cluster.name == "small"
    assert load().path == tmp_path / "hosts.toml"


def test_programs_are_numbered_and_come_in_start_order(tmp_path: Path) -> None:
    fleet = read(tmp_path)
    assert [(one.name, one.port) for one in fleet.programs(fleet.hosts[0])] == [
        ("phantomjs1", 25555),
        ("result_worker1", None),
        ("processor1", None),
        ("processor2", None),
        ("fetcher1", 24444),
        ("fetcher2", 24445),
        ("scheduler", 23333),
        ("webui1", 5000),
    ]


def test_socket_and_pidfile_are_in_the_log_directory_unless_named(tmp_path: Path) -> None:
    moved = SMALL.replace('name = "small"', 'name = "small"\nlogs = "/var/log/crawl"\npidfile = "/run/crawl.pid"')
    cluster = read(tmp_path, moved).cluster
    assert (cluster.socket, cluster.pidfile) == ("/var/log/crawl/supervisor.sock", "/run/crawl.pid")


def test_hosts_inherit_how_to_log_in(tutorial: Fleet) -> None:
    host = tutorial.host("spider2")
    assert (host.user, host.port, host.key) == ("deploy", 22, None)
    assert host.known_hosts == tutorial.path.parent / "known_hosts"


def test_a_gateway_outside_of_the_cluster_is_a_host_of_its_own(tutorial: Fleet) -> None:
    gateway = tutorial.gateway(tutorial.host("spider1"))
    assert gateway is not None
    assert (gateway.user, gateway.address, gateway.port) == ("ops", "192.0.2.1", 2222)


def test_a_gateway_for_all_is_itself_reached_directly(tmp_path: Path) -> None:
    text = '[hosts.two]\naddress = "192.0.2.2"\n[defaults]\ngateway = "one"\n'
    fleet = read(tmp_path, SMALL + text)
    assert fleet.gateway(fleet.host("two")) == fleet.host("one")
    assert fleet.gateway(fleet.host("one")) is None


def test_a_store_that_exists_is_named_by_address_or_by_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB", "secret")
    text = SMALL.replace("mysql = 1, redis = 1, ", "")
    text += '[stores.mysql]\nhost = "db.example"\npassword = { env = "DB" }\n'
    text += '[stores.redis]\nhost = "one"\npassword = false\n'
    fleet = read(tmp_path, text)
    assert (fleet.mysql_address(), fleet.stores.mysql.managed) == ("db.example", False)
    assert (fleet.redis_address(), fleet.stores.redis.managed) == ("192.0.2.1", False)
    assert fleet.stores.redis.password is None
    assert not fleet.passwords_path.exists()


@pytest.mark.parametrize(
    ("names", "roles", "found"),
    [
        ((), (), ["node1", "node2", "node3"]),
        (("node3", "node1"), (), ["node1", "node3"]),
        ((), ("processor",), ["node2", "node3"]),
        ((), ("webui", "phantomjs"), ["node1", "node3"]),
        (("node1", "node2"), ("processor",), ["node2"]),
        (("node1",), ("processor",), []),
    ],
)
def test_a_selection_is_names_and_roles_together(
    shipped: Fleet, names: tuple[str, ...], roles: tuple[str, ...], found: list[str]
) -> None:
    assert [host.name for host in shipped.select(names, roles)] == found


@pytest.mark.parametrize(
    ("names", "roles", "message"),
    [
        (("nod1",), (), "unknown host 'nod1' (did you mean 'node1'?)"),
        ((), ("procesor",), "unknown role 'procesor' (did you mean 'processor'?)"),
        ((), ("result-worker",), "did you mean 'result_worker'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_one_that_was_meant(
    shipped: Fleet, names: tuple[str, ...], roles: tuple[str, ...], message: str
) -> None:
    with pytest.raises(WrongInput, match=re.escape(message)):
        shipped.select(names, roles)


def test_a_fleet_cannot_be_changed(shipped: Fleet) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        shipped.hosts = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        shipped.cluster.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("names", "roles", "limit", "exclude", "found"),
    [
        ((), (), (), (), ["node1", "node2", "node3"]),
        (("node2", "node3"), (), (), (), ["node2", "node3"]),
        ((), ("processor",), (), (), ["node2", "node3"]),
        (("node1", "node2"), ("processor",), (), (), ["node2"]),
        ((), (), ("node[12]",), (), ["node1", "node2"]),
        ((), (), (), ("node1",), ["node2", "node3"]),
        ((), ("processor",), ("node*",), ("*3",), ["node2"]),
        ((), (), ("other*",), (), []),
    ],
)
def test_hosts_are_chosen_by_names_roles_limit_and_exclude_together(
    tmp_path: Path,
    names: tuple[str, ...],
    roles: tuple[str, ...],
    limit: tuple[str, ...],
    exclude: tuple[str, ...],
    found: list[str],
) -> None:
    copy = tmp_path / "hosts.toml"
    copy.write_text((PROJECT / "hosts.toml").read_text())
    assert [host.name for host in load(copy).select(names, roles, limit, exclude)] == found


@pytest.mark.parametrize("flags", [{"limit": ("nod1",)}, {"exclude": ("nod1",)}, {"names": ("nod1",)}])
def test_an_unknown_name_is_refused_wherever_it_stands(tmp_path: Path, flags: dict[str, tuple[str, ...]]) -> None:
    copy = tmp_path / "hosts.toml"
    copy.write_text((PROJECT / "hosts.toml").read_text())
    with pytest.raises(WrongInput, match="did you mean 'node1'"):
        load(copy).select(**flags)


# The one default among them is that of a port which ssh_config may say as well.
EXAMPLES = {
    "cluster": {"trusted"},
    "defaults": {"port", "gateway", "ssh"},
    "stores.mysql": {"host", "password", "ca"},
    "stores.redis": {"host", "username", "password", "ca"},
    "doctor": {"site"},
    "watch": {"heartbeat"},
    "watch.webhook": {"url", "secret"},
    "watch.mail": {"server", "user", "password", "from", "to"},
    "watch.prometheus": {"file", "port"},
}
"""The keys behind `#` that show an example, for lack of a default."""


def test_a_key_behind_a_hash_shows_its_default(tmp_path: Path) -> None:
    path, lines = tmp_path / "hosts.toml", SHIPPED.read_text().splitlines()

    def read(changed: list[str]) -> Fleet | None:
        path.write_text("\n".join(changed))
        with suppress(WrongInput):
            return load(path)
        return None

    shipped, table = read(lines), ""
    others: dict[str, set[str]] = {}
    for number, line in enumerate(lines):
        if header := re.fullmatch(r"#?\[([\w.]+)\]", line):
            table = header[1]
        # The options of pyspider's own have pyspider's defaults.
        key = re.match(r"#([\w-]+) = ", line) if not table.startswith("pyspider") else None
        if key and read([*lines[:number], line[1:], *lines[number + 1 :]]) != shipped:
            others.setdefault(table, set()).add(key[1])
    assert shipped and others == EXAMPLES
