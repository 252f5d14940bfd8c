"""Each step by itself, on the same engine as `bootstrap` and `deploy`; in the order of the manual way."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import JSON, sharing


@sharing(JSON)
def packages(c: Any, options: Options) -> None:
    """Install the libraries that Python needs, and the stores' servers on their hosts."""
    from ..tasks import step as job

    job.packages(c, options)


@sharing(JSON)
def python(c: Any, options: Options) -> None:
    """Build or ship Python 2.7 with the pinned pyspider and supervisor."""
    from ..tasks import step as job

    job.python(c, options)


@sharing(JSON)
def phantomjs(c: Any, options: Options) -> None:
    """Install PhantomJS on the hosts that have its role."""
    from ..tasks import step as job

    job.phantomjs(c, options)


@sharing(JSON)
def libraries(c: Any, options: Options) -> None:
    """Install the scripts and styles of the web UI's pages on its hosts."""
    from ..tasks import step as job

    job.libraries(c, options)


@sharing(JSON)
def account(c: Any, options: Options) -> None:
    """Make the user `work`, its home and the log directory."""
    from ..tasks import step as job

    job.account(c, options)


@sharing(JSON)
def stores(c: Any, options: Options) -> None:
    """Set up the managed MySQL and Redis on the hosts that have their role."""
    from ..tasks import step as job

    job.stores(c, options)


@sharing(JSON)
def release(c: Any, options: Options) -> None:
    """Upload config.json, the launcher and the program sections; restarts nothing."""
    from ..tasks import step as job

    job.release(c, options)


@sharing(JSON)
def supervisord_conf(c: Any, options: Options) -> None:
    """Write /etc/supervisord.conf; restarts nothing."""
    from ..tasks import step as job

    job.supervisord_conf(c, options)


@sharing(JSON)
def boot(c: Any, options: Options) -> None:
    """See to it that supervisord starts when the host does; starts nothing now."""
    from ..tasks import step as job

    job.boot(c, options)


@sharing(JSON)
def sockets(c: Any, options: Options) -> None:
    """As root, remove a stale supervisor.sock: nothing answers on it and its process is gone."""
    from ..tasks import step as job

    job.sockets(c, options)


@sharing(JSON)
def leftovers(c: Any, options: Options) -> None:
    """End what a dead supervisord left running."""
    from ..tasks import step as job

    job.leftovers(c, options)


@sharing(JSON)
def supervisord(c: Any, options: Options) -> None:
    """Start supervisord as `work` where it does not run; where systemd runs, through its unit."""
    from ..tasks import step as job

    job.supervisord(c, options)


@sharing(JSON)
def programs(c: Any, options: Options) -> None:
    """Reread, update, and wait until every program is RUNNING and has its log file."""
    from ..tasks import step as job

    job.programs(c, options)
