"""config.json on the hosts against the keys that pyspider really reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...inventory.fleet import near
from ..answers import Asked, StoreAddress
from ..findings import ENDS, Check, Hit, Patient, View
from ..known import unknown_keys

DATABASES = ("taskdb", "projectdb", "resultdb")
COMMON = ("mysql", "sqlalchemy+mysql", "mongodb", "sqlalchemy+postgresql", "elasticsearch", "couchdb")
"""Databases that several hosts can share, by the first part of their address."""
RESTART = "fab -H {host} deploy, then fab -H {host} reload"


def _configs(host: Patient) -> Iterator[Asked]:
    """Each config.json of the host once, also where several programs read it."""
    seen = set()
    for asked in host.asked:
        if asked.config is not None and asked.path not in seen:
            seen.add(asked.path)
            yield asked


def _hit(host: Patient, asked: Asked, text: str) -> Hit:
    return Hit(host.name, f"{asked.path}{text}", items=readers(host, asked))


def readers(host: Patient, asked: Asked) -> tuple[str, ...]:
    """The programs that were started after their config.json was changed: they have read it as it is."""
    changed = host.facts.clock - (asked.file.mtime if asked.file else 0)
    mine = {one.name for one in host.configured if asked.path in one.words}
    return tuple(
        one.name for one in host.programs if one.name in mine and one.pid and (one.uptime_s or 0) < changed + 1
    )


def unreadable(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for asked in host.asked:
            if asked.bad_config and asked.path and not _by_options(host, asked.path):
                yield _hit(host, asked, f": {asked.bad_config}")
                break


def _by_options(host: Patient, path: str) -> bool:
    """Whether programs have on their command line the settings that others have in a config.json."""
    return any("--taskdb" in one.words for one in host.components if path not in one.words)


def islands(view: View) -> Iterator[Hit]:
    places: dict[str, list[tuple[Patient, Asked, str]]] = {}
    for host in view.seen:
        for asked in _configs(host):
            yield from _alone(host, asked)
            for name, place in asked.places.items():
                where = place.replace("this host", host.host.address)
                places.setdefault(name, []).append((host, asked, where))
    for name, several in places.items():
        yield from _apart(name, several)


def _alone(host: Patient, asked: Asked) -> Iterator[Hit]:
    absent = [name for name in DATABASES if asked.option(name) is None]
    if absent:
        yield _hit(host, asked, f" has no {', '.join(absent)}: pyspider takes SQLite in its data directory")
    for name in DATABASES:
        scheme = (asked.address(name) or StoreAddress()).scheme
        if scheme.rpartition("+")[0] not in COMMON and scheme.split("+")[0] not in COMMON:
            yield _hit(host, asked, f": {name} is {scheme}, which no other host can see")
    if not any(asked.option(name) for name in ("message_queue", "amqp_url", "beanstalk")):
        yield _hit(host, asked, " has no message-queue: pyspider takes a queue inside its process")


def _apart(name: str, several: list[tuple[Patient, Asked, str]]) -> Iterator[Hit]:
    counted = Counter(where for _, _, where in several)
    usual = counted.most_common(1)[0][0]
    for host, asked, where in several:
        if where != usual:
            yield _hit(host, asked, f": {name} leads to {where}, on other hosts to {usual}")


def ignored(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for asked in _configs(host):
            for key, known in unknown_keys(asked.config or {}):
                name = key.rpartition(".")[2]
                meant = near(name.replace("-", "_"), known)
                hint = f" (did you mean {meant.replace('_', '-')}?)" if meant else ""
                yield _hit(host, asked, f": {key}{hint}")


def redis_numbers(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for asked in _configs(host):
            queue = asked.address("message_queue")
            number = queue.path.split("/")[0] if queue and queue.scheme == "redis" else ""
            if number and not number.isdigit():
                yield _hit(host, asked, f": the message-queue's address ends in /{number}")


def odd_passwords(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for asked in _configs(host):
            for name in (*DATABASES, "message_queue"):
                address = asked.address(name)
                if address and address.bad and (address.sign or address.host is None):
                    yield _hit(host, asked, f": {_sign(name, address)}: the address can't be taken apart")
                elif address and address.odd_password and _refused(asked, name):
                    yield _hit(host, asked, f": {_sign(name, address)}")


def _sign(name: str, address: StoreAddress) -> str:
    if not address.sign:
        return f"{name}: {address.bad}"
    return f"the password in {name} holds '{address.sign}'; letters, digits, _ and - are safe"


def portless(view: View) -> Iterator[Hit]:
    """Addresses of Redis without a port: pyspider takes none for it, as it does for MySQL."""
    for host in view.seen:
        for asked in _configs(host):
            address = asked.address("message_queue")
            if address and address.bad and address.host is not None and not address.sign:
                yield _hit(host, asked, f": message_queue: {address.bad}")


def _refused(asked: Asked, name: str) -> bool:
    if name == "message_queue":
        return bool(asked.redis and asked.redis.error)
    return name in asked.mysql and bool(asked.mysql[name].errno)


CHECKS = (
    Check(
        id="config-unreadable",
        title="the program ends at once; its log says that config.json can't be read or is not JSON",
        cause="config.json is not there, or somebody broke its syntax: every program that starts from now on ends",
        fix=RESTART,
        find=unreadable,
        fixes=("release", "restart"),
        foreign_fix="mend the file that is named above (python -m json.tool FILE shows the place){restarted}",
        hides=ENDS,
    ),
    Check(
        id="config-password",
        title="Access denied, though the password is right; or an address that leads nowhere",
        cause="pyspider decodes nothing in an address: %40 stays %40, and @ : / ? # in a password end it. Only "
        "letters, digits, _ and - are safe",
        fix=RESTART,
        find=odd_passwords,
        fixes=("release", "restart"),
        foreign_fix="give the store's user a password of letters, digits, _ and -, and write it there{restarted}",
        hides=ENDS | {"mysql-denied", "mysql-refused", "redis-refused", "redis-noauth", "island"},
    ),
    Check(
        id="config-address",
        title="TypeError: int() argument must be a string or a number, not 'NoneType'; every program ends at once",
        cause="pyspider takes 3306 for a MySQL address without a port; for one of Redis it takes nothing",
        fix=RESTART,
        find=portless,
        fixes=("release", "restart"),
        foreign_fix="write redis://HOST:6379/0 as message_queue{restarted}",
        hides=ENDS | {"redis-refused", "island"},
    ),
    Check(
        id="island",
        title="a node works alone: its tasks and results are never seen elsewhere, with no error at all",
        cause="where taskdb, projectdb, resultdb or message-queue is missing in config.json, pyspider takes SQLite and "
        "a queue inside the process, in silence; where they differ between hosts, there are two clusters",
        fix=RESTART,
        find=islands,
        fixes=("release", "restart"),
        foreign_fix="write there the taskdb, projectdb, resultdb and message-queue of the other hosts{restarted}",
    ),
    Check(
        id="config-unknown-key",
        title="a setting in config.json has no effect",
        cause="pyspider 0.3.10 ignores every key that it does not know, without a word",
        fix=RESTART,
        find=ignored,
        fixes=("release", "restart"),
        foreign_fix="correct or remove the key{restarted}",
    ),
    Check(
        id="config-redis-db",
        title="two clusters with different Redis databases get each other's tasks",
        cause="the part after the last / of the Redis address has to be a number; anything else silently means 0",
        fix=RESTART,
        find=redis_numbers,
        fixes=("release", "restart"),
        foreign_fix="write a number at the end of that address, as in redis://HOST:PORT/0{restarted}",
    ),
)
