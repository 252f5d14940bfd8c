"""The help texts of the flags that several tasks share."""

from __future__ import annotations

JSON = {"json": "print one JSON object instead of the recap"}
CHOICE = {
    "role": "only hosts with one of these roles (comma-separated)",
    "limit": "of the chosen hosts only these: names or patterns like node[12]* (comma-separated)",
    "exclude": "of the chosen hosts all but these: names or patterns (comma-separated)",
}
CHANGE = {
    "dry_run": "look, show what would change and how, and change nothing on any host",
    "lock_wait": "seconds to wait for somebody else who is changing the cluster",
}
