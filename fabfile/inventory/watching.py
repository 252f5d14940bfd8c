"""The table [watch] of hosts.toml: the times of `fab watch`, and its sinks."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from .kinds import HostAddress, PasswordRef, Port, Text

Seconds = Annotated[int, Meta(ge=5, le=86400, description="seconds: a whole number from 5 to 86400")]
Patience = Annotated[int, Meta(ge=0, le=86400, description="seconds: a whole number from 0 to 86400")]
Kind = Annotated[
    str,
    Meta(pattern=r"^(json|dingtalk|wecom|slack|plain)$", description='"json", "dingtalk", "wecom", "slack" or "plain"'),
]
Security = Annotated[str, Meta(pattern=r"^(starttls|tls|none)$", description='"starttls", "tls" or "none"')]
MailAddress = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$",
        description="an e-mail address like night@example.com",
    ),
]


class Webhook(Struct, frozen=True, forbid_unknown_fields=True):
    """An address to which changes are posted; the address itself is a secret."""

    url: PasswordRef | None = None
    kind: Kind = "json"
    secret: PasswordRef | None = None


class Mail(Struct, frozen=True, forbid_unknown_fields=True):
    """The SMTP server that takes mails about changes, and their addresses."""

    server: HostAddress | None = None
    port: Port = 587
    tls: Security = "starttls"
    user: Text | None = None
    password: PasswordRef | None = None
    sender: MailAddress | None = field(default=None, name="from")
    to: tuple[MailAddress, ...] = ()


class Prometheus(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the state is told as Prometheus text: a file for the textfile collector, or a port on loopback."""

    file: Text | None = None
    port: Port | None = None


class WatchTable(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """How often `fab watch` looks, how long a fault lasts before it is told, and who is told."""

    every: Seconds = 30
    patience: Patience = 60
    doctor_every: Seconds = 300
    heartbeat: PasswordRef | None = None
    webhook: Webhook = Webhook()
    mail: Mail = Mail()
    prometheus: Prometheus = Prometheus()
