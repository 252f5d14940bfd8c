"""`fab -H node1,node2 run uptime`: one command on all chosen hosts at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import Problem
from ..inventory import Host
from ..runs.engine import Outcome
from ..runs.options import Options
from ..runs.run import Run
from ..runs.target import target
from ..ssh.protocol import message
from ..steps.base import Action

COMMAND_SECONDS = 3600.0


def run(c: Any, words: str, options: Options) -> None:
    """Run one shell command on all chosen hosts at once, each with its own outcome."""
    chosen = target(c, options, "run", strangers=True)
    all_hosts = Run(chosen, options, certain=False)

    def one(host: Host, say: Callable[[str], None]) -> Outcome:
        say(words.partition("\n")[0])
        answer = chosen.links[host].exchange(
            message([Action(words, words, limit=COMMAND_SECONDS)], ()), lambda _: None
        )[0]
        if answer.status != 0:
            raise Problem(f"exit status {answer.status}", detail=answer.text)
        return Outcome("", "ok", detail=answer.text)

    for batch in all_hosts.batches(chosen.hosts):
        all_hosts.each(one, batch, "command")
    all_hosts.finish()
