"""A fault to be caused for real on a sandbox host, and what doctor has to say of it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fabfile.doctor.checks import CHECKS
from fabfile.steps.shell import cmd

from ..typed import commands
from .conftest import Cluster

LOGS = "/home/work/supervisor"
CURRENT = "/home/work/distri_pyspider/current"
BIN = "/opt/pyspider/current/bin"
LIB = "/opt/pyspider/current/lib/python2.7"
SHELL = f"""
CTL="{BIN}/supervisorctl -c /etc/supervisord.conf"
daemon() {{ cat {LOGS}/supervisord.pid; }}
pid() {{ $CTL pid "$1"; }}
unwatched() {{ pkill -TERM -f '[p]yspider-demo.zip watch' || true; settled '! pgrep -f [p]yspider-demo.zip'; }}
settled() {{ n=0; until eval "$1"; do n=$((n+1)); [ $n -lt 150 ] || exit 9; sleep 0.1; done; }}
config() {{ {BIN}/python - "$1" <<'EOF'
import json, sys
path = "{CURRENT}/config.json"
c = json.load(open(path))
exec(sys.argv[1])
json.dump(c, open(path, "w"))
EOF
}}
sql() {{ echo "$1" | mariadb --user=root; }}
secret() {{ sed -n 's/^requirepass //p' /etc/redis/pyspider.conf; }}
redis() {{ printf 'AUTH %s\\n%s\\n' "$(secret)" "$1" | redis-cli; }}
"""
MENDS = "doctor --fix"
TYPED = ":"
"""Nothing is left to a person but to type what is printed."""


@dataclass(frozen=True)
class Fault:
    """A fault of `host`: the script that causes it, and a person's part of its end where `--fix` may not."""

    id: str
    host: str
    cause: str
    mend: str = MENDS
    note: str = ""
    also: tuple[str, ...] = ()
    """Other hosts that show it too."""
    evidence: str = ""
    """A part of what is said to have been seen."""
    typed: Literal["after", "before", "instead", "no"] = "after"
    """The printed commands are typed after the person's part; before it where they only look; instead of `--fix`, which
    could mend it; or by another test."""

    @property
    def label(self) -> str:
        return "-".join(filter(None, (self.id, self.note)))


def found(cluster: Cluster, *words: str, hosts_toml: Path | None = None) -> list[dict[str, Any]]:
    answer = cluster.fab("doctor", "--json", *words, status=None, hosts_toml=hosts_toml)
    assert answer.stdout, answer.stderr
    findings: list[dict[str, Any]] = json.loads(answer.stdout)["findings"]
    return findings


def silent(cluster: Cluster, hosts_toml: Path | None = None) -> None:
    """Nothing is found, on the spot or after what was mended by hand has come up again."""
    deadline = time.monotonic() + 30
    while left := found(cluster, hosts_toml=hosts_toml):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


@contextmanager
def healthy_again(cluster: Cluster) -> Iterator[None]:
    """Whatever becomes of one case, the next one begins with a healthy cluster."""
    try:
        yield
    except BaseException:
        cluster.fab("bootstrap", status=None)
        cluster.fab("doctor", "--fix", status=None)
        cluster.fab("deploy", "--reload", status=None)
        raise


def as_printed(cluster: Cluster, findings: Iterable[dict[str, Any]], hosts_toml: Path | None = None) -> None:
    """Type what the findings tell to type, each command once: those of fab here, the others where they say."""
    typed = {command: one["host"] for one in findings for command in commands(one["fix"])}
    for command, host in typed.items():
        if not command.where:
            _, *words = shlex.split(command.words)
            cluster.fab(*words, hosts_toml=hosts_toml)
        elif command.client:
            cluster.on(host, f"{SHELL}secret | {command.client} {command.words}")
        elif command.where in ("MySQL", "Redis"):
            shell = "sql" if command.where == "MySQL" else "redis"
            cluster.on(host, SHELL + str(cmd(shell, command.words)))
        else:
            cluster.on(command.where, command.words)


def caused_and_nothing_else(faults: Iterable[Fault], seen: Iterable[dict[str, Any]]) -> None:
    """Each fault that was caused is found, or hidden by another of them: it follows from that one, for doctor."""
    told, caused = {one["id"] for one in seen}, {fault.id for fault in faults}
    hidden = {name for check in CHECKS if check.id in told for name in check.hides}
    assert told <= caused <= told | hidden, seen


def named_alone_and_mended(cluster: Cluster, fault: Fault, hosts_toml: Path | None = None) -> None:
    """Cause it, see it named by its id and no other, mend it, hear nothing more."""
    with healthy_again(cluster):
        try:
            cluster.on(fault.host, SHELL + fault.cause)
            seen = found(cluster, hosts_toml=hosts_toml)
            assert {one["id"] for one in seen} == {fault.id}, seen
            assert {one["host"] for one in seen} == {fault.host, *fault.also}
            assert all(one["evidence"] and one["cause"] and one["fix"] for one in seen)
            assert all(fault.evidence in one["evidence"] for one in seen), seen
            assert {one["fixable"] for one in seen} == {fault.mend == MENDS}
            if fault.typed == "before":
                as_printed(cluster, seen, hosts_toml)
        finally:
            if fault.mend != MENDS:
                cluster.on(fault.host, SHELL + fault.mend)
        if fault.mend == MENDS and fault.typed != "instead":
            mended = cluster.fab("doctor", "--fix", status=None, hosts_toml=hosts_toml)
            assert mended.returncode == 0, mended.stdout + mended.stderr
        elif fault.typed in ("after", "instead"):
            as_printed(cluster, seen, hosts_toml)
        silent(cluster, hosts_toml)


# Somebody who is no supervisord.
_LISTENS = f"""
echo an old line >>{LOGS}/supervisord.log
setsid su -s /bin/sh work -c "exec {BIN}/python -c '
import socket
s = socket.socket(socket.AF_UNIX); s.bind(\\"{{path}}\\"); s.listen(9)
while True:
    c = s.accept()[0]; c.recv(99); c.sendall(b\\"no\\"); c.close()'" >/dev/null 2>&1 </dev/null &
settled '[ -S {{path}} ]'
pgrep -u work -f '^{BIN}/python -c' >/tmp/holder
"""


def the_one_before_runs_again(cluster: Cluster) -> None:
    """Where supervisord can't come up with its new configuration, the old one goes on with its own, and its release."""
    blocked = f"{LOGS}/blocked.sock"
    changed = cluster.variant(
        "blocked.toml",
        (r"^#socket = .*$", f'socket = "{blocked}"'),
        (r"^process-time-limit = .*$", "process-time-limit = 28"),
    )
    before = cluster.on("node2", f"sha256sum /etc/supervisord.conf; readlink {CURRENT}")
    with healthy_again(cluster):
        cluster.on("node2", SHELL + _LISTENS.format(path=blocked))
        try:
            failed = cluster.fab("-H", "node2", "deploy", status=1, hosts_toml=changed).stdout
        finally:
            cluster.on("node2", f"kill $(cat /tmp/holder); rm {blocked}")
        assert f"no supervisord answers on {blocked}" in failed, failed
        assert "the one before was started again" in failed
        assert "Another program is already listening" in failed, "its own reason is not shown"
        assert "an old line" not in failed
        assert cluster.on("node2", f"sha256sum /etc/supervisord.conf; readlink {CURRENT}") == before
        settled = time.monotonic() + 30
        while not cluster.status()["healthy"]:
            assert time.monotonic() < settled, cluster.status()["problems"]
            time.sleep(0.5)
        assert "nothing changed" in cluster.fab("deploy").stdout
