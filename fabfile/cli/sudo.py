"""Tasks that need root, for callers without it: the same task once more, through sudo, and nothing else with it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from invoke.exceptions import Exit

from ..errors import Problem
from .interrupt import arm

PROJECT = Path(__file__).parent.parent.parent
PASSED_ON = ("SANDBOX_STATE", "SANDBOX_NETWORK", "NO_COLOR", "http_proxy", "https_proxy", "no_proxy")
"""The variables that the task reads. HOME and XDG_CACHE_HOME are not among them: root keeps its bases in its own
cache, where every caller finds them again, and writes nothing into the caller's."""


def as_root(body: Callable[..., None]) -> Callable[..., None]:
    """A task's body for root; for other users, the task `sandbox.NAME` through sudo."""

    @functools.wraps(body)
    def here_or_there(context: Any, **given: Any) -> None:
        if os.geteuid() == 0:
            body(context, **given)
        else:
            through_sudo(body.__name__, given)

    return here_or_there


def through_sudo(name: str, given: Mapping[str, Any], show: bool = True) -> str:
    """Run `fab sandbox.NAME` with its flags as root; its output, unless that is shown. Its failure ends this run."""
    if shutil.which("sudo") is None:
        raise Problem("the sandbox needs root, for network namespaces: log in as root, or install sudo")
    environment = _environment()
    kept = ",".join(name for name in PASSED_ON if name in environment)
    argv = ["sudo", "-H", *([f"--preserve-env={kept}"] if kept else []), "--"]
    # -B: root leaves no bytecode in the caller's folders.
    argv += [sys.executable, "-B", *_program(), f"sandbox.{name}", *_flags(given)]
    arm()
    with subprocess.Popen(
        argv, cwd=PROJECT, env=environment, text=True, stdout=None if show else subprocess.PIPE
    ) as child:
        output = _awaited(child)
    if child.returncode:
        raise Exit(code=child.returncode if child.returncode > 0 else 1)
    return output


def _program() -> list[str]:
    """The words that started this process: `.venv/bin/fab` answers a Ctrl-C from its first line on."""
    script = Path(sys.argv[0])
    return [str(script.absolute())] if script.name == "fab" else ["-m", "fabfile"]


def _awaited(child: subprocess.Popen[str]) -> str:
    """The output of the child. A Ctrl-C has reached it as well, and only root can end it: it ends in its own time."""
    try:
        return child.communicate()[0] or ""
    except KeyboardInterrupt:
        child.wait()
        raise


def _environment() -> dict[str, str]:
    state = os.environ.get("SANDBOX_STATE")
    return {**os.environ, **({"SANDBOX_STATE": str(Path(state).absolute())} if state else {})}


def _flags(given: Mapping[str, Any]) -> list[str]:
    flags = []
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            flags.append(flag)
        elif value not in (False, None, ""):
            flags.append(f"{flag}={value}")
    return flags
