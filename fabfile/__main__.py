"""`python -m fabfile`: Fabric's `fab`, which also lets the project decide where no task is named or found.

Fabric loads no project for `fab -H a -- uptime`: it would go to one host after the other, with no host key checked.
And it exits 1 for wrong input, as for a failure.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fabric
from fabric.main import Fab
from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from .cli.names import meant, with_names
from .cli.secrets import sudo_password
from .errors import Problem, WrongInput
from .local import user_name
from .runs.streams import Unheard, ending, open_closed, watch

PROJECT = Path(__file__).parent.parent


@contextmanager
def _input(hint: Callable[[Exception], str]) -> Iterator[None]:
    """An error of the command line ends as one sentence and the exit status of wrong input."""
    try:
        yield
    except (ParseError, ValueError) as error:
        said = f"{str(error).rstrip('.!')}{hint(error)}"
        raise Exit(f"fab: {said}; see `fab --list` and `fab --help TASK`", WrongInput.exit_status) from error


class ClusterConfig(fabric.Config):  # type: ignore[misc]  # Fabric ships no types
    """Fabric's configuration without ssh_config, which is read when a host is connected to, and by OpenSSH."""

    def load_ssh_config(self) -> None:
        """Read nothing."""

    @staticmethod
    def global_defaults() -> Any:
        """Fabric's; it asks for this user's name, and ends without one where Python (from 3.13 on) raises OSError."""
        try:
            return fabric.Config.global_defaults()
        except OSError:
            os.environ["LOGNAME"] = user_name()
            try:
                return fabric.Config.global_defaults()
            finally:
                del os.environ["LOGNAME"]


WITHOUT_EFFECT = ("command-timeout", "warn-only", "pty", "echo", "hide")
"""Flags of Fabric's and Invoke's for `run()`, which no task here calls."""


class ClusterFab(Fab):  # type: ignore[misc]  # Fabric ships no types
    """Fabric's program with its own steps in its own order."""

    def parse_core(self, argv: Any) -> None:
        kept = sys.dont_write_bytecode
        with _input(self._hint):
            super().parse_core(argv)
        # Invoke keeps none for whatever is imported from here on: each command would compile the project anew.
        sys.dont_write_bytecode = kept

    def load_collection(self) -> None:
        """The project with its fabric.yaml, also where only a command follows `--`, and from any other folder."""
        given = self.args["search-root"].value is not None or self.args.collection.value is not None
        try:
            Program.load_collection(self)
        except Exit as error:
            if given:
                raise Exit(f"fab: {str(error.message).rstrip('!')}", WrongInput.exit_status) from error
            # No project of its own begins above that folder.
            self.args["search-root"].value = str(PROJECT)
            Program.load_collection(self)

    def update_config(self) -> None:
        """Fabric's, but for the prompt for sudo's password, which names the hosts."""
        asked = self.args["prompt-for-sudo-password"]
        wanted, asked._value = asked.value, False
        super().update_config()
        if wanted:
            self.config._overrides["sudo"] = {"password": sudo_password(self.args.hosts.value)}
            self.config.merge()

    def _make_parser(self) -> Any:
        """The parser, made once: with each one Invoke takes the flags' help texts out of the tasks."""
        if not hasattr(self, "_made"):
            self._made = super()._make_parser()
        return self._made

    def parse_tasks(self) -> None:
        with _input(self._hint):
            self.core.unparsed[:] = with_names(
                self.core.unparsed, self._make_parser().contexts.values(), self.initial_context
            )
            super().parse_tasks()

    def parse_cleanup(self) -> None:
        with _input(self._hint):
            # Invoke's own flag, which holds back nothing that goes over an engine of another's.
            if self.args.dry.value:
                raise ParseError("--dry holds nothing back here; --dry-run does, behind a task that takes it")
            for flag in WITHOUT_EFFECT:
                if self.args[flag].value:
                    raise ParseError(
                        f"--{flag} does nothing here: commands go over an engine of fab's own, with limits"
                    )
            super().parse_cleanup()

    def _hint(self, error: Exception) -> str:
        """The task or flag that a word may have been meant for."""
        tasks = [name for one in self._tasks() for name in (one.name, *one.aliases)]
        flags = [*getattr(getattr(error, "context", None), "flags", ()), *self.initial_context.flags]
        unknown = ["--dry", *(f"--{flag}" for flag in WITHOUT_EFFECT)]
        return meant(str(error), tasks, [one for one in flags if one not in unknown])

    def _tasks(self) -> list[Any]:
        return list(self._make_parser().contexts.values()) if hasattr(self, "collection") else []


def main() -> None:
    """Run the command line; leaves with its exit status."""
    open_closed()
    watch()
    if any("\udc80" <= sign <= "\udcff" for word in sys.argv for sign in word):
        sys.stderr.write("fab: a word of the command line is not UTF-8 text\n")
        os._exit(WrongInput.exit_status)
    program = ClusterFab(
        name="Fabric",
        version=fabric.__version__,
        binary="fab",
        binary_names=["fab"],
        executor_class=fabric.Executor,
        config_class=ClusterConfig,
    )
    status = ending(_status(program))
    # Python's own way out takes long, and has no answer to a Ctrl-C in the middle of it.
    atexit._run_exitfuncs()
    os._exit(status)


def _status(program: ClusterFab) -> int:
    try:
        program.run()
    except SystemExit as error:
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    except Unheard as error:
        return error.exit_status
    except Problem as error:
        sys.stderr.write(f"fab: {error}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    main()
