"""How one host is: what was seen of it, and its problems, each as one sentence. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import msgspec

from ..errors import printable
from ..inventory import Host
from ..inventory.order import role_of
from ..inventory.roles import WEBUI, Role
from ..steps.sight import KnownProgram, Sight
from ..steps.supervisor import REFUSED
from . import work

RUNNING = "RUNNING"
RESTS = "stopped on purpose"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host as status saw it; `sight` is None where there was no answer, or no Python."""

    host: Host
    wanted: tuple[str, ...]
    """The programs that hosts.toml puts there."""
    reachable: bool
    why: str = ""
    sight: Sight | None = None
    listed: bool = True
    """Whether hosts.toml lists it."""
    measures: work.Measures = field(default_factory=work.Measures)
    """The measures for its programs' work."""

    @property
    def programs(self) -> list[KnownProgram]:
        """The programs that supervisord knows, in the order of hosts.toml, strangers last."""
        seen = self.sight.programs if self.sight else ()
        known = {program.name: program for program in seen if program.role or not self.by_hand}
        order = [*self.wanted, *(name for name in known if name not in self.wanted)]
        return [known[name] for name in order if name in known]

    @property
    def bare(self) -> bool:
        """Whether nothing of pyspider was found there, by a look that was not kept from seeing it."""
        if not self.reachable or self.why:
            return False
        return self.sight is None or (self.sight.situation is not None and self.sight.situation.bare)

    @property
    def by_hand(self) -> bool:
        """Whether somebody else set it up."""
        found = self.sight.situation if self.sight else None
        return found is not None and not found.deployed and not found.bare

    @property
    def unseen(self) -> bool:
        """Whether nothing can be said of it: it could not be looked at, or nothing of pyspider was found."""
        return bool(self.why) or not self.reachable or (self.bare and not self.listed)

    @property
    def _advice(self) -> str:
        if self.listed and not self.by_hand:
            return "run `fab deploy`"
        return f"`fab -H {self.host.name} doctor` tells what to do"

    def rests(self, name: str) -> bool:
        """Whether a program was stopped on purpose: that is no fault."""
        return self.sight is not None and self.sight.rests(name)

    def said(self, program: KnownProgram) -> str:
        """The state of a program in a word, as people read it."""
        return RESTS if self.rests(program.name) else printable(program.state)

    def problems(self) -> list[str]:
        """The problems of this host, each as one sentence that begins with its name."""
        return [printable(f"{self.host.name}: {text}") for text in self._problems()]

    def problems_after(self, wanted_only: bool) -> list[str]:
        """The problems after a change of this host; `wanted_only` if it concerned the `wanted` programs alone."""
        sight = self.sight
        if sight and wanted_only:
            own = tuple(one for one in sight.programs if one.name in self.wanted)
            sight = msgspec.structs.replace(sight, programs=own)
        webui = sight.answers.get(WEBUI.name) if sight and (self._has(WEBUI) or not wanted_only) else None
        unanswered = [f"the web UI: {webui.reason}"] if webui and not webui.ok else []
        return [*replace(self, sight=sight)._problems(), *unanswered]

    def warnings(self) -> list[str]:
        """Things seen there that are not this cluster's, each as one sentence that begins with the host's name."""
        seen = self.sight.others if self.sight else ()
        return [
            printable(
                f"{self.host.name}: {one.role} (pid {one.pid}) of {one.user} looks like pyspider's; it is not judged"
            )
            for one in seen
        ]

    def _has(self, role: Role) -> bool:
        return any(name.startswith(role.name) for name in self.wanted)

    def _problems(self) -> list[str]:
        if not self.reachable:
            return [self.why]
        if self.why:
            return [self.why]
        if not self.wanted and self.listed and (self.sight is None or self.bare):
            return []
        if self.sight is None or self.bare:
            return [self._nothing()]
        running = self._run_by_hand(self.sight) if self.by_hand else self._running(self.sight)
        return [*self._supervisord(self.sight), *running, *self._firewall(self.sight)]

    def _nothing(self) -> str:
        if not self.listed:
            return "nothing of pyspider was found here, so nothing is known of how it is"
        if self.sight and self.sight.situation and self.sight.situation.runtime:
            return "bootstrapped, but nothing is deployed yet; run `fab deploy`"
        return "nothing is set up here yet; run `fab bootstrap`, then `fab deploy`"

    def _firewall(self, sight: Sight) -> list[str]:
        if sight.firewall is None or sight.firewall.holds:
            return []
        mend = f"fab -H {self.host.name} step.firewall"
        return [f"the rules of its firewall are not in force as they were set; run `{mend}`"]

    def _supervisord(self, sight: Sight) -> list[str]:
        found = []
        if (self.wanted or self.by_hand) and not sight.supervisord.answers:
            found.append(f"supervisord does not answer ({_silence(sight)}); {self._advice}")
        if left := sight.leftovers:
            names = ", ".join(sorted(item.name for item in left))
            found.append(f"processes run without a supervisord: {names}; {self._advice}")
        if len(sight.supervisords) > 1:
            found.append(f"{len(sight.supervisords)} supervisords run at once; {self._advice}")
        return found

    def _run_by_hand(self, sight: Sight) -> list[str]:
        """The problems of somebody else's programs: their names are their own, their number is hosts.toml's."""
        if not sight.supervisord.answers:
            return []
        found = [text for one in self.programs if (text := self._stands(one))]
        known = Counter(one.role for one in self.programs)
        for role, count in Counter(map(role_of, self.wanted)).items():
            if known[role] < count:
                found.append(f"supervisord knows {known[role]} {role} of {count} in hosts.toml")
        return found

    def _stands(self, one: KnownProgram) -> str:
        """Why a program is not well; empty where it is."""
        if self.rests(one.name):
            return ""
        if one.state != RUNNING:
            return f"{one.name} is {one.state}{f' ({one.why})' if one.why else ''}"
        trouble = work.trouble(one, self.measures)
        return str(trouble) if trouble else ""

    def _running(self, sight: Sight) -> list[str]:
        if not sight.supervisord.answers:
            return []
        known = {program.name: program for program in sight.programs}
        found = []
        for name in self.wanted:
            if name not in known:
                found.append(f"{name} is missing; {self._advice}")
            elif text := self._stands(known[name]):
                found.append(text)
            elif not known[name].log:
                found.append(f"{name} has no log file")
        extra = [name for name in known if name not in self.wanted]
        return found + [f"{name} is a program there, but hosts.toml does not name it; {self._advice}" for name in extra]


def _silence(sight: Sight) -> str:
    """Why no supervisord answers, by what was seen of it."""
    server, found = sight.supervisord, sight.situation
    live = [one.pid for one in sight.supervisords] or [one.pid for one in (found.daemons if found else ())]
    if live:
        return f"it lives, pid {live[0]}: {server.why if sight.socket else 'its socket is gone'}"
    if sight.socket:
        return "its socket is stale" if server.errno == REFUSED else f"at its socket: {server.why}"
    return "it is not running"
