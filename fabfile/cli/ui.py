"""`fab ui`: a web UI in this machine's browser."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options, words
from .flags import CHOICE, sharing


@sharing(
    CHOICE,
    name="the web UI's program (webui1), or its host; the same as words after the task",
    port="the port of this machine (that of the web UI itself; where it is taken, another)",
    browser="open the address in the browser; --no-browser only prints it",
)
def ui(c: Any, options: Options, name: str = "", port: str = "", browser: bool = True) -> None:
    """Lead to a web UI by SSH, and open it in the browser, until Ctrl-C.

    It prints an address of this machine, the user name, and the place of the password. A way that was cut is made anew.
    """
    from ..tasks import ui as job

    job.ui(c, options, words(name), port, browser)
