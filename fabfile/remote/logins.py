"""Runs on a host, under the runtime's Python: whether the stores let in whoever has this configuration.

    logins.py CONFIG.json ASK ANSWERS TLS      prints one JSON object; no password is in it

ASK, ANSWERS and TLS are the paths of doctor_ask.py, doctor_answers.py and the release's tls.py: what doctor is told is what is told here.
"""

from __future__ import print_function

import json
import sys
import types


def module(path):
    made = types.ModuleType("loaded")
    with open(path, "rb") as stream:
        exec(compile(stream.read(), path, "exec"), made.__dict__)
    return made


def look(config, ask, answers, tls):
    stores = config.get("tls") or {}
    databases = dict((name, ask.split(config[name])) for name in ask.DATABASES if config.get(name))
    found = {"mysql": ask.mysql(databases, answers, tls, stores) if databases else {}, "redis": None}
    if config.get("message-queue"):
        where, password = ask.split(config["message-queue"])
        found["redis"] = answers.redis(where, password, tls.guard(stores.get("redis")))
    return found


if __name__ == "__main__":
    with open(sys.argv[1]) as stream:
        given = json.load(stream)
    print(json.dumps(look(given, *[module(path) for path in sys.argv[2:5]])))
