"""The programs of a bench: the cluster's own, with scratch stores, beside a site that they crawl."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from .. import render
from ..inventory import Fleet, Host, Program
from ..inventory.commands import PYTHON
from ..inventory.roles import FETCHER, PHANTOMJS, PROCESSOR, RESULT_WORKER, ROLES, SCHEDULER, WEBUI

CRAWLING = (RESULT_WORKER.name, PROCESSOR.name, FETCHER.name, SCHEDULER.name)
"""The roles that a bench runs, in the order of their start. No page of it has a script to render."""
MANY = (FETCHER.name, PROCESSOR.name, RESULT_WORKER.name)
"""Those of which a cluster may have more."""
SITE = "site"
SITE_PORT, RPC_PORT = 28080, 28333
DATABASES = ("taskdb", "projectdb", "resultdb")
SCRIPT = """\
from pyspider.libs.base_handler import *

class Handler(BaseHandler):
    def on_start(self):
        for number in range(@START@):
            self.crawl("@SITE@/%d" % number, callback=self.page, etag=False, last_modified=False)

    def page(self, response):
        for each in response.doc("a[href]").items():
            self.crawl(each.attr.href, callback=self.page, etag=False, last_modified=False)
        return {"url": response.url, "title": response.doc("title").text()}
"""
"""The project of a step: it follows all links of each page, and stores one result of it."""


@dataclass(frozen=True, slots=True)
class ScratchStores:
    """The stores of a bench, which are nobody else's."""

    run: str
    """The name of the run: eight hexadecimal digits."""
    user: str
    password: str = field(repr=False)
    db: int
    """The number of the database in Redis."""

    @property
    def databases(self) -> dict[str, str]:
        """The databases in MySQL, by the option that names them."""
        return {one: f"pyspider_bench_{self.run}_{one}" for one in DATABASES}


def config(fleet: Fleet, scratch: ScratchStores, folder: str) -> str:
    """config.json of the bench: the cluster's own but for its stores. Holds passwords."""
    options = json.loads(render.config_json(fleet))
    mysql = fleet.stores.mysql
    login = f"{scratch.user}:{scratch.password}@{mysql.address}:{mysql.port}"
    options |= {one: f"mysql+{one}://{login}/{name}" for one, name in scratch.databases.items()}
    options["message-queue"] = options["message-queue"].rpartition("/")[0] + f"/{scratch.db}"
    options["data-path"] = f"{folder}/data"
    for unused in (WEBUI.name, *PHANTOMJS.addresses, "logging-config"):
        options.pop(unused, None)
    return json.dumps(options)


def files(fleet: Fleet, scratch: ScratchStores, folder: str) -> dict[str, str]:
    """The files that the programs read, by their names in the folder. Holds passwords."""
    secured = render.tls(fleet)
    return {"config.json": config(fleet, scratch, folder)} | ({"tls.json": json.dumps(secured)} if secured else {})


def site_host(fleet: Fleet) -> Host:
    """The host that serves the site: the one with the fewest programs, of those that have any."""
    able = [host for host in fleet.hosts if fleet.programs(host)]
    return min(reversed(able), key=lambda host: len([one for one in fleet.programs(host) if one.role in CRAWLING]))


def program(fleet: Fleet, host: Host, one: Program, folder: str, port: int) -> dict[str, object]:
    """A program of the cluster as the bench runs it; its RPC server answers this host alone."""
    current = f"{fleet.cluster.home}/current"
    words = [PYTHON, f"{current}/run.py", "-c", f"{folder}/config.json", one.role]
    if one.port:
        words += ["--xmlrpc-host", "127.0.0.1", "--xmlrpc-port", str(port)]
    user = fleet.cluster.user
    own = {"PYSPIDER_HOST": host.name, "SUPERVISOR_PROCESS_NAME": one.name, "PYTHONDONTWRITEBYTECODE": "1"}
    base = {"HOME": f"/home/{user}", "USER": user, "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    return {"words": words, "environment": {**base, **dict(ROLES[one.role].environment), **own}}


def site(host: Host, folder: str, port: int, size: int) -> dict[str, object]:
    """The site's program."""
    options = json.dumps({"address": host.address, "port": port, "size": size})
    words = [PYTHON, "-E", "-s", "-B", f"{folder}/bench.zip", "site", options]
    return {"words": words, "environment": {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}}


def of_host(
    fleet: Fleet, host: Host, folder: str, size: int, taken: Collection[int], served: Host
) -> tuple[dict[str, dict[str, object]], dict[str, int]]:
    """A host's programs by name, and the ports of those that listen; none of `taken`."""
    free = _free(taken)
    found: dict[str, dict[str, object]] = {}
    ports: dict[str, int] = {}
    if host.name == served.name:
        ports[SITE] = next(port for port in range(SITE_PORT, 65536) if port not in taken)
        found[SITE] = site(host, folder, ports[SITE], size)
    for one in fleet.programs(host):
        if one.role in CRAWLING:
            port = next(free) if one.port else 0
            ports |= {one.name: port} if port else {}
            found[one.name] = program(fleet, host, one, folder, port)
    return found, ports


def one_more(fleet: Fleet, host: Host, role: str, folder: str, taken: Collection[int]) -> tuple[str, dict[str, object]]:
    """One more program of a role on a host, and its name."""
    index = host.roles.get(role, 0) + 1
    name = f"{role}{index}"
    listens = next(_free(taken)) if ROLES[role].port_option else None
    return name, program(fleet, host, Program(name, role, index, listens, ""), folder, listens or 0)


def _free(taken: Collection[int]) -> Iterator[int]:
    return iter([port for port in range(RPC_PORT, RPC_PORT + 4096) if port not in taken])


def script(site: str, project: str, pages: int, start: int) -> str:
    """The script of the project that crawls so many pages, beginning with `start` of them."""
    return SCRIPT.replace("@START@", str(start)).replace("@SITE@", f"{site}/p/{project}/{pages}/{start}")


def counts(fleet: Fleet) -> Mapping[str, int]:
    """How many programs of each role a bench runs."""
    every = [one.role for host in fleet.hosts for one in fleet.programs(host)]
    return {role: every.count(role) for role in CRAWLING}
