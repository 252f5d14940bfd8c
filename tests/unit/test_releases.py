"""The releases that a host keeps: what differs between two, and the way back."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from fabfile import plan, render
from fabfile.errors import Problem
from fabfile.inventory import Fleet
from fabfile.remote import releases
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.release import CurrentRelease
from fabfile.steps.releases import Back, FewRuntimes, Kept, KeptReleases, kept
from fabfile.steps.runtime import CURRENT as RUNTIME_LINK
from fabfile.steps.supervisor import Place
from fabfile.tasks.releases import _goal, _last, _show

from .local import content

PLACE = Place("work", "/h", "/l", "/c", "/s.sock", "/opt/python", unit="pyspider-demo")
SECTIONS = """\
[program:fetcher1]
environment=LANG="C",PYSPIDER_RELEASE="f1"

[program:webui1]
environment=PYSPIDER_RELEASE="e1"
"""
TEXTS = {"c1": '{"a": 1}\n', "c2": '{"a": 2}\n', "p1": SECTIONS, "l1": "one\n", "l2": "two\n"}


def one(
    name: str, deployed: int, config: str, launcher: str, runtime: str = "runtimes/2.7.18-aa", before: str = ""
) -> dict[str, Any]:
    files = {"config.masked.json": config, "programs.conf": "p1", "run.py": launcher}
    about = {"id": name, "deployed": deployed, "deploy": f"d{deployed}", "runtime": runtime, "before": before}
    return about | {"files": files}


def answer(**more: Any) -> Found:
    whole = {
        "current": "cc",
        "releases": [
            one("cc", 30, "c2", "l2"), one("bb", 20, "c2", "l1"), one("aa", 10, "c1", "l1", "runtimes/2.7.18-bb"),
        ],
        "texts": TEXTS, "runtime": "runtimes/2.7.18-aa", "runtimes": ["runtimes/2.7.18-aa", "runtimes/2.7.18-bb"],
    }  # fmt: skip
    return Found(0, json.dumps(whole | more))


def known(**more: Any) -> KeptReleases:
    found = kept(answer(**more))
    assert found
    return found


def test_the_parts_that_differ_between_two_are_named() -> None:
    new, middle, old = known().releases
    assert known().differing(middle, new) == ["launcher"]
    assert known().differing(old, middle) == ["config", "runtime"]
    assert known().differing(old, old) == []
    diff = known().diff(old, middle)
    assert '--- aa/config.json\n+++ bb/config.json\n@@ -1 +1 @@\n-{"a": 1}\n+{"a": 2}' in diff
    assert "-runtimes/2.7.18-bb\n+runtimes/2.7.18-aa" in diff
    same = known(releases=[one("cc", 30, "c2", "l2"), one("bb", 20, "c2", "l2")])
    assert same.differing(*reversed(same.releases)) == ["passwords"]


def test_before_a_release_is_what_ran_then_and_not_what_was_tried_in_between() -> None:
    good, bad = one("aa", 10, "c1", "l1"), one("bb", 20, "c2", "l1", before="aa")
    found = known(releases=[one("cc", 30, "c2", "l2", before="aa"), bad, good])
    assert [before.id for one in found.releases if (before := found.before(one))] == ["aa", "aa"]
    unknown = known(releases=[one("cc", 30, "c2", "l2", before="gone"), one("bb", 20, "c2", "l1", before="bb"), good])
    assert [before.id for one in unknown.releases if (before := unknown.before(one))] == ["bb", "aa"]


def test_what_work_has_written_into_a_release_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    made = [one("cc", 30, "c2", "l2") | {"deploy": "[/foo]\x1b[2J"}, one("bb", 20, "c2", "l1")]
    _show({"node1": known(releases=made, texts=TEXTS | {"l2": "two\x1b]0;x\x07\t[/b]\n"})}, diff=True)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\x07" not in shown
    assert r"[/foo]\x1b[2J" in shown and r"+two\x1b]0;x\x07" in shown and "[/b]" in shown


def test_a_release_tells_the_fingerprints_of_its_programs() -> None:
    assert known().programs(known().releases[0]) == {"fetcher1": "f1", "webui1": "e1"}


@pytest.mark.parametrize(
    ("word", "runtime", "says"),
    [
        ("cc", "runtimes/2.7.18-aa", []),
        ("bb", "runtimes/2.7.18-aa", ["make release bb current again"]),
        ("d10", "runtimes/2.7.18-aa", ["make Python 2.7.18-bb current", "make release aa current again"]),
        ("aa", "runtimes/2.7.18-bb", ["make release aa current again"]),
    ],
)
def test_the_way_back_is_a_rename_or_two(word: str, runtime: str, says: list[str]) -> None:
    actions = Back(PLACE, word).diff(answer(runtime=runtime))
    assert [action.says for action in actions] == says
    for action in actions:
        subprocess.run(["sh", "-n"], input=action.script.encode(), check=True)


@pytest.mark.parametrize(
    ("word", "more", "told"),
    [
        ("dd", {}, "release dd is not there"),
        ("aa", {"runtimes": ["runtimes/2.7.18-aa"]}, "ran with Python 2.7.18-bb, which is no longer there"),
        ("aa", {"releases": [one("aa", 1, "c1", "l1", "runtimes/../../home/work/x")]}, "which is no longer there"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused(word: str, more: dict[str, Any], told: str) -> None:
    with pytest.raises(Problem, match=told):
        Back(PLACE, word).diff(answer(**more))


def test_an_answer_that_makes_no_sense_is_an_error() -> None:
    assert kept(Found(0, "null")) is None
    with pytest.raises(CannotLook):
        kept(Found(1, "Traceback"))
    assert Kept(PLACE).probe() == Back(PLACE, "x").probe()


def test_without_a_word_only_the_hosts_of_the_last_deploy_go_back() -> None:
    changed, same = known(), known(current="bb")
    last = _last([same, changed])
    assert last == "d30"
    goal = _goal(changed, "", last)
    assert goal
    assert goal.id == "bb"
    assert _goal(same, "", last) is None
    with pytest.raises(Problem, match="release zz is not there; those that are: cc, bb, aa"):
        _goal(changed, "zz", last)
    with pytest.raises(Problem, match="no release is older than aa"):
        _goal(known(current="aa"), "", "d10")
    with pytest.raises(Problem, match="nothing was deployed here yet"):
        _goal(None, "", last)


def test_a_hosts_releases_are_read_without_config_json_and_without_following_links(tmp_path: Path) -> None:
    top = tmp_path / "releases"
    for number, name in enumerate(("a1", "b2", "c3", "d4", "e5", "f6")):
        (top / name).mkdir(parents=True)
        (top / name / "config.json").write_text("secret-Canary")
        (top / name / "config.masked.json").write_text(f"{number}\n")
        (top / name / ".deploy").write_text("d\n")
        os.utime(top / name, (number, number))
    (tmp_path / "outside").write_text("outside-Canary")
    (top / "f6" / "run.py").symlink_to(tmp_path / "outside")
    (top / "99").symlink_to(tmp_path)
    os.mkfifo(top / "f6" / "fifo")
    os.utime(top / "f6", (9, 9))
    (tmp_path / "current").symlink_to("releases/a1")
    found = releases.releases({"home": str(tmp_path)})
    assert [one["id"] for one in found["releases"]] == ["f6", "e5", "d4", "c3", "b2", "a1"]
    assert found["current"] == "a1"
    assert "secret-Canary" not in json.dumps(found)
    assert found["releases"][1]["deploy"] == "d"
    assert kept(Found(0, json.dumps(found)))


def deployed(home: Path, name: str, link: str = RUNTIME_LINK) -> None:
    """A deploy makes a release; who becomes another user here stays who he is."""
    step = CurrentRelease("work", str(home), name, {"run.py": render.RenderedFile(name.encode(), 0o600, name)}, "d")
    (action,) = step.diff(Found(0, ""))
    (home / "archive").write_bytes(content(action.payloads[0]))
    script = f'su() {{ /bin/sh -c "$5"; }}\nset -- {home}/archive\n{action.script}'.replace(RUNTIME_LINK, link)
    subprocess.run(["sh", "-c", script], check=True, capture_output=True)


def test_releases_that_were_tried_push_none_out_that_ran(tmp_path: Path) -> None:
    for name in ("a1", "a2", "a3", "a4", "a5", "a6"):
        deployed(tmp_path, name)
    for name in ("b1", "b2", "b3", "b4", "b5", "b6"):
        deployed(tmp_path, name)
        assert (tmp_path / "current" / "run.py").read_text() == name
        # Its programs did not come up.
        (tmp_path / "current").unlink()
        (tmp_path / "current").symlink_to("releases/a6")
    kept = sorted(path.name for path in (tmp_path / "releases").iterdir())
    assert kept == ["a3", "a4", "a5", "a6", "b2", "b3", "b4", "b5", "b6"]
    found = releases.releases({"home": str(tmp_path)})
    assert [one["before"] for one in found["releases"]] == ["a6"] * 5 + ["a5", "a4", "a3", "a2"]
    # A note that leads in a circle, and one that is no file.
    (tmp_path / "releases" / "a6" / ".before").write_text("releases/b6\n")
    (tmp_path / "releases" / "b6" / ".before").unlink()
    os.mkfifo(tmp_path / "releases" / "b6" / ".before")
    deployed(tmp_path, "c1")
    kept = sorted(path.name for path in (tmp_path / "releases").iterdir())
    assert kept == ["a6", "b3", "b4", "b5", "b6", "c1"]


def test_the_python_of_a_release_is_that_with_which_its_programs_begin(tmp_path: Path) -> None:
    """After another Debian was installed, the one that it was made with runs no more: no way back leads to it."""
    link = tmp_path / "python"
    link.symlink_to("runtimes/old")

    def run(script: str) -> str:
        script = f'su() {{ /bin/sh -c "$5"; }}\n{script.replace(RUNTIME_LINK, str(link))}'
        return subprocess.run(["sh", "-ec", script], check=True, capture_output=True, text=True).stdout

    deployed(tmp_path, "aa", str(link))
    owner = pwd.getpwuid(os.getuid()).pw_name
    step = CurrentRelease(owner, str(tmp_path), "aa", {"run.py": render.RenderedFile(b"aa", 0o600, "aa")}, "d")
    note = tmp_path / "current" / ".runtime"
    assert note.read_text() == "runtimes/old\n" and step.diff(Found(0, run(step.probe().script))) == []
    link.unlink()
    link.symlink_to("runtimes/new")
    (action,) = step.diff(Found(0, run(step.probe().script)))
    run(action.script)
    assert note.read_text() == "runtimes/new\n" and step.diff(Found(0, run(step.probe().script))) == []
    # What its user may have put there is no reason to stop at anything.
    note.unlink()
    os.mkfifo(note)
    assert step.diff(Found(0, run(step.probe().script))) == []


def test_a_deploy_is_as_old_as_the_machine_says_from_which_it_came(tmp_path: Path) -> None:
    """The clocks of hosts differ: the last deploy would be that of the host whose clock goes ahead."""
    started = int(time.time())
    deployed(tmp_path, "aa")
    deployed(tmp_path, "bb")
    (tmp_path / "releases" / "bb" / ".at").unlink()
    for name in ("aa", "bb"):
        os.utime(tmp_path / "releases" / name, (9, 9))
    found = {one["id"]: one["deployed"] for one in releases.releases({"home": str(tmp_path)})["releases"]}
    assert started <= found["aa"] <= time.time()
    assert found["bb"] == 9


def test_of_many_pythons_the_last_few_and_those_in_use_stay(tmp_path: Path) -> None:
    names = [f"2.7.18-{number}" for number in range(8)]
    for number, name in enumerate(names):
        (tmp_path / "runtimes" / name).mkdir(parents=True)
        os.utime(tmp_path / "runtimes" / name, (number, number))
    (tmp_path / "current").symlink_to("runtimes/2.7.18-0")
    step = FewRuntimes(PLACE, f"{tmp_path}/runtimes", 5)
    script = "su() { echo runtimes/2.7.18-2; }\n" + step.probe().script
    text = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True).stdout
    (action,) = step.diff(Found(0, text))
    assert action.says == "remove old Python 2.7.18-1"
    assert step.diff(Found(0, "old ../../etc")) == step.diff(Found(0, "")) == []


def test_one_hosts_toml_is_one_deploy_on_all_hosts(fleet: Fleet) -> None:
    names = {plan.release(fleet, host).deploy for host in fleet.hosts}
    assert names == {render.deploy_id(fleet, plan.runtime_spec(fleet).digest)}
    assert render.deploy_id(fleet, "another") not in names
