"""Packages: what a host answers, and what is then missing."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from fabfile.errors import Problem
from fabfile.inventory.renderers import CHROMIUM
from fabfile.inventory.roles import ROLES
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.families import FAMILIES, known, package_names, refusals, services
from fabfile.steps.packages import Packages

from .local import converged

ROLES_SETS = {role.packages for role in ROLES.values() if role.packages}
WANTED = Packages({"debian": ["gcc", ("libssl3t64", "libssl3")], "redhat": ["gcc", ("openssl3", "openssl")]})
DEBIAN = "family debian apt-get\n"


def listed(family: str) -> str:
    """The packages of a family as docs/platforms.md has them."""
    told = {
        name: ", ".join(one if isinstance(one, str) else " or ".join(one) for one in names)
        for name, names in FAMILIES[family].packages.items()
    }
    return "\n".join(f"| {name} | {words or 'refused'} |" for name, words in told.items())


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "alpine"])
def test_the_packages_that_a_host_needs_are_listed_for_people_without_a_mirror(family: str) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "platforms.md").read_text()
    assert listed(family) in page, f"docs/platforms.md is to have:\n{listed(family)}"


def test_a_host_of_musl_is_refused_with_the_reason() -> None:
    step = Packages(package_names("runtime", "firewall"), refusals("runtime", "firewall"))
    with pytest.raises(Problem, match="the C library of this host is musl, and the pinned packages are for glibc"):
        step.diff(Found(0, "family alpine apk\n"))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_every_set_that_a_host_may_need(family: str) -> None:
    one = FAMILIES[family].packages
    assert set(one) == {"runtime", "build", "firewall", CHROMIUM} | ROLES_SETS
    assert package_names("redis", "phantomjs")[family] == (*one["redis"], *one["phantomjs"])
    # A store is installed and has a service, or is refused.
    for store in ("mysql", "redis"):
        assert (store in FAMILIES[family].refused) != bool(one[store] and FAMILIES[family].services[store])


def test_a_service_has_one_of_the_names_of_all_families() -> None:
    assert services("mysql") == ("mariadb", "mysql", "mysqld")
    assert services("redis") == ("redis-server", "valkey-server", "redis", "valkey")


RELEASES = {
    "debian": 'ID=debian\nVERSION_ID="13"',
    "ubuntu": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"',
    "rocky": 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"',
    "rhel": 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="8.10"',
    "centos 7": 'ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="7"',
    "fedora": "ID=fedora\nVERSION_ID=42",
    "leap": 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"',
    "tumbleweed": 'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"',
    "amazon 2": 'NAME="Amazon Linux"\nID="amzn"\nID_LIKE="centos rhel fedora"\nVERSION_ID="2"',
    "amazon 2023": 'NAME="Amazon Linux"\nID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"',
    "oracle": 'ID="ol"\nID_LIKE="fedora"\nVARIANT_ID="server"\nVERSION_ID="9.5"',
    "ubuntu 14.04": 'NAME="Ubuntu"\nVERSION="14.04.6 LTS, Trusty Tahr"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="14.04"',
    "derivative": 'PRETTY_NAME="Deepin 23"\nID=deepin\nVERSION_ID="23"',
    "by hand": "PRETTY_NAME=My own Linux (7)\nID=debian",
    "torn": 'ID=debian\nPRETTY_NAME="Debian',
    "arch": "ID=arch",
    "alpine": "ID=alpine\nVERSION_ID=3.22.1",
}
ALL = ("apt-get", "dpkg-query", "dnf", "yum", "zypper")


@pytest.mark.parametrize(
    ("release", "tools", "wanted"),
    [
        ("debian", ALL, "debian apt-get"),
        ("ubuntu", ALL, "debian apt-get"),
        ("rocky", ALL, "redhat dnf"),
        ("rhel", ("dnf", "yum"), "redhat dnf"),
        ("centos 7", ("yum",), "redhat yum"),
        ("fedora", ("dnf",), "redhat dnf"),
        ("leap", ALL, "suse zypper"),
        ("tumbleweed", ("zypper",), "suse zypper"),
        ("alpine", ("apk",), "alpine apk"),
        ("redhat-release", ("yum", "apt-get"), "redhat yum"),
        ("amazon 2", ("yum",), "redhat yum"),
        ("amazon 2023", ("dnf", "yum"), "redhat dnf"),
        ("oracle", ("dnf",), "redhat dnf"),
        ("ubuntu 14.04", ALL, "debian apt-get"),
        ("derivative", ("apt-get", "dpkg-query", "dnf"), "debian apt-get"),
        # A file that no shell reads.
        ("by hand", ("apt-get", "dpkg-query"), "debian apt-get"),
        ("torn", ("apt-get", "dpkg-query"), "debian apt-get"),
        ("torn", ("dnf",), "redhat dnf"),
        # What nobody knows is told by its tools.
        ("arch", (), "none"),
        ("arch", ("apt-get",), "none"),
        ("arch", ("apt-get", "dpkg-query"), "debian apt-get"),
        ("", ("dnf",), "redhat dnf"),
    ],
)
def test_a_host_is_of_the_family_that_it_says(
    tmp_path: Path, release: str, tools: tuple[str, ...], wanted: str
) -> None:
    etc, tool_folder = tmp_path / "etc", tmp_path / "bin"
    etc.mkdir()
    tool_folder.mkdir()
    if release in RELEASES:
        (etc / "os-release").write_text(RELEASES[release] + "\n")
    elif release:
        (etc / release).write_text("CentOS release 6.10 (Final)\n")
    for tool in tools:
        (tool_folder / tool).write_text("#!/bin/sh\n")
        (tool_folder / tool).chmod(0o755)
    for shell in ("dash", "bash --posix"):
        words = [*(shutil.which(shell.split()[0]) or "", *shell.split()[1:]), "-euc"]
        script = known().replace("/etc/", f"{etc}/")
        done = subprocess.run(
            [*words, script], capture_output=True, text=True, check=True, env={"PATH": str(tool_folder)}
        )
        assert done.stdout == f"family {wanted}\n"


def test_a_host_of_another_package_manager_is_refused_with_the_way_on() -> None:
    with pytest.raises(
        Problem, match=r"has none of apt-get, dnf, yum, zypper, by which .* that docs/platforms\.md lists"
    ):
        Packages(package_names("runtime")).diff(Found(0, "family none\n"))


def test_what_a_family_does_not_have_is_refused_with_the_reason() -> None:
    assert refusals("mysql", "runtime").keys() == {"alpine"}
    step = Packages(package_names("redis"), refusals("redis"))
    with pytest.raises(Problem, match=r"openSUSE runs Redis and Valkey as instances .* name it in hosts\.toml"):
        step.diff(Found(0, "family suse zypper\n"))
    assert step.diff(Found(0, "family redhat dnf\n"))


def installed(folder: Path, tool: str, **cases: str) -> tuple[int, str]:
    """Exit status and output of an installation of gcc, and of valkey or redis, with tools that do what cases say."""
    family = {"apt-get": "debian", "zypper": "suse"}.get(tool, "redhat")
    (action,) = Packages({family: ["gcc", ("valkey", "redis")]}).diff(Found(0, f"family {family} {tool}"))
    for name in (tool, "dpkg", "rpm", "sleep"):
        (folder / name).write_text(f"#!/bin/sh\n{cases.get(name.replace('-', '_'), 'exit 0')}\n")
        (folder / name).chmod(0o755)
    script = f"say() {{ :; }}\n{action.script}"
    path = {"PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run(["dash", "-euc", script], capture_output=True, text=True, check=False, env=path, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("tool", "lists"), [("dnf", 0), ("dnf", 1), ("yum", 1), ("zypper", 4), ("apt-get", 0), ("apt-get", 100)]
)
def test_a_mirror_that_no_longer_serves_is_one_sentence(tmp_path: Path, tool: str, lists: int) -> None:
    asks = f"*makecache*|*refresh*|*=any*update*) exit {lists} ;; *update*|*' -s '*|*list*|*search*) exit 0 ;;"
    does = f'case " $* " in {asks} esac; exit 9'
    status, said = installed(tmp_path, tool, **{tool.replace("-", "_"): does}, rpm="exit 1")
    reason = (
        "not all package sources of this host can be reached" if tool == "apt-get" else "no longer serve its release"
    )
    told = reason in said and "it lacks gcc, valkey or redis: let it reach a mirror, or install them by hand" in said
    assert (status, told) == ((1, True) if lists else (9, False))
    assert len(said.splitlines()) == bool(lists)


@pytest.mark.parametrize("tool", ["yum", "dnf", "zypper", "apt-get"])
def test_what_no_source_has_is_named_also_where_the_tool_says_that_all_is_well(tmp_path: Path, tool: str) -> None:
    # yum ends with 0 where it found another one of the packages.
    ends = 0 if tool == "yum" else 1
    asks = "*' -s '*gcc*|*list*gcc*|*search*gcc*) exit 0 ;; *' -s '*|*list*|*search*) exit 1 ;;"
    does = f'case " $* " in {asks} *" install "*) exit {ends} ;; esac'
    has = 'case "$*" in *gcc*) exit 0 ;; esac; exit 1'
    assert installed(tmp_path, tool, **{tool.replace("-", "_"): does}, rpm=has) == (
        1,
        "no package source of this host has valkey or redis: docs/platforms.md tells for each distribution where it "
        "comes from\n",
    )


@pytest.mark.parametrize("tool", ["yum", "dnf", "zypper", "apt-get"])
def test_what_was_installed_is_well(tmp_path: Path, tool: str) -> None:
    assert installed(tmp_path, tool) == (0, "")


@pytest.mark.parametrize(("ends", "status"), [(102, 0), (103, 0), (106, 0), (107, 0), (104, 104), (7, 7)])
def test_zypper_is_read_by_its_status(tmp_path: Path, ends: int, status: int) -> None:
    does = f'[ "$ZYPP_LOCK_TIMEOUT" = 600 ] || exit 99; case " $* " in *" install "*) exit {ends} ;; esac'
    found, said = installed(tmp_path, "zypper", zypper=does)
    assert found == status
    assert ("has held zypper's lock" in said) == (ends == 7)


@pytest.mark.parametrize("busy", [3, 0])
def test_dpkgs_lock_is_waited_for_where_apt_knows_no_waiting(tmp_path: Path, busy: int) -> None:
    count = f"echo >>{tmp_path}/tries; [ $(wc -l <{tmp_path}/tries) -gt {busy} ]"
    lock = f"[ -e {tmp_path}/tries ] && [ $(wc -l <{tmp_path}/tries) -gt {busy} ] || exit 2"
    does = f'case " $* " in *" -s "*) ;; *" install "*) {count} || exit 100 ;; esac'
    assert installed(tmp_path, "apt-get", apt_get=does, dpkg=lock) == (0, "")
    assert len((tmp_path / "tries").read_text().splitlines()) == busy + 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (DEBIAN + "has gcc\nhas libssl3", []),
        (DEBIAN + "has gcc\nhas libssl3t64", []),
        (DEBIAN + "has libssl3", ["install packages gcc"]),
        (DEBIAN + "has gcc", ["install packages libssl3t64 or libssl3"]),
        (DEBIAN, ["install packages gcc, libssl3t64 or libssl3"]),
        ("family redhat dnf\nhas gcc\nhas openssl", []),
        ("family redhat yum\nhas openssl", ["install packages gcc"]),
    ],
)
def test_what_is_missing_is_installed_and_any_alternative_will_do(answer: str, says: list[str]) -> None:
    assert [action.says for action in WANTED.diff(Found(0, answer))] == says


@pytest.mark.parametrize(
    ("family", "tool", "words"),
    [
        ("redhat", "dnf", "-y install"),
        ("redhat", "yum", "-y install"),
        ("suse", "zypper", "-n install --no-recommends"),
    ],
)
def test_the_family_decides_the_tool(family: str, tool: str, words: str) -> None:
    (action,) = Packages({family: ["gcc"]}).diff(Found(0, f"family {family} {tool}"))
    assert f"{tool} {words} gcc" in action.script
    assert "apt-get" not in action.script


def test_an_unknown_family_is_said_with_the_tools_that_were_looked_for() -> None:
    with pytest.raises(Problem, match="none of apt-get, dnf, yum, zypper"):
        WANTED.diff(Found(0, "family none"))
    with pytest.raises(Problem, match="no package names are known"):
        Packages({"debian": ["gcc"]}).diff(Found(0, "family redhat dnf"))


@pytest.mark.parametrize("answer", ["", "sh: 1: Syntax error", "family"])
def test_an_answer_without_a_family_is_not_taken_for_a_bare_host(answer: str) -> None:
    with pytest.raises(CannotLook):
        WANTED.diff(Found(2, answer))


def test_every_script_is_valid_posix_shell_and_quotes_its_names() -> None:
    odd = Packages({family: ["a b", ("$(x)", "y;z")] for family in FAMILIES})
    for family in ("debian apt-get", "redhat dnf", "suse zypper"):
        (action,) = odd.diff(Found(0, f"family {family}"))
        for script in (odd.probe().script, action.script):
            assert subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode == 0
            assert "'a b'" in script and "'$(x)' 'y;z'" in script


UBUNTUS = """\
Package: mysql-client-8.0
Status: install ok installed
Architecture: all
Version: 8.0.36
Maintainer: nobody <nobody@example.com>
Provides: virtual-mysql-client
Conflicts: virtual-mysql-client
Description: the client

