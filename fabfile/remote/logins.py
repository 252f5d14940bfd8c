"""Runs on a host, under the runtime's Python: whether the stores let in whoever has this configuration.

    logins.py CONFIG.json ASK ANSWERS      prints one JSON object; no password is in it

ASK and ANSWERS are the paths of doctor_ask.py and doctor_answers.py: what doctor is told is what is told here.
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


def look(config, ask, answers):
    databases = dict((name, ask.split(config[name])) for name in ask.DATABASES if config.get(name))
    found = {"mysql": answers.mysql(databases) if databases else {}, "redis": None}
    if config.get("message-queue"):
        found["redis"] = answers.redis(*ask.split(config["message-queue"]))
    return found


if __name__ == "__main__":
    with open(sys.argv[1]) as stream:
        given = json.load(stream)
    print(json.dumps(look(given, *[module(path) for path in sys.argv[2:4]])))
