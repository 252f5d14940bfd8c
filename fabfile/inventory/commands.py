"""The command line that supervisord starts a program by, per kind of program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .fleet import Fleet, Host, Program

PYTHON = "/opt/pyspider/current/bin/python"
PHANTOMJS_BINARY = "/opt/pyspider/bin/phantomjs"
FETCHER_SCRIPT = "phantomjs_fetcher.js"
"""The name of pyspider's script, and of the one that goes before it: by it hosts know the process, as by the next."""
CHROMIUM_SCRIPT = "chromium_fetcher.py"
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
    """PhantomJS as `pyspider phantomjs` would call it, but without that wrapper; or what renders by Chromium.

    The wrapper listens on every address, exits with 0 when it fails and leaves its child behind. Another user runs it
    on demand of this command: see templates/renderer.py.
    """
    options = fleet.pyspider.phantomjs
    name = fleet.cluster.name
    folder = render_folder(name)
    asked = [PYTHON, f"{folder}/renderer.py", "run", f"/run/pyspider-{name}-render/socket"]
    place = f"{host.address}:{program.port}"
    if fleet.phantomjs.chromium:
        return [*asked, PYTHON, f"{folder}/{CHROMIUM_SCRIPT}", *options.args, place]
    words = [options.phantomjs_path or PHANTOMJS_BINARY, "--ssl-protocol=any", "--disk-cache=true", *options.args]
    return [*asked, *words, f"{folder}/{FETCHER_SCRIPT}", place]


def stopped_conf(cluster: str) -> str:
    """The file of the programs that were stopped on purpose, which supervisord reads first."""
    return f"/opt/pyspider/boot/pyspider-{cluster}.stopped.conf"


def render_folder(cluster: str) -> str:
    """Where a cluster's programs around PhantomJS are: its user reads nothing in the cluster's home."""
    return f"/opt/pyspider/render/{cluster}"
