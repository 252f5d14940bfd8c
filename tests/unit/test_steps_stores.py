"""Managed MySQL and Redis: what a host answers, and what is then missing."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from fabfile.errors import Problem, WrongInput
from fabfile.steps.base import Action, CannotLook, Found
from fabfile.steps.given import FOLDER, Given
from fabfile.steps.mysql import CONF as CONF_NAME
from fabfile.steps.mysql import FIND as FIND_MYSQL
from fabfile.steps.mysql import LISTENS, PRODUCT, ManagedMySQL
from fabfile.steps.redis import SERVICE as REDIS_SERVICE
from fabfile.steps.redis import ManagedRedis
from fabfile.steps.redis_conf import FIND as FIND_REDIS
from fabfile.steps.service import Running, Service, look, parse

from .local import content

CANARY = "canary-Pw_1"
MYSQL = ManagedMySQL(("taskdb", "projectdb", "res_db"), "pyspider", CANARY, "10.77.0.4")
REDIS = ManagedRedis(CANARY, "10.77.0.4")

GIVEN_MYSQL = hashlib.sha256(f"mysql\0{CANARY}".encode()).hexdigest()
GIVEN_REDIS = hashlib.sha256(f"redis\0{CANARY}".encode()).hexdigest()
CONF = hashlib.sha256(MYSQL.conf()).hexdigest()
MYSQL_RIGHT = f"""\
service mariadb runs boots
product MariaDB
conf 81a4 root root
conf {CONF}
given {GIVEN_MYSQL}
sql version\t10.11.6-MariaDB-0+deb12u1
sql bind_address\t10.77.0.4
sql innodb_flush_log_at_trx_commit\t1
sql max_allowed_packet\t67108864
sql max_connections\t500
sql port\t3306
sql skip_name_resolve\tON
sql sync_binlog\t1
sql database\ttaskdb
sql database\tprojectdb
sql database\tres_db
sql account\tpyspider\t%
sql GRANT USAGE ON *.* TO `pyspider`@`%` IDENTIFIED BY PASSWORD '*'
sql GRANT ALL PRIVILEGES ON `taskdb`.* TO `pyspider`@`%`
sql GRANT ALL PRIVILEGES ON `projectdb`.* TO `pyspider`@`%`
sql GRANT ALL PRIVILEGES ON `res\\_db`.* TO `pyspider`@`%`
login"""
REDIS_RIGHT = f"""\
service redis-server runs boots
main 81a0 redis redis
path /etc/redis/redis.conf
own 81a0 redis redis
own {hashlib.sha256(REDIS.conf()).hexdigest()}
given {GIVEN_REDIS}
included
answer OK|bind|10.77.0.4 127.0.0.1|port|6379|maxmemory-policy|noeviction|appendonly|yes|appendfsync|always|save|||"""

MAIN = "/etc/redis/redis.conf"
INCLUDED = f", and include it in {MAIN} (kept as {MAIN}.before-pyspider-fabfile-DATE)"
MAKE_USER, RIGHTS = "make MariaDB user pyspider", "set the rights of MariaDB user pyspider"


def says(actions: object) -> list[str]:
    assert isinstance(actions, list)
    # The day may change between two of these.
    return [re.sub(r"(?<=pyspider-fabfile-)\d{8}", "DATE", action.says) for action in actions]


def mysql(answer: str) -> list[str]:
    return says(MYSQL.diff(Found(0, answer)))


def redis(answer: str) -> list[str]:
    return says(REDIS.diff(Found(0, answer)))


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("", "", []),
        ("boots", "manual", ["start mariadb at boot"]),
        ("81a4", "8180", ["write zz-pyspider.cnf for MariaDB"]),
        (CONF, "0" * 64, ["write zz-pyspider.cnf for MariaDB"]),
        ("bind_address\t10.77.0.4", "bind_address\t127.0.0.1", ["start mariadb: bind_address is to be 10.77.0.4"]),
        # It knows no such variable: only the kernel tells where it listens.
        ("sql bind_address\t10.77.0.4\n", "listens\n", []),
        ("sql bind_address\t10.77.0.4\n", "", ["start mariadb: bind_address is to be 10.77.0.4"]),
        ("skip_name_resolve\tON", "skip_name_resolve\tOFF", ["start mariadb: skip_name_resolve is to be 1"]),
        ("sql port", "sql mysqlx_bind_address\t127.0.0.1\nsql port", []),
        (
            "sql port",
            "sql mysqlx_bind_address\t*\nsql port",
            ["start mariadb: mysqlx_bind_address is to be 127.0.0.1"],
        ),
        ("sql database\tprojectdb\n", "", ["create databases projectdb"]),
        ("\nlogin", "", [MAKE_USER]),
        ("\nlogin", "\nfull", ["start mariadb: it takes no more connections"]),
        ("sql account\tpyspider\t%", "full", ["start mariadb: it takes no more connections", MAKE_USER]),
        ("sql account\tpyspider\t%", "sql account\tpyspider\t%\nsql account\t\tlocalhost", [MAKE_USER]),
        ("sql account\tpyspider\t%", "sql account\tpyspider\t%\nsql account\tpyspider\tlocalhost", [MAKE_USER]),
        ("GRANT USAGE ON", "GRANT SELECT ON", [RIGHTS]),
        ("GRANT USAGE ON", "GRANT ALL PRIVILEGES ON", [RIGHTS]),
        ("PASSWORD '*'", "PASSWORD '*' WITH GRANT OPTION", [RIGHTS]),
        ("PRIVILEGES ON `taskdb`.*", "PRIVILEGES ON `taskdb`.`one`", [RIGHTS]),
        ("ALL PRIVILEGES ON `taskdb`", "SELECT, INSERT ON `taskdb`", [RIGHTS]),
        ("`res\\_db`", "`res_db`", [RIGHTS]),
        ("\nlogin", "\nsql GRANT `boss` TO `pyspider`@`%`\nlogin", [RIGHTS]),
    ],
)
def test_mysql_is_changed_only_where_it_is_wrong(before: str, after: str, wanted: list[str]) -> None:
    assert before in MYSQL_RIGHT
    assert mysql(MYSQL_RIGHT.replace(before, after) if before else MYSQL_RIGHT) == wanted


def test_the_rights_of_mysql_8_and_old_servers_read_the_same() -> None:
    assert mysql(MYSQL_RIGHT.replace("`pyspider`@`%`", "'pyspider'@'%'")) == []
    assert mysql(MYSQL_RIGHT.replace(" IDENTIFIED BY PASSWORD '*'", "")) == []


def test_a_host_without_mysql_gets_all_of_it_in_order() -> None:
    expected = ["write zz-pyspider.cnf for MySQL", "start mariadb: it does not run", "start mariadb at boot"]
    expected += ["create databases taskdb, projectdb, res_db", "make MySQL user pyspider"]
    assert mysql("service none") == expected


FRESH = """\
service mariadb runs boots
product MariaDB
sql version\t10.11.6-MariaDB-0+deb12u1
sql bind_address\t127.0.0.1
sql innodb_flush_log_at_trx_commit\t1
sql max_allowed_packet\t16777216
sql max_connections\t151
sql port\t3306
sql skip_name_resolve\tOFF
sql sync_binlog\t0
"""


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("sql holds\tshop\n", "holds shop;"),
        ("sql holds\ttaskdb\nsql database\ttaskdb\n", "holds taskdb;"),
        ("sql account\tpyspider\tlocalhost\n", "holds the account pyspider@localhost;"),
    ],
)
def test_a_mysql_that_others_set_up_and_use_is_refused(rows: str, named: str) -> None:
    with pytest.raises(Problem, match=r"nothing was changed here: somebody else's MariaDB") as caught:
        mysql(FRESH + rows)
    assert named in str(caught.value)
    # What this project has begun to set up goes on, whatever else lives there.
    assert mysql(FRESH + rows + "login")
    assert mysql(FRESH + f"conf 81a4 root root\nconf {CONF}\n" + rows)


def test_a_store_is_called_by_the_name_of_its_product() -> None:
    assert mysql(FRESH.replace("mariadb", "mysql").replace("MariaDB", "MySQL"))[:2] == [
        "write zz-pyspider.cnf for MySQL",
        "start mysql: bind_address is to be 10.77.0.4, max_connections is to be 500, max_allowed_packet is to be "
        "67108864, skip_name_resolve is to be 1, sync_binlog is to be 1",
    ]
    with pytest.raises(Problem, match="somebody else's Valkey runs here"):
        redis("service valkey-server runs boots\nproduct Valkey\nanswer ERR|\nasked\nused db0:keys=5\n")
    assert redis("service valkey-server down boots\nproduct Valkey\n") == [
        "write pyspider.conf for Valkey",
        "start valkey-server: it does not run",
    ]


def test_the_server_tells_its_product_where_no_program_does() -> None:
    assert mysql(FRESH.replace("product MariaDB", "product MySQL"))[0] == "write zz-pyspider.cnf for MariaDB"


@pytest.mark.parametrize(
    ("programs", "wanted"),
    [
        # MariaDB before 10.4.6 has no other names: CentOS 7, Debian 9.
        (
            {"mysqld": "mysqld  Ver 5.5.68-MariaDB for Linux on x86_64 (MariaDB Server)", "mysql": "mysql  Ver 15.1"},
            "MariaDB",
        ),
        (
            {"mysqld": "/usr/sbin/mysqld  Ver 8.0.36 for Linux", "mariadb": "mariadb  Ver 15.1 Distrib 10.6-MariaDB"},
            "MySQL",
        ),
        ({"mariadbd": "mariadbd  Ver 11.8.1-MariaDB", "mysqld": "mysqld  Ver 11.8.1-MariaDB"}, "MariaDB"),
        ({"mysql": "mysql  Ver 15.1 Distrib 10.1.48-MariaDB, for debian-linux-gnu"}, "MariaDB"),
        ({}, "MySQL"),
    ],
)
def test_a_server_is_called_what_it_says_of_itself(tmp_path: Path, programs: dict[str, str], wanted: str) -> None:
    for name, words in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{words}'\n")
        (tmp_path / name).chmod(0o755)
    script = FIND_MYSQL + PRODUCT.replace("/usr/sbin:/usr/libexec", f"{tmp_path}:/usr/libexec")
    known = {"PATH": f"{tmp_path}:{_tools(tmp_path / 'bin')}"}
    for shell in ("/bin/dash", "/bin/bash"):
        done = subprocess.run([shell, "-euc", script], capture_output=True, text=True, check=True, env=known)
        assert (done.stdout, done.stderr) == (f"product {wanted}\n", "")


def _tools(folder: Path) -> Path:
    """Sed and tail alone: whatever server this machine has is in no PATH."""
    folder.mkdir()
    for name in ("sed", "tail"):
        (folder / name).symlink_to(shutil.which(name) or "")
    return folder


@pytest.mark.parametrize(("bound", "wanted"), [("127.0.0.1", True), ("127.0.0.9", False), ("0.0.0.0", False)])
def test_where_a_server_listens_is_told_by_the_kernel(bound: str, wanted: bool) -> None:
    with socket.create_server((bound, 0)) as server:
        script = LISTENS % {"address": "127.0.0.1", "port": server.getsockname()[1]}
        for shell in ("dash", "bash"):
            done = subprocess.run([shell, "-euc", script], capture_output=True, text=True, check=True)
            assert (done.stdout, done.stderr) == ("listens\n" if wanted else "", "")
    done = subprocess.run(["dash", "-euc", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_an_address_that_nobody_knows_is_no_listener() -> None:
    script = LISTENS % {"address": "no-such-name.invalid", "port": 3306}
    assert subprocess.run(["dash", "-euc", script], capture_output=True, text=True, check=True).stdout == ""


def test_the_x_protocol_of_mysql_listens_on_loopback_and_an_older_server_passes_that() -> None:
    lines = MYSQL.conf().decode().splitlines()
    assert "loose_mysqlx_bind_address = 127.0.0.1" in lines and "bind_address = 10.77.0.4" in lines


def test_the_file_of_an_earlier_version_is_replaced_and_proves_that_the_server_is_ours() -> None:
    text = FRESH.replace("127.0.0.1", "10.77.0.4") + "before\nsql holds\tshop\n"
    action = MYSQL.diff(Found(0, text))[0]
    assert action.says == "write zz-pyspider.cnf for MariaDB"
    assert 'rm -f "${conf%/*}/90-pyspider.cnf"' in action.script


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        # Debian's MySQL, where MariaDB's library has left a directory of its own.
        (
            {
                "mysql/my.cnf": "!includedir ETC/mysql/conf.d/\n!includedir ETC/mysql/mysql.conf.d/\n",
                "mysql/mysql.conf.d/mysqld.cnf": "",
                "mysql/mariadb.conf.d/60-galera.cnf": "",
            },
            "mysql/mysql.conf.d",
        ),
        (
            {
                "mysql/my.cnf": "!includedir ETC/mysql/conf.d/\n !includedir ETC/mysql/mariadb.conf.d\n",
                "mysql/mysql.conf.d/mysqld.cnf": "",
                "mysql/mariadb.conf.d/50-server.cnf": "",
            },
            "mysql/mariadb.conf.d",
        ),
        ({"my.cnf": "[mysqld]\n\n!includedir ETC/my.cnf.d\n", "my.cnf.d/server.cnf": ""}, "my.cnf.d"),
        ({"my.cnf.d/server.cnf": ""}, "my.cnf.d"),
        ({}, ""),
    ],
)
def test_the_drop_in_is_where_the_server_reads_last(tmp_path: Path, files: dict[str, str], wanted: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.replace("ETC", str(tmp_path)))
    script = FIND_MYSQL.replace("/etc/", f"{tmp_path}/") + 'printf %s "$conf"'
    for shell in ("dash", "bash"):
        got = subprocess.run([shell, "-euc", script], capture_output=True, text=True, check=True).stdout
        assert got == (f"{tmp_path}/{wanted}/zz-pyspider.cnf" if wanted else "")
        others = [name.rpartition("/")[2] for name in files if wanted and name.startswith(f"{wanted}/")]
        assert all(name < CONF_NAME for name in others)


@pytest.mark.parametrize(
    ("server", "says", "wanted"),
    [
        ("redis-server", "Redis server v=8.0.2 sha=0", "Redis 8.0.2 redis/redis.conf redis-cli x y"),
        # A name that stands for Valkey, as some distributions have it.
        ("redis-server", "Valkey server v=8.1.1 sha=0", "Valkey 8.1.1 redis/redis.conf redis-cli x y"),
        ("valkey-server", "Valkey server v=9.1.2 sha=0", "Valkey 9.1.2 valkey/valkey.conf valkey-cli x y"),
    ],
)
def test_the_configuration_is_that_of_the_server_that_is_there(
    tmp_path: Path, server: str, says: str, wanted: str
) -> None:
    for name in ("redis/redis.conf", "valkey/valkey.conf"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in (server, "redis-cli", "valkey-cli"):
        (tools / name).write_text(f"#!/bin/sh\necho {says}\n")
        (tools / name).chmod(0o755)
    script = FIND_REDIS.replace("/etc/", f"{tmp_path}/") + 'echo "$product $version ${main#"$HOME"/} ${cli##*/} $*"'
    known = {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(tmp_path)}
    words = ["dash", "-euc", script, "dash", "x", "y"]
    assert subprocess.run(words, capture_output=True, text=True, check=True, env=known).stdout.strip() == wanted


@pytest.mark.parametrize(
    ("product", "version", "old"),
    [
        *(("Redis", "3.2.12", True), ("Redis", "4.0.9", True), ("Redis", "5.0.3", False), ("Redis", "10.0", False)),
        *(("Valkey", "1.0", False), ("Redis", "", False)),
    ],
)
def test_a_redis_that_can_not_do_what_the_queues_ask_is_refused(product: str, version: str, old: bool) -> None:
    answer = f"service redis-server down boots\nproduct {product}\nversion {version}\n"
    if old:
        with pytest.raises(Problem, match=rf"nothing was changed here: this host has Redis {version}, .* from 5 on"):
            redis(answer)
    else:
        assert redis(answer)


def test_a_redis_without_users_is_refused_where_hosts_toml_names_one() -> None:
    answer = Found(0, "service redis-server down boots\nproduct Redis\nversion 5.0.14\n")
    named = ManagedRedis("pw", "10.77.0.4", user="crawl", user_password="secret")
    with pytest.raises(Problem, match=r"need one from 6 on, or Valkey; .*; or leave out its username"):
        named.diff(answer)


def test_a_fresh_mysql_is_set_up() -> None:
    assert mysql(FRESH + "sql account\t\tlocalhost\n")[0] == "write zz-pyspider.cnf for MariaDB"


@pytest.mark.parametrize(
    "use", ["db0:keys=5,expires=0,avg_ttl=0", "connected_clients:4", "NOAUTH Authentication required."]
)
def test_a_redis_that_others_set_up_and_use_is_refused(use: str) -> None:
    foreign = "service redis-server runs boots\nmain 81a0 redis redis\nanswer ERR AUTH called without any password|\n"
    with pytest.raises(Problem, match="somebody else's Redis runs here and is in use") as caught:
        redis(f"{foreign}used connected_clients:1\nused {use}\n")
    assert use in str(caught.value)
    assert redis(f"{foreign}used connected_clients:1\n")[0].startswith("write pyspider.conf for Redis")
    assert redis(f"{foreign.replace('ERR AUTH', 'OK|ERR AUTH')}used {use}\n")


def test_a_redis_that_does_not_say_what_it_holds_may_be_in_use() -> None:
    silent = "service redis-server runs boots\nmain 81a0 redis redis\nanswer Could not connect|\nasked\n"
    with pytest.raises(Problem, match=r"somebody else's Redis runs here and is in use \(it does not say what it holds"):
        redis(silent)
    assert redis(f"{silent}used connected_clients:1\n")[0].startswith("write pyspider.conf for Redis")


def test_a_redis_whose_configuration_leads_elsewhere_is_refused() -> None:
    odd = f"{MAIN}: a link stands there"
    with pytest.raises(Problem, match=f"nothing was changed here: {odd}"):
        redis(f"service redis-server runs boots\nproduct Redis\nversion 7.0\nodd: {odd}\n")


def test_a_mysql_that_does_not_answer_root_is_no_empty_mysql() -> None:
    with pytest.raises(CannotLook, match="does not answer root") as caught:
        mysql("service mariadb runs boots\nsql ERROR 1698 (28000): Access denied for user 'root'@'localhost'")
    assert "1698" in caught.value.detail


@pytest.mark.parametrize("user", ["root", "mysql", "mariadb.sys", ""])
def test_the_servers_own_accounts_are_never_touched(user: str) -> None:
    with pytest.raises(WrongInput, match=r"stores\.mysql\.user"):
        ManagedMySQL(("a", "b", "c"), user, CANARY, "127.0.0.1")


def test_an_account_that_can_log_in_is_not_dropped() -> None:
    stray = MYSQL_RIGHT + "\nsql account\tpyspider\tlocalhost"
    (kept,) = MYSQL.diff(Found(0, stray))
    (made,) = MYSQL.diff(Found(0, MYSQL_RIGHT.replace("\nlogin", "")))
    assert b"AND NOT (user = 'pyspider' AND host = '%')" in sql(kept) and b"CREATE USER" not in sql(kept)
    assert b"AND NOT" not in sql(made) and b"CREATE USER 'pyspider'@'%' IDENTIFIED BY" in sql(made)


def test_values_are_quoted_for_sql_and_an_underscore_is_no_pattern() -> None:
    odd = ManagedMySQL(("a`b", "c_d", "e"), "o'hara", "x\\'", "127.0.0.1")
    text = b"".join(sql(action) for action in odd.diff(Found(0, "service none")) if action.payloads)
    assert b"CREATE DATABASE IF NOT EXISTS `a``b` " in text
    assert b"ON `c\\_d`.* TO 'o''hara'@'%'" in text
    assert b"IDENTIFIED BY 'x\\\\'''" in text


def sql(action: Action) -> bytes:
    content = action.payloads[0].content
    assert isinstance(content, bytes)
    return content


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("", "", []),
        ("boots", "manual", ["start redis-server at boot"]),
        ("included\n", "", ["write pyspider.conf for Redis" + INCLUDED]),
        ("own 81a0", "own 81a4", ["write pyspider.conf for Redis"]),
        ("own 81a0 redis redis", "own 81a0 root root", ["write pyspider.conf for Redis"]),
        ("answer OK", "answer WRONGPASS", ["start redis-server: it does not answer on port 6379 with its password"]),
        ("noeviction", "allkeys-lru", ["start redis-server: maxmemory-policy is to be noeviction"]),
        ("|save||", "|save|3600 1|", ["start redis-server: save is to be off"]),
        ("10.77.0.4 127", "127", ["start redis-server: bind is to be 10.77.0.4 127.0.0.1"]),
        ("runs", "down", ["start redis-server: it does not run"]),
    ],
)
def test_redis_is_changed_only_where_it_is_wrong(before: str, after: str, wanted: list[str]) -> None:
    assert before in REDIS_RIGHT
    assert redis(REDIS_RIGHT.replace(before, after) if before else REDIS_RIGHT) == wanted


def test_a_host_without_redis_gets_all_of_it_in_order() -> None:
    expected = [
        "write pyspider.conf for Redis",
        "start redis-server: it does not run",
        "start redis-server at boot",
    ]
    assert redis("service none") == expected


@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0"])
def test_an_address_that_covers_loopback_is_named_once(bind: str) -> None:
    assert f"bind {bind}\n".encode() in ManagedRedis("x", bind).conf()


def test_no_password_is_in_a_script_a_diff_or_a_repr() -> None:
    for step in (MYSQL, REDIS):
        actions = step.diff(Found(0, "service none"))
        shown = [repr(step), step.probe().script]
        shown += [text for action in actions for text in (action.says, action.script, action.diff)]
        assert not [text for text in shown if CANARY in text]


def test_every_script_is_valid_posix_shell() -> None:
    for step in (MYSQL, REDIS, Service(("a", "b"))):
        scripts = [step.probe().script, *(action.script for action in step.diff(Found(0, "service none")))]
        for script in scripts:
            assert subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode == 0, script


@pytest.mark.parametrize(
    ("programs", "wanted"),
    [(("redis-server", "valkey-server"), "redis-server"), (("valkey-server",), "valkey-server"), ((), "none")],
)
def test_the_script_of_a_package_that_is_gone_is_no_service(
    tmp_path: Path, programs: tuple[str, ...], wanted: str
) -> None:
    for folder in ("init.d", "bin"):
        (tmp_path / folder).mkdir()
    for name in (*(f"bin/{one}" for one in programs), "init.d/redis-server", "init.d/valkey-server", "bin/service"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    script = look(REDIS_SERVICE.alternatives).replace("/etc/", f"{tmp_path}/").replace("/run/systemd", f"{tmp_path}")
    words = ["/bin/dash", "-euc", script]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={"PATH": f"{tmp_path}/bin"})
    assert parse(done.stdout).service == ("" if wanted == "none" else wanted)


def test_a_service_is_started_now_and_at_boot() -> None:
    step = Service(("one", "two"))
    assert says(step.diff(Found(0, "service two runs boots"))) == []
    assert says(step.diff(Found(0, "service two down manual"))) == ["start two: it does not run", "start two at boot"]
    assert says(step.diff(Found(0, "service none"))) == ["start one: it does not run", "start one at boot"]
    assert parse("noise\nservice two down boots\nmore") == Running("two", False, True)
    with pytest.raises(CannotLook):
        parse("service: unrecognized")


ANOTHER = "nothing was changed here: {} has another password for this cluster than hosts.toml and .secrets/"
NOTE_MYSQL, NOTE_REDIS = "note which password MariaDB has", "note which password Redis has"


@pytest.mark.parametrize(
    ("given", "more", "wanted"),
    [
        # By hand, in the store: it gets back what it was given.
        (GIVEN_MYSQL, ("\nlogin", "\ndenied"), [MAKE_USER]),
        ("1" * 64, ("\nlogin", "\ndenied"), None),
        ("", ("\nlogin", "\ndenied"), None),
        # Whatever the reason: it was given another one.
        ("1" * 64, ("\nlogin", ""), None),
        # An account that is locked, or whose password has expired, says nothing of its password.
        ("", ("\nlogin", ""), [MAKE_USER]),
        # It does not run: what it was given tells, else the server itself once it is up.
        ("1" * 64, ("runs", "down"), None),
        ("", ("", ""), [NOTE_MYSQL]),
        # In the middle of a change it lets both in.
        ("1" * 64, ("", ""), [NOTE_MYSQL]),
        ("1" * 64, ("sql account\tpyspider\t%\n", ""), [MAKE_USER, NOTE_MYSQL]),
        ("1" * 64, ("login", "full"), ["start mariadb: it takes no more connections"]),
    ],
)
def test_mysql_keeps_the_password_that_another_machine_gave(
    given: str, more: tuple[str, str], wanted: list[str] | None
) -> None:
    """A second checkout makes passwords of its own, and would take the store from all programs."""
    answer = MYSQL_RIGHT.replace(f"given {GIVEN_MYSQL}\n", f"given {given}\n" if given else "").replace(*more, 1)
    # One that was purged, with a note that stayed, has nothing to lose.
    assert MAKE_USER in mysql(f"service none\nproduct MariaDB\ngiven {given}\n")
    if wanted is None:
        with pytest.raises(Problem, match=ANOTHER.format("MariaDB")):
            mysql(answer)
        assert MAKE_USER in says(replace(MYSQL, anew=True).diff(Found(0, answer)))
    else:
        assert mysql(answer) == wanted


@pytest.mark.parametrize(
    ("given", "answer", "wanted"),
    [
        (GIVEN_REDIS, "answer WRONGPASS", ["start redis-server: it does not answer on port 6379 with its password"]),
        ("1" * 64, "answer WRONGPASS invalid|", None),
        ("", "answer WRONGPASS invalid|", None),
        ("", "answer ERR invalid password|NOAUTH", None),
        # It does not run, and its file has another one.
        ("", "answer Could not connect", None),
        ("1" * 64, "answer Could not connect", None),
        ("", "answer OK", [NOTE_REDIS]),
        ("1" * 64, "answer OK", [NOTE_REDIS]),
    ],
)
def test_redis_keeps_the_password_that_another_machine_gave(given: str, answer: str, wanted: list[str] | None) -> None:
    told = REDIS_RIGHT.replace(f"given {GIVEN_REDIS}\n", f"given {given}\n" if given else "")
    told = told.replace("answer OK", answer)
    if wanted is None:
        with pytest.raises(Problem, match=ANOTHER.format("Redis")):
            redis(told)
        assert says(replace(REDIS, anew=True).diff(Found(0, told)))
    else:
        assert redis(told) == wanted
    # A host that has none of its configuration yet was given nothing.
    assert redis(f"service none\ngiven {given}")


def test_redis_of_an_earlier_version_goes_over_to_a_user_and_back() -> None:
    """Nothing notes its password yet; the file that it reads tells that it is this machine's."""
    own = hashlib.sha256(CANARY.encode()).hexdigest()
    told = REDIS_RIGHT.replace(f"given {GIVEN_REDIS}\n", f"password {own}  -\n")
    shut = told.replace("answer OK", "answer WRONGPASS invalid|")
    user = ManagedRedis("another-admin", "10.77.0.4", user="crawl", user_password=CANARY)
    assert says(user.diff(Found(0, f"{shut}\nuser WRONGPASS|"))) == says(replace(user, anew=True).diff(Found(0, shut)))
    assert says(REDIS.diff(Found(0, shut)))
    # The user alone has another name.
    assert says(replace(user, user="another").diff(Found(0, f"{told}\nuser WRONGPASS|")))
    # An old copy of this machine's passwords has the default user's, which no rotation changes.
    for answer in (shut, told):
        with pytest.raises(Problem, match=ANOTHER.format("Redis")):
            replace(user, user_password="x").diff(Found(0, f"{answer}\nuser WRONGPASS|"))


