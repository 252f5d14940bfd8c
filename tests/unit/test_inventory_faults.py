"""Faults of hosts.toml: each is found, says where and what to do, and brings no second one along."""

# A case is a line, however long: so the table can be read.
# ruff: noqa: E501

from __future__ import annotations

import datetime as dt
import json
import os
import re
import tomllib
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabfile.errors import WrongInput
from fabfile.inventory import load
from fabfile.inventory.diagnosis import misshapen
from fabfile.inventory.schema import HostsFile

from .hosts_toml import GOOD, changed, faults


def test_the_file_that_the_others_are_made_from_has_no_fault(tmp_path: Path) -> None:
    (tmp_path / "hosts.toml").write_text(GOOD)
    assert load(tmp_path / "hosts.toml").cluster.name == "demo"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "can't be read: No such file or directory"),
        (b"", "holds no whole certificate in PEM form"),
        (b"\x30\x82\x01\x00", "holds no whole certificate in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n", "holds no whole certificate in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "certificate 1 in the file"),
        (b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "holds no whole certificate in PEM form"),
        (b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", "holds a private key"),
        (b"x" * (5 << 20), "is larger than any file of CAs"),
    ],
)
def test_a_ca_that_can_not_be_used_is_named_with_its_file(tmp_path: Path, content: bytes | None, fault: str) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    text = changed("[stores.mysql]\n", '[stores.mysql]\ntls = true\nca = "ca.pem"\n')
    (line,) = faults(tmp_path, text)
    assert line.startswith("hosts.toml: stores.mysql.ca: ") and fault in line and "ca.pem" in line


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_ca_that_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "ca.pem")
    (line,) = faults(tmp_path, changed("[stores.mysql]\n", '[stores.mysql]\ntls = true\nca = "ca.pem"\n'))
    assert "is no regular file" in line


