"""Whether the stores let in a program that has this configuration."""

from __future__ import absolute_import, print_function

import json

from . import ask, files, stores, texts, tls


def logins(config):
    """`config` holds the addresses of config.json, and under `tls` the content of the release's tls.json.

    Or it names the `folder` of a release that has both, which the cluster's user reads.
    """
    config = kept(config["folder"]) if config.get("folder") else config
    secured = config.get("tls") or {}
    databases = dict((name, ask.split(config[name])) for name in ask.DATABASES if config.get(name))
    found = {"mysql": ask.mysql(databases, secured) if databases else {}, "redis": None}
    if config.get("message-queue"):
        where, password = ask.split(config["message-queue"])
        found["redis"] = stores.redis(where, password, tls.guard(secured.get("redis")))
    return found


def kept(folder):
    config = json.loads(files.read(folder + "/config.json") or "{}")
    return texts.native(dict(config, tls=json.loads(files.read(folder + "/tls.json") or "{}")))
