"""Stands before the web UI: requests of other sites, guessed passwords, frames. Loaded by run.py; Python 2.7 or newer.

It is around all that the web UI serves, WebDAV as well, which Flask's own hooks don't see.
"""

import base64
import binascii
import collections
import hmac
import logging
import os
import re
import socket

HARMLESS = ("GET", "HEAD", "OPTIONS", "PROPFIND")
HEADERS = [("X-Frame-Options", "SAMEORIGIN"), ("Content-Security-Policy", "frame-ancestors 'self'")]
COOKIE = "pyspider-page"

FREE = 5
"""Wrong passwords from one address before it has to wait: one second after the fifth, then twice as long each time."""
LONGEST = 60
"""Seconds that an address waits at most, so that nobody is locked out for good."""
FORGET = 900
"""Seconds without a wrong password after which an address begins anew."""
ADDRESSES = 1000
"""The addresses that are remembered."""
ORIGINS = 20

ELSEWHERE = """\
This request changes something, or runs code, and comes from a page of another site: %s. It was refused.
If that is this web UI's own address behind a proxy: load the page again, or have the proxy pass the Host header on.
"""
WAIT = "Too many wrong passwords came from your address. Nothing was checked; try again in %d s.\n"


def elapsed():
    """Seconds of a clock that nobody sets: Python 2.7 has no time.monotonic."""
    return os.times()[4]


class Attempts(object):
    """How long an address has to wait for its next password. None of them is checked before; no thread waits."""

    def __init__(self, clock=elapsed):
        self.clock = clock
        self.seen = collections.OrderedDict()

    def wait(self, address):
        count, last = self.seen.get(place(address), (0, 0))
        if count < FREE:
            return 0
        return max(0, last + min(2 ** min(count - FREE, 10), LONGEST) - self.clock())

    def wrong(self, address):
        key, now = place(address), self.clock()
        count, last = self.seen.pop(key, (0, now))
        while len(self.seen) >= ADDRESSES:
            self.seen.popitem(last=False)
        self.seen[key] = (count + 1 if now - last < FORGET else 1, now)


def place(address):
    """The key of an address: an IPv6 client has 2 to the 64 addresses at its choice."""
    if ":" not in address or "." in address:
        return address.rpartition(":")[2]
    try:
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8]
    except (socket.error, ValueError):
        return address


class Guard(object):
    """A WSGI application around another one; `config` is the web UI's own, with the name and the password."""

    def __init__(self, application, config, clock=elapsed):
        self.application, self.config = application, config
        self.attempts = Attempts(clock)
        # Browsers send it back from the web UI's own pages only.
        self.page = binascii.hexlify(os.urandom(16)).decode("ascii")
        self.origins = collections.OrderedDict()

    def __call__(self, environ, start_response):
        guess = bool(environ.get("HTTP_AUTHORIZATION"))
        drop_unreadable(environ)
        mine = same(cookies(environ).get(COOKIE, ""), self.page)
        if mine and is_script(environ):
            self.learn(origin(environ))
        if environ["REQUEST_METHOD"] not in HARMLESS and self.elsewhere(environ, mine):
            text = ELSEWHERE % (origin(environ) or "its browser does not say which")
            return answer(start_response, "403 Forbidden", text)
        # A browser that has shown the password once is not held up by others at its address.
        known = mine and self.config.get("need_auth")
        wait = self.attempts.wait(environ.get("REMOTE_ADDR", "")) if guess and not known else 0
        if wait > 0:
            seconds = int(wait) + 1
            return answer(start_response, "429 Too Many Requests", WAIT % seconds, [("Retry-After", str(seconds))])

        def start(status, headers, exc_info=None):
            if guess and status.startswith("401"):
                self.attempts.wrong(environ.get("REMOTE_ADDR", ""))
            return start_response(status, headers + HEADERS + self.cookie(environ, status, mine), exc_info)

        return self.application(environ, start)

    def elsewhere(self, environ, mine):
        """Whether a page of another site sends this. Whoever is no browser names no page, and has to log in."""
        fetched = environ.get("HTTP_SEC_FETCH_SITE")
        if fetched:
            return fetched not in ("same-origin", "none")
        source = origin(environ)
        if source is None or (source and server(source) in servers(environ)):
            return False
        # Behind a proxy that names another host: the cookie, and a script's header or the origin that one had.
        # Other sites can send neither: browsers ask the web UI first, and it does not allow that.
        return not (mine and (is_script(environ) or source in self.origins))

    def learn(self, source):
        if source:
            self.origins.pop(source, None)
            self.origins[source] = True
            while len(self.origins) > ORIGINS:
                self.origins.popitem(last=False)

    def cookie(self, environ, status, mine):
        if mine or status[:1] not in "23" or not (self.right(environ) or not self.config.get("need_auth")):
            return []
        return [("Set-Cookie", "%s=%s; Path=/; HttpOnly; SameSite=Strict" % (COOKIE, self.page))]

    def right(self, environ):
        pair = credentials(environ.get("HTTP_AUTHORIZATION", ""))
        name, password = self.config.get("webui_username"), self.config.get("webui_password")
        return bool(pair and name and password) and same(pair[0], name) and same(pair[1], password)


