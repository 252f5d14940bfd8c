"""Users and paths that the cluster may have on its hosts: none of the system's, and none of others.

root makes these directories, gives them to the cluster's user and writes these files: a slip here would ruin a host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from .faults import Fault, KeyPath
from .roles import PHANTOMJS
from .schema import Cluster, HostsFile

SOCKET_PATH_BYTES = 107
"""The longest path of a unix socket that Linux takes."""

_ACCOUNTS = """
root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup nfsnobody
adm shutdown halt operator ftp gopher sshd dbus messagebus polkitd rpc rpcuser rpcd ntp chrony avahi colord pulse
rtkit saslauth sasl tcpdump tss usbmux uuidd abrt dhcpcd apache nginx httpd tomcat mysql mariadb postgres redis
valkey memcache memcached mongodb rabbitmq elasticsearch named bind squid tinyproxy haproxy varnish postfix postdrop
dovecot exim cyrus sendmail nagios zabbix munin prometheus syslog ldap nscd nslcd sssd kvm libvirt qemu wheel sudo
admin disk shadow kmem tty dialout fax voice cdrom floppy tape audio dip src utmp video plugdev staff users input
render sgx netdev crontab docker lxd ssh ssl-cert utempter lock mem cron ssh_keys screen
"""
SYSTEM_ACCOUNTS = frozenset(_ACCOUNTS.split())
"""Users and groups that systems and their packages bring along: their rights would become the crawler's."""

_TREES = """
/bin /boot /dev /etc /lib /lib32 /lib64 /libx32 /lost+found /proc /root /sbin /snap /sys /usr /opt/pyspider
/run/dbus /run/initctl /run/lock /run/log /run/mysqld /run/redis /run/sshd /run/sudo /run/systemd /run/udev
/run/user /run/utmp /var/backups /var/cache /var/crash /var/db /var/empty /var/games /var/local /var/mail /var/spool
/var/yp /var/lib/apt /var/lib/containerd /var/lib/dbus /var/lib/dnf /var/lib/docker /var/lib/dpkg /var/lib/mysql
/var/lib/pam /var/lib/private /var/lib/pyspider-fabfile /var/lib/redis /var/lib/rpm /var/lib/selinux /var/lib/sudo
/var/lib/systemd /var/lib/ucf /var/lib/valkey /var/log/apt /var/log/audit /var/log/journal /var/log/mysql
/var/log/private /var/log/pyspider-fabfile.log /var/log/redis
"""
SYSTEM_TREES = tuple(PurePosixPath(one) for one in _TREES.split())
"""All paths in these, and above them, are the system's, a store's or this project's own."""

_SHARED = "/home /media /mnt /opt /run /srv /tmp /var /var/lib /var/log /var/opt /var/tmp"
SHARED = tuple(PurePosixPath(one) for one in _SHARED.split())
"""These paths, and those above them, are everybody's; a place of the cluster's own in them is fine."""

CONF_FOLDERS = tuple(PurePosixPath(one) for one in ("/etc", "/usr/etc", "/usr/local/etc"))
"""supervisord's configuration may be in these, under a name with one of CONF_NAMES; the rest there is the system's."""
CONF_NAMES = ("supervisor", "pyspider")
_SAME = {PurePosixPath("/var/run"): PurePosixPath("/run"), PurePosixPath("/var/lock"): PurePosixPath("/run/lock")}


@dataclass(frozen=True, slots=True)
class Named:
    """A path on the hosts, and the key that names it."""

    key: KeyPath
    path: PurePosixPath
    example: str
    follows: tuple[KeyPath, ...] = ()
    """The keys that it follows from where the file does not name it."""

    @property
    def word(self) -> str:
        """The key's own name, for a sentence about another key."""
        return self.key[-1]


Concern = tuple[Fault, tuple[KeyPath, ...]]
"""A fault, and the further keys that it is about or follows from."""


def account_faults(file: HostsFile) -> Iterator[Fault]:
    """A user that is the system's own."""
    users: dict[KeyPath, str] = {("cluster", "user"): file.cluster.user, (PHANTOMJS.name, "user"): file.phantomjs.user}
    for (path, user), example in zip(users.items(), ("work", "work-render"), strict=True):
        if user in SYSTEM_ACCOUNTS or user.startswith(("_", "systemd-")):
            text = "is an account or a group of the system, and crawled pages and scripts are strangers' code"
            yield Fault(path, f"'{user}' {text}; name a user of its own, like {example}")
    if file.phantomjs.user == file.cluster.user:
        text = "is the cluster's own user, who can read its passwords; name another one, like work-render"
        yield Fault((PHANTOMJS.name, "user"), f"'{file.cluster.user}' {text}")