ROLES2 = "roles = { fetcher = 1, processor = 2, result_worker = 1 }"
OPEN_WEBUI = 'host = "0.0.0.0"'


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = { env = "NOT_SET_ANYWHERE" }\n[pyspider.scheduler]', 'pyspider.fetcher.proxy: the environment variable NOT_SET_ANYWHERE is not set'),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = { file = "nowhere" }\n[pyspider.scheduler]', "nowhere can't be read: No such file or directory"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nsplash-endpoint = {}\n[pyspider.scheduler]', 'pyspider.fetcher.splash-endpoint: give one of the two'),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "socks5://h:1080"\n[pyspider.scheduler]', "pyspider.fetcher.proxy: the address is of another kind than http://host:port"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "https://h:3128"\n[pyspider.scheduler]', "pyspider.fetcher.proxy: pyspider's fetcher speaks http to its proxy"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "http//h:3128"\n[pyspider.scheduler]', "pyspider.fetcher.proxy: the address of a proxy is http://host:port, with nothing behind"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "http://:3128"\n[pyspider.scheduler]', "pyspider.fetcher.proxy: the address can't be taken apart"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "http://10.0.0.999:3128"\n[pyspider.scheduler]', "pyspider.fetcher.proxy: the address names no host"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "h:99999"\n[pyspider.scheduler]', "pyspider.fetcher.proxy: the address can't be taken apart"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "-:1"\n[pyspider.scheduler]', "pyspider.fetcher.proxy: the address names no host"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "3128"\n[pyspider.scheduler]', "pyspider.fetcher.proxy: the address names no host"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nsplash-endpoint = "ftp://h/x"\n[pyspider.scheduler]', "pyspider.fetcher.splash-endpoint: the address is of another kind"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "http://u:s3cretPW/x@h:3128"\n[pyspider.scheduler]', "pyspider.fetcher.proxy: the address can't be taken apart into host and port"),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "http://u:s3cretPW @h"\n[pyspider.scheduler]', 'pyspider.fetcher.proxy: the address holds characters that no URL has; change it'),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = "http://u:s3cretPW\\nx@h"\n[pyspider.scheduler]', 'pyspider.fetcher.proxy: is no address in text on one line'),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nproxy = ["http://u:s3cretPW@h"]\n[pyspider.scheduler]', 'pyspider.fetcher.proxy: is no address in text on one line'),
        ("[pyspider.scheduler]", '[pyspider.fetcher]\nphantomjs-endpoint = { user = "s3cretPW" }\n[pyspider.scheduler]', 'pyspider.fetcher.phantomjs-endpoint: is no address in text on one line'),
        ("[python]", '[pyspider.phantomjs]\nargs = ["--proxy-auth=u:s3cretPW"]\n[python]', "pyspider.phantomjs.args: --proxy-auth with a password would be in the process list"),
        ("[python]", '[pyspider.phantomjs]\nargs = ["--proxy=http://u:s3cretPW@h:1"]\n[python]', "pyspider.phantomjs.args: --proxy with a password would be in the process list"),
        ("[python]", '[phantomjs]\nsource = "https://u:s3cretPW@h/phantomjs"\n[python]', "phantomjs.source: holds an address with a login, which is not supported"),
        ("[stores.mysql]", '[stores.mysql]\nca = "ca.pem"', "stores.mysql.ca: has no effect without `tls = true`; add that, or remove this key"),
        ("[stores.redis]", "[stores.redis]\ntls = true", "stores.redis.tls: the Redis that bootstrap sets up speaks no TLS; name one that exists and does by the key host"),
        ("[stores.mysql]", '[stores.mysql]\ntls = 1\nca = "ca.pem"', "stores.mysql.tls: 1 is not true or false"),
        ("[stores.mysql]", '[stores.mysql]\ntls = true\nca = "~nobody-at-all/ca.pem"', "stores.mysql.ca: '~nobody-at-all/ca.pem': this machine knows no such user; give the path from / on"),
        # keys and roles
        ('user = "work"', 'usr = "work"', "cluster: unknown key 'usr' (did you mean 'user'?)"),
        ("[defaults]", "[default]", "unknown key 'default' (did you mean 'defaults'?)"),
        ("fetcher = 1", "fetchr = 1", "hosts.node2.roles: unknown role 'fetchr' (did you mean 'fetcher'?)"),
        ("result_worker = 1", "result-worker = 1", "hosts.node2.roles: unknown role 'result-worker' (did you mean 'result_worker'?)"),
        ("xmlrpc-port =", "xmlrpc_port =", "pyspider.scheduler: unknown key 'xmlrpc_port' (did you mean 'xmlrpc-port'?)"),
        ("debug = false", 'taskdb = "x"', "pyspider.taskdb: not to be set here: it comes from [stores.mysql]; remove this key"),
        ("debug = false", 'taskdb = "sqlite+taskdb:////t.db"', "remove this key (SQLite is refused: it is within one host, and a cluster has several)"),
        ("debug = false", 'amqp-url = "amqp://u:s3cretPW@h:5672/"', "the queues are in [stores.redis]; remove this key (AMQP (RabbitMQ) is refused: a message is handed over"),
        ("debug = false", 'beanstalk = "h:1"', "the queues are in [stores.redis]; remove this key (Beanstalk is refused: a message"),
        ("[stores.mysql]", '[stores.mongodb]\nhost = "h"\n[stores.mysql]', "stores.mongodb: MongoDB is refused: its driver is not among the pinned packages"),
        ("[stores.mysql]", '[stores.sqlite]\n[stores.mysql]', "stores.sqlite: SQLite is refused: it is within one host"),
        ("[stores.mysql]", '[stores.mysql]\nhost = "sqlalchemy+postgresql://u:s3cretPW@h/d"', "stores.mysql.host: PostgreSQL is refused: its driver"),
        ("[stores.mysql]", '[stores.mysql]\nhost = "elasticsearch://h:9200"', "stores.mysql.host: Elasticsearch is refused: its driver"),
        ("[stores.redis]", '[stores.redis]\nhost = "sentinel://h:26379"', "stores.redis.host: Sentinel is refused: pyspider's programs ask none for the master; name the master itself"),
        ("[stores.redis]", "[stores.redis]\nport = 26379", "stores.redis.port: 26379 is Sentinel's port; Sentinel is refused: pyspider's programs ask none"),
        ("debug = false", 'message_queue = "x"', "pyspider.message_queue: not to be set here: it comes from [stores.redis]"),
        ("xmlrpc-port = 23333", 'xmlrpc-host = "x"', "pyspider.scheduler.xmlrpc-host: not to be set here: it is the address of the host"),
        # values
        ("processor = 2", 'processor = "two"', "hosts.node2.roles.processor: 'two' is not a count from 0 to 999"),
        ("processor = 2", "processor = -1", "hosts.node2.roles.processor: -1 is not a count from 0 to 999"),
        ("port = 22", "port = 0", "defaults.port: 0 is not a port from 1 to 65535"),
        ("port = 22", "port = true", "defaults.port: true is not a port from 1 to 65535"),
        ("debug = false", "debug = 1", "pyspider.debug: 1 is not true or false"),
        ('host = "127.0.0.1"', "max-rate = nan", "pyspider.webui.max-rate: nan is not a number"),
        ('host = "127.0.0.1"', "max-burst = inf", "pyspider.webui.max-burst: inf is not a number"),
        ("debug = false", "data-path = 1979-05-27", "pyspider.data-path: 1979-05-27 is not an absolute path"),
        ("db = 0", 'db = "db"', "stores.redis.db: 'db' is not a Redis database: a number from 0 to 15"),
        ("db = 0", "db = 16", "stores.redis.db: 16 is not a Redis database: a number from 0 to 15"),
        ("db = 0", "db = 0.0", "stores.redis.db: 0.0 is not a Redis database"),
        (ROLES2, 'roles = ["fetcher", "processor"]', "hosts.node2.roles: each role has its number: roles = { fetcher = 1, processor = 1 }"),
        (ROLES2, "roles = []", "hosts.node2.roles: each role has its number: roles = { fetcher = 1 }"),
        (ROLES2, "roles = 3", "hosts.node2.roles: 3 is not a table of keys"),
        ('name = "demo"', 'name = "De mo"', "cluster.name: 'De mo' is not a name of small letters"),
        ('name = "demo"', "", "cluster.name: missing; name the cluster"),
        ('address = "192.0.2.12"', "", "hosts.node2.address: missing; give the host's IPv4 address or name"),
        ('address = "192.0.2.12"', 'adress = "192.0.2.12"', "hosts.node2: unknown key 'adress' (did you mean 'address'?)"),
        ('address = "192.0.2.12"', 'address = "a b"', "hosts.node2.address: 'a b' is not an IPv4 address or a host name"),
        ('address = "192.0.2.12"', 'address = "192.0.2.500"', "hosts.node2.address: '192.0.2.500' is neither the IPv4 address of a host nor a host name"),
        ('address = "192.0.2.12"', 'address = "0.0.0.0"', "hosts.node2.address: '0.0.0.0' is neither the IPv4 address of a host nor a host name"),
        ("[hosts.node2]", "[hosts.Node_2]", "hosts: 'Node_2' is not a name of small letters"),
        ('user = "work"', 'home = "work"', "cluster.home: 'work' is not an absolute path"),
        ('user = "work"', 'home = "/a/../b"', "cluster.home: '/a/../b' is not an absolute path"),
        ("[pyspider]", '[doctor]\nsite = "https://x.example/"\n[pyspider]', "doctor.site: 'https://x.example/' is not a host name, or name:port"),
        ("[pyspider]", '[doctor]\nsite = "x.example:70000"\n[pyspider]', "doctor.site: 70000 is no port from 1 to 65535; write x.example:PORT"),
        ("[pyspider]", "[phantomjs]\nmemory_mb = 0\n[pyspider]", "phantomjs.memory_mb: 0 is not megabytes: a whole number above 0"),
        ('version = "2.7.18"', 'version = "3.11.0"', "python.version: '3.11.0' is not a version of Python 2.7"),
        ('version = "2.7.18"', 'version = "2.7.8"', "python.version: 2.7.8 has an ssl without SNI, which the pinned packages need; name 2.7.9"),
        ('version = "2.7.18"', "sources = []", "python.sources: [] is not a list of at least one source"),
        # the cluster as a whole
        ("scheduler = 1, ", "", "hosts: a cluster needs exactly one scheduler, but there is none; add `scheduler = 1`"),
        ("scheduler = 1, ", "scheduler = 2, ", "exactly one scheduler, but node1 has 2; leave `scheduler = 1` on one host only"),
        ("fetcher = 1", "fetcher = 1, scheduler = 1", "exactly one scheduler, but node1 has 1, node2 has 1"),
        ("fetcher = 1, ", "", "hosts: no fetcher in the cluster; add `fetcher = 1` to some host's roles"),
        ("processor = 2, ", "processor = 0, ", "hosts: no processor in the cluster"),
        (", result_worker = 1", "", "hosts: no result_worker in the cluster"),
        (", webui = 1", "", "hosts: no webui in the cluster"),
        ("mysql = 1, ", "", "stores.mysql: no mysql: add `mysql = 1` to one host's roles, or name a server"),
        ("fetcher = 1", "fetcher = 1, redis = 1", "hosts: a cluster has one redis, but node1 has 1, node2 has 1"),
        ('user = "pyspider"', 'host = "192.0.2.99"', "stores.mysql.host: '192.0.2.99' contradicts the role mysql of node1"),
        ('user = "pyspider"', 'databases = { taskdb = "a", projectdb = "a" }', "stores.mysql.databases: taskdb, projectdb and resultdb must be three"),
        ('user = "pyspider"', 'databases = { taskdb = "ResultDB" }', "stores.mysql.databases: taskdb, projectdb and resultdb must be three"),
        ('address = "192.0.2.12"', 'address = "192.0.2.11"', "hosts.node2.address: node1 has the same address 192.0.2.11 and port"),
        ('address = "192.0.2.12"', 'address = "192.0.2.12"\ngateway = "nod1"', "hosts.node2.gateway: unknown host 'nod1' (did you mean 'node1'?)"),
        ('address = "192.0.2.12"', 'address = "192.0.2.12"\ngateway = "node2"', "hosts.node2.gateway: the way goes round in a circle"),
        ("port = 22", 'gateway = "x@y:port"', "defaults.gateway: 'x@y:port' is not of the form user@address:port"),
        ('user = "work"', 'user = "root"', "cluster.user: 'root' is an account or a group of the system, and crawled pages and scripts are strangers' code"),
        ('user = "work"', 'user = "work\\n"', "cluster.user: it ends with a line end; remove that"),
        ('user = "work"', 'home = "/srv/crawl\\n"', "cluster.home: it ends with a line end; remove that"),
        ('user = "work"', f'socket = "/{"x" * 120}"', "cluster.socket: a socket's path has at most 107 bytes"),
        ('version = "2.7.18"', 'version = "2.7.17"', "python.sha256: this is the checksum of 2.7.18; give that of Python-2.7.17.tgz"),
        # ports
        ("xmlrpc-port = 23333", "xmlrpc-port = 5000", "hosts.node1: scheduler and webui1 would use the same port 5000; change one's port"),
        ("xmlrpc-port = 23333", "xmlrpc-port = 3306", "hosts.node1: scheduler and mysql would use the same port 3306"),
        ("xmlrpc-port = 23333", "xmlrpc-port = 22", "hosts.node1: scheduler and sshd would use the same port 22"),
        ("xmlrpc-port = 23333", "[pyspider.fetcher]\nxmlrpc-port = 65535", None),
        # the web UI
        ('host = "127.0.0.1"', OPEN_WEBUI, "pyspider.webui.host: the web UI of node1 would be open to everybody on 0.0.0.0"),
        ('host = "127.0.0.1"', 'host = "address"', "pyspider.webui.host: the web UI of node1 would be open to everybody on 192.0.2.11"),
        ('host = "127.0.0.1"', 'username = "admin"', "pyspider.webui.need-auth: must be true"),
        ('host = "127.0.0.1"', "need-auth = true", "pyspider.webui.username: missing: need-auth without it lets everybody in"),
        ('host = "127.0.0.1"', 'host = "300.1.1.1"', "pyspider.webui.host: '300.1.1.1' is no IPv4 address"),
        # passwords
        ('user = "pyspider"', 'password = { env = "NOT_SET_ANYWHERE" }', "stores.mysql.password: the environment variable NOT_SET_ANYWHERE is not set"),
        ('user = "pyspider"', 'password = { file = "nowhere" }', "nowhere can't be read: No such file or directory"),
        ('user = "pyspider"', "password = {}", 'stores.mysql.password: give one of the two: { env = "NAME" } or { file = "path" }'),
        ('user = "pyspider"', "password = false", 'stores.mysql.password: must be { env = "NAME" } or { file = "path" }'),
        ("db = 0", "password = true", "stores.redis.password: true is none of"),
        ("db = 0", 'username = "default"', "stores.redis.username: bootstrap keeps the default user for itself; name another one, or remove this key"),
        ("db = 0", "password = false", "stores.redis.password: a Redis that bootstrap sets up always has a password"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_that_says_where_and_what_to_do(
    tmp_path: Path, old: str, new: str, fault: str | None
) -> None:
    text = changed(old, new)
    if fault is None:
        (tmp_path / "hosts.toml").write_text(text)
        load(tmp_path / "hosts.toml")
        return
    found = faults(tmp_path, text)
    assert len(found) == 1, found
    assert "s3cretPW" not in found[0]
    assert found[0].startswith("hosts.toml: ")
    assert fault in found[0]


SHAPE = (
    ('user = "work"', 'colour = "red"'),
    ("fetcher = 1", "fetchr = 1"),
    ("processor = 2", 'processor = "two"'),
    ('user = "pyspider"', 'user = "pyspider"\npassword = "hunter2"'),
)
MEANING = (
    ("scheduler = 1, ", "scheduler = 2, "),
    ("[stores.mysql]", '[stores.mysql]\ndatabases = { taskdb = "a", projectdb = "a" }'),
    ("db = 0", 'password = { env = "NOT_SET_ANYWHERE" }'),
    ('host = "127.0.0.1"', OPEN_WEBUI),
)


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        (SHAPE, ["cluster", "hosts.node2.roles", "hosts.node2.roles.processor", "stores.mysql.password"]),
        (MEANING, ["hosts", "stores.mysql.databases", "pyspider.webui.host", "stores.redis.password"]),
        # The meaning of a file is judged when its shape is right.
        (MEANING + SHAPE, ["cluster", "hosts.node2.roles", "hosts.node2.roles.processor", "stores.mysql.password"]),
    ],
    ids=["shape", "meaning", "both"],
)
def test_all_faults_of_shape_come_together_or_else_all_of_meaning(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], places: list[str]
) -> None:
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    assert [line.split(": ")[1] for line in faults(tmp_path, text)] == places


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [
        # The value of a misspelt key is judged as that of the key which was meant.
        ("[defaults]\nport = 22", "[default]\nport = 0", ["", "defaults.port"]),
        ('[hosts.node2]\naddress = "192.0.2.12"', "[hosts.Node_2]\nport = 0", ["hosts", "hosts.Node_2.port", "hosts.Node_2.address"]),
        ('version = "2.7.18"', 'sources = ["", "cache", 3]', ["python.sources", "python.sources"]),
        ("debug = false", "debug = 1\nDebug = 2", ["pyspider.debug", "pyspider"]),
    ],
)  # fmt: skip
def test_a_fault_of_shape_hides_no_other(tmp_path: Path, old: str, new: str, places: list[str]) -> None:
    found = faults(tmp_path, changed(old, new))
    assert [line.split(": ")[1] if not line.startswith("hosts.toml: unknown") else "" for line in found] == places


