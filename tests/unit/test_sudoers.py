"""The lines of `fab doctor --sudoers`: one for each login, and the truth about what it is worth."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from fabfile.errors import WrongInput
from fabfile.runs.options import Options
from fabfile.ssh.receiver import receiver
from fabfile.tasks.sudoers import sudoers, told


def test_a_login_needs_one_line_and_root_none() -> None:
    *comments, line = told("oper", ["node1", "node2"], asks=False)
    assert line == "oper ALL=(root) NOPASSWD: /bin/sh"
    assert comments[0] == "# node1, node2: as root there, visudo -f /etc/sudoers.d/pyspider-fabfile"
    assert "as much as root itself" in comments[1] and all(one.startswith("# ") for one in comments[1].splitlines())
    assert list(told("oper", ["node1"], asks=True))[-1] == "oper ALL=(root) /bin/sh"
    assert list(told("root", ["node3"], asks=False)) == ["# node3: the login is root's, and needs no sudo."]


@pytest.mark.parametrize("terminal", [False, True])
def test_the_receiver_asks_sudo_for_that_program_alone(terminal: bool) -> None:
    for sudo in (("sudo", "-n"), ("sudo", "-S", "-k", "-p", "prompt")):
        words = receiver(sudo, terminal)
        assert re.findall(r"exec sudo (?:-\w |prompt )*(\S+)", words) == ["/bin/sh"]


def test_it_mends_nothing_and_asks_no_host() -> None:
    with pytest.raises(WrongInput, match="takes neither --fix nor --json"):
        sudoers(SimpleNamespace(), Options(), fix=True)
