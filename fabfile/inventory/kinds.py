"""The kinds of values that hosts.toml holds; `description` is the word for each in a fault."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=1, le=65535, description="a port from 1 to 65535")]
Count = Annotated[int, Meta(ge=0, le=999, description="a count from 0 to 999")]
Whole = Annotated[int, Meta(ge=0, description="a whole number")]
Positive = Annotated[int, Meta(ge=1, description="a whole number above 0")]
Rate = Annotated[float, Meta(gt=0, le=1e6, description="a number above 0, at most a million")]
Text = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+$", description="text on one line, not empty")]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        max_length=63,
        description="a name of small letters, digits and dashes that begins with a letter or a digit",
    ),
]
_USER = "a user name of small letters, digits, _ and -, at most 32 long"
UserName = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_-]*$", max_length=32, description=_USER)]
Account = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$", description="1 to 32 of A-Z a-z 0-9 _ -")]
Database = Annotated[
    str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$", description="a database name of letters, digits and _")
]
HostAddress = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        max_length=253,
        description="an IPv4 address or a host name of letters, digits, - and .",
    ),
]
AbsolutePath = Annotated[
    str,
    Meta(
        pattern=r"^(/[A-Za-z0-9_+@-][A-Za-z0-9._+@-]*)+$",
        description="an absolute path of letters, digits and . _ + @ -, no part of which begins with a dot",
    ),
]
Word = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9@%+=:,./_-]+$", description="one word of letters, digits and @ % + = : , . / _ -")
]
_DOTTED = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$"
Dotted = Annotated[str, Meta(pattern=_DOTTED, description="a Python name like package.Class")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="a sha256 checksum: 64 small hexadecimal digits")]
Variable = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="the name of an environment variable")]
Binding = Annotated[
    str,
    Meta(
        pattern=r"^(address|localhost|[0-9]{1,3}(\.[0-9]{1,3}){3})$",
        description='"address" (the host\'s own), or an IPv4 address to listen on',
    ),
]
Site = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$",
        max_length=259,
        description="a host name, or name:port",
    ),
]
_SOURCE = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?$"
Source = Annotated[str, Meta(pattern=_SOURCE, description="an IPv4 address, or a network like 192.0.2.0/24")]
Megabytes = Annotated[int, Meta(ge=1, le=1 << 20, description="megabytes: a whole number above 0")]
HostKeys = Annotated[str, Meta(pattern=r"^(strict|accept-new)$", description='"strict" or "accept-new"')]

RendererKind = Annotated[str, Meta(pattern=r"^(phantomjs|chromium)$", description='"phantomjs" or "chromium"')]
SSHKind = Annotated[str, Meta(pattern=r"^(openssh|paramiko)$", description='"openssh" or "paramiko"')]


class PasswordRef(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The place of a password: an environment variable of the machine that runs fab, or a file there."""

    env: Variable | None = None
    file: Text | None = None
