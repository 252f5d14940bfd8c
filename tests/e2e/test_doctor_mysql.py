"""Doctor on a MySQL that answers, but not as pyspider and its library need it."""

from __future__ import annotations

import tomllib
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode

import pytest

from .conftest import Cluster
from .faults import Fault, as_printed, found, healthy_again, named_alone_and_mended, silent

pytestmark = pytest.mark.e2e

CONF = "/etc/mysql/mariadb.conf.d/99-old.cnf"
RUNNING = 'settled "[ \\$(\\$CTL status | grep -c RUNNING) = 2 ]"'
FAULTS = [
    Fault(
        "mysql-charset",
        "node1",
        "sql 'ALTER TABLE projectdb.projectdb CONVERT TO CHARACTER SET latin1'",
        "sql 'ALTER TABLE projectdb.projectdb CONVERT TO CHARACTER SET utf8mb3'",
        evidence="the table projectdb is latin1",
        typed="no",
    ),
    Fault(
        "mysql-version",
        "node1",
        "sql \"INSTALL SONAME 'auth_ed25519'; ALTER USER pyspider@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x')\"",
        note="plugin",
        evidence="client_ed25519",
    ),
    # MariaDB can call itself what it likes: what is shown here is that doctor reads it, not what a real 5.1 breaks.
    Fault(
        "mysql-version",
        "node1",
        f"printf '[mysqld]\\nversion=5.1.73\\n' >{CONF}; service mariadb restart; {RUNNING}",
        f"rm {CONF}; service mariadb restart",
        "old",
        evidence="MySQL 5.1.73",
    ),
]
EMOJI = "from pyspider.libs.base_handler import *\nclass Handler(BaseHandler):\n    # \N{GRINNING FACE}\n    pass\n"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.label)
def test_a_fault_is_named_alone_and_mended(cluster: Cluster, fault: Fault) -> None:
    named_alone_and_mended(cluster, fault)


def save(cluster: Cluster, script: str) -> int:
    """The HTTP status with which the web UI saves a script."""
    password = tomllib.loads((cluster.folder / ".secrets" / "demo.toml").read_text())["webui"]
    request = urllib.request.Request(
        f"http://{cluster.sandbox.address('node1')}:5000/debug/emoji/save",
        urllib.parse.urlencode({"script": script}).encode(),
        {"Authorization": f"Basic {b64encode(f'admin:{password}'.encode()).decode()}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_refused_emoji_is_explained_and_its_mend_works(cluster: Cluster) -> None:
    with healthy_again(cluster):
        assert save(cluster, EMOJI) == 500
        (seen,) = found(cluster)
        assert (seen["id"], seen["host"]) == ("mysql-charset", "node1")
        assert "1366" in seen["evidence"] and "the table projectdb is utf8mb3" in seen["evidence"]
        as_printed(cluster, [seen])
        silent(cluster)
        assert save(cluster, EMOJI) == 200
