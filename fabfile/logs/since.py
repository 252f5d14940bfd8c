"""The moment that `--since` names."""

from __future__ import annotations

import re
from datetime import datetime

from ..errors import WrongInput

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_FORMS = "give a length (90s, 10m, 2h, 3d, 1w), or a time of this machine (2026-11-25T10:00)"


def moment(text: str, now: float) -> float:
    """The seconds since the epoch of a length before `now`, or of a time. Raises WrongInput."""
    if length := re.fullmatch(r"(\d{1,9})([smhdw])", text):
        return now - int(length[1]) * UNITS[length[2]]
    try:
        # A time without a zone is one of this machine's.
        when = datetime.fromisoformat(text).timestamp() if re.match(r"\d{4}-", text) else None
    except (ValueError, OverflowError, OSError):
        when = None
    if when is None:
        raise WrongInput(f"--since {text}: {_FORMS}")
    if when > now:
        raise WrongInput(f"--since {text}: that is still to come")
    return when
