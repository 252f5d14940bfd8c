"""Doctor on the machine itself and what is installed there: memory, clock, supervisorctl, PhantomJS, the connector."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..waiting import until
from .conftest import Cluster
from .faults import BIN, LIB, Fault, as_printed, found, healthy_again, named_alone_and_mended, silent

pytestmark = pytest.mark.e2e

# The kernel has one clock for all hosts of the sandbox: here it is an hour late for every program that starts.
LATE = """cat >/tmp/late.c <<'EOF'
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *now) {
  int r = syscall(SYS_clock_gettime, id, now);
  if (id == CLOCK_REALTIME) now->tv_sec -= 3600;
  return r;
}
int gettimeofday(struct timeval *now, void *zone) {
  struct timespec t;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &t);
  now->tv_sec = t.tv_sec; now->tv_usec = t.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *where) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  if (where) *where = t.tv_sec;
  return t.tv_sec;
}
EOF
gcc -shared -fPIC -o /usr/lib/late.so /tmp/late.c; echo /usr/lib/late.so >/etc/ld.so.preload"""
# A second installation, of the days when the API had another version.
OLD = f"""mkdir /tmp/old; cp -r {LIB}/site-packages/supervisor /tmp/old
sed -i "s/^API_VERSION .*/API_VERSION = '2.0'/" /tmp/old/supervisor/rpcinterface.py
rm -f /tmp/old/supervisor/rpcinterface.pyc
cat >/usr/local/bin/supervisorctl <<'EOF'
#!{BIN}/python
import sys
sys.path.insert(0, "/tmp/old")
from supervisor.supervisorctl import main
main()
EOF
chmod 755 /usr/local/bin/supervisorctl"""
UPGRADED = f"""cp -p {LIB}/site-packages/supervisor/rpcinterface.py {BIN}/supervisorctl /tmp
sed -i "s/^API_VERSION .*/API_VERSION = '4.0'/" {LIB}/site-packages/supervisor/rpcinterface.py
touch -d '+2 seconds' {BIN}/supervisorctl"""
BACK = f"""cp -p /tmp/rpcinterface.py {LIB}/site-packages/supervisor; cp -p /tmp/supervisorctl {BIN}
rm -f {LIB}/site-packages/supervisor/rpcinterface.pyc"""
NO_MEMORY = """sed 's/^MemAvailable:.*/MemAvailable: 20480 kB/' /proc/meminfo >/tmp/meminfo
mount --bind /tmp/meminfo /proc/meminfo"""

FAULTS = [
    Fault("memory", "node3", NO_MEMORY, "umount /proc/meminfo", evidence="20 of ", typed="before"),
    Fault("clock", "node2", LATE, "rm /etc/ld.so.preload", evidence="its clock is 3"),
    Fault(
        "supervisor-mismatch",
        "node2",
        OLD,
        "rm -r /tmp/old",
        "second",
        evidence="/usr/local/bin/supervisorctl: ",
    ),
    Fault("supervisor-mismatch", "node2", UPGRADED, BACK, "upgraded", evidence="/bin/supervisorctl: ", typed="no"),
]
HOARD = "function() { window.all = []; for (var i = 0; i < 4000000; i++) window.all.push({n: i}); }"
PACKAGES = f"{LIB}/site-packages"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.label)
def test_a_fault_is_named_alone_and_mended(cluster: Cluster, fault: Fault) -> None:
    named_alone_and_mended(cluster, fault)


def test_a_phantomjs_that_has_grown_past_its_limit_is_started_anew(cluster: Cluster) -> None:
    low = cluster.variant("low.toml", (r"^#memory_mb = .*", "memory_mb = 120"))
    address = cluster.sandbox.address("node3")
    page = f"http://{address}:25555/"
    task = {"url": page, "method": "GET", "timeout": 20, "js_script": HOARD, "headers": {}}
    with healthy_again(cluster):
        assert found(cluster, hosts_toml=low) == []

        told: list[dict[str, Any]] = []

        def grown() -> bool:
            # On a busy machine a page's time may be over before it has hoarded enough.
            cluster.sandbox.exec("node3", "curl", "-s", "-m", "50", "-d", json.dumps(task), page)
            told[:] = found(cluster, hosts_toml=low)
            return told != []

        until(grown, 120)
        (seen,) = told
        assert (seen["id"], seen["host"], seen["fixable"]) == ("phantomjs-leaking", "node3", True)
        assert "the limit is 120" in seen["evidence"]
        as_printed(cluster, told, low)
        silent(cluster, low)


def test_the_connector_with_its_c_extension_is_named(cluster: Cluster, tmp_path: Path) -> None:
    wanted = ["--implementation=cp", "--python-version=27", "--abi=cp27mu", "--platform=manylinux1_x86_64"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *wanted]
    subprocess.run([*pip, "--dest", tmp_path, "mysql-connector-python==8.0.23"], check=True, timeout=300)
    (wheel,) = tmp_path.iterdir()
    cluster.sandbox.exec("node2", "sh", "-c", "cat >/tmp/connector.zip", input=wheel.read_bytes())
    unpack = f'{BIN}/python -c \'import zipfile; zipfile.ZipFile("/tmp/connector.zip").extractall("{PACKAGES}")\''
    fault = Fault(
        "mysql-cext",
        "node2",
        f"mv {PACKAGES}/mysql /tmp; {unpack}",
        "rm -r /tmp/mysql",
        evidence="HAVE_CEXT is True",
    )
    named_alone_and_mended(cluster, fault)
