"""The programs that render pages, PhantomJS or Chromium: what each needs on its hosts. Pure."""

from __future__ import annotations

from . import doors
from .commands import CHROMIUM_SCRIPT, FETCHER_SCRIPT, render_folder
from .fleet import Fleet
from .roles import PHANTOMJS, STORES

CHROMIUM = "chromium"
"""The set of packages (steps/families.py)."""
_COMMON = (("renderer.py", "renderer.py"), ("limits.py", "limits.py"))
_PHANTOMJS = ((FETCHER_SCRIPT, "phantomjs.js"),)
_CHROMIUM = tuple(
    (name, f"chromium/{name}") for name in (CHROMIUM_SCRIPT, "asked.py", "devtools.py", "rendering.py", "shut.py")
)


def packages(fleet: Fleet) -> str:
    """The set of packages that hosts of the role need; empty where hosts.toml names a Chromium that is there."""
    if not fleet.phantomjs.chromium:
        return PHANTOMJS.packages
    return "" if fleet.pyspider.phantomjs.phantomjs_path else CHROMIUM


def files(fleet: Fleet) -> tuple[tuple[str, str], ...]:
    """Path and template of each program, the one that serves first."""
    folder = render_folder(fleet.cluster.name)
    own = _CHROMIUM if fleet.phantomjs.chromium else _PHANTOMJS
    return tuple((f"{folder}/{name}", template) for name, template in (*_COMMON, *own))


def environment(fleet: Fleet) -> dict[str, str]:
    """The places that no page gets to, the memory of a program (templates/limits.py), and what each reads itself."""
    hosts = dict.fromkeys(
        [*(host.address for host in fleet.hosts), *(fleet.stores.of(role).address for role in STORES)]
    )
    ports = [*doors.all_ports(fleet), *doors.all_pages(fleet)]
    common = {
        "PYSPIDER_HOSTS": " ".join(hosts),
        "PYSPIDER_PORTS": " ".join(map(str, ports)),
        "PYSPIDER_MEMORY_MB": str(fleet.phantomjs.memory_mb),
    }
    return {**common, **_chromium(fleet)} if fleet.phantomjs.chromium else {**PHANTOMJS.environment, **common}


def _chromium(fleet: Fleet) -> dict[str, str]:
    path, table = fleet.pyspider.phantomjs.phantomjs_path, fleet.phantomjs
    found = {"PYSPIDER_PAGES": str(table.pages)}
    found |= {"PYSPIDER_BROWSER": path} if path else {}
    return found | ({} if table.sandbox else {"PYSPIDER_SANDBOX": "no"})


def made_of(fleet: Fleet) -> tuple[str, ...]:
    """Checksums of binaries that are not a package's."""
    return () if fleet.phantomjs.chromium else PHANTOMJS.made_of(fleet)


def places(fleet: Fleet) -> tuple[str, ...]:
    """address:port of each, in the order of the file."""
    found = ((host, one) for host in fleet.hosts for one in fleet.programs(host) if one.role == PHANTOMJS.name)
    return tuple(f"{host.address}:{program.port}" for host, program in found)
