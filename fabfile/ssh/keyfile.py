"""A private key's file, in any format that OpenSSH or OpenSSL write; why one can't be used is told by its file."""

from __future__ import annotations

import base64
import os
import re
import stat
import warnings
from io import StringIO
from pathlib import Path
from typing import Any

from ..errors import WrongInput
from ..steps.shell import cmd

MOST_BYTES = 100_000
"""The largest keys have some ten thousand."""


class UnusableKey(WrongInput):
    """`FILE: the fault; the advice`."""


class LockedKey(UnusableKey):
    """It has a passphrase that was not given, or another one; the SSH agent may hold it unlocked."""


class SecurityKey(UnusableKey):
    """It needs its security key (FIDO), which the OpenSSH client alone can ask."""


def private_key(path: Path, passphrase: str | None) -> Any:
    """The key as one of paramiko's, with its certificate where there is one beside it. Raises UnusableKey."""
    data, found = _content(path)
    if reason := _not_private(path, data):
        raise (SecurityKey if reason == _SK else UnusableKey)(f"{path}: {reason}")
    # As OpenSSH has it.
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
        raise UnusableKey(f"{path}: others than its owner can read it; run: {cmd('chmod', '600', path)}")
    key = _usable_by_paramiko(path, _decoded(path, data, passphrase))
    certificate = Path(f"{path}-cert.pub")
    if certificate.exists():
        try:
            key.load_certificate(str(certificate))
        except Exception as error:
            raise UnusableKey(f"{certificate}: it is no certificate of the key beside it") from error
    return key


def _content(path: Path) -> tuple[bytes, os.stat_result]:
    """The file's bytes, and its owner and mode."""
    try:
        # Not waiting: a FIFO would keep us for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as stream:
            found = os.fstat(handle)
            _refuse(path, found)
            return stream.read(MOST_BYTES), found
    except FileNotFoundError as error:
        raise UnusableKey(f"{path}: there is no such file{_advice(path)}") from error
    except IsADirectoryError as error:
        raise UnusableKey(f"{path}: it is a directory; name the private key in it") from error
    except OSError as error:
        advice = "; be the user who may read it" if isinstance(error, PermissionError) else ""
        raise UnusableKey(f"{path}: it can't be read: {(error.strerror or str(error)).lower()}{advice}") from error


def _advice(path: Path) -> str:
    if path.parent.name == ".sandbox":
        return "; it comes with the sandbox: fab sandbox.up"
    return "; a relative path starts at the folder of hosts.toml"


def _refuse(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError
    if not stat.S_ISREG(found.st_mode):
        raise UnusableKey(f"{path}: it is no regular file")


_PUBLIC = re.compile(
    rb"\s*((ssh|ecdsa|sk-ssh|sk-ecdsa)-[\w@.-]+ AAAA|---- BEGIN SSH2 PUBLIC|-----BEGIN [A-Z ]*PUBLIC KEY)"
)
_PRIVATE = re.compile(rb"-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----")


def _not_private(path: Path, data: bytes) -> str:
    """Why this is no private key that could be of use; empty where it may be one."""
    if not data.strip():
        return "it is empty; name a private key, or make one with: ssh-keygen -t ed25519"
    if _PUBLIC.match(data):
        private = str(path).removesuffix("-cert.pub").removesuffix(".pub")
        other = f" ({private})" if private != str(path) else ""
        return f"it is the public half of a key, or a certificate; name the private half{other}"
    if data.startswith(b"PuTTY-User-Key-File"):
        converted = cmd("puttygen", path, "-O", "private-openssh", "-o", f"{path}.openssh")
        return f"it is a key of PuTTY's; convert it with: {converted}"
    if b"-----BEGIN CERTIFICATE" in data and not _PRIVATE.search(data):
        return "it is a certificate; name a private key"
    found = _PRIVATE.search(data)
    if not found:
        return "it is no private key; name one in OpenSSH's or OpenSSL's format (PEM)"
    kind = _openssh_kind(data) if found[1] == b"OPENSSH " else found[1].decode()
    return _UNUSABLE.get(kind.strip(), "")


_DSA = "it is a DSA key, which neither OpenSSH nor this takes any more; make one with: ssh-keygen -t ed25519"
_OTHER = "it is a key of a kind or size that SSH does not use; make one with: ssh-keygen -t ed25519"
_SK = 'it needs its security key (FIDO); leave out ssh = "paramiko"'
_UNUSABLE = {
    "DSA": _DSA,
    "ssh-dss": _DSA,
    "sk-ssh-ed25519@openssh.com": _SK,
    "sk-ecdsa-sha2-nistp256@openssh.com": _SK,
}


def _openssh_kind(data: bytes) -> str:
    """The type that the public half in an OpenSSH private key says, which no passphrase hides."""
    body = data.partition(b"-----BEGIN OPENSSH PRIVATE KEY-----")[2].partition(b"-----END")[0]
    try:
        raw = base64.b64decode(b"".join(body.split()))
    except ValueError:
        return ""
    found = re.search(rb"\0\0\0[\x07-\x40]((?:ssh|ecdsa|sk)-[\w@.-]+)", raw)
    return found[1].decode() if found else ""


def _decoded(path: Path, data: bytes, passphrase: str | None) -> Any:
    """The key as one of cryptography's."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _loaded(data, None)
    except TypeError:
        pass
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"{path}: the private key in it is damaged, or of a kind that SSH does not use") from error
    if passphrase is None:
        raise LockedKey(f"{path}: it has a passphrase; give it to an agent, or use --prompt-for-passphrase")
    try:
        return _loaded(data, passphrase.encode())
    except (TypeError, ValueError) as error:
        raise LockedKey(f"{path}: the passphrase that was given does not open it") from error
    except UnsupportedAlgorithm as error:
        raise UnusableKey(f"{path}: it is encrypted in a way that can't be opened; see ssh-keygen -p") from error


def _loaded(data: bytes, password: bytes | None) -> Any:
    """Raises TypeError where it is encrypted and no password was given."""
    from cryptography.hazmat.primitives import serialization

    load = serialization.load_ssh_private_key if b"BEGIN OPENSSH" in data else serialization.load_pem_private_key
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load(data, password)


def _usable_by_paramiko(path: Path, key: Any) -> Any:
    """The key that cryptography has read, written once more as OpenSSH writes it: paramiko reads no PKCS#8."""
    import paramiko
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

    kinds: dict[Any, Any] = {
        rsa.RSAPrivateKey: paramiko.RSAKey,
        ec.EllipticCurvePrivateKey: paramiko.ECDSAKey,
        ed25519.Ed25519PrivateKey: paramiko.Ed25519Key,
    }
    kind = next((ours for theirs, ours in kinds.items() if isinstance(key, theirs)), None)
    if kind is None:
        raise UnusableKey(f"{path}: {_DSA if isinstance(key, dsa.DSAPrivateKey) else _OTHER}")
    plain = serialization.NoEncryption()
    try:
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, plain)
        return kind.from_private_key(StringIO(text.decode()))
    except (ValueError, paramiko.SSHException) as error:
        raise UnusableKey(f"{path}: {_OTHER}") from error
