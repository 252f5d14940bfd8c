"""The firewall's step: a table of what was found, its script and its rules; and run.py's own lock."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from fabfile import plan
from fabfile.inventory import Fleet, doors
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.boot import described
from fabfile.steps.firewall import Firewall

from . import shells
from .hosts_toml import changed, faults
from .local import PROJECT, fleet

FIREWALL = Firewall("demo", (3306, 6379), ("192.0.2.11", "192.0.2.12"))
PEERS = PROJECT / "templates" / "peers.py"

REFUSED = "tcp dport { 3306, 6379 } reject with tcp reset"


def answer(kind: str, rules: str = "status nftables holds", *, boots: str = "boots", drop: str = "") -> str:
    """The look's answer on such a host, where all is right but what is told."""
    rows = sorted(line for line in described(FIREWALL.script.files(kind)) if not drop or drop not in line)
    reload = ["NeedDaemonReload=no"] if kind == "systemd" else []
    return "\n".join([boots, f"kind {kind}", *reload, *rows, rules])


@pytest.mark.parametrize("kind", ["systemd", "sysv", "cron", "none"])
@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({}, True),
        ({"rules": "status iptables holds"}, True),
        # A container without the right to set any: run.py's own lock is there.
        ({"rules": "status none holds"}, True),
        ({"rules": "status nftables lost"}, False),
        ({"rules": "status none lost"}, False),
        ({"rules": "status "}, False),
        ({"rules": ""}, False),
        ({"boots": ""}, False),
        ({"drop": "755 root"}, False),
        ({"drop": "/pyspider-demo-firewall"}, False),
    ],
)
def test_rules_are_set_unless_they_are_in_force_and_come_back_at_boot(
    kind: str, changes: dict[str, str], right: bool
) -> None:
    actions = FIREWALL.diff(Found(0, answer(kind, **changes)))
    says = ["let only 2 addresses, the cluster's, reach ports 3306, 6379"]
    assert [one.says for one in actions] == ([] if right else says)


def test_without_ports_a_script_that_is_there_goes_and_none_is_made() -> None:
    off = replace(FIREWALL, ports=())
    assert [one.says for one in off.diff(Found(0, answer("sysv")))] == ["filter no port any more"]
    assert off.diff(Found(0, "kind sysv\n")) == []


def test_an_answer_that_is_cut_short_is_none() -> None:
    with pytest.raises(CannotLook, match="can't be seen"):
        FIREWALL.diff(Found(0, "boots\n"))


def test_each_host_filters_its_own_ports_and_no_web_ui() -> None:
    one = fleet()
    assert [doors.ports(one, host) for host in one.hosts] == [(3306, 6379, 23333), (24444,), (24444, 25555)]
    assert doors.sources(one) == ("10.77.0.11", "10.77.0.12", "10.77.0.13")
    wanted = plan.firewall(one, one.hosts[2])
    assert (wanted.confined, wanted.doors, wanted.pages) == (
        "work-render",
        (3306, 6379, 23333, 24444, 25555),
        (5000,),
    )


def turned_off(one: Fleet) -> Fleet:
    import msgspec

    return replace(one, cluster=msgspec.structs.replace(one.cluster, firewall=False))


def test_hosts_toml_turns_it_off() -> None:
    off = turned_off(fleet())
    assert plan.firewall(off, off.hosts[0]).ports == ()
    assert "nftables" not in str(plan.packages(off, off.hosts[0]).names)
    assert {"peers.json", "peers.py"}.isdisjoint(plan.release(off, off.hosts[0]).files)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('trusted = ["192.0.2.300"]', "'192.0.2.300' is no IPv4 address or network"),
        ('trusted = ["192.0.2.0/33"]', "'192.0.2.0/33' is no IPv4 address or network"),
        ('trusted = ["office"]', "an IPv4 address, or a network like 192.0.2.0/24"),
        ('trusted = ["0.0.0.0/0"]', "'0.0.0.0/0' is everybody; name fewer, or set `firewall = false`"),
        ('trusted = ["192.0.2.7"]\nfirewall = false', "has no effect with `firewall = false`; remove one of the two"),
    ],
)
def test_a_network_that_makes_no_sense_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (fault,) = faults(tmp_path, changed('user = "work"\n', f'user = "work"\n{text}\n'))
    assert "cluster.trusted" in fault and told in fault


def rules(firewall: Firewall, by: str = "nft_rules yes") -> list[str]:
    """The rules that the script would load, made on this machine by its own functions."""
    text = firewall.script.text.decode()
    body = text[: text.index('case "$1" in\n  start')]
    known = "\n".join(f"{one} {one}" for one in firewall.sources)
    result = subprocess.run(["sh", "-c", f"{body}\nknown='{known}'\n{by}"], capture_output=True, text=True, check=True)
    assert result.stderr == ""
    return result.stdout.splitlines()


