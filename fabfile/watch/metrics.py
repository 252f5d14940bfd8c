"""What was seen, as Prometheus text: in a file for node_exporter's textfile collector, or at a port on loopback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Problem, reason
from ..health.host import RUNNING
from ..health.verdict import ClusterView
from ..inventory.roles import MYSQL, REDIS
from ..local import write_whole
from .changes import Known
from .speed import Speed

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look, with all that it is told by."""

    view: ClusterView
    known: Mapping[str, Known] = field(default_factory=dict)
    speed: Speed | None = None
    waiting: Mapping[str, int] = field(default_factory=dict)
    """News that wait, by sink."""
    at: float = 0.0


@dataclass(eq=False)
class Metrics:
    """The metrics of the last look; Prometheus' library calls `collect` whenever somebody asks."""

    last: Snapshot | None = None

    def collect(self) -> Iterable[Metric]:
        """The metrics, none before the first look. A host that was not seen has none for its programs."""
        return _metrics(self.last) if self.last else ()

    def registry(self) -> CollectorRegistry:
        """A registry with nothing else in it."""
        from prometheus_client import CollectorRegistry

        made = CollectorRegistry()
        made.register(self)
        return made

    def serve(self, port: int) -> None:
        """Answer at the port, on loopback, in the background. Raises Problem where it is taken."""
        from prometheus_client import start_http_server

        try:
            start_http_server(port, LOOPBACK, self.registry())
        except OSError as error:
            raise Problem(f"watch.prometheus.port: {LOOPBACK}:{port}: {reason(error)}; choose another") from error

    def write(self, path: Path) -> None:
        """Put the metrics into the file, by one rename, readable by all: they hold no secret. Raises Problem."""
        from prometheus_client import generate_latest

        try:
            write_whole(path, generate_latest(self.registry()).decode(), 0o644)
        except OSError as error:
            raise Problem(f"watch.prometheus.file: {path}: {reason(error)}") from error


Rows = Iterable[tuple[tuple[str, ...], float]]
"""Values by the words for the labels."""


def _metrics(last: Snapshot) -> Iterator[Metric]:
    view = last.view

    def made(name: str, help_: str, rows: Rows, *labels: str) -> Metric:
        return _metric(view.fleet.cluster.name, name, help_, rows, labels)

    yield made("healthy", "Whether status calls the cluster healthy", [((), not view.problems())])
    yield made("look_seconds", "When fab watch looked last, in seconds since 1970", [((), last.at)])
    yield made("host_seen", "Whether the host could be looked at", _hosts(view), "host")
    yield made("program_running", "Whether the program is RUNNING", _programs(view), "host", "program")
    yield made("faults", "Faults that were told and are not over, by area", _faults(last.known).items(), "area")
    yield made("watch_waiting", "News that wait for a sink", [((name,), n) for name, n in last.waiting.items()], "sink")
    if last.speed:
        yield made("pages_per_second", "Pages that the fetchers finish a second", [((), last.speed.lately)])
    if view.redis and view.redis.ok:
        rows = [((name,), size) for name, size in view.redis.queues.items()]
        yield made("queue_messages", "Messages in the queue", rows, "queue")
    if view.complete and not all(one.unseen for one in view.hosts):
        yield made("store_ok", "Whether the store answers as it should", _stores(view), "store")


def _metric(cluster: str, name: str, help_: str, rows: Rows, labels: tuple[str, ...]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    made = GaugeMetricFamily(f"pyspider_{name}", help_, labels=("cluster", *labels))
    for own, value in rows:
        made.add_metric((cluster, *own), float(value))
    return made


def _hosts(view: ClusterView) -> Rows:
    return [((one.host.name,), not one.unseen) for one in view.hosts]


def _programs(view: ClusterView) -> Rows:
    return [((one.host.name, it.name), it.state == RUNNING) for one in view.hosts for it in one.programs]


def _stores(view: ClusterView) -> Rows:
    return [((MYSQL.name,), bool(view.mysql and view.mysql.ok)), ((REDIS.name,), bool(view.redis and view.redis.ok))]


def _faults(known: Mapping[str, Known]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for key, one in known.items():
        area = (key.partition("/")[0],)
        found[area] = found.get(area, 0) + one.told
    return found
