"""Pages of all sizes, fetched by pyspider's own fetcher with the launcher's limit.

Runs under the hosts' Python 2.7:  large.py CONFIG.json RELEASE
"""

import gzip
import io
import json
import logging
import threading

import common  # noqa: F401
from BaseHTTPServer import BaseHTTPRequestHandler, HTTPServer
from launcher import fetching
from launcher.large import MEGABYTE
from pyspider.fetcher.tornado_fetcher import Fetcher
from SocketServer import ThreadingMixIn

ENOUGH = 256 * MEGABYTE


class Pages(BaseHTTPRequestHandler):
    sent = 0

    def do_HEAD(self):
        self.answer([("Content-Length", str(4 * 1024 * MEGABYTE))])

    def do_GET(self):
        getattr(self, self.path.strip("/"))()

    def answer(self, headers):
        self.send_response(200)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def told(self):
        self.answer([("Content-Length", str(ENOUGH))])
        self.send_much()

    def stream(self):
        self.answer([])
        self.send_much()

    def send_much(self):
        part = b"x" * 65536
        try:
            while Pages.sent < ENOUGH:
                self.wfile.write(part)
                Pages.sent += len(part)
        except IOError:
            pass

    def unpacks(self):
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb") as stream:
            stream.write(b"x" * (MEGABYTE + 1))
        self.answer([("Content-Encoding", "gzip"), ("Content-Length", str(len(packed.getvalue())))])
        self.wfile.write(packed.getvalue())

    def fits(self):
        self.answer([("Content-Length", str(MEGABYTE))])
        self.wfile.write(b"x" * MEGABYTE)

    def cut(self):
        self.answer([("Content-Length", "100")])
        self.wfile.write(b"x")

    def log_message(self, *_):
        pass


class Kept(fetching.KeepingFetcher, Fetcher):
    """As the launcher makes it."""


class Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True


def main():
    logging.disable(logging.CRITICAL)
    server = Server(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.daemon = True
    thread.start()
    fetching.LARGEST = MEGABYTE
    fetcher, pages = Kept(None, None, poolsize=2), {}
    for name in ("told", "stream", "unpacks", "fits", "head", "cut"):
        options = {"method": "HEAD"} if name == "head" else {}
        task = {"taskid": name, "project": "p", "url": "http://127.0.0.1:%d/%s" % (server.server_port, name)}
        result = fetcher.sync_fetch(dict(task, fetch=options))
        pages[name] = [result["status_code"], result.get("error"), len(result["content"])]
    print(json.dumps({"pages": pages, "sent": Pages.sent, "free": fetcher.http_client.free_size()}))


main()
