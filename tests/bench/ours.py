"""This project's engine as a whole process: `python -m tests.bench.ours JOB`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fabric import Config

from fabfile.errors import Problem
from fabfile.inventory import Host
from fabfile.inventory import load as load_fleet
from fabfile.runs.engine import apply, fan_out, look, missing
from fabfile.runs.outcomes import Done, Outcome, on_host
from fabfile.ssh.link import SSHLink
from fabfile.ssh.pool import Links
from fabfile.ssh.protocol import message
from fabfile.steps.base import Action, Step
from fabfile.steps.files import File

from .job import Job, load, target


def run(job: Job) -> list[Outcome]:
    """The outcome of every host; the tasks' own way, without their output."""
    fleet = load_fleet(Path(job.hosts_toml))
    links = Links().prepare(Config(overrides={"run": {"in_stream": False}}), fleet, fleet.hosts)
    content = Path(job.source).read_bytes()
    try:
        done = fan_out(
            fleet.hosts, lambda host: on_host(host.name, lambda: _work(job, content, host, links[host])), links.stop
        )
    finally:
        links.close()
    return list(done.values())


def _work(job: Job, content: bytes, host: Host, link: SSHLink) -> Done | None:
    steps: Sequence[Step] = [File(target(host.address), content)]
    match job.workload:
        case "command":
            answer = link.exchange(message([Action(job.command, job.command)], ()), lambda _: None)[0]
            if (answer.status, answer.text.strip()) != (0, "ran"):
                raise Problem(f"exit status {answer.status}: {answer.text}")
            return None
        case "unchanged":
            if not (actions := missing(steps, look(link, steps, keep_open=True))):
                link.rest()
                return None
            return Done(apply(link, steps, actions, lambda _: None))
        case "changed":
            actions = [*missing(steps, look(link, steps, keep_open=True)), Action("run the command", job.command)]
            return Done(apply(link, steps, actions, lambda _: None))


def main() -> None:
    job = load(sys.argv[1])
    wanted = {"command": "ok", "unchanged": "ok", "changed": "changed"}[job.workload]
    outcomes = run(job)
    wrong = [outcome for outcome in outcomes if outcome.status != wanted]
    for outcome in wrong:
        print(outcome.host, outcome.status, outcome.cause, file=sys.stderr)
    print(len(outcomes) - len(wrong), "well")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
