"""SELinux: contexts are given where it is on, and its refusals are read. With fakes: no host here has it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fabfile.remote import selinux
from fabfile.steps.selinux import LABEL

NOW = 1764172800.0
HEAD = 'type=AVC msg=audit({second}.123:456): avc:  denied  {{ {right} }} for  pid=7 comm="{comm}" '
BOOT = 'path="/opt/pyspider/boot/x" dev="vda" ino=1 '
KINDS = "scontext=system_u:system_r:init_t:s0 tcontext=system_u:object_r:usr_t:s0 tclass=file permissive="


def line(comm: str = "systemd", rest: str = BOOT, right: str = "execute", ago: int = 60, permissive: int = 0) -> str:
    return HEAD.format(second=int(NOW) - ago, right=right, comm=comm) + rest + f"{KINDS}{permissive}\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        ("type=USER_LOGIN msg=audit(1.1:1): pid=1\n", []),
        (line() * 3, ["systemd may not execute /opt/pyspider/boot/x (init_t on usr_t)"]),
        (line(ago=7200), []),
        (line(permissive=1), []),
        (line(comm="httpd", rest='path="/srv/x" '), []),
        (line(comm="httpd", rest='path="/opt/pyspiders" '), []),
        (
            line(comm="mysqld", rest="src=3307 ", right="name_bind"),
            ["mysqld may not name_bind port 3307 (init_t on usr_t)"],
        ),
    ],
)
def test_recent_refusals_of_the_cluster_are_told(tmp_path: Path, text: str, wanted: list[str]) -> None:
    (tmp_path / "audit.log").write_text(text)
    assert selinux.denials(["/opt/pyspider"], NOW, str(tmp_path / "audit.log")) == wanted
    assert selinux.denials(["/opt/pyspider"], NOW, str(tmp_path / "gone")) == []


@pytest.mark.parametrize(
    ("tools", "enabled", "wanted"),
    [
        (("restorecon", "selinuxenabled", "semanage"), True,
         ["semanage fcontext -a -t bin_t /opt/x/boot(/.*)?", "restorecon -R /opt/x/boot",
          "restorecon -R /opt/x/1 /home/work"]),
        (("restorecon", "selinuxenabled", "chcon"), True,
         ["chcon -R -t bin_t /opt/x/boot", "restorecon -R /opt/x/1 /home/work"]),
        (("restorecon", "selinuxenabled", "semanage"), False, []),
        ((), False, []),
    ],
)  # fmt: skip
def test_contexts_are_given_where_selinux_is_on(
    tmp_path: Path, tools: tuple[str, ...], enabled: bool, wanted: list[str]
) -> None:
    log = tmp_path / "log"
    log.touch()
    for tool in tools:
        told = f"exit {0 if enabled else 1}" if tool == "selinuxenabled" else f'echo "{tool} $*" >>{log}'
        (tmp_path / tool).write_text(f"#!/bin/sh\n{told}\n")
        (tmp_path / tool).chmod(0o755)
    script = LABEL + "programs /opt/x/boot; relabel /opt/x/1 /home/work"
    subprocess.run(["/bin/dash", "-euc", script], check=True, env={"PATH": str(tmp_path)})
    assert log.read_text().splitlines() == wanted