def test_only_named_ports_are_refused() -> None:
    made = rules(FIREWALL)
    assert made[:2] == ["add table inet pyspider-demo", "delete table inet pyspider-demo"]
    assert [line for line in made if "reject" in line and "skuid" not in line] == [REFUSED]
    assert made.index("iif lo accept") < made.index(REFUSED)
    assert "ip saddr 192.0.2.12 tcp dport { 3306, 6379 } accept" in made
    made = rules(FIREWALL, "ipt_rules 127.0.0.0/8 192.0.2.11")
    wanted = [f"-A pyspider-demo -p tcp --dport {port} -j REJECT --reject-with tcp-reset" for port in FIREWALL.ports]
    assert [line for line in made if "REJECT" in line and "--syn" not in line] == wanted


def test_a_long_name_is_one_that_iptables_takes() -> None:
    first, other = (rules(replace(FIREWALL, cluster="a" * 62 + last))[0].split()[-1] for last in "bc")
    assert len(first) <= 24 and first != other


def test_firewalld_and_ufw_are_told_each_address_and_port() -> None:
    assert len(rules(FIREWALL, "allowed")) == len(rules(FIREWALL, "ufw_allowed")) == 4
    assert rules(FIREWALL, "ufw_allowed")[0] == "allow from 192.0.2.11 to any port 3306 proto tcp"


@pytest.fixture
def peers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("peers", PEERS)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def lets_in(peers: ModuleType, tmp_path: Path) -> Callable[..., list[str]]:
    """Those of some addresses that come in past a list."""
    path = tmp_path / "peers.json"
    guard = peers.Peers(str(path))

    def asked(listed: list[str], *addresses: str) -> list[str]:
        fresh = tmp_path / "fresh"
        fresh.write_text(json.dumps(listed))
        fresh.rename(path)
        return [one for one in addresses if guard.lets_in(one)]

    return asked


def test_an_rpc_server_hears_the_listed_addresses_and_itself_alone(lets_in: Callable[..., list[str]]) -> None:
    some = ("192.0.2.11", "::ffff:192.0.2.11", "192.0.2.12", "198.51.100.9", "127.0.0.1", "::1", "2001:db8::1")
    assert lets_in(["192.0.2.11"], *some) == ["192.0.2.11", "::ffff:192.0.2.11", "127.0.0.1", "::1"]
    assert lets_in(["198.51.100.0/24"], *some) == ["198.51.100.9", "127.0.0.1", "::1"]
    assert lets_in([], "192.0.2.11") == []


def test_a_new_list_counts_at_once(lets_in: Callable[..., list[str]], tmp_path: Path) -> None:
    assert lets_in(["192.0.2.11"], "192.0.2.12") == []
    assert lets_in(["192.0.2.12"], "192.0.2.12", "192.0.2.11") == ["192.0.2.12"]


OLD_IPTABLES = """\
rules() { cat rules 2>/dev/null; }
iptables() {
  verb=$1 chain=$2; shift 2
  rule="-A $chain $*"
  case $verb in
    -C) [ "$knows" ] && rules | grep -qxF -e "$rule" ;;
    -I) { echo "$rule"; rules; } >new; mv new rules ;;
    -S) rules | grep -e "^-A $chain " | sed "s/\\$/$blank/" ;;
    -D) line=$(rules | grep -nxF -m 1 -e "$rule" | cut -d: -f1); [ "$line" ] && sed -i "${line}d" rules ;;
  esac
}
"""
"""iptables with its rules in a file; that of CentOS 6 knows no -C, and ends its lines with a blank."""


@pytest.mark.parametrize("knows", ["yes", ""])
def test_a_chain_has_one_jump_however_often_it_is_started(knows: str, tmp_path: Path) -> None:
    text = (PROJECT / "templates" / "pyspider-firewall").read_text()
    function = text[text.index("jump() {") :].partition("\n}\n")[0] + "\n}\n"
    starts = "jump iptables INPUT ours && jump iptables OUTPUT ours-out || exit 1\n" * 3
    (tmp_path / "rules").write_text("-A INPUT -j theirs\n")
    script = f"set -u\nknows={knows}\nblank='{'' if knows else ' '}'\n{OLD_IPTABLES}{function}{starts}cat rules"
    told = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert sorted(told.splitlines()) == [
        "-A INPUT -j theirs",
        "-A INPUT -p tcp -j ours",
        "-A OUTPUT -p tcp -j ours-out",
    ]


