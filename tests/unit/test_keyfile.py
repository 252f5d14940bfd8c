"""Private keys as OpenSSH and OpenSSL write them, and the files that people take for one."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from fabfile.ssh.keyfile import LockedKey, UnusableKey, private_key

PASSPHRASE = "open-sesame"
Pem = serialization.Encoding.PEM
FORMATS = {
    "PKCS#8": serialization.PrivateFormat.PKCS8,
    "PEM": serialization.PrivateFormat.TraditionalOpenSSL,
    "OpenSSH": serialization.PrivateFormat.OpenSSH,
}
MAKE: dict[str, Callable[[], Any]] = {
    "ssh-rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ecdsa-sha2-nistp256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-sha2-nistp384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-sha2-nistp521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ssh-ed25519": ed25519.Ed25519PrivateKey.generate,
}
RSA = MAKE["ssh-rsa"]()
# Ed25519 is younger than the old PEM formats.
CASES = [(kind, form) for kind in MAKE for form in FORMATS if (kind, form) != ("ssh-ed25519", "PEM")]


def written(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def encoded(key: Any, form: str, passphrase: str | None = None) -> bytes:
    lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    return bytes(key.private_bytes(Pem, FORMATS[form], lock))


def public(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH))


@pytest.mark.parametrize("lines", ["\n", "\r\n"])
@pytest.mark.parametrize(("kind", "form"), CASES)
def test_every_kind_of_key_in_every_format_can_sign(tmp_path: Path, kind: str, form: str, lines: str) -> None:
    key = MAKE[kind]()
    text = encoded(key, form).replace(b"\n", lines.encode())
    read = private_key(written(tmp_path / "id", text), None)
    assert read.get_name() == kind and read.can_sign()
    assert f"{kind} {read.get_base64()}".encode() == public(key)
    assert read.sign_ssh_data(b"data", "rsa-sha2-512" if kind == "ssh-rsa" else None)


@pytest.mark.parametrize(("kind", "form"), CASES)
def test_a_locked_key_of_every_format_wants_its_passphrase(tmp_path: Path, kind: str, form: str) -> None:
    path = written(tmp_path / "id", encoded(MAKE[kind](), form, PASSPHRASE))
    with pytest.raises(LockedKey, match=f"^{path}: it has a passphrase; .*--prompt-for-passphrase"):
        private_key(path, None)
    with pytest.raises(LockedKey, match=f"^{path}: the passphrase that was given does not open it"):
        private_key(path, "wrong")
    assert private_key(path, PASSPHRASE).get_name() == kind


def test_a_passphrase_for_another_key_does_no_harm_to_one_without(tmp_path: Path) -> None:
    for form in FORMATS:
        assert private_key(written(tmp_path / "id", encoded(MAKE["ssh-rsa"](), form)), PASSPHRASE).can_sign()


def test_what_openssl_writes_in_front_of_a_key_is_no_part_of_it(tmp_path: Path) -> None:
    text = b"Bag Attributes\n    friendlyName: me\nKey Attributes: <No Attributes>\n" + encoded(
        MAKE["ssh-rsa"](), "PKCS#8"
    )
    assert private_key(written(tmp_path / "id", text), None).can_sign()


def sk_key() -> bytes:
    """As OpenSSH writes one that needs a security key; only its beginning counts."""
    import base64

    kind = b"sk-ssh-ed25519@openssh.com"
    body = b"openssh-key-v1\0" + b"".join(len(word).to_bytes(4, "big") + word for word in (b"none", b"none", b""))
    inner = len(kind).to_bytes(4, "big") + kind
    body += (1).to_bytes(4, "big") + len(inner).to_bytes(4, "big") + inner
    middle = base64.encodebytes(body)
    return b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + middle + b"-----END OPENSSH PRIVATE KEY-----\n"


WHOLE = encoded(RSA, "OpenSSH")
NO_KEYS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty; name a private key"),
    "blank": (b" \n\n", "it is empty"),
    "a text": (b"hello\n", "it is no private key; name one in"),
    "something binary": (bytes(range(256)), "it is no private key"),
    "a public half": (public(RSA) + b" me@here\n", "it is the public half of a key"),
    "a public half in PEM": (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "it is the public half"),
    "a public half of SSH2": (b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n", "it is the public half"),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "it is a certificate"),
    "one of PuTTY's": (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen .*/id -O private-openssh -o .*/id.openssh"),
    "a security key's": (sk_key(), r"security key \(FIDO\)"),
    "DSA": (encoded(dsa.generate_private_key(1024), "PEM"), "it is a DSA key"),
    "DSA in PKCS#8": (encoded(dsa.generate_private_key(1024), "PKCS#8"), "it is a DSA key"),
    "Ed448": (encoded(ed448.Ed448PrivateKey.generate(), "PKCS#8"), "a kind or size that SSH does not use"),
    "another curve": (encoded(ec.generate_private_key(ec.SECP256K1()), "PKCS#8"), "a kind or size that SSH"),
    "cut off": (WHOLE[: len(WHOLE) // 2], "is damaged"),
    "changed": (WHOLE.replace(WHOLE[300:340], b"A" * 40), "is damaged"),
}


@pytest.mark.parametrize(("data", "said"), NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_key_is_named_with_its_file_and_with_what_it_is(tmp_path: Path, data: bytes, said: str) -> None:
    path = written(tmp_path / "id", data)
    with pytest.raises(UnusableKey, match=f"^{path}: .*{said}") as caught:
        private_key(path, None)
    assert not isinstance(caught.value, LockedKey)
    assert len(str(caught.value).splitlines()) == 1


def test_the_private_half_of_a_public_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableKey, match=rf"name the private half \({tmp_path}/id\)"):
        private_key(written(tmp_path / "id.pub", public(RSA), 0o644), None)


def test_what_is_no_file_is_named_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "circle").symlink_to("circle")
    for name, said in (
        ("none", "there is no such file; a relative path starts at"),
        (".sandbox/id_ed25519", "there is no such file; .* fab sandbox.up"),
        (".", "it is a directory"),
        ("fifo", "it is no regular file"),
        ("circle", "it can't be read: too many"),
    ):
        with pytest.raises(UnusableKey, match=said):
            private_key(tmp_path / name, None)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620])
def test_a_key_that_others_can_read_is_refused_as_by_openssh(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "id", WHOLE, mode)
    with pytest.raises(
        UnusableKey, match=f"others than its owner can read it; run: chmod 600 {re.escape(shlex.quote(str(path)))}"
    ):
        private_key(path, None)


def test_a_certificate_beside_the_key_goes_with_it_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    for name in ("ca", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    sign = ["ssh-keygen", "-q", "-s", tmp_path / "ca", "-I", "me", "-n", "root", tmp_path / "id.pub"]
    subprocess.run(sign, check=True)
    assert private_key(tmp_path / "id", None).public_blob.key_type == "ssh-ed25519-cert-v01@openssh.com"
    (tmp_path / "id-cert.pub").write_text("hello\n")
    with pytest.raises(UnusableKey, match=r"id-cert\.pub: it is no certificate"):
        private_key(tmp_path / "id", None)