def answer(start_response, status, text, headers=()):
    body = text.encode("utf-8")
    described = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, described + list(headers) + HEADERS)
    return [body]


def same(one, other):
    pair = [text if isinstance(text, bytes) else text.encode("utf-8") for text in (one, other)]
    return hmac.compare_digest(*pair)


def credentials(header):
    """The name and the password of a header, as pyspider takes it apart; None where it can't."""
    if header[: len("Basic ")].lower() != "basic ":
        return None
    try:
        name, separator, password = base64.b64decode(header[len("Basic ") :]).decode("utf-8").partition(":")
    except (TypeError, ValueError):
        return None
    return (name, password) if separator else None


def drop_unreadable(environ):
    """pyspider would write a password that it can't read into its log; without one it only asks for it."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    digest = header[: len("Digest ")].lower() == "digest " and environ.get("PATH_INFO", "").startswith("/dav")
    if not digest and credentials(header) is None:
        environ.pop("HTTP_AUTHORIZATION", None)


def cookies(environ):
    pairs = [part.strip().partition("=") for part in environ.get("HTTP_COOKIE", "").split(";")]
    return dict((name, value) for name, _, value in pairs)


def is_script(environ):
    """Whether a script of a page sends this, as jQuery does it for the page's own server only."""
    return environ.get("HTTP_X_REQUESTED_WITH") == "XMLHttpRequest"


def origin(environ):
    """The page that a request comes from, as scheme://host:port; None where nothing says so, "" where it is hidden."""
    named = environ.get("HTTP_ORIGIN") or environ.get("HTTP_REFERER")
    if not named:
        return None
    found = re.match(r"(https?://[A-Za-z0-9._:\[\]-]+)(?:[/?#]|$)", named)
    return found.group(1) if found else ""


def server(source):
    return plain(source.partition("://")[2])


def servers(environ):
    """The names under which the web UI was asked: a proxy may pass the browser's own beside."""
    named = [environ.get("HTTP_HOST", "")] + environ.get("HTTP_X_FORWARDED_HOST", "").split(",")
    return [plain(name) for name in named if name.strip()]


def plain(name):
    """A host and port without what browsers leave out."""
    return re.sub(r":(80|443)$", "", name.strip().lower())


def masked(address):
    """An address without passwords of addresses in it, to be logged."""
    return re.sub(r"(//|%2[fF]%2[fF])[^/?#@&\s]*?(@|%40)", r"\1***\2", address)


def settings(application):
    """The configuration of the Flask application inside of others; hosts.toml may name another one than pyspider's."""
    while not hasattr(application, "config") and hasattr(application, "app"):
        application = application.app
    return getattr(application, "config", {})


def stand():
    """From now on, what pyspider serves has a guard around it, and no password of an address is logged."""
    import tornado.wsgi

    plain_container = tornado.wsgi.WSGIContainer

    class Guarded(plain_container):
        def __init__(self, application):
            plain_container.__init__(self, Guard(application, settings(application)))

        def _log(self, status, request):
            request.uri = masked(request.uri)
            plain_container._log(self, status, request)

    tornado.wsgi.WSGIContainer = Guarded
    # It would log the right answer to every wrong one.
    logging.getLogger("wsgidav.http_authenticator").setLevel(logging.ERROR)
