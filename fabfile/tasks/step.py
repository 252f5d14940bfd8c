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


def _each(c: Any, steps: Callable[[Fleet, Host], Sequence[Step]]) -> None:
    chosen = target(c)
    run = Run(chosen)
    with run.alone():
        run.converge(run.look(lambda host: steps(chosen.fleet, host)))
    run.finish()


@task
def packages(c: Any) -> None:
    """Install the libraries that Python needs, and the stores' servers on their hosts."""
    _each(c, lambda _, host: [plan.packages(host)])


@task
def python(c: Any) -> None:
    """Build or ship Python 2.7 with the pinned pyspider and supervisor."""
    chosen = target(c)
    run = Run(chosen)
    with run.alone():
        distribute(run, run.look(lambda _: [Runtime(plan.runtime_spec(chosen.fleet), chosen.fleet.cluster.user)]))
    run.finish()


@task
def phantomjs(c: Any) -> None:
    """Install PhantomJS on the hosts that have its role."""
    chosen = target(c)
    wanted = phantomjs_steps(chosen)
    _each(c, lambda _, host: wanted(host))


@task
def libraries(c: Any) -> None:
    """Install the scripts and styles of the web UI's pages on its hosts."""
    chosen = target(c)
    wanted = library_steps(chosen)
    _each(c, lambda _, host: wanted(host))


@task
def account(c: Any) -> None:
    """Make the user `work`, its home and the log directory."""
    _each(c, lambda fleet, _: plan.account(fleet))


@task
def stores(c: Any) -> None:
    """Set up the managed MySQL and Redis on the hosts that have their role."""
    _each(c, plan.stores)


@task
def release(c: Any) -> None:
    """Upload config.json, the launcher and the program sections; restarts nothing."""
    _each(c, lambda fleet, host: [plan.release(fleet, host)])


@task
def supervisord_conf(c: Any) -> None:
    """Write /etc/supervisord.conf; restarts nothing."""
    _each(c, lambda fleet, host: [plan.supervisord_conf(fleet, host)])


@task
def sockets(c: Any) -> None:
    """As root, remove a stale supervisor.sock: nothing answers on it and its process is gone."""
    _each(c, lambda fleet, host: plan.supervision(fleet, host)[:1])


@task
def leftovers(c: Any) -> None:
    """End what a dead supervisord left running."""
    _each(c, lambda fleet, host: plan.supervision(fleet, host)[1:2])


@task
def supervisord(c: Any) -> None:
    """Start supervisord as `work` where it does not run."""
    _each(c, lambda fleet, host: plan.supervision(fleet, host)[:3])


@task
def programs(c: Any) -> None:
    """Reread, update, and wait until every program is RUNNING and has its log file."""
    _each(c, plan.supervision)
