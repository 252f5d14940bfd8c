"""The needs of the tasks: a Python, and packages. Older Pythons have to read this: nothing newer than 3.6."""

import os
import sys

PYTHON = (3, 11)
PACKAGES = {
    "fabric": "3.2.3",
    "invoke": "2.2.1",
    "jinja2": "3.1.6",
    "pymysql": "1.1",
    "redis": "5",
    "msgspec": "0.19",
    "rich": "13.9",
    "prometheus_client": "0.21",
    "tomlkit": "0.13",
    "starlette": "0.46",
    "uvicorn": "0.34",
}
"""The oldest of each; of fabric and invoke just these (pyproject.toml says the same)."""
INSTEAD = "use ./run fab in place of fab: it sets up what they need"
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def lacking():
    # type: () -> str
    """The reason why the tasks can't run under this Python, and the way on; empty where they can."""
    if sys.version_info < PYTHON:
        have = ".".join(str(number) for number in sys.version_info[:3])
        return _sentence("Python %d.%d or newer, and this is %s" % (PYTHON + (have,)))
    from importlib.util import find_spec

    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        return _sentence("%s, which %s does not have" % (", ".join(missing), sys.executable))
    # The packages that `./run` has installed were checked by hash.
    other = [] if sys.prefix == os.path.join(PROJECT, ".venv") else _other_versions()
    return _sentence("%s, and %s has others" % (", ".join(other), sys.executable)) if other else ""


def _sentence(what):
    # type: (str) -> str
    # In the environment that `./run fab` sets up, this may be that command already.
    own = os.path.join(PROJECT, ".venv")
    again = "; if this was ./run fab, remove %s first" % own if sys.prefix == own else ""
    return "the tasks in %s need %s; %s%s" % (PROJECT, what, INSTEAD, again)


def _other_versions():
    # type: () -> list[str]
    from importlib.metadata import PackageNotFoundError, version

    def numbers(text):
        # type: (str) -> list[int]
        return [int(word) for word in text.split(".")[:3] if word.isdigit()]

    wanted = []
    for name, least in PACKAGES.items():
        try:
            have = version(name)
        except PackageNotFoundError:
            continue
        if name in ("fabric", "invoke"):
            # Fabric 4 or Invoke 3 would load the tasks and break them.
            if numbers(have)[:1] != numbers(least)[:1] or numbers(have) < numbers(least):
                wanted.append("%s %s" % (name, least))
        elif numbers(have) < numbers(least):
            wanted.append("%s %s or newer" % (name, least))
    return wanted
