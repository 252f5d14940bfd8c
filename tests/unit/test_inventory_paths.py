"""Users and paths of hosts.toml: what would ruin a host is refused by key, with what to do; real layouts stay."""

# A case is a line, however long: so the table can be read.
# ruff: noqa: E501

from __future__ import annotations

from pathlib import Path

import pytest

from fabfile.inventory import load

from .hosts_toml import changed, faults

TUTORIAL = 'socket = "/var/tmp/supervisor.sock"\npidfile = "/tmp/supervisord.pid"'
LAYOUTS = [
    'home = "/srv/crawl"\nlogs = "/srv/crawl/logs"',
    'home = "/data/pyspider"\nlogs = "/data/logs"\nsupervisord_conf = "/data/supervisord.conf"',
    'home = "/var/lib/pyspider"\nlogs = "/var/log/pyspider"\nsocket = "/run/pyspider/x.sock"\npidfile = "/var/run/x.pid"',
    'home = "/opt/crawl"\nsupervisord_conf = "/etc/supervisor/pyspider.conf"',
    'home = "/data"\nsupervisord_conf = "/etc/pyspider/supervisord.conf"',
    'home = "/home/work"\nlogs = "/home/work/logs"\nsupervisord_conf = "/home/work/supervisord.conf"',
    'home = "/var/www/crawl"\nsupervisord_conf = "/usr/local/etc/supervisord.conf"',
    'home = "/mnt/disk/spider"\nlogs = "/home/crawler/logs"\nuser = "crawler"',
    TUTORIAL,
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_that_people_use_stays(tmp_path: Path, layout: str) -> None:
    text = changed('user = "work"\n', layout + "\n")
    (tmp_path / "hosts.toml").write_text(text)
    assert load(tmp_path / "hosts.toml").cluster.name == "demo"


SYSTEMS = "belongs to the system; name a place of its own, like "
OTHERS = "is or holds what belongs to others; name a place of its own, like "


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        *((f'user = "{one}"', f"cluster.user: '{one}' is an account") for one in ("bin", "daemon", "sys", "nobody")),
        # A group of that name exists, and the user would be put in it.
        *((f'user = "{one}"', f"cluster.user: '{one}' is an account") for one in ("shadow", "disk", "sudo", "wheel")),
        *((f'user = "{one}"', f"cluster.user: '{one}' is an account") for one in ("_apt", "systemd-network", "mysql")),
        *((f'home = "{one}"', f"cluster.home: '{one}' {OTHERS}") for one in ("/home", "/var", "/opt", "/tmp", "/srv")),
        *((f'home = "{one}"', f"cluster.home: '{one}' {SYSTEMS}") for one in ("/etc", "/etc/x", "/root", "/usr/x")),
        *((f'home = "{one}"', f"cluster.home: '{one}' {SYSTEMS}") for one in ("/proc/1", "/dev/shm", "/boot", "/bin")),
        *((f'home = "{one}"', f"cluster.home: '{one}' {SYSTEMS}") for one in ("/opt/pyspider", "/var/lib/mysql")),
        ('logs = "/usr/bin"', f"cluster.logs: '/usr/bin' {SYSTEMS}/home/work/supervisor"),
        ('logs = "/root"', f"cluster.logs: '/root' {SYSTEMS}"),
        ('logs = "/var/log"', f"cluster.logs: '/var/log' {OTHERS}"),
        ('logs = "/var/run/lock"', f"cluster.logs: '/run/lock' {SYSTEMS}"),
        ('logs = "/var/log/pyspider-fabfile.log"', f"cluster.logs: '/var/log/pyspider-fabfile.log' {SYSTEMS}"),
        ('supervisord_conf = "/etc/passwd"', "cluster.supervisord_conf: '/etc/passwd' may be the system's; in /etc"),
        ('supervisord_conf = "/etc/ssh/sshd_config"', "cluster.supervisord_conf: '/etc/ssh/sshd_config' may be"),
        ('supervisord_conf = "/etc/sudoers.d/pyspider"', "cluster.supervisord_conf: '/etc/sudoers.d/pyspider' may be"),
        ('supervisord_conf = "/etc/supervisor/conf.d/a.conf"', "cluster.supervisord_conf: '/etc/supervisor/conf.d/a.conf' would be read by others as well"),
        ('supervisord_conf = "/srv/crawl/x.d/a.conf"', "cluster.supervisord_conf: '/srv/crawl/x.d/a.conf' would be read by others as well"),
        ('supervisord_conf = "/usr/bin/supervisord"', f"cluster.supervisord_conf: '/usr/bin/supervisord' {SYSTEMS}"),
        ('socket = "/etc/shadow"', f"cluster.socket: '/etc/shadow' {SYSTEMS}"),
        ('socket = "/run/systemd/notify"', f"cluster.socket: '/run/systemd/notify' {SYSTEMS}"),
        ('socket = "/tmp"', f"cluster.socket: '/tmp' {OTHERS}"),
        ('pidfile = "/usr/sbin/sshd"', f"cluster.pidfile: '/usr/sbin/sshd' {SYSTEMS}"),
        # one another
        ('logs = "/home/work/distri_pyspider"', "cluster.logs: must be another path than home"),
        ('socket = "/tmp/a"\npidfile = "/tmp/a"', "cluster.pidfile: must be another path than socket"),
        ('socket = "/etc/supervisord.conf"', f"cluster.socket: '/etc/supervisord.conf' {SYSTEMS}"),
        ('logs = "/home/work/distri_pyspider/releases/logs"', "cluster.logs: '/home/work/distri_pyspider/releases/logs' is in"),
        ('logs = "/home/work/distri_pyspider/current"', "is in /home/work/distri_pyspider/current, where old releases"),
        ('home = "/srv/logs/crawl"\nlogs = "/srv/logs"', "cluster.home: '/srv/logs/crawl' is in logs (/srv/logs)"),
        ('supervisord_conf = "/home/work/supervisor/a.conf"', "cluster.supervisord_conf: '/home/work/supervisor/a.conf' is in logs"),
        ('socket = "/home/work/supervisor/supervisord.log"', "cluster.socket: '/home/work/supervisor/supervisord.log' would be a log"),
        ('socket = "/srv/a"\nhome = "/srv/a/b"', "cluster.home: '/srv/a/b' is below socket (/srv/a), which is a file"),
    ],
)  # fmt: skip
def test_what_would_ruin_a_host_is_one_sentence(tmp_path: Path, lines: str, fault: str) -> None:
    (line,) = faults(tmp_path, changed('user = "work"\n', lines + "\n"))
    assert line.startswith(f"hosts.toml: {fault}") or fault in line
    assert line.startswith("hosts.toml: cluster.")


@pytest.mark.parametrize("place", ["/etc", "/home/work/distri_pyspider/releases", "/home/work/supervisor", "/"])
def test_where_pyspider_keeps_its_data_is_judged_as_well(tmp_path: Path, place: str) -> None:
    (line,) = faults(tmp_path, changed("debug = false\n", f'data-path = "{place}"\n'))
    assert line.startswith("hosts.toml: pyspider.data-path: ")


@pytest.mark.parametrize("name", ["home", "logs", "supervisord_conf", "socket", "pidfile"])
@pytest.mark.parametrize("path", ["/", "/home/work/../../etc", "/srv/./x", "/srv//x", "/srv/x/", ""])
def test_a_path_has_no_detours(tmp_path: Path, name: str, path: str) -> None:
    (line,) = faults(tmp_path, changed('user = "work"\n', f'{name} = "{path}"\n'))
    assert line.startswith(f"hosts.toml: cluster.{name}: '{path}' is not an absolute path")
