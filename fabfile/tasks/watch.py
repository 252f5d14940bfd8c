"""`fab watch`: one look after the other over open connections; changes are told to the sinks of [watch]."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from invoke.exceptions import Exit
from msgspec.structs import replace

from ..doctor.checks import CHECKS
from ..doctor.findings import findings
from ..errors import Problem, WrongInput, printable
from ..health.verdict import ClusterView
from ..inventory import Fleet, load
from ..inventory.watch_rules import WatchSecrets, watch_secrets
from ..runs import streams
from ..runs.run import Run
from ..runs.target import Target, target
from ..ssh.pool import Links
from ..watch import units
from ..watch.changes import News, Observed, changes
from ..watch.delivery import AREA, Delivery
from ..watch.kept import alone, keep, place, recalled
from ..watch.metrics import Metrics, Snapshot
from ..watch.outbox import line
from ..watch.seen import of_doctor, of_status, unexamined
from ..watch.sinks import Hook, Mailbox, Sink
from ..watch.speed import speed_after
from .doctor import examine
from .seeing import see


@dataclass(frozen=True, slots=True)
class Watched:
    """The cluster as one state of hosts.toml describes it."""

    text: bytes
    """The file itself, by which a change is noticed."""
    chosen: Target
    secrets: WatchSecrets

    @property
    def fleet(self) -> Fleet:
        return self.chosen.fleet


def show_units(unit: bool, cron: bool) -> None:
    """Print what keeps `fab watch` running."""
    fleet = load()
    for wanted, text in ((unit, units.unit), (cron, units.crontab)):
        if wanted:
            print(text(fleet), end="")


def test() -> None:
    """Send one message to each sink. Exit status 1 where one does not take it."""
    fleet = load()
    every, failed = sinks(fleet, watch_secrets(fleet)), 0
    if not every:
        raise WrongInput(f"{fleet.file}: watch: there is no sink; add [watch.webhook] or [watch.mail]")
    for sink in every:
        try:
            sink.send(fleet.cluster.name, [News("brief", "watch/test", "this is a test of fab watch", time.time())], 0)
            print(f"{sink.name}: delivered")
        except Problem as error:
            failed += 1
            print(f"{sink.name}: {printable(str(error))}")
    if failed:
        sys.stdout.flush()
        raise Exit(code=1)


def watch(c: Any, once: bool) -> None:
    """Look again and again until Ctrl-C. Raises Locked where another process watches this cluster from here."""
    watched = _described(c)
    # Who is told by a webhook or a mail is told also where the log is lost.
    streams.go_on()
    with alone(place(watched.fleet)):
        try:
            _Watch(c, watched).go_on(once)
        finally:
            c.config["links"].close()


def sinks(fleet: Fleet, secrets: WatchSecrets) -> list[Sink]:
    """The sinks that hosts.toml names."""
    mail, hook = fleet.watch.mail, secrets.webhook
    hooks: list[Sink] = [Hook(hook, fleet.watch.webhook.kind, secrets.webhook_secret)] if hook else []
    return [*hooks, *(Mailbox(to, mail, secrets.mail) for to in mail.to)]


def _described(c: Any) -> Watched:
    """The cluster as hosts.toml describes it now. Raises WrongInput."""
    chosen = target(c)
    return Watched(_text(chosen.fleet), chosen, watch_secrets(chosen.fleet))


def _text(fleet: Fleet) -> bytes:
    try:
        return fleet.path.read_bytes()
    except OSError:
        return b""


class _Watch:
    """The watch over one cluster, from one look to the next."""

    def __init__(self, c: Any, watched: Watched) -> None:
        self._c, self._watched = c, watched
        self._path = place(watched.fleet)
        self._kept = recalled(self._path)
        self._metrics = Metrics()
        self._delivery = self._with_sinks()
        self._troubles: dict[str, str] = {}
        self._said: dict[str, str] = {}
        if port := watched.fleet.watch.prometheus.port:
            self._metrics.serve(port)

    def go_on(self, once: bool) -> None:
        while True:
            begun = time.monotonic()
            self._renew()
            self._look()
            if once:
                return
            time.sleep(max(1.0, self._watched.fleet.watch.every - (time.monotonic() - begun)))

    def _renew(self) -> None:
        """Follow a changed hosts.toml; while it can't be used, the one before counts, and that is a fault."""
        if _text(self._watched.fleet) == self._watched.text:
            self._troubles.pop("hosts.toml", None)
            return
        before, self._c.config["links"] = self._c.config["links"], Links()
        try:
            self._watched = _described(self._c)
            before.close()
            self._delivery = self._with_sinks()
            self._troubles.pop("hosts.toml", None)
        except Problem as error:
            self._c.config["links"] = before
            self._troubles["hosts.toml"] = (
                f"hosts.toml can't be used, the one before counts: {str(error).splitlines()[0]}"
            )

    def _with_sinks(self) -> Delivery:
        fleet = self._watched.fleet
        return Delivery(fleet.cluster.name, sinks(fleet, self._watched.secrets), self._kept.outboxes)

    def _look(self) -> None:
        now = time.time()
        view = see(Run(self._watched.chosen, reports=False))
        speed = speed_after(self._kept.speed, view.motion.pulses, now)
        own = {f"{AREA}/{name}": text for name, text in self._troubles.items()}
        observed = of_status(view, speed) | self._examined(now) | self._delivery.faults() | Observed(own)
        known, news = changes(self._kept.known, observed, now, self._watched.fleet.watch.patience)
        self._kept = replace(self._kept, known=known, speed=speed)
        self._tell(news)
        self._show(view, now)

    def _examined(self, now: float) -> Observed:
        """Doctor's findings, where it is its turn."""
        fleet = self._watched.fleet
        if not self._kept.doctor_due(now, fleet.watch.doctor_every, fleet.watch.patience):
            return Observed(blind=unexamined(fleet))
        self._kept = replace(self._kept, doctor_at=now)
        view = examine(self._watched.chosen)
        return of_doctor(fleet, view, findings(view, CHECKS))

    def _tell(self, news: Sequence[News]) -> None:
        """Print the news, keep them, then deliver them: a death in between loses none."""
        for one in news:
            print(line(one), flush=True)
        self._delivery.put(news)
        self._keep()
        self._delivery.deliver()
        if heartbeat := self._watched.secrets.heartbeat:
            self._delivery.beat(heartbeat)
        self._keep()
        self._say()

    def _keep(self) -> None:
        self._kept = replace(self._kept, outboxes=self._delivery.boxes())
        keep(self._path, self._kept)

    def _say(self) -> None:
        """Say on stderr which sink is down, once for each reason."""
        faults = {**self._delivery.faults().faults, **self._troubles}
        for key, text in faults.items():
            if self._said.get(key) != text:
                print(f"fab: {printable(text)}", file=sys.stderr, flush=True)
        self._said = faults

    def _show(self, view: ClusterView, now: float) -> None:
        waiting = {name: len(box.waiting) for name, box in self._delivery.boxes().items()}
        self._metrics.last = Snapshot(view, self._kept.known, self._kept.speed, waiting, now)
        if not (path := self._watched.secrets.prometheus):
            return
        try:
            self._metrics.write(path)
            self._troubles.pop("prometheus", None)
        except Problem as error:
            self._troubles["prometheus"] = str(error)
