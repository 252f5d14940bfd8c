"""The services of a sandbox for its hosts: pages to crawl, and a way to the package archive."""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ..errors import Problem
from . import processes
from .archive import Archive
from .network import Network, Port

PROXY_PORT = 8888
SITE = 10
"""The last number of the site's address."""
START_SECONDS = 10.0
WEB_SERVER = Path(__file__).with_name("webserver.py")

AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Whom this machine trusts: an archive behind https may have a certificate that only its users know."""
_TRUSTED = "etc/apt/sandbox-authorities.crt"

_PROXY = """\
User nobody
Group nogroup
Listen {address}
Port {port}
Allow {subnet}
ConnectPort 443
Timeout 600
MaxClients 200
LogLevel Warning
"""


def serve(network: Network, directory: Path, port: int, log: Path) -> str:
    """The URL below which hosts find the directory's files, served from a namespace of its own.

    The server is the directory's owner: a link in it opens no file that only root may read. What serves just
    this already goes on; anything else in the namespace is ended.
    """
    if not directory.is_dir():
        raise Problem(f"{directory} is not a directory: there is nothing to serve")
    place = Port(network, "site", SITE)
    server: list[str | Path] = [sys.executable, "-I", WEB_SERVER, directory, place.address, str(port)]
    inhabitants = processes.in_network(place.namespace)
    if not (place.plugged() and processes.found(processes.running(server))):
        processes.end(inhabitants)
        place.connect()
        found = directory.stat()
        whose = [f"--reuid={found.st_uid}", f"--regid={found.st_gid}", "--clear-groups"]
        processes.daemon(["nsenter", f"--net={place.namespace}", "setpriv", *whose, *server], log)
    _await(place.address, port, log)
    return f"http://{place.address}:{port}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """tinyproxy on the bridge's address: hosts reach the package archive through it, and nothing else reaches it."""

    network: Network
    folder: Path

    def start(self, archive: Archive) -> None:
        """Run it, through the proxy that this machine's own apt uses, if any. It may run already."""
        if not processes.found(processes.running(self._argv)):
            subnet = f"{self.network.prefix}.0/24"
            text = _PROXY.format(address=self.network.address(1), port=PROXY_PORT, subnet=subnet)
            upstream = archive.upstream_proxy()
            self._conf.touch(mode=0o600)
            self._conf.write_text(text + (f"Upstream http {upstream}\n" if upstream else ""))
            processes.daemon(self._argv, self._log)
        _await(self.network.address(1), PROXY_PORT, self._log)

    def stop(self) -> None:
        """End it, if it runs."""
        processes.end(processes.running(self._argv))

    def apt_files(self, archive: Archive) -> dict[str, str]:
        """Files that make a host's apt use this machine's archive through the proxy."""
        proxies = [f'Acquire::{scheme}::Proxy "{self._url}";' for scheme in ("http", "https")]
        lines = [*archive.direct_options(), *proxies, f'Acquire::https::CaInfo "/{_TRUSTED}";']
        return {
            "etc/apt/apt.conf.d/90sandbox": "\n".join(lines) + "\n",
            "etc/apt/sources.list": "\n".join(archive.sources) + "\n",
            _TRUSTED: AUTHORITIES.read_text() if AUTHORITIES.exists() else "",
        }

    @property
    def _url(self) -> str:
        return f"http://{self.network.address(1)}:{PROXY_PORT}"

    @property
    def _conf(self) -> Path:
        return self.folder / "proxy.conf"

    @property
    def _log(self) -> Path:
        return self.folder / "proxy.log"

    @property
    def _argv(self) -> list[str | Path]:
        return ["tinyproxy", "-d", "-c", self._conf]


def _await(address: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection((address, port), 1).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise Problem(f"nothing listens on {address}:{port} of the sandbox; see {log}") from error
            time.sleep(0.02)
        else:
            return
