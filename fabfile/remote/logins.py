"""Whether the stores let in a program that has this configuration."""

from __future__ import absolute_import, print_function

from . import ask, stores, tls


def logins(config):
    """`config` holds the addresses of config.json, and under `tls` the content of the release's tls.json."""
    secured = config.get("tls") or {}
    databases = dict((name, ask.split(config[name])) for name in ask.DATABASES if config.get(name))
    found = {"mysql": ask.mysql(databases, secured) if databases else {}, "redis": None}
    if config.get("message-queue"):
        where, password = ask.split(config["message-queue"])
        found["redis"] = stores.redis(where, password, tls.guard(secured.get("redis")))
    return found
