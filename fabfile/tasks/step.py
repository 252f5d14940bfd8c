"""Each step by itself, on the same engine as `bootstrap` and `deploy`; in the order of the manual way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import plan
from ..inventory import Fleet, Host
from ..runs.options import Options
from ..runs.run import Run
from ..runs.target import target
from ..steps.base import Step
from ..steps.runtime import Runtime
from .bootstrap import distribute, library_steps, phantomjs_steps


def _each(c: Any, options: Options, steps: Callable[[Fleet, Host], Sequence[Step]]) -> None:
    chosen = target(c, options)
    run = Run(chosen, options)
    wanted = {host: steps(chosen.fleet, host) for host in chosen.hosts}
    for host in chosen.hosts:
        if not wanted[host]:
            run.skip(host, "this step does not concern it")
    concerned = [host for host in chosen.hosts if wanted[host]]
    with run.locked():
        run.converge(run.look(lambda host: wanted[host], concerned), concerned)
    run.finish()


def packages(c: Any, options: Options) -> None:
    """Install the libraries that Python needs, and the stores' servers on their hosts."""
    _each(c, options, lambda _, host: [plan.packages(host)])


def python(c: Any, options: Options) -> None:
    """Build or ship Python 2.7 with the pinned pyspider and supervisor."""
    chosen = target(c, options)
    run = Run(chosen, options)
    with run.locked():
        wanted = Runtime(plan.runtime_spec(chosen.fleet), chosen.fleet.cluster.user)
        distribute(run, run.look(lambda _: [wanted]), chosen.hosts)
    run.finish()


def phantomjs(c: Any, options: Options) -> None:
    """Install PhantomJS on the hosts that have its role."""
    chosen = target(c, options)
    wanted = phantomjs_steps(chosen)
    _each(c, options, lambda _, host: wanted(host))


def libraries(c: Any, options: Options) -> None:
    """Install the scripts and styles of the web UI's pages on its hosts."""
    chosen = target(c, options)
    wanted = library_steps(chosen)
    _each(c, options, lambda _, host: wanted(host))


def account(c: Any, options: Options) -> None:
    """Make the user `work`, its home and the log directory."""
    _each(c, options, lambda fleet, _: plan.account(fleet))


def stores(c: Any, options: Options) -> None:
    """Set up the managed MySQL and Redis on the hosts that have their role."""
    _each(c, options, plan.stores)


def release(c: Any, options: Options) -> None:
    """Upload config.json, the launcher and the program sections; restarts nothing."""
    _each(c, options, lambda fleet, host: [plan.release(fleet, host)])


def supervisord_conf(c: Any, options: Options) -> None:
    """Write /etc/supervisord.conf; restarts nothing."""
    _each(c, options, plan.supervisord_conf)


def boot(c: Any, options: Options) -> None:
    """See to it that supervisord starts when the host does; starts nothing now."""
    _each(c, options, plan.boot)


def sockets(c: Any, options: Options) -> None:
    """As root, remove a stale supervisor.sock: nothing answers on it and its process is gone."""
    _each(c, options, lambda fleet, host: [plan.supervision(fleet, host).clear_sockets])


def leftovers(c: Any, options: Options) -> None:
    """End what a dead supervisord left running."""
    _each(c, options, lambda fleet, host: [plan.supervision(fleet, host).end_leftovers])


def supervisord(c: Any, options: Options) -> None:
    """Start supervisord as `work` where it does not run; where systemd runs, through its unit."""
    _each(c, options, lambda fleet, host: [plan.unit(fleet, host), *plan.supervision(fleet, host).starting])


def programs(c: Any, options: Options) -> None:
    """Reread, update, and wait until every program is RUNNING and has its log file."""
    _each(c, options, plan.supervised)
