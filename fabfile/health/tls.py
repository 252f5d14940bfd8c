"""TLS over a connection that need not be a socket: a channel of an SSH connection is none, and `ssl` wants one."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TypeVar

from ..errors import Problem
from ..inventory import TLS
from .deadline import Open, Stream, Timed
from .words import reason, told

Result = TypeVar("Result")
CHUNK = 1 << 14
HEAR_SECONDS = 1.0

MUTUAL = "{} wants a certificate of its clients too, which pyspider has not; let it take them without"
_OTHER_NAME = (62, 64)
_NO_CA = (2, 7, 18, 19, 20, 21, 24, 27, 30)
_OTHER = (
    "is not for {}, which is its address in hosts.toml; write there the name that is in it, "
    "or give the server another one"
)
_EXPIRED = 10
_NOT_YET = 9
"""OpenSSL's verify_code (X509_verify_cert_error_string(3))."""


def context(tls: TLS) -> ssl.SSLContext:
    """The context that checks the certificate and the name in it."""
    made = ssl.create_default_context(cadata=tls.ca)
    # The same on every Python: from 3.13 on, strictness refuses the certificates that MySQL makes for itself, and a
    # CA that is named need not be a root.
    made.verify_flags = (made.verify_flags & ~ssl.VERIFY_X509_STRICT) | ssl.VERIFY_X509_PARTIAL_CHAIN
    return made


class Secured(Stream):
    """A TLS connection over another one, within the other's deadline.

    It begins with the handshake, which raises ssl.SSLError.
    """

    def __init__(self, below: Stream, wanted: ssl.SSLContext, name: str | None) -> None:
        self._below = below
        self._coming, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = wanted.wrap_bio(self._coming, self._going, server_hostname=name)
        self._done(self._tls.do_handshake)

    def sendall(self, data: bytes) -> None:
        rest = memoryview(bytes(data))
        while rest:
            piece = rest
            rest = rest[self._done(lambda: self._tls.write(piece)) :]  # noqa: B023  called at once

    def recv(self, size: int) -> bytes:
        try:
            return self._done(lambda: self._tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def settimeout(self, seconds: float | None) -> None:
        self._below.settimeout(seconds)

    def close(self) -> None:
        self._below.close()

    def _done(self, act: Callable[[], Result]) -> Result:
        """The result of a call to OpenSSL, once all bytes that it needs have come and gone."""
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                # The alert tells the other side why.
                with suppress(OSError, EOFError):
                    self._flush()
                raise
            else:
                self._flush()
                return result
            # Out here, so that a fault of the connection does not look like a fault of TLS.
            self._flush()
            self._fill()

    def _flush(self) -> None:
        if data := self._going.read():
            self._below.sendall(data)

    def _fill(self) -> None:
        if data := self._below.recv(CHUNK):
            self._coming.write(data)
        else:
            self._coming.write_eof()


def offered(open: Open, seconds: float) -> bool:
    """Whether the server there begins with TLS, with any certificate."""
    return _tried(open, seconds, hear=False) is not None


def asks_for_certificate(open: Open, seconds: float) -> bool:
    """Whether a server refuses clients without a certificate. In TLS 1.3 it says so only after the handshake."""
    return _tried(open, seconds, hear=True) == "CERTIFICATE_REQUIRED"


def _tried(open: Open, seconds: float, hear: bool) -> str | None:
    """The alert that ends a handshake without checks, or a moment of listening after it; None where it is no TLS."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        with closing(Timed(open(), seconds)) as below:
            stream = Secured(below, anybody, None)
            below.settimeout(HEAR_SECONDS)
            with suppress(TimeoutError):
                _ = hear and stream.recv(1)
    except ssl.SSLError as error:
        found = [kind for kind in ("CERTIFICATE_REQUIRED", "ALERT") if kind in (error.reason or "")]
        return found[0] if found else None
    except (Problem, OSError, EOFError):
        return None
    return ""


def refused(error: BaseException | None) -> ssl.SSLError | None:
    """The fault of TLS that a client library made another error of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ssl.SSLError):
            return error
        seen.add(id(error))
        error = getattr(error, "original_exception", None) or error.__cause__ or error.__context__
    return None


def sentence(server: str, store: str, tls: TLS, error: ssl.SSLError) -> str:
    """Why there is no TLS with MySQL or Redis, and the way on; `store` is its table in hosts.toml."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{server}'s certificate {_distrust(store, tls, error)}"
    if "CERTIFICATE_REQUIRED" in (error.reason or ""):
        return MUTUAL.format(server)
    return f"no TLS with {server}: {told(error.reason or reason(error)).replace('_', ' ').lower()}"


def _distrust(store: str, tls: TLS, error: ssl.SSLCertVerificationError) -> str:
    code, says = error.verify_code, told(error.verify_message)
    known = f"the CA in {store}.ca" if tls.ca else f"a CA that this machine knows; name its CA by {store}.ca"
    return {
        **dict.fromkeys(_NO_CA, f"is not from {known} ({says})"),
        **dict.fromkeys(_OTHER_NAME, _OTHER.format(tls.name)),
        _EXPIRED: "has expired, or that of its CA; renew it",
        _NOT_YET: "is not valid yet; compare this machine's clock with the server's",
    }.get(code, f"can't be trusted: {says}")
