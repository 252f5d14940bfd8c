"""The web UI's HTTP interface: save a project, set it running. Never trusts the HTTP status alone."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from ..errors import Problem
from ..inventory.passwords import Password

REQUEST_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class WebUIClient:
    """A running pyspider web UI at `address`, like http://192.0.2.1:5000."""

    address: str
    username: str | None = None
    password: Password | None = None

    def save(self, project: str, script: str) -> None:
        """Create the project, or replace its script. Raises Problem."""
        self._expect("ok", f"/debug/{project}/save", script=script)

    def update(self, project: str, name: str, value: str) -> None:
        """Set a field of the project: its status, group or rate. Raises Problem."""
        self._expect("ok", "/update", pk=project, name=name, value=value)

    def start(self, project: str, seconds: float = 60) -> None:
        """Run `on_start`; waits until the scheduler knows the project. Raises Problem after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self._post("/run", project=project)
            if answer.startswith("{") and json.loads(answer).get("result") is True:
                return
            if time.monotonic() > deadline:
                raise Problem(
                    f"{self.address}: the scheduler did not take {project} within {seconds:.0f} s: {answer[:200]}"
                )
            time.sleep(0.5)

    def _expect(self, wanted: str, path: str, **fields: str) -> None:
        if (answer := self._post(path, **fields)) != wanted:
            raise Problem(f"{self.address}{path}: answered {answer[:200]!r} in place of {wanted!r}")

    def _post(self, path: str, **fields: str) -> str:
        request = urllib.request.Request(self.address + path, urllib.parse.urlencode(fields).encode())  # noqa: S310  http only, by construction
        if self.username and self.password:
            pair = f"{self.username}:{self.password.reveal()}".encode()
            request.add_header("Authorization", "Basic " + base64.b64encode(pair).decode())
        try:
            with _opener().open(request, timeout=REQUEST_SECONDS) as response:
                answer: bytes = response.read()
        except urllib.error.HTTPError as error:
            raise Problem(f"{self.address}{path}: HTTP status {error.code}") from error
        except OSError as error:
            raise Problem(f"{self.address}{path}: {error}") from error
        return answer.decode(errors="replace").strip()


def _opener() -> urllib.request.OpenerDirector:
    # A proxy for the outside world has no way to the cluster.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
