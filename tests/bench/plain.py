"""Plain Fabric as its users write it: `python -m tests.bench.plain JOB`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fabric import Connection, ThreadingGroup

from .job import Job, load, target


def run(job: Job) -> int:
    """How many hosts are well; Fabric raises where one is not."""
    login = {"user": "root", "port": job.port, "connect_kwargs": {"key_filename": job.key}}
    if job.workload == "command":
        results = ThreadingGroup(*job.addresses, **login).run(job.command, hide=True)
        return sum(result.stdout == "ran\n" for result in results.values())
    # A group puts a file at the same path everywhere, but here all hosts share one disk.
    # A thread per host, as in a group.
    with ThreadPoolExecutor(len(job.addresses)) as pool:
        return sum(pool.map(lambda address: _put_and_run(job, Connection(address, **login)), job.addresses))


def _put_and_run(job: Job, connection: Any) -> bool:
    with connection:
        connection.put(job.source, target(connection.host))
        if job.workload == "unchanged":
            return True
        return bool(connection.run(job.command, hide=True).stdout == "ran\n")


def main() -> None:
    job = load(sys.argv[1])
    well = run(job)
    print(well, "well")
    sys.exit(well != len(job.addresses))


if __name__ == "__main__":
    main()
