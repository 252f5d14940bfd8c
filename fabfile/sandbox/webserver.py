"""Serves a directory: python -I webserver.py DIRECTORY ADDRESS PORT. A program of its own, run by services.py."""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Room for a crawler's burst: http.server's own five waiting connections cost the sixth a second."""

    request_queue_size = 256
    daemon_threads = True


def main(directory: str, address: str, port: str) -> None:
    """Serve until killed."""
    handler = partial(SimpleHTTPRequestHandler, directory=directory)
    Server((address, int(port)), handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
