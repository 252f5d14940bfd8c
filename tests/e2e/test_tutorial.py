"""A cluster made by hand as the tutorial says, which crawls: bootstrap and deploy leave it crawling, or refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..waiting import until
from .by_hand import BIN, CONF, PROGRAMS, ByHand

pytestmark = pytest.mark.e2e


def snapshot(hand: ByHand) -> str:
    """What must not change: files with owner, mode and content, accounts and settings of the stores, the filter."""
    return hand.on(
        "node1",
        "find /etc /srv/crawl /home/work -xdev -type f ! -name '*.log' ! -path '*/data/*' -printf '%p %u %m ' "
        "-exec sha256sum {} \\; | sort; stat -c '%n %U %a' /home/work /home/work/supervisor; "
        "mariadb -Ne 'SELECT user, host FROM mysql.user ORDER BY 1, 2; SHOW DATABASES'; "
        "redis-cli CONFIG GET requirepass; nft list ruleset 2>/dev/null || true",
    )


@pytest.mark.parametrize(
    "words",
    [
        ("bootstrap", "--dry-run"),
        ("bootstrap",),
        ("step.stores",),
        ("deploy", "--dry-run"),
        ("deploy",),
        ("deploy", "--role", "processor"),
        ("deploy", "--reload"),
        ("reload",),
    ],
    ids=" ".join,
)
def test_a_cluster_made_by_hand_goes_on(hand: ByHand, words: tuple[str, ...]) -> None:
    before, pids = snapshot(hand), hand.alive()
    assert "nothing was changed here: " in hand.fab(*words, status=1).stdout
    assert hand.alive() == pids
    assert snapshot(hand) == before


def test_the_refusals_say_what_is_there(hand: ByHand) -> None:
    assert (
        "somebody else's MariaDB runs here and holds projectdb, resultdb, taskdb; "
        in hand.fab("bootstrap", status=1).stdout
    )
    told = hand.fab("deploy", status=1).stdout
    assert f"{CONF} is somebody else's (supervisord, pid " in told
    assert "of root, runs fetcher, processor3, results, scheduler, webui)" in told


def test_a_second_cluster_beside_it_is_refused_for_its_ports(hand: ByHand) -> None:
    text = hand.hosts_toml.read_text()
    address = hand.sandbox.address("node1")
    beside = hand.folder / "beside.toml"
    (hand.folder / "password").write_text("by-hand")
    (hand.folder / "password").chmod(0o600)
    beside.write_text(
        text.replace('name = "demo"', 'name = "demo"\nsupervisord_conf = "/etc/pyspider-demo.conf"').replace(
            "mysql = 1, redis = 1, ", ""
        )
        + f'[stores.mysql]\nhost = "{address}"\nuser = "crawl"\npassword = {{ file = "password" }}\n'
        + f'[stores.redis]\nhost = "{address}"\npassword = false\n'
    )
    pids = hand.alive()
    hand.on("node1", "mkdir -p /home/work/distri_pyspider; chown work: /home/work/distri_pyspider")
    hand.fab("bootstrap", hosts_toml=beside)
    assert hand.on("node1", "nft list ruleset") == ""
    before = snapshot(hand)
    refused = hand.fab("deploy", status=1, hosts_toml=beside).stdout
    assert "scheduler wants port 23333, which" in refused
    assert hand.alive() == pids
    assert snapshot(hand) == before


def test_what_root_left_in_the_logs_is_taken_over_before_anything_starts(hand: ByHand, tmp_path: Path) -> None:
    """The cluster made by hand was ended and its configuration moved away: now the host is this project's."""
    address = hand.sandbox.address("node1")
    hand.on("node1", f"{BIN}/supervisorctl -c {CONF} shutdown; mv {CONF} /root")
    until(lambda: hand.on("node1", "pgrep -f [s]upervisord || true") == "", 30)
    existing = tmp_path / "hosts.toml"
    (tmp_path / "password").write_text("by-hand")
    (tmp_path / "password").chmod(0o600)
    existing.write_text(
        hand.hosts_toml.read_text().replace("mysql = 1, redis = 1, ", "")
        + f'[stores.mysql]\nhost = "{address}"\nuser = "crawl"\npassword = {{ file = "password" }}\n'
        + f'[stores.redis]\nhost = "{address}"\npassword = false\n'
    )
    log = "/home/work/supervisor/processor1.log"
    hand.on("node1", f"echo root >{log}; chmod 600 {log}")
    # What its user can't mend is refused, with nothing changed.
    hand.fab("bootstrap", hosts_toml=existing)
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(existing.read_text().replace('name = "demo"', 'name = "demo"\npidfile = "/run/gone/s.pid"'))
    refused = hand.fab("deploy", status=1, hosts_toml=elsewhere).stdout
    assert "work can't write /run/gone: there is no such directory (root-owned)" in refused
    assert hand.on("node1", f"ls {CONF} /home/work/distri_pyspider 2>&1 || true").count("No such file") == 1
    told = hand.fab("deploy", hosts_toml=existing).stdout
    assert "give /home/work/supervisor/processor1.log and 2 more to work" in told
    assert "nothing changed" in hand.fab("deploy", hosts_toml=existing).stdout
    # A password that the store does not take is one sentence, and every program goes on.
    programs = "pgrep -f '[r]un[.]py' | sort"
    before = hand.on("node1", programs)
    assert before.count("\n") == len(PROGRAMS)
    (tmp_path / "password").write_text("another")
    for words in (("deploy",), ("deploy", "--dry-run")):
        refused = hand.fab(*words, status=1, hosts_toml=existing).stdout
        assert "nothing was changed here: MySQL refuses the user or its password" in refused
    assert hand.on("node1", programs) == before