def test_a_password_in_place_of_a_host_is_not_shown(tmp_path: Path) -> None:
    (found,) = faults(tmp_path, GOOD + '[hosts]\npassword = "hunter2"\n')
    assert "hunter2" not in found


def test_a_store_that_exists_needs_its_password_named(tmp_path: Path) -> None:
    text = changed("mysql = 1, ", "").replace('user = "pyspider"', 'host = "db.example"')
    (found,) = faults(tmp_path, text)
    assert "stores.mysql.password: missing, but this server exists already" in found


@pytest.mark.parametrize("value", ['"hunter2"', '["hunter2"]', '{ env = "hunter2-" }', '{ password = "hunter2" }'])
@pytest.mark.parametrize("table", ["stores.mysql", "stores.redis", "pyspider.webui"])
def test_a_password_in_the_file_is_refused_without_showing_it(tmp_path: Path, table: str, value: str) -> None:
    text = GOOD.replace(f"[{table}]", f"[{table}]\npassword = {value}")
    (found,) = faults(tmp_path, text)
    assert "hunter2" not in found
    assert f"{table}.password: must be {{ env" in found


def test_a_webui_port_past_the_last_one_is_a_fault(tmp_path: Path) -> None:
    text = changed(", webui = 1", ", webui = 2").replace('host = "127.0.0.1"', "port = 65535")
    (found,) = faults(tmp_path, text)
    assert "webui2 would use port 65536, past 65535" in found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[cluster\n", "hosts.toml: line 1, column 9: not TOML: expected ']' at the end of a table declaration; correct that line"),
        (b"a = 1\na = 2\n", "hosts.toml: line 2, column 6: not TOML: cannot overwrite a value"),
        (b"a = \n", "hosts.toml: line 1, column 5: not TOML: invalid value"),
        (b"\xef\xbb\xbf[cluster]", "hosts.toml: begins with a byte order mark (BOM)"),
        (b"\xff", "hosts.toml: not UTF-8 text"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_toml_is_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "hosts.toml").write_bytes(content)
    with chdir(tmp_path), pytest.raises(WrongInput) as caught:
        load(tmp_path / "hosts.toml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(WrongInput, match=str(path)) as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_an_empty_file_names_what_it_needs(tmp_path: Path) -> None:
    assert [line.split(": ")[1] for line in faults(tmp_path, "")] == ["cluster", "hosts"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"a\\nb" = 1', "defaults: unknown key 'a\\nb'"),
        (f"port = {'9' * 5000}", "a number in it has thousands of digits"),
        (f"port = 0x{'f' * 50000}", "defaults.port: a whole number of more than 64 bits"),
        (f"port = [1, {2**64}]", "defaults.port: a whole number of more than 64 bits"),
        (f"key = {'[' * 20000}", "nested far deeper than any key needs"),
        (f"key = {'[' * 300}{']' * 300}", "nested far deeper than any key needs"),
        (f"{'.'.join('a' * 5000)} = 1", "nested far deeper than any key needs"),
        (f"{'.'.join('a' * 900)} = 1", "nested far deeper than any key needs"),
        ('key = "~nobody-of-that-name/id"', "defaults.key: '~nobody-of-that-name/id': this machine knows no such user"),
        ('known_hosts = "~nobody-of-that-name/x"', "defaults.known_hosts: '~nobody-of-that-name/x': this machine knows"),
    ],
)  # fmt: skip
def test_what_would_break_the_tools_behind_is_one_sentence_too(tmp_path: Path, line: str, message: str) -> None:
    (found,) = faults(tmp_path, changed("port = 22", line))
    assert found.startswith("hosts.toml: ")
    assert message in found


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('user = "pyspider"', 'password = { file = "~nobody-of-that-name/x" }', "stores.mysql.password"),
        ('version = "2.7.18"', 'sources = ["cache", "~nobody-of-that-name/x"]', "python.sources"),
        ("[python]", '[phantomjs]\nsource = "~nobody-of-that-name/x"\n[python]', "phantomjs.source"),
    ],
)
def test_a_home_of_nobody_is_a_fault_wherever_a_path_may_be(tmp_path: Path, old: str, new: str, place: str) -> None:
    (found,) = faults(tmp_path, changed(old, new))
    assert found.startswith(f"hosts.toml: {place}: '~nobody-of-that-name/x': this machine knows no such user")


