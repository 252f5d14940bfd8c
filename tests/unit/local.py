"""The fake at the SSH boundary: a link whose far side is this machine's own sh."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fabfile.inventory import Fleet, load
from fabfile.runs.options import Options
from fabfile.runs.outcomes import Outcome
from fabfile.runs.run import Run
from fabfile.runs.target import Target
from fabfile.ssh.gate import WARD
from fabfile.ssh.pool import Links
from fabfile.ssh.protocol import Event, Message, Reader
from fabfile.ssh.receiver import receiver
from fabfile.steps.base import Action, Found, Payload, Probe, Step

PROJECT = Path(__file__).parent.parent.parent


@dataclass
class LocalLink:
    """Runs real messages through the real receiver, without root and without a network."""

    exchanges: int = 0
    noise: bytes = b""
    operator: str = ""

    def exchange(self, message: Message, on_event: Callable[[Event], None] = lambda _: None) -> dict[int, Found]:
        self.exchanges += 1
        process = subprocess.Popen(
            ["sh", "-c", receiver()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert process.stdin and process.stdout
        process.stdin.write(WARD + message.head())
        for payload in message.payloads:
            process.stdin.write(content(payload))
        process.stdin.write(message.tail())
        process.stdin.flush()
        reader = Reader(message, on_event)
        reader.feed(self.noise)
        while not reader.done and (data := process.stdout.read1(65536)):
            reader.feed(data)
        process.stdin.close()
        process.wait(10)
        assert reader.done, (reader.gate, reader.said)
        return reader.found

    def rest(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def close(self) -> None:
        pass


class OneLink(Links):
    """The same link to every host."""

    def __init__(self, link: LocalLink) -> None:
        super().__init__()
        self._link = link

    def __getitem__(self, _host: object) -> Any:
        return self._link


@cache
def fleet() -> Fleet:
    """The shipped hosts.toml, with passwords of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hosts.toml"
        path.write_text((PROJECT / "hosts.toml").read_text())
        return load(path)


def converged(steps: Sequence[Step], link: LocalLink | None = None, dry: bool = False) -> Outcome:
    """What becomes of a host that a run brings to these steps, as deploy does it."""
    host = fleet().hosts[0]
    config = SimpleNamespace(run=SimpleNamespace(dry=False))
    run = Run(Target(fleet(), (host,), (), OneLink(link or LocalLink()), config), Options(dry_run=dry), reports=False)
    run.converge(run.look(lambda _: steps))
    (outcome,) = run.recorder.outcomes([host])
    return outcome


def content(payload: Payload) -> bytes:
    return payload.content.read_bytes() if isinstance(payload.content, Path) else payload.content


@dataclass(frozen=True)
class FileStep:
    """The smallest real step: a file holds a text."""

    path: Path
    text: str
    fail: str = ""
    name: str = "file"
    needs: tuple[str, ...] = field(default=())

    def probe(self) -> Probe:
        return Probe(f"cat '{self.path}'")

    def diff(self, found: Found) -> Sequence[Action]:
        if found.status == 0 and found.text == self.text:
            return []
        script = f"say writing it\n{self.fail}\ncat \"$1\" >'{self.path}'"
        return [Action(f"write {self.path.name}", script, (Payload(self.text.encode()),))]
