"""What is asked of the person at the terminal before a task begins."""

from __future__ import annotations

import getpass

from ..runs.options import words


def sudo_password(hosts: str | None) -> str:
    """sudo's password, asked once; `hosts` are those of -H, by comma."""
    from ..tasks.asking import prompt

    return getpass.getpass(prompt(words(hosts or "")))
