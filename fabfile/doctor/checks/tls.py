"""TLS with MySQL and Redis, by the answers that the components themselves get."""

from __future__ import annotations

from ..findings import Check
from .mysql import TLS, mysql_errors
from .redis import NO_TLS, redis_errors
from .stores import DEPENDENTS

CAUSE = (
    "one side wants TLS and the other does not, or the server's certificate is not for the address in config.json, is "
    "from no CA that is trusted, or no longer valid"
)
FIX = (
    "`fab status` tells which it is: renew the certificate, or correct tls, ca or host in [stores.{}] of hosts.toml, "
    "then fab deploy"
)
FOREIGN = (
    "let server and config.json agree: the server with a certificate for that address that is valid and trusted, or "
    "without TLS{restarted}"
)
CHECKS = (
    Check(
        id="mysql-tls",
        title="2026: no TLS; certificate verify failed; SSL is required but the server doesn't support it",
        cause=CAUSE,
        fix=FIX.format("mysql"),
        foreign_fix=FOREIGN,
        find=mysql_errors(lambda number: number in TLS),
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-tls",
        title="certificate verify failed; Connection reset by peer, or closed by server, though Redis runs",
        cause=CAUSE,
        fix=FIX.format("redis"),
        foreign_fix=FOREIGN,
        find=redis_errors(lambda code: code == NO_TLS),
        hides=DEPENDENTS,
    ),
)
