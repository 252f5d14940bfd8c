"""Where passwords come from: an environment variable, a file, or made once and kept in a 0600 file."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import stat
import string
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

from ..errors import Problem, WrongInput
from ..local import made_folder, only_writer, write_whole
from .address import possible
from .kinds import PasswordRef

LENGTH = 32
MASK = "***"
_ALPHABET = string.ascii_letters + string.digits
_USABLE = re.compile(r"[A-Za-z0-9_-]+")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")
_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
"""The characters that a URL may have (RFC 3986)."""


class Password:
    """A password that only `reveal` shows; printed, formatted or logged it is `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The password itself, for a file or a stream that only its owner can read."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Password) and secrets.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash((Password, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a password is not to be copied out of the process")


class SecretURL(Password):
    """An address that may hold a password; printed, it is without that."""

    __slots__ = ()

    def __repr__(self) -> str:
        return masked(self.reveal())

    __str__ = __repr__


def masked(url: str) -> str:
    """The address with *** for its password (or, without one, for all before its @) and for its query."""
    found = re.fullmatch(r"((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?(?:(.*)@)?(.*)", url, re.DOTALL)
    assert found is not None
    scheme, login, rest = found[1] or "", found[2], found[3]
    if login is not None:
        user, _, password = login.partition(":")
        login = f"{user}:{MASK}@" if password else f"{MASK}@"
    place = re.split(r"[?#]", rest, maxsplit=1)
    return scheme + (login or "") + place[0] + (f"{rest[len(place[0])]}{MASK}" if len(place) > 1 else "")


def usable_url(value: str) -> SecretURL:
    """The address, if pyspider can take it apart. Raises WrongInput, which never holds the value."""
    if not value:
        raise WrongInput("the address is empty")
    if not _URL.fullmatch(value):
        raise WrongInput("the address holds characters that no URL has; change it")
    try:
        parsed = urlsplit(value if "://" in value else f"http://{value}")
        whole = bool(parsed.hostname) and parsed.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise WrongInput("the address can't be taken apart into host and port: does its password hold a / ? or #?")
    if parsed.scheme not in ("http", "https"):
        raise WrongInput("the address is of another kind than http://host:port; pyspider's fetcher knows no other")
    if not _names_a_host(parsed.hostname or ""):
        raise WrongInput("the address names no host; write http://host:port")
    return SecretURL(value)


def _names_a_host(word: str) -> bool:
    # urlsplit has held an address in brackets against the rules for IPv6.
    return ":" in word or (_HOST.fullmatch(word) is not None and not word.isdigit() and possible(word))


def usable_proxy(value: str) -> SecretURL:
    """The same for a proxy, of which pyspider takes no more than login, host and port, and speaks HTTP to it."""
    proxy = usable_url(value)
    parsed = urlsplit(value if "://" in value else f"http://{value}")
    if parsed.scheme != "http":
        raise WrongInput("pyspider's fetcher speaks http to its proxy; write http://host:port")
    if parsed.path not in ("", "/") or parsed.query or parsed.fragment:
        raise WrongInput("the address of a proxy is http://host:port, with nothing behind; is this one a page's?")
    return proxy


def usable(value: str) -> Password:
    """The password, if pyspider can carry it. Raises WrongInput, which never holds the value.

    pyspider puts passwords into URLs and decodes nothing, so only [A-Za-z0-9_-] survives.
    """
    if not value:
        raise WrongInput("the password is empty")
    if not _USABLE.fullmatch(value):
        raise WrongInput("the password holds characters outside A-Z a-z 0-9 _ -, which pyspider can't carry; change it")
    return Password(value)


Usable = TypeVar("Usable", bound=Password)


def from_environment(name: str, checked: Callable[[str], Usable]) -> Usable:
    """The password (or the like) in an environment variable. Raises WrongInput."""
    if name not in os.environ:
        raise WrongInput(f"the environment variable {name} is not set")
    return checked(os.environ[name])


def from_file(path: Path, checked: Callable[[str], Usable]) -> Usable:
    """The password (or the like) that is the whole content of a file only its owner can read. Raises WrongInput."""
    try:
        with path.open(encoding="utf-8") as stream:
            _refuse_readable(path, os.fstat(stream.fileno()))
            text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(f"the file {path} can't be read: {_reason(error)}") from error
    return checked(text.removesuffix("\n").removesuffix("\r"))


def from_reference(folder: Path, value: PasswordRef | bool | None, checked: Callable[[str], Usable]) -> Usable | None:
    """The password (or the like) that a hosts.toml in `folder` refers to; None for none. Raises WrongInput."""
    if not isinstance(value, PasswordRef) or (value.env is None) == (value.file is None):
        return None
    if value.env is not None:
        return from_environment(value.env, checked)
    if not has_home(value.file or ""):
        raise WrongInput(f"'{value.file}': {NO_HOME}")
    return from_file(folder / Path(value.file or "").expanduser(), checked)


NO_HOME = "this machine knows no such user; give the path from / on"


def has_home(path: str) -> bool:
    """Whether a ~ at the beginning of the path stands for a directory."""
    try:
        Path(path).expanduser()
    except RuntimeError:
        return False
    return True


def generated(path: Path, names: Sequence[str]) -> dict[str, Password]:
    """The passwords kept under `names` in the 0600 file `path`; those that it lacks are made now.

    Two runs at once agree on the same passwords. Raises WrongInput, Problem where the file can't be written.
    """
    if not names:
        return {}
    known = kept(path)
    if not set(names) <= known.keys():
        known = rewritten(path, lambda now: {name: random() for name in names} | now)
    return {name: checked(path, name, known[name]) for name in names}


def checked(path: Path, name: str, value: object) -> Password:
    try:
        return usable(value if isinstance(value, str) else "")
    except WrongInput as error:
        raise WrongInput(f"{path}: {name}: {error}") from error


def kept(path: Path) -> dict[str, object]:
    """All that the file keeps; nothing where there is none. Raises WrongInput."""
    try:
        with path.open("rb") as stream:
            _refuse_readable(path, os.fstat(stream.fileno()))
            return tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(f"{path}: can't be read: {_reason(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise WrongInput(f"{path}: is damaged ({error}); restore it, the cluster's passwords are in it") from error


def _refuse_readable(path: Path, found: os.stat_result) -> None:
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise WrongInput(f"others than its owner can read {path}; run: chmod 600 {shlex.quote(str(path))}")


def rewritten(path: Path, change: Callable[[dict[str, object]], dict[str, object]]) -> dict[str, object]:
    """Changes what the file keeps; one process at a time, and whole at any moment. Raises Problem, WrongInput."""
    try:
        made_folder(path.parent, parents=True)
        with only_writer(path.parent) as folder:
            os.fchmod(folder, 0o700)
            # The process that held the lock before may have changed it already.
            known = kept(path)
            wanted = change(known)
            if wanted != known:
                write_whole(path, _text(wanted))
            return wanted
    except OSError as error:
        raise Problem(f"{path}: the generated passwords can't be kept: {_reason(error)}") from error


def random() -> str:
    """A new password."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))


def _text(passwords: dict[str, object]) -> str:
    lines = [f'{name} = "{value}"\n' for name, value in sorted(passwords.items())]
    return "# Made by fab. Keep it: the cluster's stores and its web UI have these passwords.\n" + "".join(lines)


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
