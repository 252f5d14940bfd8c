"""A user of Redis (ACL) who may do what docs/redis-users.md lists, and no more, on a real server."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from redis import Redis, ResponseError
from redis.exceptions import NoPermissionError

from fabfile.errors import Problem
from fabfile.health.aside import taken_back
from fabfile.health.home import lease, set_home
from fabfile.health.motion import queue_motion
from fabfile.health.stores import redis_report
from fabfile.health.trial import heard
from fabfile.inventory.roles import QUEUES
from fabfile.remote import allowed, ask, stores
from fabfile.steps.base import Found
from fabfile.steps.redis import ManagedRedis
from fabfile.steps.service import Running

from .held import held_queue
from .redis_server import RedisServer
from .servers import Serve, serving

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher import lua, queues, returning, wiring  # type: ignore[import-not-found]
from launcher.blocking import Bells  # type: ignore[import-not-found]
from launcher.flying import flying  # type: ignore[import-not-found]
from launcher.lease import Lease  # type: ignore[import-not-found]
from launcher.life import Life  # type: ignore[import-not-found]
from launcher.patience import redis_lost  # type: ignore[import-not-found]
from launcher.pulse import Pulse  # type: ignore[import-not-found]

PROJECT = Path(__file__).parent.parent.parent
PASSWORD = "crawl-Canary_1"
TEXT = (PROJECT / "docs" / "redis-users.md").read_text()
RULE = " ".join(line for line in TEXT.splitlines() if line.startswith("    "))
RIGHTS = re.findall(r"[~+]\S+", RULE)
UNTRIED = {"+select": "a database is chosen first", "+client|list": "nothing depends on it"}
"""Rights that no trial looks for, with the reason."""


def user(server: RedisServer, *rights: str) -> None:
    """The user `crawl`, with these rights."""
    words = RULE.replace("PASSWORD", PASSWORD).split()[2:]
    kept = [word for word in words if word in rights or not re.match(r"[~+]", word)]
    server.client.execute_command("ACL", "SETUSER", kept[0], "reset", *kept[1:])


def asked(server: RedisServer) -> dict[str, Any]:
    where, password = ask.split(f"redis://crawl:{PASSWORD}@127.0.0.1:{server.port}/1")
    found = stores.redis(where, password)
    assert found is not None and PASSWORD not in repr(found)
    return found


def dial(server: RedisServer) -> Any:
    return lambda: socket.create_connection(("127.0.0.1", server.port), timeout=10)


@pytest.fixture
def crawl(running: RedisServer, redis: Redis) -> Any:
    """The launcher's own client, as that user."""
    user(running, *RIGHTS)
    running.client.execute_command("ACL", "LOG", "RESET")
    return wiring.connected(f"redis://crawl:{PASSWORD}@127.0.0.1:{running.port}/1")


def work(client: Any) -> None:
    """All that the launcher does with a queue, and around it."""
    name, out = "scheduler2fetcher", "fetcher2processor"
    pages = held_queue(client, name, maxsize=3)
    token = Lease(client, queues.Scripts(client), "h/scheduler/1.2.3")
    assert token._hold("take")[0] == "mine" and token.renew() is None
    pages.token = token.token
    pages.put({"taskid": "a", "project": "p"})
    pages.put_packed([b"\x01", b"\x02", b"\x03", b"\xc1"])
    first, second = pages.take(2)
    large = [(out, b"x" * (1 << 19))] * 5
    assert pages.commit_and_take(first.number, large, 1)[0]
    assert pages.holds(second.number)
    pages.done([second.number])
    pages.take(5)
    assert pages.get_nowait is not None and pages.qsize() == 0
    pages.want_room()
    pages.unsure = True
    pages.take(1)
    Bells(client, [name + lua.BELL]).wait(0.1)
    flying(client)
    life = Life(client, "h/p/1.2.3", Pulse("fetcher", "h/p/1.2.3"))
    life.held = [pages.held]
    life.once()
    life.forget()
    returning.give_back_silent(pages.scripts)
    returning.give_back_gone(client, pages.scripts, "h/p/1.2.4")
    returning.hand_back(pages)
    pages.get_nowait()
    token.release()
    assert client.ping()


