"""The scratch stores of a bench, cleared from a host. Any Python from 2.6 on; for MySQL, with mysql.connector."""

from __future__ import absolute_import, print_function

from . import ask, stores, tls

MARK = "pyspider:bench"
"""The key in the scratch database of Redis: it holds the name of the bench that may clear it."""
LOOKS = 3
ENDINGS = ("", ":bell", ":room", ":wanted", ":failed")
OWN_KEYS = ("consumers", "watch", "lease", "lease:last", "home", "pulse")
HELD_ENDINGS = ("", ":epoch", ":staged", ":ends")


def clear_stores(where):
    """Whether nothing of a bench is left in the stores. `where` has the addresses of its config.json."""
    done = clear_redis(where)
    if where.get("databases"):
        drop(where)
    return done


def clear_redis(where):
    place, password = ask.split(where["message-queue"])
    number = int(place["path"])
    server = stores.RedisConnection(place["host"], place["port"] or 6379, tls.guard(where["tls"].get("redis")))
    stores.log_in(server, place["user"], password)
    server.ask("SELECT", number)
    # Only what this bench has marked as its own.
    if server.ask("GET", MARK) != where["run"]:
        return True
    # A program that is just ending writes once more.
    for _ in range(LOOKS):
        if not sum([int(server.ask("DEL", key)) for key in keys_of(server) if key != MARK]):
            server.ask("DEL", MARK)
            return True
    return False


def keys_of(server):
    """The keys that the launcher makes, of those that are there; for a user of Redis who may not list them, all."""
    try:
        found, cursor = [], "0"
        while True:
            cursor, keys = server.ask("SCAN", cursor, "COUNT", 500)
            found += [key for key in keys if key.partition(":")[0] in ("pyspider",) + tuple(stores.QUEUES)]
            if cursor == "0":
                return found
    except ValueError:
        held = server.ask("ZRANGE", "pyspider:consumers", 0, -1)
        names = [queue + ending for queue in stores.QUEUES for ending in ENDINGS]
        return names + ["pyspider:" + name for name in OWN_KEYS] + [h + ending for h in held for ending in HELD_ENDINGS]


def drop(where):
    """Drops the scratch databases of an existing MySQL, as the user that made them."""
    import mysql.connector

    if "mysql" in where["tls"]:
        tls.secure_mysql(where["tls"]["mysql"])
    place, password = ask.split(where["taskdb"])
    server = mysql.connector.connect(
        host=place["host"], port=place["port"] or 3306, user=place["user"], password=password, connection_timeout=10
    )
    try:
        cursor = server.cursor()
        # One that it may not see it has not made either.
        cursor.execute("SHOW DATABASES")
        shown = [stores.text(row[0]) for row in cursor.fetchall()]
        for name in [one for one in where["databases"] if one in shown]:
            cursor.execute("DROP DATABASE IF EXISTS `%s`" % name.replace("`", "``"))
    finally:
        server.close()
