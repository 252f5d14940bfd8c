"""Every fault that doctor knows, in the order in which an operator wants to hear of them."""

from __future__ import annotations

from ..findings import Check
from . import (
    config,
    exposure,
    hosts,
    mysql,
    network,
    ports,
    programs,
    redis,
    resources,
    runtime,
    selinux,
    services,
    strangers,
    supervisor,
    tls,
    work,
)

CHECKS: tuple[Check, ...] = (
    *hosts.CHECKS,
    *strangers.CHECKS,
    *selinux.CHECKS,
    *supervisor.CHECKS,
    *programs.CHECKS,
    *work.CHECKS,
    *ports.CHECKS,
    *runtime.CHECKS,
    *network.CHECKS,
    *config.CHECKS,
    *mysql.CHECKS,
    *redis.CHECKS,
    *tls.CHECKS,
    *services.CHECKS,
    *resources.CHECKS,
    *exposure.CHECKS,
)
