"""The roles that a host can have: one table, from which everything else takes a role's facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from . import commands

if TYPE_CHECKING:
    from .fleet import Fleet, Host, Program

STOP_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A store, a component of pyspider, or another program that pyspider's components call."""

    name: str
    """Its name in hosts.toml; for a component, pyspider's own name as well."""
    kind: Literal["store", "component", "program"]
    count: Literal["one", "some", "any"]
    """How many a cluster has: exactly one, at least one, or any number."""
    title: str = ""
    """A store's name in sentences."""
    packages: str = ""
    """The packages that its hosts need, by their name in steps/families.py."""
    port_option: str = ""
    """The option that holds the port of its first program on a host; the next ones count up from there."""
    port: int = 0
    """The port where hosts.toml names none."""
    addresses: tuple[str, ...] = ()
    """The options of config.json that tell every component where it is."""
    stores: tuple[str, ...] = ()
    """The stores without which its programs do not start."""
    calls: tuple[str, ...] = ()
    """The roles whose programs its own call."""
    takes_from: tuple[str, ...] = ()
    """The queues that it empties."""
    asked: Literal["", "page", "rpc"] = ""
    """The question that tells whether it is well: its page, or a call by the web UI."""
    rpc_method: str = ""
    """A method that no other role's RPC server has."""
    priority: int = 0
    """supervisord starts from low to high and stops from high to low."""
    stop_signal: Literal["INT", "TERM"] = "INT"
    stop_group: bool = False
    """The signal goes to all processes of a program."""
    stop_seconds: int = STOP_SECONDS
    """How long a program may take to stop; supervisord stops one after the other."""
    command: Callable[[Fleet, Host, Program], list[str]] = commands.component
    on_command_line: tuple[str, ...] = ()
    """Options that differ from one program to the next, and so are not in config.json."""
    environment: Mapping[str, str] = field(default_factory=dict)
    launcher: tuple[str, ...] = ()
    """The modules of templates/launcher that only some components read."""
    made_of: Callable[[Fleet], tuple[str, ...]] = lambda _: ()
    """Checksums of the files that a program of another kind than pyspider's runs."""


MYSQL = Role(
    name="mysql",
    kind="store",
    count="one",
    title="MySQL",
    packages="mysql",
    port_option="port",
    port=3306,
    addresses=("taskdb", "projectdb", "resultdb"),
)
REDIS = Role(
    name="redis",
    kind="store",
    count="one",
    title="Redis",
    packages="redis",
    port_option="port",
    port=6379,
    addresses=("message-queue",),
)
PHANTOMJS = Role(
    name="phantomjs",
    kind="program",
    count="any",
    packages="phantomjs",
    port_option="port",
    port=25555,
    addresses=("phantomjs-proxy",),
    priority=100,
    # The build from 2016 flushes nothing, and can't read today's openssl.cnf.
    stop_signal="TERM",
    stop_group=True,
    environment={"OPENSSL_CONF": "/dev/null", "PYSPIDER_FETCHER": commands.PHANTOMJS_SCRIPT},
    command=commands.phantomjs,
    on_command_line=("port", "args", "phantomjs-path"),
    made_of=lambda fleet: (fleet.phantomjs.sha256,),
)
# A component ends what it has in hand: a page takes a fetcher up to 20 s, a script a processor 30 s, or what
# hosts.toml says (ends.py).
RESULT_WORKER = Role(
    name="result_worker",
    kind="component",
    count="some",
    stores=("mysql", "redis"),
    takes_from=("processor2result",),
    priority=200,
    stop_seconds=15,
    launcher=("database", "saving"),
)
PROCESSOR = Role(
    name="processor",
    kind="component",
    count="some",
    stores=("mysql", "redis"),
    takes_from=("fetcher2processor",),
    priority=300,
    stop_seconds=40,
    launcher=("database", "processing", "quick"),
)
FETCHER = Role(
    name="fetcher",
    kind="component",
    count="some",
    port_option="xmlrpc-port",
    port=24444,
    stores=("redis",),
    calls=("phantomjs",),
    takes_from=("scheduler2fetcher",),
    asked="rpc",
    rpc_method="fetch",
    priority=400,
    stop_seconds=30,
    launcher=("fetching",),
    command=commands.rpc_server,
    on_command_line=("xmlrpc-port",),
)
SCHEDULER = Role(
    name="scheduler",
    kind="component",
    count="one",
    port_option="xmlrpc-port",
    port=23333,
    stores=("mysql", "redis"),
    takes_from=("newtask_queue", "status_queue"),
    asked="rpc",
    rpc_method="newtask",
    priority=500,
    stop_seconds=15,
    launcher=("agenda", "database", "flying", "ledger", "projects", "rounds", "scheduling", "together"),
    command=commands.rpc_server,
    on_command_line=("xmlrpc-port",),
)
WEBUI = Role(
    name="webui",
    kind="component",
    count="some",
    port_option="port",
    port=5000,
    stores=("mysql", "redis"),
    calls=("scheduler", "fetcher"),
    asked="page",
    priority=600,
    command=commands.webui,
    on_command_line=("host", "port"),
)

ROLES: Mapping[str, Role] = {
    role.name: role for role in (MYSQL, REDIS, PHANTOMJS, RESULT_WORKER, PROCESSOR, FETCHER, SCHEDULER, WEBUI)
}
STORES = tuple(role for role in ROLES.values() if role.kind == "store")
PROGRAMS = tuple(sorted((role for role in ROLES.values() if role.kind != "store"), key=lambda role: role.priority))
"""The roles that supervisord runs, in start order; it stops them in the opposite one.

A role that takes out of a queue starts before and stops after the one that puts in: a result that was
popped and not yet saved is lost when its result_worker ends, so that one ends last.
"""
QUEUES: Mapping[str, str] = {queue: role.name for role in reversed(PROGRAMS) for queue in role.takes_from}
"""pyspider's queues, each with the role that empties it (pyspider/run.py)."""
ASKED = tuple(role.name for role in reversed(PROGRAMS) if role.asked)
"""The roles that are asked whether they are well, in the order in which a page is asked for."""
