"""What starts supervisord at boot: tables of what was found, and the files themselves."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fabfile.remote import conf
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.boot import Boot
from fabfile.steps.supervisor import Place

PLACE = Place(
    "work",
    "/home/work/spider",
    "/home/work/logs",
    "/etc/supervisord.conf",
    "/s.sock",
    "/opt/pyspider/current/bin/python",
    unit="pyspider-demo",
)
UNIT = "Description=supervisord -c /etc/supervisord.conf\n"
BOOT = Boot(PLACE, "demo", UNIT)
LOADED = "boots\nNeedDaemonReload=no"


def lines(kind: str, mode: str = "", owner: str = "root", content: bytes | None = None, count: int = 2) -> str:
    """What the look prints on such a host: the script's two lines as told, then the other file's, which are right."""
    found = []
    for index, (path, right, bits) in enumerate(BOOT.files(kind)[:count]):
        shown = content if content is not None and not index else right
        found += [f"{path} {mode if mode and not index else f'{bits:o}'} {owner if not index else 'root'}"]
        found += [f"{hashlib.sha256(shown).hexdigest()}  {path}"]
    return "\n".join([f"kind {kind}", *found])


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (f"boots\n{lines('sysv')}", []),
        (f"{LOADED}\n{lines('systemd')}", []),
        (f"boots\nNeedDaemonReload=yes\n{lines('systemd')}", ["systemd"]),
        (f"boots\n{lines('cron')}", []),
        ("kind none", []),
        ("kind sysv", ["sysv"]),
        (lines("sysv"), ["sysv"]),
        (lines("systemd"), ["systemd"]),
        (f"boots\n{lines('sysv', owner='work')}", ["sysv"]),
        (f"boots\n{lines('sysv', mode='644')}", ["sysv"]),
        (f"boots\n{lines('sysv', content=b'another')}", ["sysv"]),
        (f"{LOADED}\n{lines('systemd', count=1)}", ["systemd"]),
        (f"NeedDaemonReload=no\n{lines('systemd')}", ["systemd"]),
        (f"boots\n{lines('cron', content=b'another')}", ["cron"]),
    ],
)
def test_what_is_missing_is_written_and_nothing_else(answer: str, wanted: list[str]) -> None:
    assert [action.says for action in BOOT.diff(Found(0, answer))] == [
        f"start supervisord at boot ({kind})" for kind in wanted
    ]


def test_what_started_the_cluster_under_another_name_does_so_no_more() -> None:
    actions = BOOT.diff(Found(0, f"{LOADED}\n{lines('systemd')}\nother pyspider-old\nother pyspider-old"))
    assert [action.says for action in actions] == ["start supervisord no more by pyspider-old at boot"]
    assert 'systemctl disable "$other.service"' in actions[0].script
    subprocess.run(["sh", "-n"], input=actions[0].script.encode(), check=True)
    assert dataclasses.replace(BOOT, only_unit=True).diff(Found(0, "kind sysv\nother pyspider-old")) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Description=supervisord -c /etc/supervisord.conf of the pyspider cluster old", True),
        ("start) exec su work -c 'supervisord -c /etc/supervisord.conf' ;;", True),
        ("@reboot root x start # supervisord -c /etc/supervisord.conf", True),
        ("Description=supervisord -c /etc/supervisord.conf2 of the pyspider cluster old", False),
        ("Description=supervisord -c /etc/pyspider-old.conf of the pyspider cluster old", False),
    ],
)
def test_only_what_starts_the_same_configuration_is_another_name_of_it(tmp_path: Path, line: str, told: bool) -> None:
    unit = tmp_path / "pyspider-old.service"
    unit.write_text(f"# Made by fab deploy\n{line}\n")
    script = BOOT.probe().script.replace("/etc/systemd/system/multi-user.target.wants", str(tmp_path))
    answer = subprocess.run(["sh"], input=script, text=True, capture_output=True, check=True).stdout.splitlines()
    assert ("other pyspider-old" in answer) == told


def test_somebody_elses_file_of_that_name_is_told_to_be_kept() -> None:
    path = "/etc/systemd/system/pyspider-demo.service"
    (action,) = BOOT.diff(Found(0, f"{LOADED}\nkind systemd\nforeign {path}"))
    assert f"somebody else's is kept as {path}.before-pyspider-fabfile-" in action.says


def test_an_answer_that_makes_no_sense_is_an_error() -> None:
    with pytest.raises(CannotLook):
        BOOT.diff(Found(1, "sh: syntax error"))


def test_each_kind_of_host_gets_its_own_files() -> None:
    def sent(kind: str) -> list[Any]:
        (action,) = BOOT.diff(Found(0, f"kind {kind}"))
        return [payload.content for payload in action.payloads]

    assert sent("sysv") == [BOOT.script]
    assert sent("systemd") == [BOOT.script, UNIT.encode()]
    assert sent("cron") == [BOOT.script, BOOT.crontab]


@pytest.mark.parametrize("text", [BOOT.script, BOOT.diff(Found(0, "kind cron"))[0].script.encode()])
def test_the_scripts_are_posix_shell(text: bytes) -> None:
    subprocess.run(["sh", "-n"], input=text, check=True)


def test_doctor_understands_each_of_the_files_and_what_others_write() -> None:
    texts = [BOOT.script, UNIT.encode(), BOOT.crontab]
    assert all(conf.starts(text.decode(), "/etc/supervisord.conf") for text in texts)
    assert not any(conf.starts(text.decode(), "/etc/other.conf") for text in texts)
    assert conf.starts("su work -c /usr/bin/supervisord", "/etc/supervisord.conf")
    assert conf.starts("@reboot supervisord --configuration=/etc/supervisord.conf", "/etc/supervisord.conf")
    assert not conf.starts("# supervisord is not started here", "/etc/supervisord.conf")
    debian = "ExecStart=/usr/bin/supervisord -n -c /etc/supervisor/supervisord.conf"
    assert not conf.starts(debian, "/etc/supervisord.conf")


@pytest.mark.parametrize(("kind", "wanted"), [("systemd", 1), ("sysv", 0), ("cron", 0), ("none", 0)])
def test_before_supervisord_is_started_only_a_unit_has_to_be_there(kind: str, wanted: int) -> None:
    assert len(dataclasses.replace(BOOT, only_unit=True).diff(Found(0, f"kind {kind}"))) == wanted
