"""Attacks on the doors inside a cluster, from a host of the network that is none of the cluster's."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from fabfile.doctor.look import reach
from fabfile.sandbox.network import Port
from fabfile.sandbox.sandbox import Init

from ..waiting import until
from .conftest import Cluster, made
from .faults import as_printed, found, silent

pytestmark = pytest.mark.e2e

STRANGER = "node4"
KNOCK = """
import socket, sys
for place in sys.argv[1:]:
    address, port = place.split(":")
    try:
        way = socket.create_connection((address, int(port)), 2)
        way.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        way.settimeout(2)
        print(place, "answered" if way.recv(1) else "closed")
    except socket.timeout:
        print(place, "silent")
    except OSError as error:
        print(place, "closed" if error.errno == 104 else "refused" if error.errno == 111 else error)
"""
QUIT = """
import sys, xmlrpc.client, http.client, socket
socket.setdefaulttimeout(3)
for url in sys.argv[1:]:
    server = xmlrpc.client.ServerProxy(url)
    for call in (lambda: server._quit(), lambda: server.size(), lambda: server.system.listMethods()):
        try:
            print(url, "did", call())
        except (OSError, http.client.HTTPException) as error:
            print(url, "nothing")
"""


FETCHED = """
import json, sys, umsgpack, xmlrpclib
answer = umsgpack.unpackb(xmlrpclib.ServerProxy(sys.argv[1]).fetch(json.loads(sys.argv[2])).data)
print(json.dumps({"status_code": answer["status_code"], "content": answer["content"]}))
"""
BUSY = "function() { var end = Date.now() + 4000; while (Date.now() < end) {} return 1; }"
RENDER = """
import json, sys, urllib.request
for url in sys.argv[2:]:
    task = json.dumps({"url": url, "method": "GET", "headers": {}, "timeout": 8}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"http://{sys.argv[1]}/", task), timeout=60) as answer:
        print(json.dumps(json.load(answer)))
"""
SITE = """
import http.server, sys

address, *doors = sys.argv[1:]
FILE = "file:///etc/passwd"
VALUE = '"1.0"?><methodCall><methodName>_quit</methodName></methodCall>'
CALL = "<form method=post enctype=text/plain action=http://%s/><input name='<?xml version' value='" + VALUE
CALL += "'></form><script>document.forms[0].submit()</script>"
PAGES = {
    "/": "<p id=p></p><script>document.getElementById('p').innerHTML = 'made by ' + 'a script'</script>",
    "/xhr": f"<p id=p></p><script>var r = new XMLHttpRequest(); r.open('GET', '{FILE}', false); r.send();"
    "document.getElementById('p').innerHTML = r.responseText</script>",
    "/frame": f"<iframe src={FILE}></iframe><script>setTimeout(function () {{"
    "document.title = frames[0].document.body.innerHTML}, 300)</script>",
    "/location": f"<script>location.href = '{FILE}'</script>",
    "/refresh": f"<meta http-equiv=refresh content='0;url={FILE}'>",
    "/window": f"<script>var w = window.open('{FILE}'); setTimeout(function () {{"
    "document.title = w.document.body.innerHTML}, 300)</script>",
    "/object": f"<object data={FILE}></object><script src={FILE}></script><link rel=stylesheet href={FILE}>",
    **{f"/call{number}": CALL % door for number, door in enumerate(doors)},
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302 if self.path.startswith("/to/") else 200)
        if self.path.startswith("/to/"):
            self.send_header("Location", self.path[4:])
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGES.get(self.path, "?").encode())

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((address, 8000), Handler).serve_forever()
"""
CONFIG = "/home/work/distri_pyspider/current/config.json"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The three hosts of the shipped hosts.toml, and a fourth one beside them."""
    init: dict[str, Init] = {"node1": "systemd", "node2": "none", "node3": "systemd", STRANGER: "none"}
    with made(tmp_path_factory, "doors", init, count=4) as one:
        yield one


