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
from .faults import SHELL, healthy_again

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


def test_a_host_that_is_cut_off_is_told_and_so_is_its_return(cluster: Cluster) -> None:
    with healthy_again(cluster), watched(cluster) as told:
        cluster.sandbox.cut("node3")
        until(lambda: kinds(told, "node3@ssh/reach") == ["new"], 120)
        cluster.sandbox.heal("node3")
        until(lambda: kinds(told, "node3@ssh/reach") == ["new", "gone"], 120)
        assert not [one for one in told if one["subject"].startswith("node3/")], "nothing is said of what is not seen"


def test_a_stopped_process_is_told_and_a_killed_one_that_comes_back_is_not_new(cluster: Cluster) -> None:
    with healthy_again(cluster), watched(cluster) as told:
        pid = cluster.pids()["node2/processor1"]
        cluster.on("node2", f"{SHELL}kill -STOP {pid}")
        until(lambda: kinds(told, "node2/processor1") == ["new"], 90)
        cluster.on("node2", f"{SHELL}kill -CONT {pid}")
        until(lambda: kinds(told, "node2/processor1") == ["new", "gone"], 90)
        cluster.on("node2", f"{SHELL}kill -9 {cluster.pids()['node2/fetcher1']}")
        until(lambda: cluster.fab("status", status=None).returncode == 0, 60)
        assert "new" not in kinds(told, "node2/fetcher1")
