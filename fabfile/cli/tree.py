"""The tree of tasks that `fab --list` shows, each group in the order of its work."""

from __future__ import annotations

from invoke.collection import Collection

from . import (
    bench,
    bootstrap,
    command,
    dashboard,
    demo,
    deploy,
    doctor,
    lock,
    logs,
    move,
    operate,
    passwords,
    profile,
    releases,
    sandbox,
    scale,
    status,
    step,
    ui,
    watch,
)
from .listing import in_order

ns = Collection()
ns.add_task(bootstrap.bootstrap)
ns.add_task(deploy.deploy)
ns.add_task(status.status)
ns.add_task(doctor.doctor)
ns.add_task(dashboard.dashboard)
ns.add_task(logs.logs)
ns.add_task(ui.ui)
ns.add_task(watch.watch)
ns.add_task(profile.profile)
ns.add_task(releases.releases)
ns.add_task(releases.rollback)
ns.add_task(operate.stop)
ns.add_task(operate.start)
ns.add_task(operate.restart)
ns.add_task(scale.scale)
ns.add_task(deploy.reload)
ns.add_task(move.move_scheduler)
ns.add_task(move.decommission)
ns.add_task(command.run)
for name, module in (
    ("bench", bench),
    ("step", step),
    ("passwords", passwords),
    ("lock", lock),
    ("sandbox", sandbox),
    ("demo", demo),
):
    ns.add_collection(in_order(Collection.from_module(module, name=name)))
