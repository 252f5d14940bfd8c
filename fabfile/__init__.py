"""The tree of tasks: what `fab --list` shows, in the order of the work."""

from __future__ import annotations

from invoke.collection import Collection

from .tasks import bootstrap, demo, deploy, sandbox, status, step

ns = Collection()
ns.add_task(bootstrap.bootstrap)
ns.add_task(deploy.deploy)
ns.add_task(status.status)
ns.add_task(deploy.reload)
ns.add_collection(Collection.from_module(step, name="step"))
ns.add_collection(Collection.from_module(sandbox, name="sandbox"))
ns.add_collection(Collection.from_module(demo, name="demo"))
ns.configure({"tasks": {"auto_dash_names": True}})
