"""Doctor on a host that somebody set up by hand from a blog post: understood through the same probe, and left alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from .conftest import FILES, Cluster
from .faults import BIN, SHELL, as_printed, found, healthy_again, silent

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Manual:
    """One way to do it: where Python, the configuration and the socket are; `prepare` makes and `undo` unmakes it."""

    name: str
    bin: str
    conf: str
    socket: str
    prepare: str
    undo: str
    programs: str = ""
    """A file of its own for the program sections, which the configuration includes."""


PROGRAMS = """\
[program:fetcher]
command=/usr/local/bin/pyspider -c config.json fetcher --xmlrpc-host ADDRESS
directory=/srv/spider
stdout_logfile=/srv/spider/fetcher.log
[program:proc]
command=/usr/local/bin/pyspider -c config.json processor
process_name=%(program_name)s_%(process_num)02d
numprocs=2
directory=/srv/spider
stdout_logfile=/srv/spider/processor.log
[program:results]
command=/usr/local/bin/pyspider -c config.json result_worker
directory=/srv/spider
stdout_logfile=/srv/spider/results.log
"""
# Python and supervisor of the machine's own: of this project's runtime nothing is left to be found.
OWN_PYTHON = f"""cp -rL {BIN}/.. /usr/local/py27
for tool in pyspider supervisord supervisorctl; do
  sed -i '1s:.*:#!/usr/local/py27/bin/python2.7:' /usr/local/py27/bin/$tool
  ln -s /usr/local/py27/bin/$tool /usr/local/bin
done
ln -s /usr/local/py27/bin/python2.7 /usr/local/bin; mv /opt/pyspider /opt/kept; mv /etc/init.d/pyspider-demo /tmp
mkdir -p /etc/supervisor/conf.d /etc/cron.d
start='/usr/local/bin/supervisord -c /etc/supervisor/supervisord.conf'
echo "@reboot root su work -c '$start'" >/etc/cron.d/supervisord"""
WAYS = [
    Manual(
        "runtime",
        BIN,
        "/etc/supervisord.conf",
        "/tmp/supervisor.sock",
        f"ln -sf {BIN}/python /usr/local/bin/python; ln -sf {BIN}/pyspider /usr/local/bin/pyspider",
        "rm /usr/local/bin/python /usr/local/bin/pyspider",
    ),
    Manual(
        "own-python",
        "/usr/local/py27/bin",
        "/etc/supervisor/supervisord.conf",
        "/var/tmp/supervisor.sock",
        OWN_PYTHON,
        "mv /opt/kept /opt/pyspider; mv /tmp/pyspider-demo /etc/init.d; rm -r /usr/local/py27 /etc/supervisor"
        " /etc/cron.d/supervisord /usr/local/bin/python2.7 /usr/local/bin/pyspider /usr/local/bin/supervisor*",
        "/etc/supervisor/conf.d/pyspider.conf",
    ),
]


def set_up(way: Manual, address: str) -> str:
    programs = PROGRAMS.replace("ADDRESS", address)
    include = f"[include]\nfiles = {way.programs}\n" if way.programs else programs
    return f"""
p=$(daemon); $CTL shutdown; settled '[ ! -d /proc/$p ]'
{way.prepare}
mv /home/work/distri_pyspider /home/work/kept; mv /etc/supervisord.conf /tmp/kept.conf
mkdir -p /srv/spider/data; cd /srv/spider
sed s:/home/work/distri_pyspider:/srv/spider: /home/work/kept/current/config.json >config.json
chmod 600 /srv/spider/config.json; chown -R work: /srv/spider
cat >{way.conf} <<'EOF'
[unix_http_server]
file={way.socket}   ; the path to the socket file
[supervisord]
logfile=/var/tmp/supervisord.log
pidfile=/var/tmp/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{way.socket} ; use a unix:// URL
{include}
EOF
[ -z "{way.programs}" ] || cat >"{way.programs or "/dev/null"}" <<'EOF'
{programs}
EOF
su work -c '{way.bin}/supervisord -c {way.conf}'
settled '[ $({way.bin}/supervisorctl -c {way.conf} status | grep -c RUNNING) = 4 ]'
# RUNNING tells nothing of a Python that has yet to compile what it imports.
settled 'ss -ltn | grep -q :24444'
"""


def take_down(way: Manual) -> str:
    return f"""
p=$(cat /var/tmp/supervisord.pid); kill $p $(pgrep -P $p) 2>/dev/null; settled '[ ! -d /proc/$p ]'
rm -rf /home/work/distri_pyspider /srv/spider {way.socket} /var/tmp/supervisord* {way.conf} {way.programs}
{way.undo}
mv /home/work/kept /home/work/distri_pyspider; mv /tmp/kept.conf /etc/supervisord.conf
"""


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_host_that_was_set_up_by_hand_is_understood_and_left_alone(cluster: Cluster, way: Manual) -> None:
    address = cluster.sandbox.address("node2")
    with healthy_again(cluster):
        try:
            cluster.on("node2", SHELL + set_up(way, address))
            assert found(cluster) == []
            cluster.on("node2", "p=$(cat /var/tmp/supervisord.pid); kill -9 $p $(pgrep -P $p)")
            before = cluster.on("node2", FILES)
            (seen,) = found(cluster, "--fix")
            assert (seen["id"], seen["host"], seen["fixable"]) == ("socket-stale", "node2", False)
            assert way.socket in seen["evidence"]
            assert set(cluster.on("node2", FILES).splitlines()) ^ set(before.splitlines()) == set()
            as_printed(cluster, [seen])
            silent(cluster)
        finally:
            cluster.on("node2", SHELL + take_down(way))
        cluster.fab("deploy")
        silent(cluster)
