"""Questions to Redis: does it let us in, does it keep what it is given, how long are the queues?"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..inventory import TLS
from ..inventory.roles import QUEUES
from ..steps.redis import OLDEST, OLDEST_OF_USERS, older
from . import tls as secure
from .deadline import OVER, Open, Stream, Timed
from .words import SECONDS, reason, told

if TYPE_CHECKING:
    from redis import Redis

STORE = "stores.redis"
SENTINEL = (
    "there is a Sentinel, which keeps no queues; name the master itself in [stores.redis]: pyspider's programs ask no "
    "Sentinel for it"
)
CLUSTERED = (
    "this Redis runs in cluster mode, where no script may take from several queues; name one out of cluster mode in "
    "[stores.redis] of hosts.toml"
)
FULL = "Redis has as many clients as it takes; raise maxclients there, or end clients that nobody needs"
NUMBER = (
    "this Redis has no database of that number; write a smaller db in [stores.redis] of hosts.toml, or raise databases "
    "there"
)
NO_USERS = (
    "this Redis is older than 6 and knows no users; take username out of [stores.redis] in hosts.toml, or name a later "
    "one"
)
IN_SCRIPT = ("ACL failure in script", "The user executing the script")
"""The words where a user's script does what that user may not: of Redis from 7.2 on, and of those before."""
STRANGE = "the server there is not Redis, or does not speak as Redis does"


@dataclass(frozen=True, slots=True)
class RedisReport:
    """How Redis was found."""

    ok: bool
    version: str = ""
    """With the server's name in front, where it is not Redis itself."""
    policy: str = ""
    """Its way with a full memory (maxmemory-policy); empty where the server does not say."""
    queues: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None


def redis_report(
    open: Open,
    password: str | None,
    db: int = 0,
    queues: Iterable[str] = QUEUES,
    seconds: float = SECONDS,
    *,
    tls: TLS | None = None,
    user: str | None = None,
) -> RedisReport:
    """Whether Redis lets us in, and how long the queues are. Never raises; ends within `seconds` of the connection."""
    names = tuple(queues)
    try:
        with connected(open, password, db, seconds, tls, user) as client:
            info: Any = client.info()
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.llen(name)
            lengths = dict(zip(names, map(int, pipeline.execute()), strict=True))
            version, policy = _version(info), told(info.get("maxmemory_policy", ""))
            problem = (_no_users(info) if user else None) or _trouble(info, policy)
    except Problem as error:
        return RedisReport(False, problem=str(error))
    return RedisReport(problem is None, version, policy, lengths, problem)


@contextmanager
def connected(
    open: Open, password: str | None, db: int, seconds: float, tls: TLS | None, user: str | None = None
) -> Iterator[Redis]:
    """A client for a few questions. Raises Problem for every fault, now or meanwhile."""
    import redis

    try:
        with closing(Timed(open(), seconds)) as below:
            try:
                stream = _secured(below, tls) if tls else below
                with closing(_client(stream, user, password, db)) as client:
                    yield client
            except redis.RedisError as error:
                watcher = SENTINEL if _refusal(error) and _sentinel(open, below.left) else ""
                raise Problem(watcher or _sentence(error, seconds, tls, user) or _ended(open, below, tls)) from None
            except (ssl.SSLError, EOFError, TimeoutError) as error:
                raise Problem(_unsecured(error, open, below, seconds, tls)) from None
    except Problem:
        raise
    except OSError as error:
        raise Problem(f"Redis: no connection: {reason(error)}") from None
    except Exception as error:
        # Bytes that are no answer of Redis end redis-py with any exception.
        raise Problem(STRANGE) from error


def _secured(below: Timed, tls: TLS) -> Stream:
    # A Redis without TLS waits for the end of the line that it takes this for; there must be time left to find out.
    below.settimeout(below.left / 2)
    stream = secure.Secured(below, secure.context(tls), tls.name)
    below.settimeout(None)
    return stream


def _client(stream: Stream, user: str | None, password: str | None, db: int) -> Redis:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # Its name and version are for nobody: a user may not be allowed to tell them.
    pool = redis.ConnectionPool(
        connection_class=_connection(), stream=stream, username=user, password=password, db=db, max_connections=1,
        protocol=2, retry=Retry(NoBackoff(), 0), decode_responses=True, driver_info=None,
    )  # fmt: skip
    return redis.Redis(connection_pool=pool)


def _connection() -> type[Any]:
    """redis-py's connection over a stream that is open already."""
    from redis.connection import AbstractConnection

    class Connection(AbstractConnection):
        def __init__(self, stream: Stream, **options: Any) -> None:
            self._stream = stream
            super().__init__(**options)

        def _connect(self) -> Any:
            return self._stream

        def _host_error(self) -> str:
            return "the tunnel"

        def repr_pieces(self) -> list[tuple[str, Any]]:
            return []

    return Connection


def _version(info: Mapping[str, Any]) -> str:
    # Valkey calls itself Redis 7.2.4 in its old field.
    valkey = info.get("valkey_version")
    return f"Valkey {told(valkey)}" if valkey else told(info.get("redis_version", ""))