FAKES = {
    # Each change, and each command that the list is written by, is a moment at which all is killed.
    "moment": """\
n=$(($(cat "$W/moments") + 1)); echo $n >"$W/moments"
[ $n != "$(cat "$W/end")" ] || kill -9 0
""",
    "firewall-cmd": """\
zone=public kind=now
for word; do
  file=$W/$zone.$kind rule=${word#*=}
  case $word in
    --zone=*) zone=$rule ;;
    --permanent) kind=kept ;;
    --get-active-zones) cat "$W/active" ;;
    --get-default-zone) echo public ;;
    --get-zones) echo block inner public ;;
    --list-rich-rules) cat "$file" ;;
    # As before 0.4.2: the first rule that needs nothing is the end, and a good one.
    --add-rich-rule=*) . "$W/bin/moment"; ! grep -qxF -e "$rule" "$file" || exit 0; echo "$rule" >>"$file" ;;
    --remove-rich-rule=*) . "$W/bin/moment"; grep -qxF -e "$rule" "$file" || exit 0
      grep -vxF -e "$rule" "$file" >"$file.new"; /bin/mv "$file.new" "$file" ;;
  esac
done
""",
    "ufw": """\
case "$1" in
  show) sed 's/^/ufw /' "$W/ufw.rules" ;;
  delete) shift; . "$W/bin/moment"
    grep -vxF -e "$*" "$W/ufw.rules" >"$W/ufw.new"; /bin/mv "$W/ufw.new" "$W/ufw.rules" ;;
  *) . "$W/bin/moment"; grep -qxF -e "$*" "$W/ufw.rules" || echo "$*" >>"$W/ufw.rules" ;;
esac
""",
    "mv": '. "$W/bin/moment"\nexec /bin/mv "$@"\n',
    "nft": "cat >/dev/null\n",
    "iptables": "exit 1\n",
    "ip6tables": "exit 1\n",
}
SOMEBODYS = {
    "public": 'rule family="ipv4" source address="192.0.2.11" port port="6379" protocol="tcp" accept\n',
    "inner": 'rule service name="ssh" accept\n',
    "ufw": "allow from 192.0.2.12 to any port 6379 proto tcp\nallow 22/tcp\n",
}


