"""What a user of Redis is not allowed, of all that the cluster's programs do there. Any Python from 2.6 on.

Each command is tried, with keys of its own: nobody but an administrator may ask Redis for a user's rights.
"""

from __future__ import absolute_import, print_function

PATTERNS = (
    "newtask_queue*",
    "status_queue*",
    "scheduler2fetcher*",
    "fetcher2processor*",
    "processor2result*",
    "pyspider:*",
)
KEY = "pyspider:asks"
KEYS = tuple(KEY if one == "pyspider:*" else one.replace("*", ":asks") for one in PATTERNS)
"""A key of each pattern that nothing else uses."""
ALONE = (("PING",), ("INFO", "server"), ("SCRIPT", "LOAD", "return 1"), ("EVALSHA", "0" * 40, "0"))
ON_KEYS = (
    # A key that holds a number lets nothing be written by commands for other kinds.
    ("SET", "1", "PX", "1000"),
    ("GET",), ("INCR",), ("LLEN",), ("LINDEX", "0"), ("LRANGE", "0", "0"),
    ("LPUSH", "1"), ("RPUSH", "1"), ("LPOP",), ("RPOP",),
    ("HSET", "a", "1"), ("HGET", "a"), ("HEXISTS", "a"), ("HGETALL",), ("HKEYS",), ("HDEL", "a"),
    ("ZADD", "1", "a"), ("ZSCORE", "a"), ("ZRANGE", "0", "0"), ("ZRANGEBYSCORE", "0", "1"), ("ZREM", "a"),
    ("EXPIRE", "1"),
    ("DEL",),
)  # fmt: skip
WAITS = ("BLPOP", KEY, "0.01")
_TRY = """\
local found = {}
local function try(name, key, ...)
    local answer = redis.pcall(...)
    local told = type(answer) == 'table' and answer.err or ''
    for _, word in ipairs({'NOPERM', 'ACL failure', 'The user executing the script'}) do
        if string.find(told, word, 1, true) then
            found[#found + 1] = name .. ' ' .. key
            return
        end
    end
end
try('TIME', 0, 'TIME')
"""
"""Servers of different ages have different words where a user's script does what that user may not."""


def script():
    """The names of commands with the number of the key (from 1; 0 for none) on which they are refused."""
    tries = [
        "try('%s', %d, '%s', ARGV[%d]%s)" % (words[0], at, words[0], at, "".join(", '%s'" % word for word in words[1:]))
        for words in ON_KEYS
        for at in range(1, len(KEYS) + 1)
    ]
    return _TRY + "\n".join(tries) + "\nreturn found\n"


def lacks(server):
    """What the user of this connection lacks, as words of ACL SETUSER; nothing where all is allowed."""
    alone = ["+" + command(words) for words in ALONE if forbidden(server, words)]
    try:
        # Keys that are told as such are looked at before the script begins.
        refused = [line.rsplit(" ", 1) for line in server.ask("EVAL", script(), 0, *KEYS)]
    except ValueError as error:
        if not is_forbidden(error):
            raise
        return alone + ["+eval"]
    keys = without(refused)
    # Refused for its key, a command tells nothing of itself.
    waits = ["+blpop"] if KEY not in keys and forbidden(server, WAITS) else []
    return ["~" + PATTERNS[KEYS.index(key)] for key in keys] + alone + commands(refused, keys) + waits


def without(refused):
    """The keys that every command is refused on, though some commands are allowed elsewhere."""
    number = len(ON_KEYS)
    whole = [key for at, key in enumerate(KEYS, 1) if sum(where == str(at) for _, where in refused) == number]
    return whole if len(whole) < len(KEYS) or ["TIME", "0"] not in refused else []


def commands(refused, keys):
    """The commands that are refused on the other keys."""
    left = [str(at) for at, key in enumerate(KEYS, 1) if key not in keys]
    return ["+" + name.lower() for name in ordered(name for name, where in refused if where in left + ["0"])]


def ordered(names):
    found = []
    for name in names:
        if name not in found:
            found.append(name)
    return found


def command(words):
    return "script|load" if words[0] == "SCRIPT" else words[0].lower()


def forbidden(server, words):
    try:
        server.ask(*words)
    except ValueError as error:
        return is_forbidden(error)
    return False


def is_forbidden(error):
    return str(error).startswith("NOPERM")