def from_there(cluster: Cluster, host: str, program: str, *words: str) -> str:
    """What a Python program of this machine prints in the network of that host, on which there may be no Python."""
    namespace = Port(cluster.sandbox.network, host, 0).namespace
    words = ("nsenter", f"--net={namespace}", sys.executable, "-", *words)
    return subprocess.run(words, input=program, capture_output=True, text=True, check=True, timeout=60).stdout


def doors(cluster: Cluster) -> list[str]:
    prefix = cluster.sandbox.network.prefix
    return [f"{prefix}.{place}" for place in ("11:3306", "11:6379", "11:23333", "12:24444", "13:24444", "13:25555")]


@contextmanager
def site(cluster: Cluster, *targets: str) -> Iterator[str]:
    """The address of a stranger's site, the pages of which call these places."""
    address = f"{cluster.sandbox.network.prefix}.14"
    namespace = Port(cluster.sandbox.network, STRANGER, 0).namespace
    words = ["nsenter", f"--net={namespace}", sys.executable, "-c", SITE, address, *targets]
    with subprocess.Popen(words) as server:
        try:
            until(lambda: reach(address, 8000) == "open", 10)
            yield f"http://{address}:8000"
        finally:
            server.terminate()


def rendered(cluster: Cluster, *urls: str) -> list[dict[str, Any]]:
    """PhantomJS' answers to a host of the cluster."""
    phantomjs = f"{cluster.sandbox.network.prefix}.13:25555"
    return [json.loads(line) for line in from_there(cluster, "node2", RENDER, phantomjs, *urls).splitlines()]


def knocked(cluster: Cluster, host: str) -> dict[str, str]:
    """How a request from that host ends at each of the cluster's doors."""
    out = from_there(cluster, host, KNOCK, *doors(cluster))
    return dict(line.split(" ", 1) for line in out.splitlines())


def shut(cluster: Cluster, how: str = "refused") -> None:
    assert set(knocked(cluster, STRANGER).values()) == {how}
    for host in ("node1", "node2", "node3"):
        assert set(knocked(cluster, host).values()) == {"answered"}, host


def test_no_door_answers_a_stranger_and_each_answers_the_cluster(cluster: Cluster) -> None:
    shut(cluster)
    assert cluster.on("node1", "hostname") == "node1\n", "the web UI and ssh are nobody else's to close"
    prefix = cluster.sandbox.network.prefix
    web = f"curl -s -o /dev/null -w %{{http_code}} http://{prefix}.11:5000/"
    assert cluster.on(STRANGER, web) == "401"
    status = cluster.status()
    assert status["problems"] == []
    assert {host["firewall"]["mechanism"] for host in status["hosts"].values()} == {"nftables"}
    silent(cluster)


def test_no_rpc_server_does_what_a_stranger_says(cluster: Cluster) -> None:
    before = cluster.pids()
    prefix = cluster.sandbox.network.prefix
    urls = [f"http://{prefix}.{place}/" for place in ("11:23333", "12:24444", "13:24444")]
    said = from_there(cluster, STRANGER, QUIT, *urls)
    assert set(said.splitlines()) == {f"{url} nothing" for url in urls}
    # The second lock: without any rule run.py hangs up.
    for host in ("node1", "node2", "node3"):
        cluster.on(host, "nft delete table inet pyspider-demo")
    try:
        said = from_there(cluster, STRANGER, QUIT, *urls)
        assert set(said.splitlines()) == {f"{url} nothing" for url in urls}
        seen = found(cluster)
        assert {one["id"] for one in seen} == {"exposed"}
        assert "not in force" in "".join(cluster.status()["problems"])
        as_printed(cluster, [one for one in seen if one["host"] == "node1"])
        assert {one["host"] for one in found(cluster)} == {one["host"] for one in seen} - {"node1"}
        assert cluster.fab("doctor", "--fix").returncode == 0
    finally:
        cluster.fab("step.firewall")
    shut(cluster)
    assert cluster.pids() == before


