"""The findings: a check is a value, its question a pure function of the facts of all hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..errors import printable
from ..inventory import Fleet, Host
from ..inventory.roles import MYSQL
from ..steps.sight import KnownProgram
from .answers import Asked
from .facts import Component, Facts, ProgramSection
from .layout import filled

Fix = Literal["owner", "stores", "conf", "release", "boot", "supervision", "restart", "firewall", "folders"]
"""Something that `--fix` may do: one of fix.py's steps."""


@dataclass(frozen=True, slots=True)
class Patient:
    """One host as remote/doctor.py saw it."""

    host: Host
    facts: Facts

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def ours(self) -> bool:
        """Whether this project has deployed the host; if not, its files are somebody's own."""
        return self.facts.ours

    @property
    def supervised(self) -> bool:
        """Whether a supervisord answers: without one, little can be said about its programs."""
        return self.facts.sight.supervisord.answers

    @property
    def programs(self) -> Sequence[KnownProgram]:
        """The programs that supervisord runs, with states."""
        return self.facts.sight.programs

    @property
    def configured(self) -> Sequence[ProgramSection]:
        """pyspider's sections in the supervisord.conf that counts."""
        return self.facts.conf.programs if self.facts.conf else ()

    @property
    def components(self) -> Sequence[Component]:
        """pyspider's live processes, also those that no supervisord started."""
        return self.facts.components

    @property
    def asked(self) -> Sequence[Asked]:
        """The answers to each pair of interpreter and config.json."""
        return self.facts.asked

    def asked_as(self, role: str) -> Iterator[Asked]:
        """The pairs that programs of this role use."""
        return (one for one in self.asked if role in one.roles)

    def state(self, role: str) -> list[str]:
        """The states of supervisord's programs of that role."""
        names = {section.name for section in self.configured if section.role == role}
        return [program.state for program in self.programs if program.name in names]


@dataclass(frozen=True, slots=True)
class Unseen:
    """A host without facts: it could not be looked at, or it has no Python 2.7 or 3."""

    host: Host
    why: str = ""
    """Why it could not be looked at; empty where there is no Python."""
    reachable: bool = True

    @property
    def name(self) -> str:
        return self.host.name


@dataclass(frozen=True, slots=True)
class View:
    """Everything that doctor saw at one moment."""

    fleet: Fleet
    seen: tuple[Patient, ...]
    """The hosts with facts."""
    unseen: tuple[Unseen, ...] = ()
    half_changed: tuple[str, ...] = ()
    """The passwords of which an old one is valid beside the new one."""

    @property
    def hosts(self) -> tuple[Patient | Unseen, ...]:
        """All hosts that doctor asked."""
        return (*self.seen, *self.unseen)

    @property
    def manned(self) -> list[Patient]:
        """The hosts with facts on which hosts.toml puts programs; of others, those that are set up for some."""
        listed = self.fleet.hosts
        return [
            one for one in self.seen if self.fleet.programs(one.host) or (one.host not in listed and one.configured)
        ]

    def known(self, address: str) -> Patient | None:
        """The host with facts that has this address."""
        return next((host for host in self.seen if host.host.address == address), None)


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a check's fault was seen. An empty field stands for the check's own."""

    host: str
    evidence: str
    cause: str = ""
    fix: str = ""
    foreign_fix: str = ""
    """The same where this project did not deploy the host."""
    by_hand: bool = False
    """`--fix` leaves this one alone, though it may fix others of its kind."""
    items: tuple[str, ...] = ()
    """The programs to restart, or the paths to give to the cluster's user."""
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By host, the programs to restart, where they are not all of this host; `items` has their names as well."""
    others: tuple[str, ...] = ()
    """Further hosts on which its check's faults may follow from this one, and which its fixes are for."""
    hides: bool = True
    """Whether the faults that its check hides may follow from this one."""


ENDS = frozenset({"backoff", "restarting"})
"""What is seen of a program that ends again and again, sooner or later after its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A fault that doctor knows: how it looks to the operator, its cause and its fix."""

    id: str
    title: str
    """The error text that the operator sees and searches for."""
    cause: str
    fix: str
    """The command; its words in braces are filled in by layout.py, for the host where the fault is."""
    find: Callable[[View], Iterable[Hit]] = field(repr=False)
    fixes: tuple[Fix, ...] = ()
    """The fixes that `--fix` makes; empty where a person has to decide."""
    foreign_fix: str = ""
    """The command on a host that this project did not deploy, where that is another one."""
    apart_fix: str = ""
    """The command where this project has deployed the host and not made the store, where that is another one still."""
    hides: frozenset[str] = frozenset()
    """Faults on the same host that only follow from this one."""
    warning: bool = False
    """Whether the cluster may be well all the same."""

    @property
    def fixable(self) -> bool:
        return bool(self.fixes)


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault on a host, for a person and for `--json`."""

    id: str
    host: str
    evidence: str
    cause: str
    fix: str
    fixable: bool
    fixes: tuple[Fix, ...] = ()
    items: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    warning: bool = False

    def as_data(self) -> dict[str, str | bool]:
        """The finding as `--json` prints it; evidence never holds a password."""
        names = ("id", "host", "evidence", "cause", "fix", "fixable", "warning")
        return {name: getattr(self, name) for name in names}


def findings(view: View, checks: Sequence[Check]) -> list[Finding]:
    """Everything that is wrong, in the checks' order, without the faults that only follow from another one."""
    found = [(check, hit) for check in checks for hit in check.find(view)]
    hidden = {
        (name, host)
        for check, hit in found
        if hit.hides
        for host in (hit.host, *hit.others)
        for name in check.hides
        if name != check.id
    }
    return [_finding(view, check, hit) for check, hit in found if (check.id, hit.host) not in hidden]


def _finding(view: View, check: Check, hit: Hit) -> Finding:
    patient = next((host for host in view.seen if host.name == hit.host), None)
    ours, managed = deployed(view, hit.host), _managed(view.fleet, check)
    # A host that somebody set up by hand is never overwritten, nor a store that bootstrap has not made.
    fixes = check.fixes if ours and managed and patient and not hit.by_hand else ()
    facts = patient.facts if patient else None
    readers = [(host.name, host.facts, hit.readers[host.name]) for host in view.seen if host.name in hit.readers]
    fix = filled(_text(check, hit, ours, managed), hit.host, view.fleet.cluster.user, facts, hit.items, readers)
    cause = hit.cause or check.cause
    # Files, processes and logs are called as others like: no name of theirs becomes a line of this report.
    known = (check.id, hit.host, printable(hit.evidence), printable(cause), printable(fix), bool(fixes))
    return Finding(*known, fixes, hit.items, hit.others, check.warning)


def _text(check: Check, hit: Hit, ours: bool, managed: bool) -> str:
    """The fix in its own words, of which layout.py knows those in braces."""
    own = hit.fix or check.fix
    if ours:
        return own if managed else check.apart_fix or check.foreign_fix or own
    return hit.foreign_fix or check.foreign_fix or own


def deployed(view: View, name: str) -> bool:
    """Whether this project has deployed a host, and may again: deploy refuses one that hosts.toml does not list."""
    listed = [host.name for host in view.fleet.hosts]
    return any(host.ours for host in view.seen if host.name == name and name in listed)


def _managed(fleet: Fleet, check: Check) -> bool:
    """Whether this project may fix the check's subject: a store that it has not made is left alone."""
    if "stores" not in check.fixes and not check.fix.startswith("fab bootstrap,"):
        return True
    return fleet.stores.mysql.managed if check.id.startswith(MYSQL.name) else fleet.stores.redis.managed
