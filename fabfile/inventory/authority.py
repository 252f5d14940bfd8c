"""The CAs that a store's certificate may come from, as a PEM file holds them."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import WrongInput

MOST = 4 << 20
"""Bytes; all CAs that Debian knows take a twentieth of it."""
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def certificates(path: Path) -> str:
    """The file's certificates as PEM, without the rest of it: they go to every host. Raises WrongInput."""
    text = _text(path)
    if "PRIVATE KEY-----" in text:
        raise WrongInput(f"the file {path} holds a private key; name a file with the CA's certificate alone")
    blocks = [match[0] for match in _BLOCK.finditer(text)]
    if not blocks or len(blocks) != text.count("-----BEGIN CERTIFICATE-----"):
        raise WrongInput(f"the file {path} holds no whole certificate in PEM form (-----BEGIN CERTIFICATE-----)")
    for number, block in enumerate(blocks, 1):
        if not _whole(block):
            raise WrongInput(f"certificate {number} in the file {path} is damaged; get the file anew")
    return "".join("\n".join(block.split("\r\n")) + "\n" for block in blocks)


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise WrongInput(f"the file {path} is no regular file; name a file with the CA's certificate")
        with path.open("rb") as stream:
            data = stream.read(MOST + 1)
    except OSError as error:
        raise WrongInput(f"the file {path} can't be read: {error.strerror}") from error
    if len(data) > MOST:
        raise WrongInput(f"the file {path} is larger than any file of CAs; name one with the CA's certificate")
    return data.decode("ascii", errors="replace")


def _whole(block: str) -> bool:
    import ssl

    try:
        ssl.create_default_context(cadata=block)
    except (ssl.SSLError, ValueError):
        return False
    return True
