"""How many messages a second the launcher's queues pass on, against pyspider's own: `./run bench queue`.

Both run in the hosts' own Python 2.7, which an earlier deploy has left in the cache, on a Redis on loopback.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from fabfile.sources import kept_runtimes, packed_runtime

from ..unit.redis_server import serving
from .contenders import PROJECT

COUNT, ROUNDS = 3000, 5
LEAST = 0.9
PROGRAM = Path(__file__).parent / "peers" / "queues.py"


def python27(folder: Path) -> Path | None:
    """A Python of the hosts that runs on this machine too, unpacked; None where the cache has none."""
    for runtime in kept_runtimes():
        if packed := packed_runtime(runtime.id):
            subprocess.run(["tar", "-xzf", packed[0], "-C", folder], check=True)
            python = folder / runtime.id / "bin" / "python"
            if subprocess.run([python, "-c", "import pyspider"], capture_output=True, check=False).returncode == 0:
                return python
    return None


def rates() -> dict[str, tuple[list[float], list[float]]] | None:
    """Messages a second by component, pyspider's own and the launcher's; None where there is no Python for it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if (python := python27(folder)) is None:
            return None
        with serving(folder, "--appendonly", "no") as redis:
            words = [python, "-B", PROGRAM, str(redis.port), PROJECT / "templates", str(COUNT), str(ROUNDS)]
            done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    found: dict[str, tuple[list[float], list[float]]] = json.loads(done.stdout)
    return found


def main() -> None:
    found = rates()
    if found is None:
        sys.exit("no Python of the hosts in the cache that runs here: ./run demo makes one")
    slow = []
    for name, (own, ours) in sorted(found.items()):
        ratio = median(one / other for one, other in zip(ours, own, strict=True))
        print(f"{name:14} pyspider {median(own):7.0f}/s   launcher {median(ours):7.0f}/s   {ratio:5.2f}")
        slow += [name] if ratio < LEAST else []
    sys.exit(f"below {LEAST} of pyspider's own: {', '.join(slow)}" if slow else 0)