@pytest.mark.platform("Debian 12", "renderer: PhantomJS")
def test_phantomjs_reads_no_file_for_anybody_and_renders_pages(cluster: Cluster) -> None:
    with site(cluster) as pages:
        files = [f"file://{path}" for path in ("/etc/passwd", CONFIG)] + ["FILE:///etc/passwd", "file:/etc/passwd"]
        paths = (
            "xhr",
            "frame",
            "location",
            "refresh",
            "window",
            "object",
            "to/file:///etc/passwd",
            f"to/file://{CONFIG}",
        )
        for answer in rendered(cluster, *files, *(f"{pages}/{path}" for path in paths)):
            seen = json.dumps(answer)
            assert "root:" not in seen and "mysql+taskdb" not in seen, answer
        (page,) = rendered(cluster, f"{pages}/")
        assert page["status_code"] == 200 and "made by a script" in page["content"]


def test_phantomjs_is_another_user_who_reads_nothing_of_the_cluster(cluster: Cluster) -> None:
    assert cluster.on("node3", "ps -o user= -C phantomjs").split() == ["work-render"]
    for path in (CONFIG, CONFIG.replace("config.json", "config.masked.json"), "/home/work/supervisor/phantomjs1.log"):
        denied = cluster.on("node3", f"su -s /bin/sh work-render -c 'cat {path}' 2>&1 || true")
        assert "Permission denied" in denied
    # Nobody but the cluster's user may have it run anything.
    asking = "/opt/pyspider/current/bin/python /opt/pyspider/render/demo/renderer.py run"
    command = f"{asking} /run/pyspider-demo-render/socket /usr/bin/id -un"
    said = {
        user: cluster.on("node3", f"su -s /bin/sh {user} -c '{command}' 2>&1 || true") for user in ("nobody", "work")
    }
    assert "work-render" not in said["nobody"].splitlines()
    assert said["work"] == "work-render\n"


def test_no_page_calls_an_rpc_server_or_the_web_ui(cluster: Cluster) -> None:
    before, prefix = cluster.pids(), cluster.sandbox.network.prefix
    cluster.on("node3", f"echo {prefix}.11 rebound.example >>/etc/hosts")
    targets = [f"{prefix}.11:23333", "rebound.example:23333", f"{prefix}.13:24444", "127.0.0.1:24444", "0x7f.1:24444"]
    with site(cluster, *targets) as pages:
        rendered(cluster, *(f"{pages}/call{number}" for number in range(len(targets))))
        answers = rendered(
            cluster, f"http://{prefix}.11:5000/", "http://rebound.example:5000/", "http://rebound.example:6379/"
        )
        assert {one["status_code"] for one in answers} == {599}
    assert cluster.pids() == before
    assert "quit" not in cluster.on("node1", "grep -a quit /home/work/supervisor/scheduler.log || :")


def test_a_killed_renderer_or_phantomjs_comes_back(cluster: Cluster) -> None:
    for victim in ("-x phantomjs", "-f 'renderer.py serve'"):
        before = cluster.on("node3", "pgrep -x phantomjs")
        cluster.on("node3", f"pkill -KILL -u work-render {victim}")
        until(lambda before=before: cluster.on("node3", "pgrep -x phantomjs || :") not in ("", before), 30)
    until(lambda: cluster.status()["problems"] == [], 30)
    silent(cluster)


def test_a_page_that_phantomjs_had_when_it_ended_is_rendered_by_the_next_one(cluster: Cluster) -> None:
    with site(cluster) as pages:
        fetch = {"fetch_type": "js", "js_script": BUSY}
        task = {"taskid": "t", "project": "p", "url": f"{pages}/", "fetch": fetch, "process": {}}
        fetcher = f"http://{cluster.sandbox.address('node2')}:24444"
        line = f"/opt/pyspider/current/bin/python -c {shlex.quote(FETCHED)} {fetcher} {shlex.quote(json.dumps(task))}"
        with ThreadPoolExecutor() as beside:
            answer = beside.submit(cluster.on, "node1", line)
            until(lambda: int(cluster.on("node3", "grep -c ':63D3 [^ ]* 01' /proc/net/tcp || :")) > 0, 30)
            cluster.on("node3", "pkill -KILL -x phantomjs")
            told = json.loads(answer.result(60))
    assert told["status_code"] == 200 and "made by a script" in told["content"]
    assert "has ended with a page in its hands" in cluster.on("node2", "cat /home/work/supervisor/fetcher1.log")


