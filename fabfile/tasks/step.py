"""Each step by itself, on the same engine as `bootstrap` and `deploy`; in the order of the manual way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from invoke.tasks import task

from .. import plan
from ..inventory import Fleet, Host
from ..steps.base import Step
from ..steps.runtime import Runtime
from .bootstrap import distribute, library_steps, phantomjs_steps
from .target import Run, target

JSON = {"json": "print one JSON object instead of the recap"}


def _each(c: Any, json: bool, steps: Callable[[Fleet, Host], Sequence[Step]]) -> None:
    chosen = target(c)
    run = Run(chosen, json)
    with run.alone():
        run.converge(run.look(lambda host: steps(chosen.fleet, host)))
    run.finish()


@task(help=JSON)
def packages(c: Any, json: bool = False) -> None:
    """Install the libraries that Python needs, and the stores' servers on their hosts."""
    _each(c, json, lambda _, host: [plan.packages(host)])


@task(help=JSON)
def python(c: Any, json: bool = False) -> None:
    """Build or ship Python 2.7 with the pinned pyspider and supervisor."""
    chosen = target(c)
    run = Run(chosen, json)
    with run.alone():
        distribute(run, run.look(lambda _: [Runtime(plan.runtime_spec(chosen.fleet), chosen.fleet.cluster.user)]))
    run.finish()


@task(help=JSON)
def phantomjs(c: Any, json: bool = False) -> None:
    """Install PhantomJS on the hosts that have its role."""
    chosen = target(c)
    wanted = phantomjs_steps(chosen)
    _each(c, json, lambda _, host: wanted(host))


@task(help=JSON)
def libraries(c: Any, json: bool = False) -> None:
    """Install the scripts and styles of the web UI's pages on its hosts."""
    chosen = target(c)
    wanted = library_steps(chosen)
    _each(c, json, lambda _, host: wanted(host))


@task(help=JSON)
def account(c: Any, json: bool = False) -> None:
    """Make the user `work`, its home and the log directory."""
    _each(c, json, lambda fleet, _: plan.account(fleet))


@task(help=JSON)
def stores(c: Any, json: bool = False) -> None:
    """Set up the managed MySQL and Redis on the hosts that have their role."""
    _each(c, json, plan.stores)


@task(help=JSON)
def release(c: Any, json: bool = False) -> None:
    """Upload config.json, the launcher and the program sections; restarts nothing."""
    _each(c, json, lambda fleet, host: [plan.release(fleet, host)])


@task(help=JSON)
def supervisord_conf(c: Any, json: bool = False) -> None:
    """Write /etc/supervisord.conf; restarts nothing."""
    _each(c, json, lambda fleet, host: [plan.supervisord_conf(fleet, host)])


@task(help=JSON)
def boot(c: Any, json: bool = False) -> None:
    """See to it that supervisord starts when the host does; starts nothing now."""
    _each(c, json, lambda fleet, _: [plan.boot(fleet)])


@task(help=JSON)
def sockets(c: Any, json: bool = False) -> None:
    """As root, remove a stale supervisor.sock: nothing answers on it and its process is gone."""
    _each(c, json, lambda fleet, host: plan.supervision(fleet, host)[:1])


@task(help=JSON)
def leftovers(c: Any, json: bool = False) -> None:
    """End what a dead supervisord left running."""
    _each(c, json, lambda fleet, host: plan.supervision(fleet, host)[1:2])


@task(help=JSON)
def supervisord(c: Any, json: bool = False) -> None:
    """Start supervisord as `work` where it does not run."""
    _each(c, json, lambda fleet, host: plan.supervision(fleet, host)[:3])


@task(help=JSON)
def programs(c: Any, json: bool = False) -> None:
    """Reread, update, and wait until every program is RUNNING and has its log file."""
    _each(c, json, plan.supervision)