Package: mysql-server-8.0
Status: install ok installed
Architecture: all
Version: 8.0.36
Maintainer: nobody <nobody@example.com>
Provides: other-server (= 1), virtual-mysql-server
Depends: mysql-client-8.0
Description: the server

Package: gone-server
Status: deinstall ok config-files
Architecture: all
Version: 1
Maintainer: nobody <nobody@example.com>
Provides: mysql-client
Config-Version: 1
Description: removed, its configuration is left

"""
"""What dpkg knows of a host with Ubuntu's MySQL, which is no package of the names that are wanted."""
APT_ROOT = """\
Dir "{root}/";
Dir::State::status "{root}/status";
Dir::Bin::dpkg "{root}/bin/dpkg";
Dir::Etc::main "/dev/null";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "root";
"""
DPKG = """\
#!/bin/sh
case $* in *--assert*|*--print*) exit 1 ;; esac
echo "$*" >>"$(dirname "$0")/../dpkg.log"
"""
needs_apt = pytest.mark.skipif(not shutil.which("apt-get"), reason="no apt here")


def apt_host(root: Path, status: str) -> dict[str, str]:
    """An environment in which the real apt-get works on a host of its own, with a source that has MariaDB's client."""
    for folder in ("bin", "etc/apt", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"):
        (root / folder).mkdir(parents=True)
    made = root / "made" / "DEBIAN"
    made.mkdir(parents=True)
    control = (
        "Package: mariadb-client\nArchitecture: all\nVersion: 10\nMaintainer: nobody <nobody@example.com>\n"
        "Provides: virtual-mysql-client\nConflicts: virtual-mysql-client\nDescription: the other client\n"
    )
    (made / "control").write_text(control)
    source = root / "source"
    source.mkdir()
    deb = source / "mariadb-client_10_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(made.parent), str(deb)], check=True, capture_output=True)
    sha256 = hashlib.sha256(deb.read_bytes()).hexdigest()
    index = f"Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {sha256}\n"
    (source / "Packages").write_text(control + index)
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{source} ./\n")
    (root / "status").write_text(status)
    (root / "apt.conf").write_text(APT_ROOT.format(root=root))
    (root / "bin" / "dpkg").write_text(DPKG)
    (root / "bin" / "dpkg").chmod(0o755)
    return {"PATH": f"{root}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C"}


def run_on(env: dict[str, str], script: str) -> subprocess.CompletedProcess[str]:
    words = ["dash", "-euc", f"say() {{ :; }}\n{script}"]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=env, timeout=60)