def test_the_digest_of_a_password_is_noted_for_root_alone(tmp_path: Path) -> None:
    note = Given("redis", CANARY)
    for step in (Given("redis", "old"), note):
        script = step.note().replace(FOLDER, str(tmp_path / "kept"))
        subprocess.run(["sh", "-ec", script], check=True)
    kept = tmp_path / "kept" / "redis.given"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in kept.parent.iterdir()] == ["redis.given"]
    look = note.look().replace(FOLDER, str(tmp_path / "kept"))
    text = subprocess.run(["sh", "-ec", look], check=True, capture_output=True, text=True).stdout
    assert note.state(Found(0, text)) == "same"
    assert Given("redis", "old").state(Found(0, text)) == "other"
    assert note.state(Found(0, "")) == "unknown"


@pytest.mark.parametrize(
    ("accounts", "login", "goes"), [("0", 1045, True), ("1", 0, True), ("1", 1045, False), ("1", 1820, True)]
)
def test_a_mysql_that_did_not_run_is_asked_when_it_does(tmp_path: Path, accounts: str, login: int, goes: bool) -> None:
    client = f"""#!/bin/sh
case $* in *--defaults-file=*) [ {login} = 0 ] || {{ echo 'ERROR {login} (HY000): no'; exit 1; }}; exit 0 ;; esac
read -r sql
case $sql in *COUNT*) echo {accounts} ;; *@@socket*) echo /s ;; *) echo changed >>{tmp_path}/told ;; esac
"""
    (tmp_path / "mariadb").write_text(client)
    (tmp_path / "mariadb").chmod(0o755)
    action = next(one for one in MYSQL.diff(Found(0, "service mariadb down boots")) if one.says.startswith("make "))
    paths = [str(tmp_path / str(number)) for number in range(len(action.payloads))]
    for path, payload in zip(paths, action.payloads, strict=True):
        Path(path).write_bytes(content(payload))
    script = action.script.replace(FOLDER, f"{tmp_path}/kept").replace("/etc/", f"{tmp_path}/")
    known = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-ec", script, "sh", *paths], capture_output=True, text=True, check=False, env=known)
    assert (done.returncode == 0) == goes == (tmp_path / "told").exists()
    assert goes or "has another password for this cluster" in done.stdout
