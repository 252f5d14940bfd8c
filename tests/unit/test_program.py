"""The command line as a user types it: what is understood, and how what is not ends. Nothing here connects anywhere."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from fabfile.__main__ import ClusterConfig

PROJECT = Path(__file__).parent.parent.parent
NOWHERE = {"HOSTS_TOML": "/nowhere/hosts.toml", "COLUMNS": "200"}


def fab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fabfile", *words],
        cwd=PROJECT,
        env={**os.environ, **NOWHERE},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nosuch",), "No idea what 'nosuch' is"),
        (("deploy", "--nope"), "No idea what '--nope' is"),
        (("--nope",), "No idea what '--nope' is"),
        (("deploy", "--role"), "needed value and was not given one"),
        (("--help", "nosuch"), "No idea what 'nosuch' is"),
        (("-T", "soon", "status"), "invalid literal for int() with base 10: 'soon'"),
        (("-T", "5", "status"), "--command-timeout does nothing here"),
        (("-w", "status"), "--warn-only does nothing here"),
        (("--hide=both", "status"), "--hide does nothing here"),
        (("status",), "/nowhere/hosts.toml: there is no such file"),
        (("-H", "node1", "--", "uptime"), "/nowhere/hosts.toml: there is no such file"),
        (("deploy", "--lock-wait", "soon"), "/nowhere/hosts.toml: there is no such file"),
        (("sandbox.up", "--hosts", "0"), "--hosts 0: give a whole number from 1 on"),
        (("demo.crawl", "--pages", "many"), "--pages many: give a whole number from 1 on"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_status_2(words: tuple[str, ...], message: str) -> None:
    result = fab(*words)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


SHIM = Path(sys.executable).with_name("fab")


def own(*words: str | bytes, folder: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    """The project's own `fab`, as `./run` puts it beside its Python."""
    return subprocess.run(
        [str(SHIM), *words], cwd=folder, env={**os.environ, **NOWHERE, **environment}, capture_output=True,
        encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1", "no_SUCH"])
def test_words_are_utf8_whatever_the_locale_says(tmp_path: Path, locale: str) -> None:
    (tmp_path / "hosts.toml").write_text((PROJECT / "hosts.toml").read_text())
    where = {
        "HOSTS_TOML": str(tmp_path / "hosts.toml"),
        "LC_ALL": locale,
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    result = own("-H", "中文", "status", **where)
    assert (result.returncode, result.stderr) == (2, f"fab: {tmp_path}/hosts.toml: unknown host '中文'\n")
    other = own("run", b"echo \xe9", **where)
    assert (other.returncode, other.stderr) == (2, "fab: a word of the command line is not UTF-8 text\n")


def test_fab_works_in_a_folder_without_a_project_of_its_own(tmp_path: Path) -> None:
    result = own("status", folder=tmp_path)
    assert (result.returncode, result.stderr.partition(":")[0]) == (2, "fab")
    assert "/nowhere/hosts.toml: there is no such file" in result.stderr
    assert "deploy" in own("--list", folder=tmp_path).stdout
    given = own("-r", str(tmp_path), "--list", folder=tmp_path)
    assert (given.returncode, given.stderr) == (2, "fab: Can't find any collection named 'fabfile'\n")


def test_what_fabric_answers_by_itself_stays() -> None:
    assert "Paramiko" in fab("--version").stdout
    assert "deploy" in fab("--list").stdout
    assert fab("--help").stdout.startswith("Usage: fab [--core-opts]")


def test_the_short_flags_are_those_of_the_long_ones_beginning() -> None:
    text = fab("--help", "deploy").stdout
    for pair in ("-r STRING, --role=", "-l STRING, --limit=", "-d, --dry-run", "-j, --json", "-b STRING, --batch="):
        assert pair in text


def test_the_help_of_a_task_tells_what_each_flag_means() -> None:
    text = fab("--help", "deploy").stdout
    said = " ".join(text.split())
    assert "no other program is restarted" in said and "seconds to wait for another change" in said
    lines = text.partition("Options:\n")[2].splitlines()
    assert [line for line in lines if line.startswith("  -") and "  " not in line.strip()] == []


def test_what_a_task_imports_is_compiled_once(tmp_path: Path) -> None:
    kept = {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    assert "there is no such file" in own("status", **NOWHERE, **kept).stderr
    assert list(tmp_path.rglob("fabfile/tasks/status.*.pyc"))
    other = {**kept, "PYTHONPYCACHEPREFIX": str(tmp_path / "none"), "PYTHONDONTWRITEBYTECODE": "1"}
    assert "there is no such file" in own("status", **NOWHERE, **other).stderr
    assert not (tmp_path / "none").exists()


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} -m fabfile --list | true"
    result = subprocess.run(["sh", "-c", command], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60)
    assert result.stderr == ""


ONE_HOST = """\
[cluster]
name = "demo"
[hosts.node1]
address = "127.0.0.9"
roles = {scheduler = 1, webui = 1, fetcher = 1, processor = 1, result_worker = 1, mysql = 1, redis = 1}
"""
NAMELESS = ("unshare", "--user", "--map-user=12345", "--map-group=12345", "env")
"""What comes before a command that is to run as a user without a name; files stay its own."""
UNNAMED = subprocess.run([*NAMELESS, "true"], capture_output=True, check=False).returncode == 0


def nameless(folder: Path, *words: str, home: bool = True) -> tuple[int, str]:
    """The exit status and what fab says to a user whom no account names."""
    (folder / "hosts.toml").write_text(ONE_HOST)
    unset = [f"-u{name}" for name in ("LOGNAME", "USER", "LNAME", "USERNAME", *(() if home else ("HOME",)))]
    done = subprocess.run(
        [*NAMELESS, *unset, sys.executable, "-m", "fabfile", *words],
        cwd=PROJECT,
        env={**os.environ, "HOME": str(folder), "HOSTS_TOML": str(folder / "hosts.toml")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(not UNNAMED, reason="no user namespace can be made here")
def test_a_user_without_a_name_deploys_as_any_other(tmp_path: Path) -> None:
    status, said = nameless(tmp_path, "deploy")
    assert (status, "127.0.0.9" in said, "Traceback" in said) == (3, True, False), said


@pytest.mark.skipif(not UNNAMED, reason="no user namespace can be made here")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("watch", "--unit"), "fab: no account here has uid 12345, and only an account has a unit or a crontab"),
        (("watch", "--cron"), "fab: no account here has uid 12345, and only an account has a unit or a crontab"),
        (("deploy",), "fab: no account here has uid 12345, and without one OpenSSH reads no ssh_config: add one"),
    ],
)
def test_a_user_without_a_name_is_told_what_needs_one(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Port 29\n")
    status, said = nameless(tmp_path, *words)
    assert (status, said.count("\n")) == (2, 1), said
    assert said.startswith(sentence)


@pytest.mark.skipif(not UNNAMED, reason="no user namespace can be made here")
def test_what_a_user_without_a_name_is_told_to_leave_out_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Port 29\n")
    assert nameless(tmp_path, "-S", "/dev/null", "deploy")[0] == 3


@pytest.mark.skipif(not UNNAMED, reason="no user namespace can be made here")
def test_a_user_without_a_name_and_a_home_is_told_so(tmp_path: Path) -> None:
    said = "fab: no account here has uid 12345, and HOME is not set: set it to a folder of yours\n"
    assert nameless(tmp_path, "status", home=False) == (2, said)


def test_fabrics_configuration_is_read_where_python_finds_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(_uid: int) -> pwd.struct_passwd:
        raise OSError("No username set in the environment")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert ClusterConfig.global_defaults()["user"] == f"uid {os.getuid()}"
    assert "LOGNAME" not in os.environ
