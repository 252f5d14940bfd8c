"""Who is let in: a browser with the token that was printed, and from it this server's own page alone."""

from __future__ import annotations

import secrets
from functools import partial
from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAMES = ("127.0.0.1", "localhost")
"""The names of this server; its port may be another one at the near end of a tunnel."""
READING = ("GET", "HEAD")
SEALS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""What every answer carries."""
LOST = "open the address that `fab dashboard` has printed; it is a new one after each start\n"


class Guard:
    """An ASGI application in front of another one, whose paths are all below `home`."""

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(32)
        # Cookies know no ports: other servers on 127.0.0.1 are not sent one that is for a path they can't guess.
        self.home = f"/{secrets.token_urlsafe(9)}"
        self._cookie = f"fab_dashboard_{port}"

    def before(self, app: ASGIApp) -> ASGIApp:
        """The application with its guard."""
        return partial(self._answer, app)

    async def _answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await (self._refusal(request) or app)(scope, receive, partial(_sealed, send))

    def _refusal(self, request: Request) -> Response | None:
        """The answer to somebody who is not let in, or not yet; None for all others."""
        if reason := _foreign(request):
            return PlainTextResponse(f"{reason}\n", 403)
        if request.url.path == "/" and request.method in READING:
            return self._entrance(request)
        given = request.cookies.get(self._cookie, "")
        if not (request.url.path.startswith(f"{self.home}/") and self._known(given)):
            return PlainTextResponse(LOST, 403)
        return None

    def _entrance(self, request: Request) -> Response:
        """The token leaves the address, and is a cookie from then on."""
        if not self._known(request.query_params.get("token", "")):
            return PlainTextResponse(LOST, 403)
        answer = RedirectResponse(f"{self.home}/", 303)
        answer.set_cookie(self._cookie, self.token, path=f"{self.home}/", httponly=True, samesite="strict")
        return answer

    def _known(self, token: str) -> bool:
        return compare_digest(token.encode(errors="replace"), self.token.encode())


def _foreign(request: Request) -> str:
    """Why a request can't be from this server's own page; empty where it can."""
    host = request.headers.get("host", "")
    name, _, port = host.partition(":")
    if name not in NAMES or not (port.isdigit() or not port):
        # A name that was made to point here (DNS rebinding) is another site in the browser's eyes.
        return "this server is 127.0.0.1"
    origin = request.headers.get("origin")
    if origin is None and request.method in READING:
        return ""
    return "" if origin == f"http://{host}" else "only this server's own page may ask for that"


async def _sealed(send: Send, message: Message) -> None:
    if message["type"] == "http.response.start":
        there = {name.lower() for name, _ in message["headers"]}
        seals = [(name.encode(), value.encode()) for name, value in SEALS.items() if name.encode() not in there]
        message = {**message, "headers": [*message["headers"], *seals]}
    await send(message)
