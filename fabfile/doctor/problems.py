"""docs/problems.md: every problem that doctor knows, to be searched for an error text. Made from the checks.

python -m fabfile.doctor.problems        writes it
"""

from __future__ import annotations

from pathlib import Path

from .checks import CHECKS
from .findings import Check
from .layout import filled

PATH = Path(__file__).parent.parent.parent / "docs" / "problems.md"
HEAD = """\
# Problems that `fab doctor` knows

Made from the checks in fabfile/doctor/checks; change them there. `fab doctor` finds each of these by itself and
names the host and the evidence; `fab doctor --fix` mends those that say so. HOST in a command is the host's name in
hosts.toml.

"""


def page(checks: tuple[Check, ...] = CHECKS) -> str:
    """The whole page."""
    index = "\n".join(f"- [{check.id}](#{check.id}): {check.title}" for check in checks)
    return HEAD + index + "\n\n" + "\n".join(_section(check) for check in checks)


def _section(check: Check) -> str:
    rows = [f"**You see:** {check.title}", f"**Why:** {check.cause}.", f"**Mend:** {_shown(check.fix)}"]
    if check.foreign_fix:
        rows.append(f"**Mend a host that was set up by hand:** {_shown(check.foreign_fix)}")
    if check.apart_fix:
        rows.append(f"**Mend a store that was there before:** {_shown(check.apart_fix)}")
    if check.fixable:
        rows.append("`fab doctor --fix` mends it.")
    return f"## {check.id}\n\n" + "\n\n".join(rows) + "\n"


def _shown(fix: str) -> str:
    return filled(fix, "HOST", "work")


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(page(), encoding="utf-8")
