"""`fab -H node1,node2 run uptime`: one command on all chosen hosts at once."""

from __future__ import annotations

from typing import Any

from ..errors import Problem, Say
from ..inventory import Host
from ..runs.options import Options
from ..runs.outcomes import Done
from ..runs.run import Run
from ..runs.target import target
from ..ssh.protocol import message
from ..steps.base import Action

COMMAND_SECONDS = 3600.0


def run(c: Any, words: str, options: Options) -> None:
    """Run one shell command on all chosen hosts at once, each with its own outcome."""
    chosen = target(c, options, "run", allow_unlisted=True)
    all_hosts = Run(chosen, options, certain=False)
    sent = Action(words, words, limit=COMMAND_SECONDS)

    def one(host: Host, say: Say) -> Done:
        say(words.partition("\n")[0])
        answer = chosen.links[host].exchange(message([sent], ()), lambda _: None)[0]
        if answer.status != 0:
            raise Problem(f"exit status {answer.status}", detail=answer.text)
        return Done(detail=answer.text)

    for batch in all_hosts.batches(chosen.hosts):
        all_hosts.each(one, batch, "command")
    all_hosts.finish()
