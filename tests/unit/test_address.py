"""Hosts that are named by an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabfile.errors import WrongInput
from fabfile.inventory import Fleet, load

from .hosts_toml import GOOD


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    text = GOOD.replace("port = 22\n", 'port = 2200\nuser = "oper"\nkey = "id"\nhost_keys = "accept-new"\n')
    (tmp_path / "hosts.toml").write_text(text)
    return load(tmp_path / "hosts.toml")


@pytest.mark.parametrize(
    ("word", "login"),
    [
        ("root@192.0.2.9:22", ("root", "192.0.2.9", 22)),
        ("root@192.0.2.9", ("root", "192.0.2.9", 2200)),
        ("192.0.2.9:22", ("oper", "192.0.2.9", 22)),
        ("192.0.2.9", ("oper", "192.0.2.9", 2200)),
        ("node7.example.com", ("oper", "node7.example.com", 2200)),
        ("root@node7", ("root", "node7", 2200)),
        ("192.0.2.11:22", ("oper", "192.0.2.11", 22)),
    ],
)
def test_an_address_outside_of_the_file_is_a_host_without_roles(
    fleet: Fleet, word: str, login: tuple[str, str, int]
) -> None:
    (host,) = fleet.select([word])
    assert (host.user, host.address, host.port) == login
    assert (host.name, host.roles, host.host_keys) == (word, {}, "accept-new")
    assert host.key == fleet.path.parent / "id"
    assert fleet.programs(host) == ()


@pytest.mark.parametrize("word", ["node1", "192.0.2.11", "oper@192.0.2.11", "192.0.2.11:2200"])
def test_a_machine_of_the_file_is_that_host_however_it_is_named(fleet: Fleet, word: str) -> None:
    assert fleet.select([word]) == (fleet.host("node1"),)
    assert fleet.select([word, "node1", "root@192.0.2.9"])[1].address == "192.0.2.9"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nod1", "unknown host 'nod1' (did you mean 'node1'?)"),
        ("node[12]", "unknown host 'node[12]'"),
        ("root@node1", "'root@node1' is node1 of {path}, which says how to log in there; name it node1"),
        ("node1:22", "'node1:22' is node1 of {path}"),
        ("root@192.0.2.11", "'root@192.0.2.11' is node1 of {path}"),
        ("192.0.2.500", "'192.0.2.500' is neither a host's name nor of the form user@address:port"),
        ("root@192.0.2.9:0", "is neither"),
        ("root@192.0.2.9:65536", "is neither"),
        ("root@192.0.2.9:ssh", "is neither"),
        ("@192.0.2.9", "is neither"),
        ("root@", "is neither"),
        ("ro ot@192.0.2.9", "is neither"),
        ("-oProxyCommand=x@192.0.2.9", "is neither"),
        ("[2001:db8::1]:22", "is an IPv6 address; name the host by its IPv4 address or by its name"),
        ("root@[::1]", "is an IPv6 address"),
        ("2001:db8::1", "is an IPv6 address"),
    ],
)
def test_what_is_no_host_is_refused(fleet: Fleet, word: str, message: str) -> None:
    with pytest.raises(WrongInput) as caught:
        fleet.select([word])
    assert message.format(path=fleet.path) in str(caught.value)


def test_the_same_machine_named_twice_is_one_host(fleet: Fleet) -> None:
    assert len(fleet.select(["root@192.0.2.9:22", "192.0.2.9:22", "192.0.2.9:2222"])) == 2


def test_a_name_may_end_in_a_digit(tmp_path: Path) -> None:
    text = GOOD.replace('"192.0.2.12"', '"crawl-2"')
    (tmp_path / "hosts.toml").write_text(text)
    assert load(tmp_path / "hosts.toml").host("node2").address == "crawl-2"


def test_no_address_has_a_role_and_patterns_choose_among_addresses_too(fleet: Fleet) -> None:
    words = ["node1", "192.0.2.9", "192.0.2.8"]
    assert [host.name for host in fleet.select(words, roles=["webui"])] == ["node1"]
    assert [host.name for host in fleet.select(words, exclude=["192.0.2.9", "node*"])] == ["192.0.2.8"]
