"""A run of a bench as it is kept, and two of them side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..errors import Problem, WrongInput, reason
from ..inventory.fleet import hint
from .limit import BenchLimit, Gain
from .measured import StepMeasured
from .ramp import best

FOLDER = "benchmarks"
"""Beside hosts.toml."""
FORMAT = 1


class BenchRecord(msgspec.Struct, frozen=True):
    """A whole run. Holds no secret."""

    name: str
    """Its file's name without the ending: when it began, by the control machine's clock."""
    cluster: str
    release: str
    """The name of what hosts.toml asks for, as `fab releases` shows it where that is deployed."""
    pages: int
    size: int
    """Bytes of a page."""
    instead: bool
    programs: dict[str, int]
    """How many of each role."""
    steps: list[StepMeasured]
    limit: BenchLimit
    gains: list[Gain]
    seconds: float
    """That the run took."""
    format: int = FORMAT

    @property
    def best(self) -> StepMeasured:
        """The step that counts."""
        return best(self.steps)


def as_json(record: BenchRecord) -> str:
    """The text of the file."""
    return (
        msgspec.json.format(
            msgspec.json.encode({"pages_s": record.best.pages_s} | msgspec.to_builtins(record))
        ).decode()
        + "\n"
    )


def kept(folder: Path) -> list[str]:
    """The names of the runs that are kept, the newest last."""
    return sorted(path.stem for path in folder.glob("*.json"))


def read(folder: Path, name: str) -> BenchRecord:
    """A run that is kept, by its name or its file. Raises WrongInput, Problem."""
    known = kept(folder)
    stem = Path(name).name.removesuffix(".json")
    if stem not in known:
        raise WrongInput(
            f"there is no run {name} in {folder}{hint(stem, known)}; there are {', '.join(known) or 'none'}"
        )
    path = folder / f"{stem}.json"
    try:
        record = msgspec.json.decode(path.read_bytes(), type=BenchRecord)
    except OSError as error:
        raise Problem(f"{path}: it can't be read: {reason(error)}") from error
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Problem(f"{path}: it is no result of fab bench.crawl: {error}") from error
    if not record.steps:
        raise Problem(f"{path}: it has no step that was measured")
    # Its file may have been given another name since.
    return msgspec.structs.replace(record, name=stem)


def chosen(folder: Path, names: tuple[str, ...]) -> tuple[BenchRecord, BenchRecord]:
    """The two runs to compare, the two newest without names. Raises WrongInput, Problem."""
    if len(names) not in (0, 2):
        raise WrongInput(
            f"give two runs, or none for the two newest; {len(names)} {'was' if len(names) == 1 else 'were'} given"
        )
    wanted = names or tuple(kept(folder)[-2:])
    if len(wanted) < 2:
        have = {0: "there is no run yet", 1: f"there is one run only, {wanted[0] if wanted else ''}"}[len(wanted)]
        raise WrongInput(f"{have} in {folder}: run `fab bench.crawl` first, twice in all")
    return read(folder, wanted[0]), read(folder, wanted[1])


class Compared(msgspec.Struct, frozen=True):
    """One line of two runs side by side."""

    what: str
    first: str
    second: str
    ratio: float | None = None


def compared(first: BenchRecord, second: BenchRecord) -> Iterator[Compared]:
    """Both runs line by line; a ratio is the second by the first."""
    a, b = first.best, second.best
    yield _numbers("pages/s", a.pages_s, b.pages_s)
    yield Compared("at rate/burst", f"{a.rate}/{a.rate}", f"{b.rate}/{b.rate}")
    yield Compared("limit", _limit(first.limit), _limit(second.limit))
    roles, others = a.roles(), b.roles()
    for role in dict.fromkeys([*roles, *others]):
        yield _numbers(f"{role}: ms of CPU a page", _spent(roles, role, a), _spent(others, role, b))
    for store in dict.fromkeys(name for step in (a, b) for host in step.hosts.values() for name in host.stores):
        yield _numbers(f"{store}: ms of CPU a page", _store(a, store), _store(b, store))
    for host in dict.fromkeys([*a.hosts, *b.hosts]):
        busy = [step.hosts[host].busy * 100 if host in step.hosts else None for step in (a, b)]
        yield _numbers(f"{host}: % of its CPU", *busy)
    for queue in dict.fromkeys([*a.queues, *b.queues]):
        yield _numbers(f"{queue}: messages in it", a.queues.get(queue), b.queues.get(queue))
    yield Compared("programs", _programs(first), _programs(second))
    yield Compared("pages, bytes of each", f"{first.pages}, {first.size}", f"{second.pages}, {second.size}")
    yield Compared("beside or instead", _way(first), _way(second))
    yield Compared("release", first.release, second.release)


def unlike(first: BenchRecord, second: BenchRecord) -> Iterator[str]:
    """Why the two can't be compared just so."""
    if first.cluster != second.cluster:
        yield f"they are of two clusters: {first.cluster} and {second.cluster}"
    if first.size != second.size:
        yield f"their pages differ in size: {first.size} and {second.size} bytes"
    if first.instead != second.instead:
        yield "one ran beside the production programs, the other in their place"


def _numbers(what: str, first: float | None, second: float | None) -> Compared:
    ratio = round(second / first, 2) if first and second is not None else None
    return Compared(what, _number(first), _number(second), ratio)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _spent(roles: dict[str, list[float]], role: str, step: StepMeasured) -> float | None:
    """Milliseconds of CPU that a page costs a role."""
    return sum(roles[role]) / step.pages_s * 1000 if role in roles and step.pages_s else None


def _store(step: StepMeasured, name: str) -> float | None:
    return step.store(name) / step.pages_s * 1000 if step.pages_s else None


def _limit(one: BenchLimit) -> str:
    return f"{one.kind} {one.name}".strip()


def _programs(record: BenchRecord) -> str:
    return ", ".join(f"{role} {count}" for role, count in record.programs.items())


def _way(record: BenchRecord) -> str:
    return "instead" if record.instead else "beside"
