"""The stores as a cluster's hosts see them: the host that they run on, and the readers of their addresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..findings import Hit, Patient, View
from .config import readers

BOOTSTRAP = "fab bootstrap, then fab deploy"
DEPENDENTS = frozenset({"backoff", "rpc-down", "port-closed", "failing", "restarting", "hung", "webui-empty-reply"})
STARTED = "; programs that have given up by then are told by `fab doctor`"
APART = (
    "put the right password where password in [stores.{}] of hosts.toml has it, or correct {} there, then fab deploy"
)
COPY = "copy the password of {} from {}'s {}: that store takes it{{restarted}}"


def readers_on(view: View, name: str) -> tuple[str, ...]:
    """The programs that have read a config.json that was changed by hand."""
    host = next(host for host in view.seen if host.name == name)
    return tuple(dict.fromkeys(one for asked in host.asked for one in readers(host, asked)))


def server(view: View, asker: Patient, where: str) -> str:
    """The host that the store runs on, if it is one of the cluster's."""
    address = where.partition(":")[0]
    return next((host.name for host in view.hosts if host.host.address == address), asker.name)


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a store to one asker."""

    host: Patient
    where: str
    """`address:port`, with or without a database; `this host` for the asker itself."""
    fault: str = ""
    """Empty where it let the asker in, or where something else is to blame."""
    foreign_fix: str = ""
    """The way on for this asker alone, on a host that this project did not deploy."""

    @property
    def place(self) -> str:
        return self.where.replace("this host", self.host.host.address).partition("/")[0]


def blamed(view: View, replies: Iterable[Reply]) -> Iterator[Hit]:
    """One finding of a store that refuses all of several askers, at its own host; else one of each asker's."""
    by_place: dict[str, list[Reply]] = defaultdict(list)
    for reply in replies:
        by_place[reply.place].append(reply)
    for place, several in by_place.items():
        refused = [reply for reply in several if reply.fault]
        askers = list(dict.fromkeys(reply.host.name for reply in refused))
        if len(askers) > 1 and set(askers) == {reply.host.name for reply in several}:
            yield _store(view, place, refused, askers)
        else:
            for one in refused:
                items = readers_on(view, one.host.name)
                yield Hit(one.host.name, one.fault, foreign_fix=one.foreign_fix, items=items)


def _store(view: View, place: str, refused: list[Reply], askers: list[str]) -> Hit:
    host = server(view, refused[0].host, place)
    readers = {asker: readers_on(view, asker) for asker in askers}
    items = dict.fromkeys(name for names in readers.values() for name in names)
    others = tuple(name for name in askers if name != host)
    seen = f"{refused[0].fault} (asked from {', '.join(askers)})"
    return Hit(host, seen, items=tuple(items), readers=readers, others=others)