def test_with_these_rights_nothing_that_the_cluster_does_is_refused(running: RedisServer, crawl: Any) -> None:
    work(crawl)
    assert asked(running)["error"] is None
    report = redis_report(dial(running), PASSWORD, 1, user="crawl")
    assert report.ok, report.problem
    assert set(report.queues) == set(QUEUES)
    crawl.rpush("status_queue", "1")
    still = queue_motion(dial(running), PASSWORD, 1, user="crawl").still
    assert {"fetcher2processor", "status_queue"} <= set(still)
    assert not heard(dial(running), PASSWORD, 1, list(QUEUES), user="crawl").problem
    set_home(dial(running), PASSWORD, 1, "node1", user="crawl")
    assert lease(dial(running), PASSWORD, 1, user="crawl").home == "node1"
    set_home(dial(running), PASSWORD, 1, "", user="crawl")
    crawl.rpush("status_queue:failed", "error\n1")
    assert taken_back(dial(running), PASSWORD, 1, {"status_queue": 0}, user="crawl") == {"status_queue": 1}
    # The launcher's client on hosts does not tell its version, as that of this test does.
    refused = {one[b"object"] for one in running.client.execute_command("ACL", "LOG")}
    assert refused <= {b"client|setinfo", b"client"}
    assert not [key for key in Redis(port=running.port, db=1).scan_iter() if b"asks" in key]


@pytest.mark.parametrize("right", RIGHTS)
def test_each_right_that_lacks_is_named_as_acl_setuser_takes_it(running: RedisServer, crawl: Any, right: str) -> None:
    user(running, *(one for one in RIGHTS if one != right))
    found = asked(running)
    if right in UNTRIED:
        assert right == "+client|list" or found["code"] == "NOPERM"
    else:
        assert (found["code"], found["error"]) == ("NOPERM", f"NOPERM the user crawl lacks {right}")


def test_several_rights_that_lack_are_named_together(running: RedisServer, crawl: Any) -> None:
    lacks = ["~status_queue*", "+ping", "+hset", "+zadd", "+blpop"]
    user(running, *(one for one in RIGHTS if one not in lacks))
    assert asked(running)["error"].endswith(f"lacks {' '.join(lacks)}")
    # Nothing of it is known without scripts; nor the keys, where no command is allowed.
    user(running, *(one for one in RIGHTS if one != "+eval"))
    assert asked(running)["error"].endswith("lacks +eval")
    user(running, *(one for one in RIGHTS if not one.startswith("~")))
    assert asked(running)["error"].endswith(f"lacks {' '.join('~' + one for one in allowed.PATTERNS)}")


def test_bootstrap_makes_a_user_with_just_these_rights(running: RedisServer, crawl: Any) -> None:
    step = ManagedRedis("admin-Canary", "127.0.0.1", user="crawl", user_password=PASSWORD)
    (line,) = [one for one in step.conf().decode().splitlines() if one.startswith("user ")]
    assert line.split() == ["user", "crawl", "on", f">{PASSWORD}", *RIGHTS[:6], "-@all", *RIGHTS[6:]]
    # What a running server is told keeps the passwords of the user, and takes rights away.
    running.client.execute_command("ACL", "SETUSER", "crawl", ">second", "~other", "+get")
    seen = "service redis-server runs boots\nuser OK|PONG|\nmain 81a0 redis redis\nanswer OK|\n"
    action = step.diff(Found(0, seen))[0]
    told = action.payloads[1].content
    assert isinstance(told, bytes)
    login, words = told.decode().splitlines()
    assert login == "AUTH admin-Canary"
    running.client.execute_command(*words.split())
    assert asked(running)["error"] is None
    second = Redis(port=running.port, username="crawl", password="second", db=1)
    assert second.ping()
    with pytest.raises(NoPermissionError):
        second.get("other")
    shown = action.diff + repr(step)
    assert "user crawl on (secret) ~newtask_queue*" in shown and "Canary" not in shown


@pytest.mark.parametrize(
    ("answer", "restarts"),
    [("OK|PONG|", False), ("WRONGPASS invalid username-password pair|NOAUTH|", True), ("", True)],
)
def test_a_server_that_does_not_let_the_user_in_is_restarted(answer: str, restarts: bool) -> None:
    step = ManagedRedis("a", "0.0.0.0", user="crawl", user_password="b")
    settings = "|".join(f"{key}|{value}" for key, value in step._settings().items())
    seen = Running("redis-server", runs=True)
    assert bool(step._restart(Found(0, f"answer OK|{settings}|\nuser {answer}\n"), seen)) == restarts


def test_the_rights_of_the_page_are_those_that_are_tried(running: RedisServer) -> None:
    words = (*allowed.ALONE, *allowed.ON_KEYS, allowed.WAITS, ("EVAL",), ("TIME",))
    tried = {"+" + allowed.command(one) for one in words} | {"~" + one for one in allowed.PATTERNS}
    assert tried | UNTRIED.keys() == set(RIGHTS)
    sources = [PROJECT / "templates" / "launcher" / "lua.py", PROJECT / "fabfile" / "health" / "aside.py"]
    called = {one.lower() for path in sources for one in re.findall(r"redis\.call\('(\w+)'", path.read_text())}
    assert len(called) > 15
    assert {f"+{one}" for one in called} <= set(RIGHTS)


