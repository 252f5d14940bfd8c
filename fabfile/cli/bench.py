"""`fab bench.crawl` and `fab bench.compare`: how fast a cluster crawls."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options, words
from .flags import DRY, JSON, LOCK, sharing


@sharing(
    DRY,
    LOCK,
    JSON,
    pages="at most so many pages in one step (5000)",
    size="bytes of a page: 50k, 200k, 1m (50k)",
    instead="stop the production programs meanwhile, in place of running beside them",
)
def crawl(c: Any, options: Options, pages: str = "5000", size: str = "50k", instead: bool = False) -> None:
    """Measure how many pages a second this cluster can do, and name what limits it; one to four minutes.

    A site of its own is crawled with scratch databases, by programs of the bench's own with the deployed release; the
    production queues and databases are not touched. The rate is doubled from step to step until less than a tenth more
    pages come. Then one more fetcher, processor and result_worker is tried, where a host has a core free. Nothing is
    left on the hosts afterwards: 60 s after this command was killed or cut off, they have removed it themselves. The
    result is kept in benchmarks/ beside hosts.toml.
    """
    from ..tasks import bench as job

    job.crawl(c, options, pages, size, instead)


@sharing(JSON, name="two runs of benchmarks/, the older one first, by comma; the same as words after the task")
def compare(c: Any, options: Options, name: str = "") -> None:
    """Show two runs of `fab bench.crawl` side by side: the two newest, or those named."""
    from ..tasks import bench as job

    del c
    job.compare(options, words(name))