def test_where_no_rules_can_be_set_the_rpc_servers_keep_strangers_out_and_the_rest_is_told(cluster: Cluster) -> None:
    for host in ("node1", "node2"):
        cluster.on(host, "nft flush ruleset; mv /usr/sbin/nft /usr/sbin/nft.away")
    try:
        assert (
            "warning: no rules can be set on this host" in cluster.fab("deploy").stderr + cluster.fab("deploy").stderr
        )
        how = knocked(cluster, STRANGER)
        prefix = cluster.sandbox.network.prefix
        assert how[f"{prefix}.11:23333"] == how[f"{prefix}.12:24444"] == "closed"
        assert "no rules can be set" in cluster.fab("status").stdout
        seen = {(one["id"], one["host"], one["fixable"]) for one in found(cluster)}
        assert seen == {("exposed", "node1", False)}, "MySQL and Redis alone answer strangers"
    finally:
        for host in ("node1", "node2"):
            cluster.on(host, "mv /usr/sbin/nft.away /usr/sbin/nft")
        cluster.fab("deploy")
    shut(cluster)


def test_the_rules_come_back_at_boot_and_after_a_flush_by_the_host_s_own_service(cluster: Cluster) -> None:
    for host in ("node1", "node2"):
        cluster.sandbox.kill(host)
        cluster.sandbox.start(host)
    state = "$(ls /opt/pyspider/boot/pyspider-demo-firewall /etc/init.d/pyspider-demo-firewall 2>/dev/null) status"
    assert {cluster.on(host, state) for host in ("node1", "node2", "node3")} == {"nftables holds\n"}
    cluster.on("node1", "systemctl restart nftables")
    # Its own service begins after the one of nftables.
    until(lambda: cluster.on("node1", state) == "nftables holds\n", 20)
    cluster.fab("deploy")
    shut(cluster)


def test_a_host_that_joins_is_let_in_everywhere_before_its_programs_start(cluster: Cluster) -> None:
    roles = '[hosts.node4]\\naddress = "%s.14"\\nroles = { processor = 1 }\\n\\n[stores.mysql]'
    joined = cluster.variant("joined.toml", (r"^\[stores.mysql\]$", roles % cluster.sandbox.network.prefix))
    cluster.fab("-H", STRANGER, "bootstrap", hosts_toml=joined)
    before = cluster.pids()
    try:
        cluster.fab("deploy", hosts_toml=joined)
        assert set(knocked(cluster, STRANGER).values()) == {"answered"}
        # For a longer list nothing restarts but PhantomJS, which is told what no page may reach.
        restarted = {name for name, pid in cluster.pids().items() if before.get(name, pid) != pid}
        assert restarted == {"node3/phantomjs1"}
    finally:
        cluster.on(STRANGER, "/opt/pyspider/current/bin/supervisorctl -c /etc/supervisord.conf shutdown || true")
        cluster.fab("deploy")
    shut(cluster)


def test_others_rules_stay_and_hosts_toml_turns_ours_off(cluster: Cluster) -> None:
    foreign = "nft add table inet shop; nft add chain inet shop in '{ type filter hook input priority 0; }'"
    cluster.on("node2", foreign)
    off = cluster.variant("off.toml", (r"^#firewall = true$", "firewall = false"))
    cluster.fab("deploy", hosts_toml=off)
    try:
        assert set(knocked(cluster, STRANGER).values()) == {"answered"}
        files = (
            "ls -d /opt/pyspider/boot/*firewall* /etc/init.d/*firewall* /etc/systemd/system/*firewall* 2>/dev/null || :"
        )
        for host in ("node1", "node2", "node3"):
            assert cluster.on(host, f"nft list tables | grep pyspider; {files}") == ""
        assert cluster.on("node2", "nft list tables") == "table inet shop\n"
        assert "nothing changed" in cluster.fab("deploy", hosts_toml=off).stdout
        assert json.loads(cluster.fab("status", "--json", hosts_toml=off).stdout)["healthy"]
    finally:
        cluster.fab("deploy")
        cluster.on("node2", "nft delete table inet shop")
    shut(cluster)
