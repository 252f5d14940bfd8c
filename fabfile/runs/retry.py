"""The hosts that the last run of a task left undone, for `--retry-failed`; kept per cluster in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import WrongInput
from ..local import cache_dir, write_whole


@dataclass(frozen=True, slots=True)
class LastRun:
    """The record of one task on one cluster: the hosts.toml at `path` that calls it `cluster`."""

    path: Path
    cluster: str
    task: str

    def left(self) -> tuple[str, ...]:
        """The hosts that failed, were unreachable or not reached. Raises WrongInput where there was no run."""
        try:
            names = json.loads(self._file().read_text(encoding="utf-8"))["left"]
            return tuple(str(name) for name in names)
        except FileNotFoundError as error:
            raise WrongInput(f"--retry-failed: {self.task} has not run on {self.cluster} from here yet") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WrongInput(
                f"--retry-failed: the record of the last {self.task} can't be read ({self._file()}); "
                f"run {self.task} without it once"
            ) from error

    def keep(self, left: Iterable[str]) -> None:
        """Put the names in place of those of the run before, by one rename. Raises OSError, NoCache."""
        file = self._file()
        write_whole(file, json.dumps({"hosts_toml": str(self.path.resolve()), "left": list(left)}))
        _drop_orphans(file.parent)

    def _file(self) -> Path:
        place = hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:16]
        return cache_dir("runs") / f"{self.cluster}-{place}-{self.task}.json"


def _drop_orphans(folder: Path) -> None:
    """Remove the records of every hosts.toml that is gone."""
    for file in folder.glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            if not Path(json.loads(file.read_text(encoding="utf-8"))["hosts_toml"]).exists():
                file.unlink()
