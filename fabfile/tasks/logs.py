"""`fab logs`: the logs of all hosts as one, in the order of their time."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from typing import Any

from invoke.exceptions import Exit

from ..errors import Say, WrongInput, counted, printable
from ..inventory import Fleet, Host
from ..inventory.fleet import hint
from ..inventory.order import named, role_of
from ..inventory.roles import PROGRAMS
from ..logs.records import Group, Hearing, Record, group_as_data, merged, ordered
from ..logs.show import Page, text
from ..logs.since import moment
from ..runs import report
from ..runs.options import Options, whole_number
from ..runs.run import Run
from ..runs.target import Target, target
from .following import Following
from .telling import RECORDS, Wanted, coloured, hear, printer, question, within

SUPERVISORD = "supervisord"


def logs(c: Any, options: Options, wanted: Wanted) -> None:
    """Show the records that are there, or follow them until Ctrl-C."""
    chosen = target(c, options, allow_unlisted=True)
    hosts = [host for host in chosen.hosts if host not in chosen.fleet.hosts or chosen.fleet.programs(host)]
    programs = {host.name: _programs(chosen, host, wanted.words) for host in hosts}
    _refuse_unknown(chosen, hosts, wanted.words)
    if not hosts:
        raise WrongInput("none of the chosen hosts has a program of pyspider's: there are no logs")
    if wanted.follow:
        Following(chosen, hosts, programs, wanted).go_on()
    else:
        show(chosen, hosts, programs, wanted)


def asked(words: Sequence[str], since: str, count: str, grep: str, errors: bool, follow: bool, as_json: bool) -> Wanted:
    """The flags as one value. Raises WrongInput."""
    try:
        re.compile(grep)
    except (re.error, OverflowError, RecursionError) as error:
        raise WrongInput(f"--grep {grep}: it is no regular expression: {error}") from error
    limited = not since and (follow or not errors)
    number = whole_number("--lines", count, 1) if count else RECORDS if limited else None
    begin = moment(since, time.time()) if since else None
    return Wanted(tuple(words), begin, number, grep, errors, follow, as_json)


def _programs(chosen: Target, host: Host, words: Sequence[str]) -> tuple[str, ...]:
    """The programs and roles of one host that are wanted; none stand for all."""
    if not (words and chosen.roles) or host not in chosen.fleet.hosts:
        return tuple(words) or chosen.roles
    here = named(chosen.fleet, [host], chosen.roles, [])[host.name]
    return tuple(one.name for one in here if {one.name, one.role} & set(words)) or ("-",)


def _refuse_unknown(chosen: Target, hosts: Sequence[Host], words: Sequence[str]) -> None:
    known = {SUPERVISORD, *_known(chosen.fleet)}
    roles = {role.name for role in PROGRAMS}
    for word in words:
        # A program that is no more may have left its log.
        if word not in known and role_of(word) not in roles and all(host in chosen.fleet.hosts for host in hosts):
            raise WrongInput(f"unknown program '{word}'{hint(word, known)}; programs are {', '.join(sorted(known))}")


def _known(fleet: Fleet) -> set[str]:
    return {word for host in fleet.hosts for one in fleet.programs(host) for word in (one.name, one.role)}


def show(chosen: Target, hosts: Sequence[Host], programs: dict[str, tuple[str, ...]], wanted: Wanted) -> None:
    """Print what is there, in the order of time. Exit status 1 or 3 where a host could not be asked."""
    run = Run(chosen, reports=False)
    records: dict[str, list[Record]] = {host.name: [] for host in hosts}

    def one(host: Host, _say: Say) -> Hearing:
        hearing = Hearing(host.name, records[host.name].append)
        link = chosen.links[host]
        # What is told as an age counts from when the host is asked, not from before it has let us in.
        link.open()
        hear(link, question(chosen.fleet, wanted, programs[host.name]), hearing)
        return hearing

    heard = run.ask(one, hosts)
    if wanted.groups:
        _show_groups(merged({name: one.groups for name, one in heard.items()}), wanted)
        if left_out := sum(one.left_out for one in heard.values()):
            said = f"fab: {counted(left_out, 'error')} of yet other kinds left out, since a host tells only so many"
            print(f"{said}; ask for less by --since, or by the name of a program", file=sys.stderr)
    else:
        _show(sorted((one for each in records.values() for one in each), key=ordered), wanted)
    if heard and not any(one.logs for one in heard.values()):
        print("fab: no host has such a log yet; `fab status` shows what runs", file=sys.stderr)
    _close(run, hosts)


def _show(records: Sequence[Record], wanted: Wanted) -> None:
    printer(wanted)(within(records, wanted))


def _show_groups(groups: Sequence[Group], wanted: Wanted) -> None:
    young = [one for one in groups if wanted.since is None or one.last >= wanted.since]
    young = young if wanted.count is None else young[: wanted.count]
    if wanted.json:
        sys.stdout.write(text(json.dumps(group_as_data(one)) for one in young))
        return
    page = Page(coloured())
    sys.stdout.write(text(line for one in young for line in page.group(one)))
    total = sum(one.count for one in young)
    said = f"{counted(total, 'error')} of {counted(len(young), 'kind')}" if young else "no errors"
    print(said, file=sys.stderr)


def _close(run: Run, hosts: Sequence[Host]) -> None:
    outcomes = run.recorder.outcomes(hosts)
    for one in outcomes:
        if not one.well:
            print(f"fab: {one.host}: {printable(one.cause)}", file=sys.stderr)
    if status := report.exit_status(outcomes):
        sys.stdout.flush()
        raise Exit(code=status)
