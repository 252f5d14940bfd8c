"""Enough of MySQL and Redis for the questions that are asked, on loopback, with certificates made for the test."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Serve = Callable[[socket.socket], None]
DAY = datetime.timedelta(days=1)
OK = b"\x00\x00\x00\x02\x00\x00\x00"
EOF = b"\xfe\x00\x00\x02\x00"
TLS_FLAG = 0x800
FLAGS = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
"""Long password, with database, protocol 4.1, transactions, secure connection, plugins."""


@contextmanager
def serving(*serves: Serve) -> Iterator[int]:
    """The port of a server that treats its first connection as the first of these, and all from the last on as that."""
    server = socket.create_server(("127.0.0.1", 0))

    def one(connection: socket.socket, serve: Serve) -> None:
        try:
            with connection:
                serve(connection)
        except (OSError, ValueError, IndexError, struct.error):
            pass  # the client has had enough

    def run() -> None:
        left = list(serves)
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            serve = left.pop(0) if len(left) > 1 else left[0]
            threading.Thread(target=one, args=(connection, serve), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()


@dataclass(frozen=True)
class Authority:
    """A CA of the test's own, and what it issued."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    folder: Path

    @classmethod
    def made(cls, folder: Path, name: str = "the test's CA") -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        folder.mkdir(parents=True, exist_ok=True)
        return cls(_certificate(name, name, key, key, -DAY, DAY, None), key, folder)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issued(self, *names: str, begins: datetime.timedelta = -DAY, ends: datetime.timedelta = DAY) -> Path:
        """A file with a certificate for these names, and with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject.rfc4514_string().partition("=")[2]
        made = _certificate(names[0], issuer, key, self.key, begins, ends, names)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self.folder / f"{abs(hash((names, begins, ends)))}.pem"
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
        return path


def _certificate(
    name: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    begins: datetime.timedelta,
    ends: datetime.timedelta,
    names: tuple[str, ...] | None,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
        key.public_key(),
        x509.random_serial_number(),
        now + begins,
        now + ends,
    ).add_extension(x509.BasicConstraints(names is None, None), critical=True)
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def secured(certificate: Path, serve: Serve, *, of_clients: Path | None = None) -> Serve:
    """The same over TLS from the first byte on."""

    def over_tls(connection: socket.socket) -> None:
        with _context(certificate, of_clients).wrap_socket(connection, server_side=True) as stream:
            serve(stream)

    return over_tls


def _context(certificate: Path, of_clients: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if of_clients:
        context.load_verify_locations(of_clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def packet(number: int, payload: bytes) -> bytes:
    """As MySQL frames it."""
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def greeting(flags: int = FLAGS, plugin: bytes = b"mysql_native_password", version: bytes = b"11.8.9-Test") -> bytes:
    """The server's first packet."""
    return packet(
        0,
        b"\x0a" + version + b"\0" + struct.pack("<I", 7) + b"saltsalt" + b"\0" + struct.pack("<H", flags & 0xFFFF)
        + struct.pack("<BHHB", 45, 2, flags >> 16, 21) + bytes(10) + b"saltsaltsalt\0" + plugin + b"\0",
    )  # fmt: skip


def refusal(code: int, text: str, number: int = 2) -> bytes:
    """An error of MySQL's."""
    return packet(number, b"\xff" + struct.pack("<H", code) + b"#HY000" + text.encode())


def mysql(
    certificate: Path | None = None,
    *,
    tls_only: bool = False,
    refuses: tuple[int, str] | None = None,
    makes_none: tuple[int, str] | None = None,
) -> Serve:
    """Lets everybody in and shows pyspider's databases; offers TLS where it has a certificate.

    `makes_none` is its error for those who make a database.
    """

    def serve(connection: socket.socket) -> None:
        connection.sendall(greeting(FLAGS | (TLS_FLAG if certificate else 0)))
        number, said = _read(connection)
        if certificate and struct.unpack("<I", said[:4])[0] & TLS_FLAG:
            connection = _context(certificate).wrap_socket(connection, server_side=True)
            number, said = _read(connection)
        elif tls_only:
            connection.sendall(refusal(3159, "Connections using insecure transport are prohibited", number + 1))
            return
        if refuses:
            connection.sendall(refusal(*refuses, number + 1))
            return
        connection.sendall(packet(number + 1, OK))
        while True:
            _, said = _read(connection)
            if said[:1] != b"\x03":
                return
            denied = makes_none if said[1:].startswith(b"CREATE DATABASE") else None
            connection.sendall(refusal(*denied, 1) if denied else _answer(said[1:]))

    return serve


def _answer(query: bytes) -> bytes:
    rows: list[tuple[bytes, ...]] | None = None
    if b"VERSION" in query:
        rows = [(b"11.8.9-Test",)]
    elif query.startswith(b"SHOW DATABASES"):
        rows = [(b"taskdb",), (b"projectdb",), (b"resultdb",)]
    elif b"information_schema" in query:
        rows = [(b"taskdb", b"3")]
    elif b"CURRENT_USER" in query:
        rows = [(b"crawl@192.0.2.%",)]
    elif b"COUNT" in query:
        rows = [(b"42",)]
    return packet(1, OK) if rows is None else _table(rows)


def _table(rows: list[tuple[bytes, ...]]) -> bytes:
    parts = [bytes([len(rows[0])])]
    for _ in rows[0]:
        column = b"".join(_text(one) for one in (b"def", b"", b"", b"", b"c", b"c"))
        parts.append(column + b"\x0c" + struct.pack("<HIBHB", 45, 255, 253, 0, 0) + bytes(2))
    parts += [EOF, *(b"".join(map(_text, row)) for row in rows), EOF]
    return b"".join(packet(number, part) for number, part in enumerate(parts, 1))


def _text(value: bytes) -> bytes:
    return bytes([len(value)]) + value


def _read(connection: socket.socket) -> tuple[int, bytes]:
    head = _exactly(connection, 4)
    return head[3], _exactly(connection, head[0] + (head[1] << 8) + (head[2] << 16))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise OSError("gone")
        data += piece
    return data


def redis(password: str | None = None, policy: str = "noeviction", role: str = "master", info: str = "") -> Serve:
    """An empty Redis."""

    def serve(connection: socket.socket) -> None:
        stream = connection.makefile("rwb")
        while head := stream.readline():
            if head[:1] != b"*":
                stream.write(b"-NOAUTH Authentication required.\r\n" if password else b"+PONG\r\n")
                stream.flush()
                continue
            words = [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]
            told = (info or f"redis_version:7.0.15\r\nmaxmemory_policy:{policy}\r\nrole:{role}\r\n").encode()
            match words:
                case [b"AUTH", given] if given.decode() != password:
                    answer = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
                case [b"INFO"]:
                    answer = b"$%d\r\n%s\r\n" % (len(told), told)
                case [b"LLEN", name]:
                    answer = b":%d\r\n" % len(name)
                case _:
                    answer = b"+OK\r\n"
            stream.write(answer)
            stream.flush()

    return serve
