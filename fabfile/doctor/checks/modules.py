"""Modules that a program lacks: those of the pins belong to its runtime, all others are the user's own."""

from __future__ import annotations

import re
import sys

PINNED = frozenset(
    (
        "backports_abc",
        "certifi",
        "chardet",
        "click",
        "cssselect",
        "defusedxml",
        "flask",
        "flask_login",
        "google",
        "idna",
        "itsdangerous",
        "jinja2",
        "jsmin",
        "lxml",
        "markupsafe",
        "msgpack",
        "mysql",
        "pkg_resources",
        "pycurl",
        "pyquery",
        "pyspider",
        "redis",
        "requests",
        "setuptools",
        "singledispatch",
        "six",
        "sqlalchemy",
        "supervisor",
        "tblib",
        "tornado",
        "umsgpack",
        "urllib3",
        "werkzeug",
        "wsgidav",
        "yaml",
    )
)
"""The importable names of the packages in pins/py27.txt."""
_NAMED = re.compile(r"^(?:ImportError|ModuleNotFoundError): No module named '?([A-Za-z_]\w*)")


def own(error: str) -> str:
    """The name of the module of the user's own that an error line says is missing; empty for any other line."""
    found = _NAMED.match(error)
    known = PINNED | sys.stdlib_module_names
    return found[1] if found and found[1] not in known and not found[1].startswith("_") else ""


def cause(module: str) -> str:
    """Why a program without its user's module ends."""
    return f"pyspider itself needs no module {module}: a class or a script of your own in config.json imports it"


def fix(module: str, home: str, looked_at: bool) -> str:
    """The way to a module that every program can import; `looked_at` tells whether they look for any in `home`."""
    found = "" if looked_at else ", and set `add-sys-path = true` below [pyspider] in hosts.toml"
    return f"put {module} into {home} on {{host}}{found}; then fab -H {{host}} deploy"


def foreign_fix(module: str, python: str) -> str:
    """The same on a host that this project did not deploy. A package index may know the name as somebody else's."""
    return f"put {module} where {python} looks for it, then on {{host}} as root: {{ctl}} restart {{items}}"
