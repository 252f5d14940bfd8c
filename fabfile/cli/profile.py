"""`fab profile`: where programs spend their time."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options, words
from .flags import CHOICE, JSON, TIMINGS, sharing
from .operate import NAME, ROLE


@sharing(
    CHOICE | ROLE,
    TIMINGS,
    JSON,
    name=NAME,
    seconds="seconds to sample (20)",
    project="only what runs for this project's script",
    dump="show where each thread is now, in place of sampling: for a program that hangs",
)
def profile(
    c: Any, options: Options, name: str = "", seconds: str = "20", project: str = "", dump: bool = False
) -> None:
    """Show which lines of the scripts, and which functions, take the time of programs; with a flame graph.

    py-spy is sent to the host, run there as root, and removed again; the programs run on. The flame graphs are put
    into profiles/ beside hosts.toml.
    """
    from ..tasks import profile as job

    job.profile(c, options, words(name), job.Profiling(job.seconds_of(seconds), project, dump))
