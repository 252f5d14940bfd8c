"""The job's work for pyinfra."""

import json
import os
from pathlib import Path

from pyinfra import host
from pyinfra.operations import files, server

job = json.loads(Path(os.environ["BENCH_JOB"]).read_text())
if job["workload"] != "command":
    files.put(src=job["source"], dest=f"/srv/bench/{host.name}.conf")
if job["workload"] != "unchanged":
    server.shell(commands=[os.environ["BENCH_COMMAND"]])
