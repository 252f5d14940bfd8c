"""`fab watch`: looks at the cluster all the time, and tells what changes."""

from __future__ import annotations

from typing import Any

from .flags import task


@task(
    help={
        "once": "look once, tell what has changed since the look before, and end",
        "test": "send one message to each sink of [watch], say how that went, and end",
        "unit": "print a systemd unit that keeps it running on this machine",
        "cron": "print a crontab line that does",
    }
)
def watch(c: Any, once: bool = False, test: bool = False, unit: bool = False, cron: bool = False) -> None:
    """Look at the cluster every 30 seconds, and tell what changes: to a webhook, by mail, as Prometheus text.

    [watch] in hosts.toml says how often, and who is told. It ends by Ctrl-C, and changes nothing on any host.
    """
    from ..tasks import watch as job

    if unit or cron:
        job.show_units(unit, cron)
    elif test:
        job.test()
    else:
        job.watch(c, once)
