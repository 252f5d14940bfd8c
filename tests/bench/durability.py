"""What it costs that stores write each change to the disk before they acknowledge it: `./run bench durability`.

The same crawl on one cluster, with the settings of `fab bootstrap` and with laxer ones in turn; pages per second.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from fabfile.sandbox.sandbox import Sandbox, free_network

from ..chaos.crawl import Crawl, served
from ..e2e.conftest import Cluster, brought_up
from ..e2e.faults import SHELL

PAGES, ROUNDS, CRAWL_SECONDS = 1200, 5, 120
SETTINGS = {
    "as bootstrap sets it": ("always", 1),
    "Redis once a second": ("everysec", 1),
    "both once a second": ("everysec", 2),
}
"""Redis' appendfsync, and MySQL's innodb_flush_log_at_trx_commit."""


def choose(cluster: Cluster, appendfsync: str, flush: int) -> None:
    cluster.on("node1", f"{SHELL}redis 'CONFIG SET appendfsync {appendfsync}'")
    cluster.on("node1", f"{SHELL}sql 'SET GLOBAL innodb_flush_log_at_trx_commit = {flush}'")


def rate(cluster: Cluster, site: str, project: str) -> float:
    crawl = Crawl(cluster, project, PAGES)
    begun = time.monotonic()
    crawl.begin(site, rate=10**4)
    crawl.reach(PAGES, CRAWL_SECONDS)
    return PAGES / (time.monotonic() - begun)


def main() -> None:
    found: dict[str, list[float]] = {name: [] for name in SETTINGS}
    with tempfile.TemporaryDirectory(prefix="pyspider-bench-") as scratch:
        folder = Path(scratch)
        sandbox = Sandbox(folder / ".sandbox", free_network())
        try:
            cluster = brought_up(folder, sandbox, threading.Lock(), "systemd")
            (folder / "pages").mkdir()
            site = served(cluster, folder / "pages", PAGES)
            for number in range(ROUNDS):
                for index, (name, chosen) in enumerate(SETTINGS.items()):
                    choose(cluster, *chosen)
                    found[name].append(rate(cluster, site, f"d{number}{index}"))
        finally:
            sandbox.down()
    best = median(found["both once a second"])
    for name, rates in found.items():
        print(f"{name:22} {median(rates):6.1f} pages/s   {median(rates) / best:5.2f}")
