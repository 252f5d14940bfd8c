"""The cost of the SSH library alone: `python -m tests.bench.bare JOB`. No tool that is built on it can be faster."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko

from .job import WORKERS, Job, load


def run(job: Job) -> int:
    """How many hosts are well: one connection, one channel and one command each, its host key checked."""
    key = paramiko.Ed25519Key.from_private_key_file(job.key)
    known = {line.split()[0]: line.split()[2] for line in Path(job.known_hosts).read_text().splitlines()}
    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(pool.map(lambda address: _one(job, address, key, known[f"[{address}]:{job.port}"]), job.addresses))


def _one(job: Job, address: str, key: paramiko.PKey, host_key: str) -> bool:
    with paramiko.Transport((address, job.port)) as transport:
        transport.start_client(timeout=30)
        if transport.get_remote_server_key().get_base64() != host_key:
            return False
        transport.auth_publickey("root", key)
        channel = transport.open_session()
        channel.exec_command(job.command)
        return (channel.recv(100), channel.recv_exit_status()) == (b"ran\n", 0)


def main() -> None:
    job = load(sys.argv[1])
    well = run(job)
    print(well, "well")
    sys.exit(well != len(job.addresses))


if __name__ == "__main__":
    main()
