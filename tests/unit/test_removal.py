"""A host without the cluster: all that it put there is gone, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fabfile.errors import Problem
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.removal import NoBoot, NoFiles, NoService, NoSupervisord
from fabfile.steps.supervisor import Place

from . import sights

# su -s /bin/sh USER -c SCRIPT
SU = 'su() { sh -c "$5"; }\n'


def ran(script: str) -> Found:
    done = subprocess.run(["sh"], check=False, input=SU + script, capture_output=True, text=True)
    return Found(done.returncode, done.stdout + done.stderr)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    for path, text in {
        "etc/supervisord.conf": "; Made by fab deploy\n", "etc/.supervisord.conf.was-0123456789ab": "; Made by fab\n",
        "etc/supervisord.conf.before-pyspider-fabfile-1": "[supervisord]\n", "etc/hosts": "",
        "home/work/distri_pyspider/releases/aa/config.json": "{}", "home/work/supervisor/webui1.log": "",
        "home/work/notes": "", "opt/boot/pyspider-demo": "", "opt/boot/pyspider-demo.zip": "",
        "opt/boot/pyspider-demo.stopped.conf": "", "opt/render/demo/renderer.py": "", "opt/runtimes/2.7/bin/python": "",
        "opt/bin/phantomjs": "", "opt/build/2.7.18-aa/make.done": "",
    }.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "opt" / "current").symlink_to("runtimes/2.7")
    return tmp_path


def step(host: Path) -> NoFiles:
    work = f"{host}/home/work"
    place = Place("work", f"{work}/distri_pyspider", f"{work}/supervisor", f"{host}/etc/supervisord.conf",
                  f"{work}/s.sock", "/p", "pyspider-demo")  # fmt: skip
    return NoFiles(place, f"{host}/opt/render/demo", f"{host}/opt", f"{host}/opt/boot")


def left(host: Path) -> list[str]:
    return sorted(str(path.relative_to(host)) for path in host.rglob("*") if not path.is_dir() or path.is_symlink())


def test_what_is_the_clusters_goes_and_the_rest_stays(host: Path) -> None:
    (action,) = step(host).diff(ran(step(host).probe().script))
    assert f"{host}/home/work/distri_pyspider" in action.says
    assert ran(f"set -e\n{action.script}") == Found(0, "")
    assert left(host) == ["etc/hosts", "etc/supervisord.conf.before-pyspider-fabfile-1", "home/work/notes"]
    assert not (host / "opt").exists()
    assert step(host).diff(ran(step(host).probe().script)) == []


def test_the_folders_of_a_cluster_made_by_hand_stay(host: Path) -> None:
    home = host / "home" / "work" / "distri_pyspider"
    (home / "releases").rename(home / "scripts")
    (host / "etc" / "supervisord.conf").write_text("; somebody's own\n")
    (action,) = step(host).diff(ran(step(host).probe().script))
    assert "distri_pyspider" not in action.says
    assert ran(f"set -e\n{action.script}") == Found(0, "")
    assert (home / "scripts" / "aa" / "config.json").exists()
    assert (host / "home" / "work" / "supervisor" / "webui1.log").exists()


def test_the_python_of_another_cluster_stays(host: Path) -> None:
    (host / "opt" / "boot" / "pyspider-other").touch()
    (host / "etc" / "supervisord.conf").write_text("; somebody's own\n")
    (action,) = step(host).diff(ran(step(host).probe().script))
    assert ran(f"set -e\n{action.script}") == Found(0, "")
    assert left(host) == [
        "etc/.supervisord.conf.was-0123456789ab", "etc/hosts", "etc/supervisord.conf",
        "etc/supervisord.conf.before-pyspider-fabfile-1", "home/work/notes", "opt/bin/phantomjs",
        "opt/boot/pyspider-other", "opt/build/2.7.18-aa/make.done", "opt/current", "opt/runtimes/2.7/bin/python",
    ]  # fmt: skip


def test_the_python_that_somebody_runs_stays(host: Path) -> None:
    python = host / "opt" / "runtimes" / "2.7" / "bin" / "python"
    shutil.copy("/bin/sleep", python)
    with subprocess.Popen([python, "60"]) as other:
        try:
            (action,) = step(host).diff(ran(step(host).probe().script))
            assert ran(f"set -e\n{action.script}") == Found(0, "")
            assert step(host).diff(ran(step(host).probe().script)) == []
        finally:
            other.kill()
    assert python.exists()
    assert not (host / "opt" / "boot" / "pyspider-demo").exists()
    assert not (host / "home" / "work" / "distri_pyspider").exists()


def test_a_link_in_the_place_of_a_folder_leads_nowhere(host: Path) -> None:
    outside = host / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    home = host / "home" / "work" / "distri_pyspider"
    (home / "releases" / "link").symlink_to(outside)
    logs = host / "home" / "work" / "supervisor"
    (logs / "webui1.log").unlink()
    logs.rmdir()
    logs.symlink_to(outside)
    (action,) = step(host).diff(ran(step(host).probe().script))
    # Its user removes what is below its own home; root would follow no link there either.
    assert action.script.index("su -s /bin/sh work -c") < action.script.index('rest "$home"')
    assert ran(f"set -e\n{action.script}").status == 0
    assert left(outside) == ["kept"]
    assert not logs.is_symlink()


def test_the_report_names_python_also_while_the_clusters_own_programs_run_it(host: Path) -> None:
    one = step(host)
    (used,) = one.diff(Found(0, "there /home/work/supervisor\n"))
    assert used.says == f"remove /home/work/supervisor, {one.opt} where nobody else uses it"
    (free,) = one.diff(Found(0, f"there {one.opt}/runtimes\nthere /home/work/supervisor\n"))
    assert free.says == f"remove {one.opt}/runtimes, /home/work/supervisor"


def test_a_host_that_can_not_be_looked_at_is_not_a_clean_one(host: Path) -> None:
    with pytest.raises(CannotLook):
        step(host).diff(Found(1, "sh: not found"))
    for other in (NoBoot(step(host).place), NoService("pyspider-demo-render")):
        with pytest.raises(CannotLook):
            other.diff(Found(0, ""))


def seen(**more: Any) -> list[str]:
    place = Place("work", "/h", "/l", "/etc/supervisord.conf", "/s", "/p", "pyspider-demo")
    return [action.says for action in NoSupervisord(place).diff(sights.found(**more))]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, []),
        ({"supervisords": [{"pid": 1}]}, ["end supervisord"]),
        ({"supervisords": [{"pid": 1}], "watcher": {"pids": [2, 3], "digest": "d"}},
         ["watch over supervisord no more", "end supervisord"]),
        ({"supervisords": [{"pid": 1}], "unit": {"main": 1}}, ["end supervisord"]),
    ],
)  # fmt: skip
def test_supervisord_ends_and_nobody_starts_it_again(more: Any, says: list[str]) -> None:
    assert seen(**more) == says


def test_somebody_elses_supervisord_stays() -> None:
    with pytest.raises(Problem, match="nothing was changed here"):
        seen(strangers=[{"pid": 9}], foreign_conf=["shop"])


def test_a_start_at_boot_goes_only_where_it_is_ours() -> None:
    place = Place("work", "/h", "/l", "/c", "/s", "/p", "pyspider-demo")
    assert NoBoot(place).diff(Found(0, "kind sysv\n")) == []
    (action,) = NoBoot(place).diff(Found(0, "kind sysv\nthere /etc/init.d/pyspider-demo\n"))
    subprocess.run(["sh", "-n"], input=action.script.encode(), check=True)
    (service,) = NoService("pyspider-demo-render").diff(Found(0, "kind cron\nstatus stopped\n"))
    subprocess.run(["sh", "-n"], input=service.script.encode(), check=True)
    assert NoService("pyspider-demo-render").diff(Found(0, "kind cron\n")) == []
