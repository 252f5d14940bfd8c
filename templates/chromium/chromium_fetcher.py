"""Pages rendered by a headless Chromium, behind the protocol of pyspider's phantomjs_fetcher.js.

    chromium_fetcher.py [OPTION OF CHROMIUM ...] ADDRESS:PORT

PYSPIDER_BROWSER is its path, PYSPIDER_PAGES how many pages it has at once, PYSPIDER_SANDBOX "no" where it shall run
without its own sandbox. No page gets to PYSPIDER_PORTS of PYSPIDER_HOSTS, nor of this machine itself. Whatever it
writes is below TMPDIR, which templates/renderer.py removes. Any Python from 2.7 on.
"""

import json
import os
import select
import socket
import sys
import threading
from collections import deque

try:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from socketserver import ThreadingMixIn
except ImportError:
    from BaseHTTPServer import BaseHTTPRequestHandler, HTTPServer
    from SocketServer import ThreadingMixIn

from asked import Asked
from devtools import Browser, Refused, say
from rendering import Page, nothing
from shut import Shut

BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
NAMESPACES = 0x10000000 | 0x20000000 | 0x40000000
"""CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET: of these Chromium makes its sandbox."""
SHARED_MEMORY = 512 << 20
"""Bytes of /dev/shm below which Chromium uses files."""
HANG = 600
"""Seconds for an answer to the question whether it lives; templates/renderer.py waits less."""
TURN = 60
"""Seconds that a page waits for its turn; its fetcher, which waits for 121 s in all, asks once more then."""
MOST = 64 << 20
"""Bytes of a request."""
OPTIONS = """
--headless --remote-debugging-pipe --no-first-run --no-default-browser-check --disable-gpu --hide-scrollbars
--mute-audio --disable-background-networking --disable-component-update --disable-sync --disable-default-apps
--disable-extensions --disable-domain-reliability --disable-breakpad --disable-crash-reporter --metrics-recording-only
--disable-background-timer-throttling --disable-backgrounding-occluded-windows --disable-renderer-backgrounding
--disable-quic --log-level=3 --webrtc-ip-handling-policy=disable_non_proxied_udp --password-store=basic
--disable-site-isolation-trials --disable-features=IsolateOrigins,site-per-process,Translate,MediaRouter,DialMediaRouteProvider
""".split()
"""A page's frames share its process, which it shares with no other page: pages have a context each."""
NO_SANDBOX = """\
Chromium's own sandbox needs namespaces, which this host refuses to %s (%s): allow them (sysctl user.max_user_namespaces,
kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or write `sandbox = false` into
[phantomjs] of hosts.toml. Without it a page that takes Chromium over can do all that this user can."""


class Server(ThreadingMixIn, HTTPServer):
    """Answers GET when Chromium lives, and POST with a page; only so many pages are open at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, place, browser, shut, pages):
        self.browser, self.shut = browser, shut
        self.turns = Turns(pages)
        HTTPServer.__init__(self, place, Handler)

    def handle_error(self, request, client_address):
        say("%s: %s" % (client_address[0], sys.exc_info()[1]))


class Turns(object):
    """So many at once; those who wait get theirs in the order in which they came."""

    def __init__(self, pages):
        self.free, self.line, self.lock = pages, deque(), threading.Lock()

    def take(self, seconds):
        """Whether it was one's turn within that time; who has taken it gives it back."""
        turn = threading.Event()
        with self.lock:
            self.line.append(turn)
            self.next()
        turn.wait(seconds)
        with self.lock:
            if not turn.is_set():
                self.line.remove(turn)
            return turn.is_set()

    def give(self):
        with self.lock:
            self.free += 1
            self.next()

    def next(self):
        while self.free and self.line:
            self.free -= 1
            self.line.popleft().set()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        # Only who has an answer from Chromium gives one.
        self.server.browser.ask("Browser.getVersion", HANG)
        self.reply(403, "text/plain", b"method not allowed!")

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        fetch = json.loads(self.rfile.read(min(size, MOST)).decode("utf-8"))
        if not self.server.turns.take(TURN):
            self.reply(503, "text/plain", b"no turn yet")
            return
        try:
            if self.gone():
                return
            answer = self.page(fetch)
        finally:
            self.server.turns.give()
        say("[%s] %s %.2f s %s" % (answer["status_code"], answer["orig_url"], answer["time"], answer.get("error") or ""))
        self.reply(200, "application/json", json.dumps(answer).encode("utf-8"))

    def page(self, fetch):
        try:
            return Page(self.server.browser, Asked(fetch), self.server.shut).rendered()
        except Exception as error:
            # Without an answer the fetcher would have this page rendered again and again.
            return dict(nothing(fetch.get("url"), fetch.get("save")), error="%s: %s" % (type(error).__name__, error))

    def gone(self):
        """Whether the one that has asked waits no more."""
        if not select.select([self.connection], [], [], 0)[0]:
            return False
        return not self.connection.recv(1, socket.MSG_PEEK)

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("Cache", "no-cache")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def namespaces_refused():
    """Why Chromium can't have its sandbox here; empty where it can."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            import ctypes

            libc = ctypes.CDLL(None, use_errno=True)
            status = ctypes.get_errno() if libc.unshare(NAMESPACES) else 0
        finally:
            os._exit(status)
    status = os.waitpid(pid, 0)[1] >> 8
    return os.strerror(status) if status else ""


def command(options, shut):
    """Chromium's command line."""
    path = os.environ.get("PYSPIDER_BROWSER") or next((one for one in BROWSERS if os.path.exists(one)), BROWSERS[0])
    words = [path] + OPTIONS + ["--user-data-dir=" + os.path.join(os.environ["TMPDIR"], "profile")]
    words += ["--host-resolver-rules=" + shut.rules()] if shut.ports else []
    if os.environ.get("PYSPIDER_SANDBOX") == "no":
        say("Chromium runs without its own sandbox, as [phantomjs] of hosts.toml has it")
        words.append("--no-sandbox")
    memory = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    if not memory or memory.f_bavail * memory.f_frsize < SHARED_MEMORY:
        words.append("--disable-dev-shm-usage")
    return words + options + ["about:blank"]


def ended():
    say("Chromium has ended")
    os._exit(1)


def main(words):
    address, _, port = words[-1].rpartition(":")
    if os.environ.get("PYSPIDER_SANDBOX") != "no":
        why = namespaces_refused()
        if why:
            sys.exit(NO_SANDBOX % (os.environ.get("USER", "this user"), why))
    names = ("PYSPIDER_HOSTS", "PYSPIDER_PORTS")
    shut = Shut(*(os.environ.get(name, "").split() for name in names))
    folder = os.environ["TMPDIR"]
    environment = {"HOME": folder, "TMPDIR": folder, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    browser = Browser(command(words[:-1], shut), environment, ended)
    try:
        say(browser.ask("Browser.getVersion", HANG)["product"])
    except Refused as error:
        sys.exit(str(error))
    Server((address, int(port)), browser, shut, int(os.environ.get("PYSPIDER_PAGES") or 1)).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