class Doors:
    """A host with firewalld and ufw, which have rules of somebody else's, and the firewall's script on it."""

    def __init__(self, folder: Path, sh: str) -> None:
        self.folder, self.sh, self.said = folder, sh, ""
        (folder / "bin").mkdir()
        for name, text in FAKES.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}")
            (folder / "bin" / name).chmod(0o755)
        (folder / "ufw.conf").write_text("ENABLED=yes\n")

    def begin(self) -> None:
        """Nothing of the script's own is there."""
        for zone in ("public", "inner"):
            for kind in ("now", "kept"):
                (self.folder / f"{zone}.{kind}").write_text(SOMEBODYS[zone])
        (self.folder / "ufw.rules").write_text(SOMEBODYS["ufw"])
        shutil.rmtree(self.folder / "own", ignore_errors=True)
        self.active("public", "inner")

    def active(self, *zones: str) -> None:
        (self.folder / "active").write_text("".join(f"{zone}\n  interfaces: eth0\n" for zone in zones))

    def run(self, firewall: Firewall, verb: str, end: int = 0) -> bool:
        """Whether it came to its end before that moment."""
        text = firewall.script.text.decode()
        for old, new in (("PATH=/usr/sbin", f"PATH={self.folder}/bin:/usr/sbin"), ("/etc/ufw", str(self.folder)),
                         ("/var/lib/pyspider-fabfile", f"{self.folder}/own")):  # fmt: skip
            assert old in text
            text = text.replace(old, new)
        (self.folder / "script").write_text(text)
        (self.folder / "moments").write_text("0")
        (self.folder / "end").write_text(str(end))
        env = {"W": str(self.folder), "PATH": os.environ["PATH"]}
        words = [self.sh, str(self.folder / "script"), verb]
        done = subprocess.run(
            words, env=env, start_new_session=True, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode in ([0, -9] if end else [0]), done.stderr
        self.said = done.stdout
        return done.returncode == 0

    def changes(self) -> int:
        """How many rules the last run has told firewalld and ufw, and how often it wrote its list."""
        return int((self.folder / "moments").read_text())

    def rules(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.folder.glob("*.[nkr]*") if path.suffix != ".new"}

    def has_only_somebodys(self) -> bool:
        return self.rules() == {
            "public.now": SOMEBODYS["public"], "public.kept": SOMEBODYS["public"], "ufw.rules": SOMEBODYS["ufw"],
            "inner.now": SOMEBODYS["inner"], "inner.kept": SOMEBODYS["inner"],
        }  # fmt: skip


ONE_PORT = replace(FIREWALL, ports=(6379,))


@pytest.mark.parametrize("kind", shells.KINDS)
def test_wherever_it_ends_rules_of_its_own_go_at_last_and_somebody_elses_stay(kind: str, tmp_path: Path) -> None:
    doors = Doors(tmp_path, shells.shell(kind))
    later = replace(ONE_PORT, sources=("192.0.2.12", "192.0.2.13"))
    # Each moment in one of them, and some in the others: it takes seconds.
    for end in itertools.count(1, 1 if kind == "dash" else 5):
        doors.begin()
        whole = [doors.run(ONE_PORT, "start", end), doors.run(later, "start", end), doors.run(later, "stop", end)]
        doors.run(later, "stop")
        assert doors.has_only_somebodys(), (end, doors.rules())
        if all(whole):
            break
    assert end > 12


@pytest.mark.parametrize("kind", shells.KINDS)
def test_a_zone_whose_interface_is_not_up_keeps_its_rules_but_a_host_that_left(kind: str, tmp_path: Path) -> None:
    doors = Doors(tmp_path, shells.shell(kind))
    doors.begin()
    doors.run(ONE_PORT, "start")
    before = doors.rules()
    assert "192.0.2.11" in before["inner.now"] and "192.0.2.12" in before["inner.kept"]
    # At boot, and after a restart of firewalld.
    doors.active("public")
    doors.run(ONE_PORT, "start")
    assert doors.rules() == before and doors.changes() == 0
    doors.active("public", "inner")
    doors.run(ONE_PORT, "status")
    assert doors.said == "nftables holds\n"
    doors.active("public")
    doors.run(replace(ONE_PORT, sources=("192.0.2.12", "192.0.2.13")), "start")
    for each in ("now", "kept"):
        assert "192.0.2.13" in doors.rules()[f"public.{each}"]
        assert "192.0.2.12" in doors.rules()[f"inner.{each}"]
        assert not any(one in doors.rules()[f"inner.{each}"] for one in ("192.0.2.11", "192.0.2.13"))
    doors.run(ONE_PORT, "stop")
    assert doors.has_only_somebodys(), doors.rules()


@pytest.mark.parametrize("kind", shells.KINDS)
def test_firewalld_and_ufw_are_told_only_what_they_lack(kind: str, tmp_path: Path) -> None:
    doors = Doors(tmp_path, shells.shell(kind))
    doors.begin()
    doors.run(FIREWALL, "start")
    before = {name: sorted(text.splitlines()) for name, text in doors.rules().items()}
    doors.run(FIREWALL, "start")
    assert doors.changes() == 0
    # Those of a host are gone until firewalld's next reload, those of the other one after it.
    for name, gone in (("public.now", "192.0.2.12"), ("public.kept", "192.0.2.11"), ("ufw.rules", "192.0.2.11")):
        text = doors.rules()[name]
        (tmp_path / name).write_text("".join(f"{line}\n" for line in text.splitlines() if gone not in line))
    (tmp_path / "public.kept").write_text(SOMEBODYS["public"] + doors.rules()["public.kept"])
    doors.run(FIREWALL, "start")
    assert {name: sorted(text.splitlines()) for name, text in doors.rules().items()} == before
    # Two in public.now, one in public.kept, as the other is somebody else's, and two of ufw's.
    assert doors.changes() == 5
    (tmp_path / "public.now").write_text(doors.rules()["public.now"].replace(f"{before['public.now'][0]}\n", ""))
    doors.run(FIREWALL, "stop")
    assert {name: sorted(text.splitlines()) for name, text in doors.rules().items()} == {
        name: sorted(SOMEBODYS[name.split(".")[0]].splitlines()) for name in before
    }


def test_rules_of_a_firewall_that_is_off_are_remembered(tmp_path: Path) -> None:
    doors = Doors(tmp_path, "sh")
    doors.begin()
    doors.run(ONE_PORT, "start")
    (tmp_path / "ufw.conf").write_text("ENABLED=no\n")
    doors.run(ONE_PORT, "stop")
    assert "192.0.2.11" in doors.rules()["ufw.rules"]
    (tmp_path / "ufw.conf").write_text("ENABLED=yes\n")
    doors.run(ONE_PORT, "start")
    doors.run(ONE_PORT, "stop")
    assert doors.has_only_somebodys(), doors.rules()