@needs_apt
@pytest.mark.parametrize(("status", "removed"), [(UBUNTUS, True), ("", False)])
def test_apt_removes_nothing_to_install_something(tmp_path: Path, status: str, removed: bool) -> None:
    env = apt_host(tmp_path, status)
    (action,) = Packages({"debian": [("no-such-client", "mariadb-client")]}).diff(Found(0, DEBIAN))
    done = run_on(env, action.script)
    log = (tmp_path / "dpkg.log").read_text()
    assert ("mariadb-client_10_all.deb" in log, "--remove" in log) == (not removed, False)
    # This dpkg logs its calls and installs nothing, by which apt ends with 100.
    assert done.returncode == (1 if removed else 100), done
    told = (
        "bootstrap removes no package, and here mariadb-client would remove mysql-server-8.0 mysql-client-8.0: remove "
        "by hand what nothing on this host needs, then run this again, or give the task to another host"
    )
    assert (done.stdout.splitlines()[-1] == told) == removed, done.stdout


@needs_apt
@pytest.mark.parametrize(
    ("status", "missing"),
    [
        (UBUNTUS, ["gcc"]),
        (UBUNTUS.replace("virtual-mysql-server", "virtual-mysql-server-core"), ["gcc", "mariadb-server"]),
        (UBUNTUS.replace("Provides: other-server", "Provides: mysql-server"), ["gcc"]),
        (UBUNTUS.replace("Provides: virtual-mysql-client", "Provides: other"), ["gcc", "mariadb-client"]),
    ],
)
def test_a_mysql_of_another_package_is_there(tmp_path: Path, status: str, missing: list[str]) -> None:
    (tmp_path / "status").write_text(status)
    step = Packages({"debian": ["gcc", *FAMILIES["debian"].packages["mysql"]]})
    probe = step.probe().script.replace("/etc/os-release", str(tmp_path / "os-release"))
    (tmp_path / "os-release").write_text("ID=ubuntu\n")
    found = run_on({"PATH": "/usr/bin:/bin", "DPKG_ADMINDIR": str(tmp_path)}, probe)
    (action,) = step.diff(Found(0, found.stdout))
    says = action.says.removeprefix("install packages ").split(", ")
    assert [one.split(" or ")[0] for one in says] == missing, found.stdout


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="no dpkg here")
def test_this_machine_is_looked_at_and_needs_nothing() -> None:
    step = Packages({"debian": ["dpkg", ("no-such-package", "apt")]})
    assert converged([step]).status == "ok"
    missing = Packages({"debian": ["no-such-package"]})
    outcome = converged([missing], dry=True)
    assert outcome.changes == ("install packages no-such-package",)


def test_the_report_names_the_packages_that_are_there_in_the_end() -> None:
    step = Packages({"debian": ("gcc", ("a", "b"), ("c", "d"))})
    after = Found(0, DEBIAN + "has gcc\nhas b\nhas c\nhas d\n")
    assert step.named("install packages gcc, a or b", after) == "install packages gcc, b"
    assert step.named("install packages a or b, c or d", after) == "install packages b, c, d"
    assert step.named("make user a or b", after) == "make user a or b"
