"""Each step by itself, on the same engine as `bootstrap` and `deploy`; in the order of the manual way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invoke.collection import Collection

from ..runs.options import Options
from .flags import JSON, LOCK, sharing

if TYPE_CHECKING:
    from ..tasks.step import Steps

TABLE: dict[str, tuple[str, Steps]] = {
    "packages": (
        "Install the libraries that Python needs, and the stores' servers on their hosts.",
        lambda choice, host: [choice.plan.packages(choice.fleet, host)],
    ),
    "python": (
        "Build or ship Python 2.7 with the pinned pyspider and supervisor.",
        lambda choice, _: [choice.plan.runtime(choice.fleet)],
    ),
    "phantomjs": (
        "Install PhantomJS on the hosts that have its role.",
        lambda choice, host: choice.phantomjs(host),
    ),
    "libraries": (
        "Install the scripts and styles of the web UI's pages on its hosts.",
        lambda choice, host: choice.libraries(host),
    ),
    "account": (
        "Make the user `work`, its home and the log directory.",
        lambda choice, _: choice.plan.account(choice.fleet),
    ),
    "firewall": (
        "Let only the cluster's hosts reach its ports, now and at boot; with `firewall = false` take the rules away.",
        lambda choice, host: choice.plan.doors_of(choice.fleet, host),
    ),
    "stores": (
        "Set up the managed MySQL and Redis on the hosts that have their role.",
        lambda choice, host: choice.plan.stores(choice.fleet, host),
    ),
    "release": (
        "Upload config.json, the launcher and the program sections; restarts nothing.",
        lambda choice, host: choice.plan.new_release(choice.fleet, host),
    ),
    "supervisord_conf": (
        "Write /etc/supervisord.conf; restarts nothing.",
        lambda choice, _: choice.plan.supervisord_conf(choice.fleet),
    ),
    "boot": (
        "See to it that supervisord starts when the host does; starts nothing now.",
        lambda choice, host: choice.plan.boot(choice.fleet, host),
    ),
    "sockets": (
        "As root, remove a stale supervisor.sock: nothing answers on it and its process is gone.",
        lambda choice, host: [choice.plan.supervision(choice.fleet, host).clear_sockets],
    ),
    "leftovers": (
        "End what a dead supervisord left running.",
        lambda choice, host: [choice.plan.supervision(choice.fleet, host).end_leftovers],
    ),
    "supervisord": (
        "Start supervisord as `work` where it does not run; where systemd runs, through its unit.",
        lambda choice, host: [
            choice.plan.unit(choice.fleet, host),
            *choice.plan.supervision(choice.fleet, host).starting,
        ],
    ),
    "programs": (
        "Reread, update, and wait until every program is RUNNING and has its log file.",
        lambda choice, host: choice.plan.supervised(choice.fleet, host),
    ),
}
"""Each task with its sentence and its steps on one host; `choice` has them, and is loaded when a task runs."""


def _declared(name: str, sentence: str, steps: Steps) -> Any:
    def body(c: Any, options: Options) -> None:
        from ..tasks import step as job

        job.step(c, options, steps)

    body.__name__, body.__doc__ = name, sentence
    return sharing(LOCK, JSON)(body)


ns = Collection()
for _name, (_sentence, _steps) in TABLE.items():
    ns.add_task(_declared(_name, _sentence, _steps))
