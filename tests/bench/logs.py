"""`fab logs --follow` on 32 hosts that write 1,000 lines a second in all, by each client: `./run bench logs`.

It tells how late lines are printed, and what fab takes of a core. The hosts are one machine under 32 addresses; each
follows the one log that is there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from .contenders import PROJECT
from .farm import PORT, Farm, farm, inside

HOSTS, RATE, SECONDS = 32, 1000, 30
FAB = PROJECT / ".venv/bin/fab"
LOG = "/home/work/supervisor/processor1.log"
ROLES = "{ mysql = 1, redis = 1, scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1 }"
WRITER = """\
import sys, time
begun, number = time.time(), 0
with open(sys.argv[1], "a", 1) as log:
    while time.time() < begun + float(sys.argv[3]):
        number += 1
        time.sleep(max(0, begun + number / float(sys.argv[2]) - time.time()))
        log.write("[I %s bench:1] %.3f process demo:fb5e0ca1 http://example.com/page/%d -> [200] len:4711\\n"
            % (time.strftime("%y%m%d %H:%M:%S"), time.time(), number))
"""


def described(made: Farm, client: str) -> Path:
    """A hosts.toml for hosts that are reached by this client."""
    addresses = made.addresses(HOSTS, far=False)
    (made.work / "known_hosts").write_text(made.known_hosts(addresses))
    login = f'key = "{made.key}"\nknown_hosts = "known_hosts"\nport = {PORT}\nssh = "{client}"\n'
    first, *others = (f'[hosts.h{number}]\naddress = "{address}"\n' for number, address in enumerate(addresses))
    rest = "".join(f"{one}roles = {{ processor = 1 }}\n" for one in others)
    path = made.work / f"{client}.toml"
    path.write_text(f'[cluster]\nname = "logs"\n[defaults]\n{login}{first}roles = {ROLES}\n{rest}')
    return path


def fab(made: Farm, hosts_toml: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["env", "--default-signal=INT", *inside(made.near), str(FAB), *words],
        cwd=PROJECT,
        env={**os.environ, "HOSTS_TOML": str(hosts_toml)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


def cpu(pid: int) -> float:
    """Seconds of CPU of a process and the children that it has waited for or still has."""
    every = [pid, *_children(pid)]
    ticks = 0
    for one in every:
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            yield from _children(child)


@contextmanager
def writing(made: Farm) -> Iterator[None]:
    """Lines come into the log, so many that all hosts together have RATE of them a second."""
    words = ("/opt/pyspider/current/bin/python", "-c", WRITER, LOG, str(RATE / HOSTS), str(SECONDS))
    process = threading.Thread(target=made.sandbox.exec, args=("node1", *words), daemon=True)
    process.start()
    yield
    process.join(SECONDS + 30)


def followed(made: Farm, client: str) -> None:
    process = fab(made, described(made, client), "logs", "--follow", "--json", "-n", "1")
    assert process.stdout
    late: list[float] = []
    lines: list[str] = []

    def read() -> None:
        for line in process.stdout or ():
            text = json.loads(line)["text"]
            if text[:1].isdigit():
                late.append(time.time() - float(text.split()[0]))
                lines.append(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    time.sleep(15)
    before = cpu(process.pid)
    with writing(made):
        time.sleep(SECONDS)
        used = (cpu(process.pid) - before) / SECONDS
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    process.wait(30)
    reader.join(10)
    late.sort()
    spread = f"{median(late):.2f} s late ({late[0]:.2f} to {late[-1]:.2f})" if late else "nothing"
    print(f"{client:10} {len(late)} lines in {SECONDS} s, {spread}, {100 * used:.0f} % of a core", flush=True)


def main() -> None:
    with farm() as made:
        first = described(made, "paramiko")
        for step in ("account", "python"):
            assert fab(made, first, "-H", "h0", f"step.{step}").wait() == 0
        made.shell(f"touch {LOG}; chown work: {LOG}")
        for client in ("paramiko", "openssh"):
            followed(made, client)
