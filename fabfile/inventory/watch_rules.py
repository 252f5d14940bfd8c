"""The rules for [watch] in hosts.toml, and the secrets that it refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import WrongInput
from .faults import Fault, KeyPath, report
from .fleet import Fleet
from .kinds import PasswordRef
from .passwords import NO_HOME, Password, from_reference, has_home
from .schema import HostsFile
from .watching import Mail, WatchTable, Webhook

_URL_CHARACTERS = frozenset("!#$%&'()*+,-./:;=?@[]_~")


@dataclass(frozen=True, slots=True)
class WatchSecrets:
    """The secrets of [watch], and its file for Prometheus."""

    heartbeat: Password | None = None
    webhook: Password | None = None
    webhook_secret: Password | None = None
    mail: Password | None = None
    prometheus: Path | None = None


def watch_faults(file: HostsFile) -> Iterator[Fault]:
    """The faults in the meaning of [watch]."""
    for path, value, _ in _references(file.watch):
        if value is not None and (value.env is None) == (value.file is None):
            yield Fault(path, 'give one of the two: { env = "NAME" } or { file = "path" }')
    yield from _webhook(file.watch.webhook)
    yield from _mail(file.watch.mail)
    text = file.watch.prometheus.file
    if text and not text.endswith(".prom"):
        yield Fault(
            ("watch", "prometheus", "file"), f"'{text}': node_exporter reads files named *.prom only; name it so"
        )
    if text and not has_home(text):
        yield Fault(("watch", "prometheus", "file"), f"'{text}': {NO_HOME}")


def _webhook(table: Webhook) -> Iterator[Fault]:
    path: KeyPath = ("watch", "webhook")
    if table.url is None and table != Webhook():
        yield Fault((*path, "url"), 'missing: say where the address is by { env = "NAME" } or { file = "path" }')
    if table.secret is not None and table.kind != "dingtalk":
        yield Fault(
            (*path, "secret"), f'only kind = "dingtalk" signs with a secret, and this is "{table.kind}"; remove it'
        )


def _mail(table: Mail) -> Iterator[Fault]:
    path: KeyPath = ("watch", "mail")
    if table == Mail():
        return
    for key, value in (("server", table.server), ("from", table.sender), ("to", table.to)):
        if not value:
            yield Fault((*path, key), "missing: mails need server, from and to")
    if (table.user is None) != (table.password is None):
        missing = "password" if table.password is None else "user"
        yield Fault((*path, missing), "missing: a login at the server needs both user and password")
    if table.user is not None and table.tls == "none":
        yield Fault((*path, "tls"), 'the password would travel readable by all; set "starttls" or "tls"')


def watch_secrets(fleet: Fleet) -> WatchSecrets:
    """The secrets, read now. Raises WrongInput with a line for each that can't be used; none shows its value.

    They are no part of `load`: other tasks, of other users perhaps, need none of them.
    """
    found: dict[str, Password | None] = {}
    faults = []
    for path, value, checked in _references(fleet.watch):
        try:
            found["_".join(path[1:])] = from_reference(fleet.path.parent, value, checked)
        except WrongInput as error:
            faults.append(Fault(path, str(error)))
    if faults:
        raise WrongInput(report(fleet.file, faults))
    file = fleet.watch.prometheus.file
    return WatchSecrets(
        heartbeat=found["heartbeat"],
        webhook=found["webhook_url"],
        webhook_secret=found["webhook_secret"],
        mail=found["mail_password"],
        prometheus=fleet.path.parent / Path(file).expanduser() if file else None,
    )


def _references(table: WatchTable) -> list[tuple[KeyPath, PasswordRef | None, Callable[[str], Password]]]:
    return [
        (("watch", "heartbeat"), table.heartbeat, usable_hook),
        (("watch", "webhook", "url"), table.webhook.url, usable_hook),
        (("watch", "webhook", "secret"), table.webhook.secret, usable_secret),
        (("watch", "mail", "password"), table.mail.password, usable_secret),
    ]


def usable_hook(value: str) -> Password:
    """An http or https address; all of it is secret. Raises WrongInput, which never holds the value."""
    if not value:
        raise WrongInput("the address is empty")
    if not all(char.isascii() and (char.isalnum() or char in _URL_CHARACTERS) for char in value):
        raise WrongInput("the address holds characters that no URL has; change it")
    try:
        parsed = urlsplit(value)
        usable = parsed.scheme in ("http", "https") and bool(parsed.hostname) and parsed.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise WrongInput("the address is no https://host/path (or http://)")
    if "@" in parsed.netloc:
        raise WrongInput("the address holds a login, which is not supported; leave out what stands before its @")
    return Password(value)


def usable_secret(value: str) -> Password:
    """A text on one line. Raises WrongInput, which never holds the value."""
    if not value or not value.isprintable():
        raise WrongInput(
            "it is empty" if not value else "it holds signs that can't be typed; is it more than one line?"
        )
    return Password(value)
