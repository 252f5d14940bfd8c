"""The locks of a run that finds the scheduler elsewhere than its hosts.toml has it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from ..runs.lock import Lock
from ..runs.run import Looked, Run

Seen = tuple[Mapping[str, Looked], Mapping[str, Sequence[int]]]
"""The answers of the hosts, and the pids of schedulers on those that should have none."""


@contextmanager
def under_their_locks(run: Run, look: Callable[[], Seen], held: Collection[str] = ()) -> Iterator[Seen]:
    """What was seen under the locks of all hosts with such a scheduler; of those in `held` this run has it already.

    The cluster's lock is on the scheduler's host, and another control machine may have a newer hosts.toml, by which
    that is another one: its run and this one would change the cluster at once. Raises Locked.
    """
    fleet, taken = run.target.fleet, set(held)
    with ExitStack() as locks:
        seen = look()
        while more := sorted(seen[1].keys() - taken) if not run.dry else []:
            for name in more:
                lock = Lock(run.target.links[fleet.host(name)], fleet.cluster.name)
                run.holds.append(locks.enter_context(lock.held(run.lock_wait)))
            taken.update(more)
            # Whoever held one of them has perhaps changed what was seen.
            seen = look()
        yield seen
