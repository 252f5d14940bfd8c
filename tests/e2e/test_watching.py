"""`fab watch` on real hosts: what happens to them is told, once, to a webhook on this machine."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ..waiting import until
from .conftest import Cluster
from .faults import healthy_again

pytestmark = pytest.mark.e2e
PATIENCE = 10


@contextmanager
def webhook(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """The messages that a webhook gets, whose address is in a file of the folder."""
    told: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (folder / "hook").write_text(f"http://127.0.0.1:{server.server_port}/")
    (folder / "hook").chmod(0o600)
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def watched(cluster: Cluster) -> Iterator[list[dict[str, Any]]]:
    """The news of a `fab watch` that looks every five seconds."""
    before = cluster.hosts_toml.read_text()
    table = f'every = 5\npatience = {PATIENCE}\n[watch.webhook]\nurl = {{ file = "hook" }}\n'
    lines = [line for line in before.splitlines() if line not in ("[watch.webhook]",)]
    cluster.hosts_toml.write_text("\n".join(lines).replace("[watch]\n", f"[watch]\n{table}") + "\n")
    with webhook(cluster.folder) as told:
        process = subprocess.Popen(**cluster.command("watch"))
        try:
            yield told
        finally:
            process.terminate()
            process.wait(10)
            cluster.hosts_toml.write_text(before)


def kinds(told: list[dict[str, Any]], subject: str) -> list[str]:
    return [one["kind"] for one in told if one["subject"] == subject]


def test_faults_are_told_and_so_is_their_end_and_a_program_that_comes_back_at_once_is_no_fault(
    cluster: Cluster,
) -> None:
    """A host is cut off while a process on another one is stopped."""
    with healthy_again(cluster), watched(cluster) as told:
        pids = cluster.pids()
        cluster.on("node2", f"kill -STOP {pids['node2/processor1']}")
        subjects = ("node3@ssh/reach", "node2/processor1")
        cluster.sandbox.cut("node3")
        try:
            until(lambda: all(kinds(told, one) == ["new"] for one in subjects), 120)
        finally:
            cluster.sandbox.heal("node3")
        cluster.on("node2", f"kill -CONT {pids['node2/processor1']}; kill -9 {pids['node2/fetcher1']}")
        until(lambda: all(kinds(told, one) == ["new", "gone"] for one in subjects), 120)
        until(lambda: cluster.fab("status", status=None).returncode == 0, 60)
        assert "new" not in kinds(told, "node2/fetcher1")
        assert not [one for one in told if one["subject"].startswith("node3/")], "nothing is said of what is not seen"
