"""How long a build of Python takes: by the last one that this machine has seen, else by the number of cores."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from ..errors import NoCache
from ..local import cache_dir, write_whole

CORE_MINUTES = (4, 8)
"""What the builds of platforms took: the least and the most, on one core of today's."""
LEAST_SECONDS = 30.0
"""A build that goes on where another one stopped tells nothing."""


def expected(cores: int) -> str:
    """In words: `usually 2 to 4 minutes on 2 cores`."""
    on = f"on {cores} core{'s' if cores > 1 else ''}"
    if seconds := _kept().get(str(cores)):
        return f"the last one took {_minutes(seconds)} {on}"
    least, most = (max(number, -(-minutes // cores)) for number, minutes in enumerate(CORE_MINUTES, 1))
    return f"usually {least} to {most} minutes {on}, longer on an old or busy machine"


def keep(cores: int, seconds: float) -> None:
    """Keep the time of a whole build, where it can be kept: it is a convenience."""
    if seconds < LEAST_SECONDS:
        return
    with suppress(OSError, NoCache):
        write_whole(_file(), json.dumps({**_kept(), str(cores): round(seconds)}))


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def _kept() -> dict[str, float]:
    """The seconds of the last build by the number of cores; nothing where the file is none of ours."""
    try:
        found = json.loads(_file().read_text())
        return {str(cores): float(seconds) for cores, seconds in found.items()}
    except (OSError, NoCache, ValueError, AttributeError, TypeError):
        return {}


def _file() -> Path:
    return cache_dir("runtimes") / "build-seconds.json"
