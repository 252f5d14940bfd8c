"""CPU seconds by component, of all processes in the hosts' network namespaces."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from fabfile.inventory.roles import PROGRAMS
from fabfile.sandbox import processes

Spent = Mapping[tuple[int, int], tuple[str, float]]
"""A process, by its pid and its begin -> its component and the seconds that it has used."""
MYSQL, REDIS, SCRAPY = "MySQL", "Redis", "scrapy"
ROLES = tuple(role.name for role in reversed(PROGRAMS))
COMPONENTS = (*ROLES, "supervisord", SCRAPY, MYSQL, REDIS)
"""What a crawl costs; all else that runs on the hosts is theirs."""
STORES = {"mariadbd": MYSQL, "mysqld": MYSQL, "redis-server": REDIS}
_TICKS = os.sysconf("SC_CLK_TCK")


def component(words: list[str]) -> str:
    """The component whose command line this is; nothing where it is none's."""
    name = Path(words[0]).name.split(" ")[0].rstrip(":") if words else ""
    if name in STORES:
        return STORES[name]
    if any(word.endswith("/phantomjs") or word.endswith("/renderer.py") for word in words[:3]):
        return "phantomjs"
    if "-c" in words[:4] and (place := words.index("-c")) + 2 < len(words) and words[place + 2] in ROLES:
        return words[place + 2]
    if any(word.endswith("/supervisord") for word in words[:2]):
        return "supervisord"
    return SCRAPY if words[1:3] == ["-m", "scrapy"] else ""


def spent(namespaces: Iterable[Path]) -> Spent:
    """What the components' processes have used so far."""
    found = {}
    for namespace in namespaces:
        for pid in processes.found(processes.in_network(namespace)):
            if (one := component(_words(pid))) and (used := _seconds(pid)):
                found[pid, used[0]] = (one, used[1])
    return found


def between(before: Spent, after: Spent) -> dict[str, float]:
    """The seconds that each component used from one look to the next, of those that had any process."""
    used: defaultdict[str, float] = defaultdict(float)
    for process, (one, seconds) in after.items():
        used[one] += seconds - before.get(process, (one, 0.0))[1]
    return {one: used[one] for one in COMPONENTS if one in used}


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _seconds(pid: int) -> tuple[int, float] | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[19]), (int(fields[11]) + int(fields[12])) / _TICKS
