"""The executor of this project: `-H` becomes a selection, errors become exit statuses."""

from __future__ import annotations

import os
from typing import Any

from fabric.executor import Executor
from invoke.exceptions import Exit
from invoke.tasks import Call, Task

from ..errors import INTERRUPTED, Problem, WrongInput, shown
from ..local import has_home
from ..runs.options import words
from ..runs.streams import Unheard, watch
from ..ssh.pool import Links
from .early import at_once
from .interrupt import arm, leave


class ClusterExecutor(Executor):  # type: ignore[misc]  # Fabric ships no types
    """Runs every task once, with the hosts that were chosen, where Fabric would run it once per host."""

    def expand_calls(self, calls: list[Any], apply_hosts: bool = True) -> list[Any]:
        """The calls with their pre- and post-tasks; `-H` travels as `config["chosen"]`."""
        if apply_hosts:
            self.config["chosen"] = self._chosen()
            self.config["links"] = self._links
        expanded: list[Any] = []
        for call in calls:
            one = Call(call) if isinstance(call, Task) else call
            expanded += self.expand_calls(one.pre, apply_hosts=False)
            expanded.append(one)
            expanded += self.expand_calls(one.post, apply_hosts=False)
        if apply_hosts and self.core and self.core.remainder:
            expanded.append(self._everywhere(self.core.remainder))
        if apply_hosts:
            self._links.task = " ".join(one.called_as or one.task.name for one in expanded)
        return expanded

    def execute(self, *tasks: Any) -> Any:
        """Run the tasks. A Problem ends as its one sentence on stderr and its exit status."""
        watch()
        try:
            return self._execute(*tasks)
        except Exit as error:
            if error.code != INTERRUPTED:
                raise
            leave(INTERRUPTED, error.message)
        except KeyboardInterrupt:
            # The Ctrl-C came between the last host and the last line.
            leave(INTERRUPTED, "fab: interrupted")
        finally:
            at_once()

    def _execute(self, *tasks: Any) -> Any:
        self._links = Links(arm)
        try:
            if not has_home():
                raise WrongInput(
                    f"no account here has uid {os.getuid()}, and HOME is not set: set it to a folder of yours"
                )
            return super().execute(*tasks)
        except Unheard as error:
            raise Exit(code=error.exit_status) from error
        except Problem as error:
            raise Exit(_sentence(error), error.exit_status) from error
        except KeyboardInterrupt as error:
            raise Exit("fab: interrupted", INTERRUPTED) from error
        finally:
            self._links.close()

    def _chosen(self) -> list[str]:
        hosts = self.core[0].args.hosts.value if self.core else None
        return list(words(hosts or ""))

    def _everywhere(self, words: str) -> Any:
        from .command import run

        return Call(run, kwargs={"words": words})


def _sentence(error: Problem) -> str:
    from ..inventory.place import meant

    said = meant([str(error)])
    # A host's words may be a part of it; the faults of hosts.toml are several lines.
    text = "\n".join(map(shown, str(error).split("\n")))
    return f"fab: {text}" + (f"\nfab: {said}" if said else "")
