"""The job's addresses for pyinfra, with their host keys checked."""

import json
import os
from pathlib import Path

job = json.loads(Path(os.environ["BENCH_JOB"]).read_text())
hosts = (
    job["addresses"],
    {
        "ssh_user": "root",
        "ssh_port": job["port"],
        "ssh_key": job["key"],
        "ssh_known_hosts_file": job["known_hosts"],
        "ssh_strict_host_key_checking": "yes",
    },
)
