"""Scripts that run on hosts, each as one text with what it imports: it may come on stdin, where nothing lies beside."""

from __future__ import annotations

from functools import cache
from pathlib import Path

REMOTE = Path(__file__).parent.parent / "remote"
_TOGETHER = """\
import sys, types
ground = sys.modules["ground"] = types.ModuleType("ground")
exec(compile({ground!r}, "ground.py", "exec"), ground.__dict__)
exec(compile({script!r}, "{name}.py", "exec"))
"""


@cache
def shipped(name: str) -> bytes:
    """The script of that name, in which `import ground` works."""
    ground, script = ((REMOTE / f"{one}.py").read_text(encoding="ascii") for one in ("ground", name))
    return _TOGETHER.format(ground=ground, name=name, script=script).encode()
