"""Host keys: an unknown one is refused or added as hosts.toml says, a changed one is always refused."""

from __future__ import annotations

import re

import pytest

from .conftest import Cluster

pytestmark = pytest.mark.e2e


def test_an_unknown_key_is_refused_and_the_sentence_says_how_to_add_it(cluster: Cluster) -> None:
    file = cluster.variant("strict.toml", (r"^known_hosts = .*$", 'known_hosts = "none"'))
    result = cluster.fab("-H", "node2", "deploy", status=3, hosts_toml=file)
    assert "is not in" in result.stdout and "ssh-keyscan -p 22" in result.stdout
    assert not (cluster.folder / "none").exists()


def test_a_new_key_is_added_once_and_a_changed_one_is_refused(cluster: Cluster) -> None:
    lines = ('known_hosts = "added"', 'host_keys = "accept-new"')
    file = cluster.variant("new.toml", (r"^known_hosts = .*$", "\n".join(lines)))
    for _ in range(2):
        cluster.fab("status", hosts_toml=file)
    known = cluster.folder / "added"
    keys = known.read_text().splitlines()
    assert len(keys) == 3
    assert known.stat().st_mode & 0o77 == 0

    # The key of node3 under the name of node2: another machine has taken its address.
    key = {line.split()[0]: " ".join(line.split()[1:]) for line in keys}
    address = {name: cluster.sandbox.address(name) for name in ("node2", "node3")}
    known.write_text(
        re.sub(
            rf"^{address['node2']} .*$", f"{address['node2']} {key[address['node3']]}", known.read_text(), flags=re.M
        )
    )
    result = cluster.fab("deploy", status=3, hosts_toml=file)
    assert result.stdout.count("has CHANGED") == 1
    assert "1 unreachable" in result.stdout
    assert len(known.read_text().splitlines()) == 3