@pytest.mark.parametrize("right", ["+llen", "+hgetall", "+time", "+rpush", "~newtask_queue*"])
def test_programs_wait_where_something_is_forbidden(running: RedisServer, crawl: Any, right: str) -> None:
    user(running, *(one for one in RIGHTS if one != right))
    pages = held_queue(crawl, "newtask_queue")
    questions = [
        lambda: crawl.llen(pages.name),
        lambda: crawl.hgetall(pages.held),
        lambda: pages.scripts.beat(args=[1, pages.held]),
        lambda: pages.scripts.put(keys=[pages.name], args=["", b"1"]),
    ]
    refused = []
    for question in questions:
        try:
            question()
        except ResponseError as error:
            refused.append(error)
    assert refused and all(redis_lost(error) for error in refused)


def test_status_says_in_a_sentence_what_is_forbidden(running: RedisServer, crawl: Any) -> None:
    user(running, *(one for one in RIGHTS if one != "+info"))
    said = redis_report(dial(running), PASSWORD, 1, user="crawl").problem
    assert said is not None and said.startswith("Redis does not allow its user what is asked (")
    assert "docs/redis-users.md" in said and "\n" not in said
    user(running, *(one for one in RIGHTS if one != "+rpop"))
    crawl.rpush("status_queue:failed", "error\n1")
    with pytest.raises(Problem, match=r"^Redis does not allow its user what is asked"):
        taken_back(dial(running), PASSWORD, 1, {"status_queue": 0}, user="crawl")
    assert redis_report(dial(running), "another", 1, user="crawl").problem == (
        "Redis refuses the user crawl or its password; correct stores.redis in hosts.toml"
    )


def before_users(version: str) -> Serve:
    """A Redis that takes one password alone, as those before 6 do."""

    def serve(connection: socket.socket) -> None:
        stream = connection.makefile("rwb")
        while head := stream.readline():
            words = [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]
            told = f"redis_version:{version}\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n".encode()
            answer = b"$%d\r\n%s\r\n" % (len(told), told) if words[0] == b"INFO" else b"+OK\r\n"
            answer = b":0\r\n" if words[0] == b"LLEN" else answer
            if words[0] == b"AUTH" and len(words) > 2:
                answer = b"-ERR wrong number of arguments for 'auth' command\r\n"
            stream.write(answer)
            stream.flush()

    return serve


def test_a_redis_that_knows_no_users_is_one_sentence() -> None:
    with serving(before_users("5.0.14")) as port:
        where, password = ask.split(f"redis://crawl:{PASSWORD}@127.0.0.1:{port}/0")
        found = stores.redis(where, password)
        assert found is not None
        assert (found["code"], found["error"]) == ("old", "it is older than 6, and knows no users")
        said = redis_report(lambda: socket.create_connection(("127.0.0.1", port)), PASSWORD, user="crawl").problem
    assert said is not None and said.startswith("this Redis is older than 6 and knows no users; take username out")


@pytest.mark.parametrize(("ours", "who"), [(True, "crawl"), (False, None)])
def test_a_configuration_of_somebody_elses_is_asked_as_pyspider_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: bool, who: str | None
) -> None:
    """pyspider alone leaves the user of the address out."""
    asked: list[Any] = []
    monkeypatch.setattr(stores, "redis", lambda where, *_: asked.append(where["user"]))
    (tmp_path / "config.json").write_text(json.dumps({"message-queue": "redis://crawl:x@127.0.0.1:9/0"}))
    if ours:
        (tmp_path / "launcher").mkdir()
    ask.ask({"config": str(tmp_path / "config.json"), "roles": ["fetcher"], "site": None})
    assert asked == [who]


def test_the_web_ui_logs_in_as_that_user_too(tmp_path: Path, running: RedisServer, crawl: Any) -> None:
    """pyspider's own queue gives its client a password and no user."""
    package = tmp_path / "site" / "pyspider"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    queue = f"redis.StrictRedis(host='127.0.0.1', port={running.port}, db=1, password='{PASSWORD}')"
    script = f"import redis\ndef main():\n    print({queue}.llen('newtask_queue'))\n"
    (package / "run.py").write_text(script)
    url = f"redis://crawl:{PASSWORD}@127.0.0.1:{running.port}/1"
    config = dict.fromkeys(("taskdb", "projectdb", "resultdb"), "x")
    config |= {"message-queue": url, "data-path": str(tmp_path)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = [sys.executable, str(PROJECT / "templates" / "run.py"), "-c", str(tmp_path / "config.json"), "bench"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
