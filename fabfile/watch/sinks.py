"""The sinks of `fab watch`: webhooks, mailboxes and the heartbeat. Each delivery ends in time, or is a Problem."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from ..errors import Problem
from ..health.words import reason, told
from ..inventory.passwords import MASK, Password
from ..inventory.watching import Mail
from .changes import News
from .limit import Limit, handlers
from .outbox import text

if TYPE_CHECKING:
    from email.message import EmailMessage

SECONDS = 10.0
"""The time that a server has for each of its answers; a web server for each part of it, and twice that for all."""
MOST = 1 << 16
"""Bytes of an answer that are read."""


class Sink(Protocol):
    """A place that messages are sent to."""

    @property
    def name(self) -> str:
        """Its name in the report and in the kept state."""

    @property
    def bytes_(self) -> int:
        """Bytes of text that it takes at once."""

    def send(self, cluster: str, messages: Sequence[News], dropped: int) -> None:
        """Deliver the messages. Raises Problem, without a secret, where it is not certain that they have arrived."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook."""

    url: Password
    kind: str
    secret: Password | None = None
    seconds: float = SECONDS

    @property
    def name(self) -> str:
        return "webhook"

    @property
    def bytes_(self) -> int:
        # WeCom takes 2048 bytes, DingTalk 20000; the line above the messages takes some.
        return {"wecom": 1800, "dingtalk": 15000, "json": 100_000}.get(self.kind, 30_000)

    def send(self, cluster: str, messages: Sequence[News], dropped: int) -> None:
        body = text(cluster, messages, dropped)
        kind = "text/plain" if self.kind == "plain" else "application/json"
        robot = self.kind in ("dingtalk", "wecom")
        answer = _asked(self._address(), self.seconds, self._body(cluster, messages, body), kind, reads=robot)
        if robot:
            _heed_code(answer, self.url.reveal())

    def _body(self, cluster: str, messages: Sequence[News], body: str) -> bytes:
        if self.kind == "plain":
            return f"{body}\n".encode()
        if self.kind == "slack":
            return _json({"text": body.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")})
        if self.kind == "json":
            every = [{name: getattr(one, name) for name in one.__struct_fields__} for one in messages]
            return _json({"cluster": cluster, "text": body, "messages": every})
        return _json({"msgtype": "text", "text": {"content": _short(body, 2000 if self.kind == "wecom" else 18000)}})

    def _address(self) -> str:
        if self.secret is None:
            return self.url.reveal()
        stamp = round(time.time() * 1000)
        url, sign = self.url.reveal(), quote(signature(self.secret, stamp), safe="")
        return f"{url}{'&' if '?' in url else '?'}timestamp={stamp}&sign={sign}"


def signature(secret: Password, stamp: int) -> str:
    """DingTalk's signature of a request at that time, in milliseconds since 1970."""
    words = f"{stamp}\n{secret.reveal()}".encode()
    return base64.b64encode(hmac.new(secret.reveal().encode(), words, hashlib.sha256).digest()).decode()


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address that gets mails; each has its own, so that a refused one costs the others nothing."""

    to: str
    mail: Mail
    password: Password | None = None
    seconds: float = SECONDS

    @property
    def name(self) -> str:
        return f"mail to {self.to}"

    @property
    def bytes_(self) -> int:
        return 200_000

    def send(self, cluster: str, messages: Sequence[News], dropped: int) -> None:
        import smtplib

        try:
            self._hand_over(self._letter(cluster, messages, dropped))
        except smtplib.SMTPResponseException as error:
            raise Problem(f"the server answers {error.smtp_code} {told(error.smtp_error)}") from None
        except smtplib.SMTPRecipientsRefused as error:
            code, words = error.recipients.get(self.to, (0, b"refused"))
            raise Problem(f"the server refuses this address: {code} {told(words)}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Problem(reason(error)) from None

    def _hand_over(self, letter: EmailMessage) -> None:
        import smtplib
        import ssl

        context = ssl.create_default_context()
        where, limit = (self.mail.server or "", self.mail.port), self.seconds
        secure = self.mail.tls == "tls"
        server = (
            smtplib.SMTP_SSL(*where, timeout=limit, context=context) if secure else smtplib.SMTP(*where, timeout=limit)
        )
        with server:
            if self.mail.tls == "starttls":
                server.starttls(context=context)
            if self.mail.user and self.password:
                server.login(self.mail.user, self.password.reveal())
            server.send_message(letter)

    def _letter(self, cluster: str, messages: Sequence[News], dropped: int) -> EmailMessage:
        from email.message import EmailMessage
        from email.utils import formatdate, make_msgid

        letter = EmailMessage()
        new = sum(one.kind == "new" for one in messages)
        letter["Subject"] = f"[pyspider {cluster}] {new} new, {len(messages) - new} over"
        letter["From"], letter["To"] = self.mail.sender, self.to
        letter["Date"], letter["Message-ID"] = formatdate(localtime=True), make_msgid(domain="pyspider-fabfile")
        letter.set_content(text(cluster, messages, dropped))
        return letter


def beat(url: Password, seconds: float = SECONDS) -> None:
    """Ask the heartbeat's address. Raises Problem."""
    _asked(url.reveal(), seconds)


def _asked(url: str, seconds: float, body: bytes | None = None, kind: str = "", reads: bool = False) -> bytes:
    """The answer to a GET, or to a POST of the body. Raises Problem for any but a 2xx; it never holds the address."""
    with Limit(2 * seconds) as limit:
        try:
            found = _answered(url, seconds, body, kind, reads, limit)
        except Problem:
            if not limit.over:
                raise
        # One that was cut off may look like a whole one.
        if not limit.over:
            return found
    raise Problem(f"its answer has not ended after {limit.seconds:.0f} s")


def _answered(url: str, seconds: float, body: bytes | None, kind: str, reads: bool, limit: Limit) -> bytes:
    import http.client
    import urllib.error
    import urllib.request

    headers = {"User-Agent": "pyspider-fabfile"} | ({"Content-Type": f"{kind}; charset=utf-8"} if kind else {})
    opener = urllib.request.build_opener(_stay(), *handlers(limit))
    try:
        # A message must not be lost to a redirect, which turns it into a GET.
        request = urllib.request.Request(url, body, headers)  # noqa: S310  checked to be http or https
        with opener.open(request, timeout=seconds) as answer:
            found: bytes = answer.read(MOST) if reads else b""
            return found
    except urllib.error.HTTPError as error:
        error.close()
        raise Problem(f"the server answers with HTTP status {error.code}") from None
    except urllib.error.URLError as error:
        cause = error.reason
        raise Problem(_without(url, reason(cause) if isinstance(cause, BaseException) else told(cause))) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Problem(_without(url, reason(error))) from None


def _stay() -> Any:
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            """A redirect is an error."""

    return Stay()


def _without(url: str, words: str) -> str:
    """The words without the address, nor its part behind the server's name, which a server may repeat."""
    behind = url.split("/", 3)[3:]
    for secret in (url, *behind):
        words = words.replace(secret, MASK) if secret else words
    return words


def _heed_code(answer: bytes, url: str) -> None:
    """DingTalk and WeCom answer 200 also when they refuse. Raises Problem."""
    try:
        found = json.loads(answer)
        code, words = found.get("errcode"), found.get("errmsg", "")
    except (ValueError, AttributeError):
        words = f"the server's answer is none of such a robot: {told(answer)}"
        raise Problem(_without(url, words)) from None
    if code != 0:
        raise Problem(_without(url, f"the robot refuses: errcode {told(code)}: {told(words)}"))


def _short(body: str, bytes_: int) -> str:
    raw = body.encode()
    return body if len(raw) <= bytes_ else f"{raw[: bytes_ - 3].decode(errors='ignore')}…"


def _json(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()
