"""The command line that supervisord starts a program by, per kind of program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .fleet import Fleet, Host, Program

PYTHON = "/opt/pyspider/current/bin/python"
PHANTOMJS_BINARY = "/opt/pyspider/bin/phantomjs"
PHANTOMJS_SCRIPT = "/opt/pyspider/current/lib/python2.7/site-packages/pyspider/fetcher/phantomjs_fetcher.js"


def component(fleet: Fleet, _host: Host, program: Program) -> list[str]:
    """A component of pyspider that listens nowhere."""
    current = f"{fleet.cluster.home}/current"
    return [PYTHON, f"{current}/run.py", "-c", f"{current}/config.json", program.role]


def rpc_server(fleet: Fleet, host: Host, program: Program) -> list[str]:
    """A component that answers XML-RPC at its host's address."""
    words = component(fleet, host, program)
    return [*words, "--xmlrpc-host", host.address, "--xmlrpc-port", str(program.port)]


def webui(fleet: Fleet, host: Host, program: Program) -> list[str]:
    """The web UI, which listens where hosts.toml says."""
    return [*component(fleet, host, program), "--host", fleet.bind_address(host), "--port", str(program.port)]


def phantomjs(fleet: Fleet, host: Host, program: Program) -> list[str]:
    """PhantomJS as `pyspider phantomjs` would call it, but without that wrapper.

    The wrapper listens on every address, exits with 0 when it fails and leaves its child behind.
    """
    options = fleet.pyspider.phantomjs
    words = [options.phantomjs_path or PHANTOMJS_BINARY, "--ssl-protocol=any", "--disk-cache=true", *options.args]
    return [*words, PHANTOMJS_SCRIPT, f"{host.address}:{program.port}"]