SHIPPED = (Path(__file__).parent.parent.parent / "hosts.toml").read_text(encoding="utf-8")
EVERY_KEY = re.sub(r"(?m)^#([a-z_-]+ = )", r"\1", SHIPPED)
"""The shipped file with the keys that it only explains."""

ODD: list[object] = [
    "",
    "~no-such-user/x",
    "~",
    "..",
    "a/b",
    "x" * 5000,
    "\x00",
    "\n",
    "\u202e",
    "é",
    "host:1",
    "a@b:c",
]
ODD += [0, -1, 2**63, -(2**70), 10**400, 65536, float("nan"), [], {}, {"env": "X"}, {"file": "~no-such-user/x"}]
SCALARS = st.one_of(
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.datetimes(),
    st.dates(),
    st.times(),
)
VALUES = st.sampled_from(ODD) | st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["password", "env", "file", "roles", "address", "host", "key", "gateway", "hosts", "xmlrpc_port"]),
)


def toml(value: object) -> str:
    """The value as inline TOML."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value).replace("\x7f", "\\u007f")
        case float() | int():
            return repr(value)
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return "{" + ", ".join(f"{toml(str(key))} = {toml(inner)}" for key, inner in value.items()) + "}"
    raise AssertionError(value)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The shipped file with values replaced, keys deleted or added, tables renamed, bytes overwritten."""
    lines = draw(st.sampled_from([SHIPPED, EVERY_KEY])).splitlines()
    keyed = [number for number, line in enumerate(lines) if re.match(r"[a-z_-]+ = ", line)]
    tables = [number for number, line in enumerate(lines) if line.startswith("[")]
    for _ in range(draw(st.integers(1, 4))):
        number = draw(st.sampled_from(keyed))
        match draw(st.sampled_from(["value", "value", "delete", "add", "table", "bytes"])):
            case "value":
                lines[number] = f"{lines[number].split(' = ')[0]} = {toml(draw(VALUES))}"
            case "delete":
                lines[number] = ""
            case "add":
                lines[number] += f"\n{toml(draw(KEYS))} = {toml(draw(VALUES))}"
            case "table":
                name = ".".join(toml(part) for part in draw(st.lists(KEYS, min_size=1, max_size=3)))
                lines[draw(st.sampled_from(tables))] = draw(st.sampled_from([f"[{name}]", f"[hosts.{name}]", ""]))
            case "bytes":
                line = bytearray((lines[number] or "x = 1").encode("utf-8", "surrogateescape"))
                line[draw(st.integers(0, len(line) - 1))] = draw(st.integers(0, 255))
                lines[number] = line.decode("utf-8", "surrogateescape")
    return "\n".join(lines).encode("utf-8", "surrogateescape")


FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


def load_or_refuse(folder: Path, content: bytes) -> None:
    (folder / "hosts.toml").write_bytes(content)
    try:
        with chdir(folder):
            fleet = load(folder / "hosts.toml")
    except WrongInput as error:
        assert str(error), "a refusal says why"
        assert all(line.startswith("hosts.toml: ") for line in str(error).split("\n"))
        return
    for host in fleet.hosts:
        assert all(0 < (program.port or 1) < 65536 for program in fleet.programs(host))


def taken(data: object) -> bool:
    try:
        msgspec.convert(data, HostsFile)
    except msgspec.ValidationError:
        return False
    return True


@FUZZ
@given(mutated())
def test_a_file_has_faults_of_shape_exactly_where_its_types_refuse_it(content: bytes) -> None:
    try:
        data = tomllib.loads(content.decode())
    except ValueError:
        return
    assert bool(misshapen(data)) != taken(data)


@FUZZ
@given(mutated())
def test_whatever_is_written_ends_as_a_fleet_or_as_wrong_input(tmp_path: Path, content: bytes) -> None:
    load_or_refuse(tmp_path, content)


@FUZZ
@given(
    st.dictionaries(st.sampled_from(["cluster", "hosts", "defaults", "stores", "pyspider", "python"]) | KEYS, VALUES)
)
def test_any_toml_at_all_ends_as_wrong_input(tmp_path: Path, data: dict[str, object]) -> None:
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in data.items())
    load_or_refuse(tmp_path, text.encode("utf-8", "surrogatepass"))


@FUZZ
@given(st.binary(max_size=300), st.integers(0, len(SHIPPED.encode()) - 1))
def test_any_bytes_anywhere_end_as_a_fleet_or_as_wrong_input(tmp_path: Path, noise: bytes, place: int) -> None:
    shipped = SHIPPED.encode()
    load_or_refuse(tmp_path, shipped[:place] + noise + shipped[place + len(noise) :])
