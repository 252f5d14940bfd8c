"""Stores and queues that pyspider knows and that this project refuses, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

_DRIVER = "its driver is not among the pinned packages, and writes are grouped and waited for in MySQL only"
_QUEUE = "a message is handed over and acknowledged in steps that only Redis takes as one, so that no page is lost"
_ONE_HOST = "it is within one host, and a cluster has several"
_WORDS: Mapping[str, tuple[str, str]] = {
    "sqlite": ("SQLite", _ONE_HOST),
    "mongodb": ("MongoDB", _DRIVER),
    "postgresql": ("PostgreSQL", _DRIVER),
    "sqlalchemy": ("SQLAlchemy", "writes are grouped and waited for by MySQL's own connector only"),
    "elasticsearch": ("Elasticsearch", _DRIVER),
    "couchdb": ("CouchDB", _DRIVER),
    "amqp": ("AMQP (RabbitMQ)", _QUEUE),
    "rabbitmq": ("AMQP (RabbitMQ)", _QUEUE),
    "kombu": ("Kombu", _QUEUE),
    "beanstalk": ("Beanstalk", _QUEUE),
    "zeromq": ("ZeroMQ", _QUEUE),
    "local": ("a queue of pyspider's own", _ONE_HOST),
    "sentinel": ("Sentinel", "pyspider's programs ask none for the master; name the master itself in [stores.redis]"),
}
SENTINEL_PORT = 26379


def refused(name: str) -> str:
    """Why a store is refused, by its name, the name of its key, or its address; empty where nothing is known of it.

    Nothing of an address but its scheme is repeated: it may hold a password.
    """
    words = name.partition("://")[0].lower().replace("_", "-").removesuffix("-url").split("+")
    # sqlalchemy+postgresql: the server says more than the library.
    told = next((_WORDS[word] for word in reversed(words) if word in _WORDS), None)
    return f"{told[0]} is refused: {told[1]}" if told else ""