def _no_users(info: Mapping[str, Any]) -> str | None:
    # redis-py has told it the password alone then.
    return NO_USERS if older(told(info.get("redis_version", "")), OLDEST_OF_USERS) else None


def _trouble(info: Mapping[str, Any], policy: str) -> str | None:
    if info.get("redis_mode") == "cluster":
        return CLUSTERED
    version = told(info.get("redis_version", ""))
    if older(version, OLDEST):
        return f"this is Redis {version}, and the queues need one from {OLDEST} on, or Valkey; no message is ever taken"
    if policy not in ("", "noeviction"):
        return f"Redis throws queue entries away when its memory is full (maxmemory-policy {policy}); set noeviction"
    if info.get("role") not in (None, "master"):
        return "this Redis is a replica, which takes no queue entries; name its master in hosts.toml"
    return None


def _sentence(error: Exception, seconds: float, tls: TLS | None, user: str | None) -> str:
    """The words of Redis or redis-py as a sentence; empty where the connection just ended."""
    import redis

    text = str(error)
    if refusal := _forbidden(error, text, user) or _limit(error, text):
        return refusal
    if isinstance(error, redis.TimeoutError) or OVER in text:
        return f"Redis did not answer within {seconds:g} s"
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return "Redis is still loading its data; wait"
    if tls and (fault := secure.refused(error)):
        return secure.sentence("Redis", STORE, tls, fault)
    if isinstance(error, redis.ConnectionError | redis.InvalidResponse):
        return ""
    return f"Redis answered: {told(text)}"


def _forbidden(error: Exception, text: str, user: str | None) -> str:
    """The sentence about a login or a question that is refused; empty for anything else."""
    import redis

    if isinstance(error, redis.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        if user:
            return f"Redis refuses the user {user} or its password; correct stores.redis in hosts.toml"
        return (
            "Redis refuses the password; run `fab bootstrap`, or correct stores.redis in hosts.toml, or copy .secrets/ "
            "from the control machine that set the cluster up"
        )
    if isinstance(error, redis.exceptions.NoPermissionError) or any(words in text for words in IN_SCRIPT):
        return f"Redis does not allow its user what is asked ({told(text)}); docs/redis-users.md tells what it needs"
    return ""


def _limit(error: Exception, text: str) -> str:
    """The sentence about a kind or a setting of Redis that is in the way; empty for anything else."""
    from redis import exceptions

    # MOVED and ASK are kinds of this too, CROSSSLOT is one of its own; redis-py takes these words from the text.
    kinds = (exceptions.ClusterDownError, exceptions.AskError, exceptions.ClusterCrossSlotError)
    if isinstance(error, kinds) or "in cluster mode" in text:
        return CLUSTERED
    # The protocol has no other word for these.
    if "max number of clients" in text:
        return FULL
    return NUMBER if "DB index" in text else ""


def _ended(open: Open, below: Timed, tls: TLS | None) -> str:
    """Why the connection ended, or made no sense: perhaps TLS is spoken there, or more of it."""
    # redis-py throws away what a server says unasked, before it ends the connection.
    if tls is None and _full(open, below.left):
        return FULL
    if tls is None and secure.offered(open, below.left):
        return "this Redis is to be spoken to by TLS; set `tls = true` in [stores.redis] of hosts.toml"
    if tls and secure.asks_for_certificate(open, below.left):
        return secure.MUTUAL.format("Redis")
    return "Redis ended the connection; does it run, and is it Redis that listens there?"


def _unsecured(error: Exception, open: Open, below: Timed, seconds: float, tls: TLS | None) -> str:
    """Why there is no TLS."""
    if not isinstance(error, ssl.SSLCertVerificationError) and _plain(open, below.left):
        return "Redis there speaks no TLS, though hosts.toml says `tls = true`; name its TLS port, or remove that key"
    if isinstance(error, ssl.SSLError) and tls:
        return secure.sentence("Redis", STORE, tls, error)
    return f"Redis did not answer within {seconds:g} s"


def _refusal(error: Exception) -> bool:
    import redis

    return isinstance(error, redis.ResponseError | redis.AuthenticationError)


def _sentinel(open: Open, seconds: float) -> bool:
    """Whether a Sentinel without TLS and without a password of its own answers there."""
    return b"\nsentinel\r" in _said(open, seconds, b"ROLE")


def _full(open: Open, seconds: float) -> bool:
    """Whether Redis without TLS answers there that it takes no more clients."""
    return b"max number of clients" in _said(open, seconds, b"PING")


def _plain(open: Open, seconds: float) -> bool:
    """Whether Redis without TLS answers there; its password is not needed for that."""
    return _said(open, seconds, b"PING")[:1] in (b"+", b"-")


def _said(open: Open, seconds: float, question: bytes) -> bytes:
    """The first bytes of an answer without TLS; empty where there is none."""
    try:
        with closing(Timed(open(), seconds)) as stream:
            stream.sendall(question + b"\r\n")
            return stream.recv(256)
    except (Problem, OSError, EOFError):
        return b""
