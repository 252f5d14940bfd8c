"""The demo's crawl: real pages, fetched and stored by the cluster that the commands before it made."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Problem, Say, printable
from ..health import stores
from ..inventory import Fleet
from ..inventory.roles import WEBUI
from ..local import cache_dir, put_whole
from ..runs.target import Target, route, target
from ..ssh.forward import Forward
from .webui import WebUIClient

PROJECT = "python_docs"
SCRIPT = Path(__file__).parent.parent.parent / "examples" / "python_docs.py"
CRAWL_SECONDS = 300.0


def crawl(c: Any, pages: int, served: Callable[[Path], str]) -> None:
    """Crawl the Python documentation, served inside the sandbox, until its pages are in MySQL.

    `served` makes the files of a directory available to the hosts, and returns their URL.
    """
    chosen = target(c)
    fleet = chosen.fleet
    start = served(documentation(print)) + "/"
    webui = web_ui(fleet)
    where = fleet.stores.mysql
    opener = route(chosen, list(chosen.hosts), fleet.mysql_address(), where.port)
    login = (where.user, where.password.reveal(), where.databases.resultdb)
    begun = time.time()

    run = f"{begun:.0f}"
    with through_ssh(chosen, webui) as near:
        near.save(PROJECT, SCRIPT.read_text().replace("@START@", start).replace("@RUN@", run))
        near.update(PROJECT, "rate", "100/100")
        near.update(PROJECT, "status", "RUNNING")
        near.start(PROJECT)
    print(f"crawling {start} as project {PROJECT}")
    count = watch(lambda: stores.result_count(opener, *login, PROJECT, since=begun, tls=where.tls), pages)
    print(f"{count} pages' results are in MySQL after {time.time() - begun:.0f} s; some of them:")
    for url, result in stores.sample_results(opener, *login, PROJECT, 5, tls=where.tls):
        print(printable(f"  {url}  {result}"))
    print(f"\nThe web UI: {webui.address}")
    if place := fleet.webui_password_place():
        print(f"  user name: {webui.username}\n  password:  {place}")


def watch(count: Callable[[], int], wanted: int) -> int:
    """Show the count as it grows, until `wanted` is reached. Raises Problem when it does not get there in time."""
    deadline = time.monotonic() + CRAWL_SECONDS
    shown = -1
    while (now := count()) < wanted:
        if time.monotonic() > deadline:
            raise Problem(
                f"only {now} of {wanted} pages arrived within {CRAWL_SECONDS:.0f} s; "
                "see `fab status` and the logs on the hosts"
            )
        if now != shown:
            end = "\r" if sys.stdout.isatty() else "\n"
            print(f"  {now:4} of {wanted} pages", end=end, flush=True)
            shown = now
        time.sleep(1)
    return now


@contextmanager
def through_ssh(chosen: Target, webui: WebUIClient) -> Iterator[WebUIClient]:
    """The first web UI by way of SSH to its host: where that is behind a gateway, nothing else leads there."""
    host = chosen.fleet.with_role(WEBUI.name)[0]
    port = int(webui.address.rpartition(":")[2])
    chosen.also([host])
    forward = Forward(lambda: chosen.links[host].tunnel(chosen.fleet.bind_address(host), port), 0)
    forward.begin()
    try:
        yield replace(webui, address=f"http://127.0.0.1:{forward.port}")
    finally:
        forward.close()


def web_ui(fleet: Fleet) -> WebUIClient:
    """The cluster's first web UI, with its login."""
    host = fleet.with_role(WEBUI.name)[0]
    program = next(program for program in fleet.programs(host) if program.role == WEBUI.name)
    options = fleet.pyspider.webui
    return WebUIClient(f"http://{host.address}:{program.port}", options.username, fleet.webui_password)


def documentation(say: Say) -> Path:
    """The HTML of Debian's python3-doc package, in the cache; its pages are fetched through apt once."""
    folder = cache_dir("site") / "python-docs"
    if folder.is_dir():
        return folder
    say("fetching Debian's python3-doc")
    with put_whole(folder) as fresh:
        _download("python3-doc", fresh.parent)
        found = sorted(fresh.parent.glob("tree/usr/share/doc/python3*/html/index.html"))
        if not found:
            raise Problem("Debian's python3-doc holds no HTML pages: the demo has nothing to crawl")
        # Some scripts are links into packages that the pages can do without.
        shutil.copytree(found[0].parent, fresh, ignore_dangling_symlinks=True)
    return folder


def _download(package: str, scratch: Path) -> None:
    """The package and its dependencies, unpacked below `scratch`/tree; nothing is installed."""
    asked = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", package], capture_output=True, text=True, check=False
    )
    fields = dict(line.split(": ", 1) for line in asked.stdout.splitlines() if ": " in line and line[0] != " ")
    names = [package, *(word.split()[0] for word in fields.get("Depends", "").split(",") if word.split())]
    docs = [name for name in names if name.endswith("-doc")]
    result = subprocess.run(
        ["apt-get", "download", "-q", *docs], cwd=scratch, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise Problem(
            f"apt-get download {' '.join(docs)} failed: {result.stderr.strip()[-300:]}; run apt-get update first"
        )
    for archive in scratch.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive, scratch / "tree"], check=True)
