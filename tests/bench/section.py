"""A part of a page in docs that a command writes, between two markers: the rest of the page stays as it is."""

from __future__ import annotations

import re

END = "<!-- end -->\n"


def begin(command: str) -> str:
    """The marker before what a command writes."""
    return f"<!-- written by {command} -->\n"


def replaced(page: str, command: str, text: str) -> str:
    """The page with that text as the command's section, at the end where the page has none yet."""
    written = f"{begin(command)}{text}{END}"
    found = re.compile(f"{re.escape(begin(command))}.*?{re.escape(END)}", re.DOTALL)
    return found.sub(lambda _: written, page) if found.search(page) else f"{page.rstrip()}\n\n{written}".lstrip()


def section(page: str, command: str) -> str:
    """What the command has written into the page, with its markers; nothing where that is nothing."""
    found = re.search(f"{re.escape(begin(command))}.*?{re.escape(END)}", page, re.DOTALL)
    return found.group() if found else ""
