"""Each step by itself, on the same engine as `bootstrap` and `deploy`; in the order of the manual way."""

from __future__ import annotations

from typing import Any

from invoke.tasks import task

from ..options import Options
from .flags import JSON


@task(help=JSON)
def packages(c: Any, json: bool = False) -> None:
    """Install the libraries that Python needs, and the stores' servers on their hosts."""
    from ..jobs import step as job

    job.packages(c, Options(json=json))


@task(help=JSON)
def python(c: Any, json: bool = False) -> None:
    """Build or ship Python 2.7 with the pinned pyspider and supervisor."""
    from ..jobs import step as job

    job.python(c, Options(json=json))


@task(help=JSON)
def phantomjs(c: Any, json: bool = False) -> None:
    """Install PhantomJS on the hosts that have its role."""
    from ..jobs import step as job

    job.phantomjs(c, Options(json=json))


@task(help=JSON)
def libraries(c: Any, json: bool = False) -> None:
    """Install the scripts and styles of the web UI's pages on its hosts."""
    from ..jobs import step as job

    job.libraries(c, Options(json=json))


@task(help=JSON)
def account(c: Any, json: bool = False) -> None:
    """Make the user `work`, its home and the log directory."""
    from ..jobs import step as job

    job.account(c, Options(json=json))


@task(help=JSON)
def stores(c: Any, json: bool = False) -> None:
    """Set up the managed MySQL and Redis on the hosts that have their role."""
    from ..jobs import step as job

    job.stores(c, Options(json=json))


@task(help=JSON)
def release(c: Any, json: bool = False) -> None:
    """Upload config.json, the launcher and the program sections; restarts nothing."""
    from ..jobs import step as job

    job.release(c, Options(json=json))


@task(help=JSON)
def supervisord_conf(c: Any, json: bool = False) -> None:
    """Write /etc/supervisord.conf; restarts nothing."""
    from ..jobs import step as job

    job.supervisord_conf(c, Options(json=json))


@task(help=JSON)
def sockets(c: Any, json: bool = False) -> None:
    """As root, remove a stale supervisor.sock: nothing answers on it and its process is gone."""
    from ..jobs import step as job

    job.sockets(c, Options(json=json))


@task(help=JSON)
def leftovers(c: Any, json: bool = False) -> None:
    """End what a dead supervisord left running."""
    from ..jobs import step as job

    job.leftovers(c, Options(json=json))


@task(help=JSON)
def supervisord(c: Any, json: bool = False) -> None:
    """Start supervisord as `work` where it does not run."""
    from ..jobs import step as job

    job.supervisord(c, Options(json=json))


@task(help=JSON)
def programs(c: Any, json: bool = False) -> None:
    """Reread, update, and wait until every program is RUNNING and has its log file."""
    from ..jobs import step as job

    job.programs(c, Options(json=json))
