"""The renderer, PhantomJS or Chromium, runs as its own user; supervisord, which can become nobody, asks by a socket."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from .. import render
from .base import Action, CannotLook, Found, Payload, Probe
from .boot_script import BootScript, kind_of, status_of
from .files import swap_in
from .shell import cmd, lines

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Renderer:
    """What starts PhantomJS or Chromium as `user` when the cluster's user asks for it runs, now and after a restart."""

    cluster: str
    user: str
    cluster_user: str
    hidden: tuple[str, str]
    """The cluster's home and its logs, which that user can't even see where systemd runs."""
    python: str
    programs: tuple[tuple[str, str], ...]
    """Path and template of each, the one that serves first."""
    namespaces: bool = False
    """Its programs make namespaces of the kernel's, as Chromium does for its own sandbox."""
    name: str = "renderer"

    @property
    def files(self) -> list[tuple[str, bytes]]:
        """The programs with their contents."""
        return [(path, render.plain(template).encode()) for path, template in self.programs]

    @property
    def script(self) -> BootScript:
        """The script that starts it."""
        service = f"pyspider-{self.cluster}-render"
        home, logs = self.hidden
        values = {
            "service": service,
            "cluster": self.cluster,
            "cluster_service": f"pyspider-{self.cluster}",
            "user": self.user,
            "cluster_user": self.cluster_user,
            "python": self.python,
            "program": self.files[0][0],
            "home": home,
            "logs": logs,
            "namespaces": self.namespaces,
        }
        one = BootScript(service, render.text("pyspider-render", **values).encode(), b"", b"")
        unit = render.text("pyspider-render.service", **values, script=one.path)
        return BootScript(
            service, one.text, unit.encode(), render.text("pyspider-start.cron", script=one.path).encode()
        )

    def probe(self) -> Probe:
        paths = [path for path, _ in self.files]
        sums = f"{{ {cmd('stat', '-c', '%n %a %U', *paths)}; {cmd('sha256sum', *paths)}; }} 2>/dev/null"
        return Probe(lines(self.script.look(), sums, ":"))

    def diff(self, found: Found) -> Sequence[Action]:
        kind = kind_of(found)
        if kind is None:
            raise CannotLook(f"the renderer can't be seen: {found.text[-300:]}")
        serves = status_of(found) == hashlib.sha256(self.files[0][1]).hexdigest()[:12]
        return [] if serves and self.script.right(found, kind) and self._placed(found) else [self._set(kind)]

    def _placed(self, found: Found) -> bool:
        rows = {f"{hashlib.sha256(content).hexdigest()}  {path}" for path, content in self.files}
        rows |= {f"{path} 644 root" for path, _ in self.files}
        return rows <= set(found.text.splitlines())

    def _set(self, kind: str) -> Action:
        script = self.script
        folder = cmd("mkdir", "-p", posixpath.dirname(self.programs[0][0]))
        swaps = [lines(swap_in(path, "root:root", 0o644), "shift") for path, _ in self.files]
        install = script.install([f"(umask 022; {folder})", *swaps])
        payloads = (*script.payloads(kind), *(Payload(content) for _, content in self.files))
        says = f"run what renders pages as {self.user}"
        return Action(says, lines(install, '"$script" restart'), payloads, START_SECONDS)