def path_faults(file: HostsFile) -> Iterator[Fault]:
    """Paths of the cluster that belong to the system, to everybody, or to one another."""
    cluster = file.cluster
    folders, files = _folders(file), _files(cluster)
    told: dict[KeyPath, Fault] = {}
    for fault, others in (*_strangers([*folders, *files]), *_related(folders, files)):
        # One fault is told once: not of each path that follows from it, nor from both sides.
        if not {fault.path, *others} & told.keys():
            told[fault.path] = fault
    yield from told.values()
    if len(cluster.socket.encode()) > SOCKET_PATH_BYTES:
        text = f"a socket's path has at most {SOCKET_PATH_BYTES} bytes; choose a shorter one"
        yield Fault(("cluster", "socket"), text)


def _folders(file: HostsFile) -> list[Named]:
    cluster, data = file.cluster, file.pyspider.data_path
    return [
        _named("home", cluster.home, "/home/work/distri_pyspider"),
        _named("logs", cluster.logs, "/home/work/supervisor"),
        *([Named(("pyspider", "data-path"), _plain(data), "/home/work/data")] if data else []),
    ]


def _files(cluster: Cluster) -> list[Named]:
    return [
        _named("supervisord_conf", cluster.supervisord_conf, "/etc/supervisord.conf"),
        _named("socket", cluster.socket, "/home/work/supervisor/supervisor.sock", cluster.logs),
        _named("pidfile", cluster.pidfile, "/home/work/supervisor/supervisord.pid", cluster.logs),
    ]


def _named(key: str, path: str, example: str, logs: str = "") -> Named:
    # Socket and pidfile are in the log directory unless they are named.
    derived = path.startswith(f"{logs}/") and logs
    return Named(("cluster", key), _plain(path), example, (("cluster", "logs"),) if derived else ())


def _plain(path: str) -> PurePosixPath:
    """The path under the name that the rules know."""
    plain = PurePosixPath(path)
    for other, same in _SAME.items():
        if _within(plain, other):
            return same / plain.relative_to(other)
    return plain


def _within(path: PurePosixPath, folder: PurePosixPath) -> bool:
    """Whether it is that folder, or anywhere in it."""
    return path == folder or folder in path.parents


def _strangers(named: list[Named]) -> Iterator[Concern]:
    for one in named:
        if text := _whose(one):
            yield Fault(one.key, text), one.follows


def _whose(one: Named) -> str:
    """Why it can't be the cluster's, as one sentence; empty where it can."""
    if one.word == "supervisord_conf" and (folder := _conf_folder(one.path)):
        if any(name in one.path.relative_to(folder).parts[0] for name in CONF_NAMES):
            return _included(one)
        advice = f"in {folder} choose a name with supervisor or pyspider, like {one.example}"
        return f"'{one.path}' may be the system's; {advice}"
    if any(_within(one.path, tree) for tree in SYSTEM_TREES):
        return f"'{one.path}' belongs to the system; name a place of its own, like {one.example}"
    if any(_within(place, one.path) for place in (*SYSTEM_TREES, *SHARED)):
        return f"'{one.path}' is or holds what belongs to others; name a place of its own, like {one.example}"
    return _included(one)


def _included(one: Named) -> str:
    if one.word != "supervisord_conf" or one.path.parent.suffix != ".d":
        return ""
    text = f"'{one.path}' would be read by others as well, who include all of {one.path.parent}"
    return f"{text}; choose another place, like {one.example}"


def _conf_folder(path: PurePosixPath) -> PurePosixPath | None:
    return next((folder for folder in CONF_FOLDERS if folder in path.parents), None)


def _related(folders: list[Named], files: list[Named]) -> Iterator[Concern]:
    home, logs = folders[:2]
    everything = [*folders, *files]
    for index, one in enumerate(everything):
        for other in everything[:index]:
            if one.path == other.path:
                yield _clash(one, other, f"must be another path than {other.word}")
        for name in ("releases", "current"):
            if one is not home and _within(one.path, home.path / name):
                yield _clash(one, home, f"is in {home.path / name}, where old releases go; choose another place")
    for one in (home, *(one for one in (*folders[2:], *files) if one.word in ("data-path", "supervisord_conf"))):
        if logs.path in one.path.parents:
            yield _clash(one, logs, f"is in logs ({logs.path}), where old files are removed; choose another place")
    for one in files:
        for other in everything:
            if one.path in other.path.parents:
                yield _clash(other, one, f"is below {one.word} ({one.path}), which is a file; choose another place")
        if one.path.parent == logs.path and one.path.suffix == ".log":
            yield _clash(one, logs, "would be a log file of supervisord's or a program's; choose another name")


def _clash(one: Named, other: Named, text: str) -> Concern:
    fault = Fault(one.key, text if text.startswith("must") else f"'{one.path}' {text}")
    return fault, (other.key, *one.follows)
