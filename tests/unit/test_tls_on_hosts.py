"""templates/tls.py, which programs and doctor speak TLS by on hosts; there under Python 2.7, here under this one."""

from __future__ import annotations

import importlib.util
import socket
import ssl
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from fabfile.remote import tls

from .servers import Authority, redis, secured, serving

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize(
    ("names", "host", "trusted"),
    [
        ((HERE,), HERE, True),
        (("db.example",), "db.example", True),
        (("*.b.example",), "db.b.example", True),
        (("192.0.2.1", "db.example"), HERE, False),
        ((HERE,), "db.example", False),
        (("127.0.0.10", "127.0.0.1.example"), HERE, False),
    ],
)
def test_a_certificate_counts_for_its_names_and_addresses_only(
    authority: Authority, names: tuple[str, ...], host: str, trusted: bool
) -> None:
    store = {"ca": authority.pem.splitlines()}
    with serving(secured(authority.issued(*names), redis())) as port:
        connection = socket.create_connection((HERE, port), 5)
        if not trusted:
            with pytest.raises(ssl.SSLError):
                tls.secured(connection, host, store)
            return
        with tls.secured(connection, host, store) as stream:
            stream.sendall(b"PING\r\n")
            assert stream.recv(5) == b"+PONG"


def test_another_ca_is_not_believed(authority: Authority, tmp_path: Path) -> None:
    for lines in (Authority.made(tmp_path).pem.splitlines(), None):
        with serving(secured(authority.issued(HERE), redis())) as port, pytest.raises(ssl.SSLError):
            tls.secured(socket.create_connection((HERE, port), 5), HERE, {"ca": lines})


def test_without_a_file_nothing_is_wanted(tmp_path: Path) -> None:
    assert tls.wanted(str(tmp_path)) == {}


def test_the_connector_is_made_to_insist(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    connector, network = types.ModuleType("mysql.connector"), types.ModuleType("mysql.connector.network")
    errors = types.ModuleType("mysql.connector.errors")
    network.MySQLTCPSocket = type("MySQLTCPSocket", (), {})  # type: ignore[attr-defined]
    errors.InterfaceError = type("InterfaceError", (Exception,), {"__init__": lambda self, msg, errno: None})  # type: ignore[attr-defined]
    connector.connect = lambda **options: made.append(options)  # type: ignore[attr-defined]
    connector.network, connector.errors = network, errors  # type: ignore[attr-defined]
    mysql = types.ModuleType("mysql")
    mysql.connector = connector  # type: ignore[attr-defined]
    modules = {"mysql": mysql, "mysql.connector": connector}
    modules |= {"mysql.connector.network": network, "mysql.connector.errors": errors}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    tls.secure({"mysql": {"ca": None}})
    sys.modules["mysql.connector"].connect(host="h")
    assert made == [{"host": "h", "ssl_verify_cert": True}]
    one, other = socket.socketpair()
    other.sendall(b"no TLS at all, but enough of it to see that")
    fake = network.MySQLTCPSocket()
    fake.sock, fake.server_host = one, HERE
    with other, pytest.raises(errors.InterfaceError):
        fake.switch_to_ssl("ca", None, None)


def test_a_python_without_ssl_says_so_and_only_where_tls_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ssl", None)
    spec = importlib.util.find_spec("fabfile.remote.tls")
    assert spec and spec.loader
    module, (here, there) = importlib.util.module_from_spec(spec), socket.socketpair()
    spec.loader.exec_module(module)
    with there, pytest.raises(OSError, match="built without ssl"):
        module.secured(here, HERE, {"ca": None})
    assert here.fileno() == -1 and module.guard(None) is None
