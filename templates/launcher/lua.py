"""The steps that Redis does in one piece, as Lua; for Redis from 6.0 on, and for Valkey.

A message that is taken moves from its list to a hash of its consumer, NAME:held:CONSUMER, under a number. It leaves
that together with the arrival of its outcome in the next lists: so a consumer that was given up, and wakes up again,
puts nothing twice. `consumers` says until when each of these hashes is believed to have a living owner.

A question that was cut off on its way may arrive when its asker has long asked another one. Nobody would hear its
answer: so each take names the epoch of its consumer, and one of an earlier epoch takes nothing.

Who finds a list empty waits at its bell, LIST:bell, by a blocking command: a push rings it, and a take that leaves
something rings it for the next one. So one waits no longer than needed, and one message wakes one consumer. Who finds
a list full waits at LIST:room in the same way. Nothing depends on a bell: who waits looks by itself every few seconds.
"""

CONSUMERS = "pyspider:consumers"
WATCH = "pyspider:watch"
BELL, ROOM, WANTED = ":bell", ":room", ":wanted"
LEASE = "pyspider:lease"
LAST_LEASE = "pyspider:lease:last"
HOME = "pyspider:home"
PULSE = "pyspider:pulse"

_NOW = """\
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local function alive(held, seconds)
    local known = redis.call('ZSCORE', '%s', held)
    if not known or tonumber(known) < now + seconds then
        redis.call('ZADD', '%s', now + seconds, held)
    end
end
""" % (CONSUMERS, CONSUMERS)

_FENCE = (
    """\
if ARGV[1] ~= '' and redis.call('GET', '%s') ~= ARGV[1] then return false end
"""
    % LEASE
)

_RING = """\
local function ring(bell)
    if redis.call('LLEN', bell) == 0 then redis.call('RPUSH', bell, '1') end
end
"""

_TAKE = """\
local function take(list, held, first, count, seconds, epoch)
    if (redis.call('GET', held .. ':epoch') or '') ~= epoch then return 'epoch' end
    local taken, room = {}, list .. ':room'
    for number = tonumber(first), first + count - 1 do
        local message = redis.call('LPOP', list)
        if not message then break end
        redis.call('HSET', held, string.format('%.0f', number), message)
        taken[#taken + 1] = message
    end
    local left = redis.call('LLEN', list)
    if left > 0 then ring(list .. ':bell') else redis.call('DEL', list .. ':bell') end
    if #taken > 0 then
        alive(held, seconds)
        local wanted = redis.call('GET', list .. ':wanted')
        if wanted and left < tonumber(wanted) then ring(room) end
    end
    return taken
end
"""
"""Who waits for room in a full list says so in LIST:wanted, with the length that is full. 'epoch': of an earlier one."""

TAKE = _NOW + _FENCE + _RING + _TAKE + """\
local found = {}
for i = 1, #KEYS / 2 do
    found[i] = take(KEYS[2 * i - 1], KEYS[2 * i], ARGV[2 + 2 * i], ARGV[2], ARGV[3], ARGV[3 + 2 * i])
end
return found
"""
"""KEYS list, held, list, held...; ARGV token, count, seconds of silence, for each list its first number and epoch.

The messages of each; nil without the lease.
"""

PUT = (
    _FENCE
    + _RING
    + """\
local length = 0
for i = 2, #ARGV do length = redis.call('RPUSH', KEYS[1], ARGV[i]) end
ring(KEYS[1] .. ':bell')
return length
"""
)
"""KEYS list; ARGV token, message, message... The length; nil without the lease."""

FINISH = _FENCE + _RING + """\
local length = redis.call('LLEN', KEYS[1])
for i = 3, 2 + ARGV[2] do length = redis.call('RPUSH', KEYS[1], ARGV[i]) end
if tonumber(ARGV[2]) > 0 then ring(KEYS[1] .. ':bell') end
local at = 3 + ARGV[2]
for i = 2, #KEYS do
    for number = at + 1, at + ARGV[at] do redis.call('HDEL', KEYS[i], ARGV[number]) end
    at = at + 1 + ARGV[at]
end
return length
"""
"""KEYS list, held, held...; ARGV token, how many messages, these, then for each held: how many numbers, these.

What a round puts, and what it is done with. The list's length; nil without the lease.
"""

STAGE = """\
for i = 1, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
"""
"""KEYS staged; ARGV list, message, list, message... A part of an outcome that is too large for one request."""

COMMIT = (
    _NOW
    + _RING
    + _TAKE
    + """\
local lengths, gone = {}, {}
local function put(list, message) lengths[list] = redis.call('RPUSH', list, message) end
local at = 5
while at <= #ARGV do
    local mine, last = redis.call('HDEL', KEYS[2], ARGV[at]) == 1, at + 1 + ARGV[at + 1]
    while mine do
        local list = redis.call('LPOP', KEYS[3])
        if not list then break end
        put(list, redis.call('LPOP', KEYS[3]))
    end
    if mine then
        for i = at + 2, last, 2 do put(ARGV[i], ARGV[i + 1]) end
    else
        gone[#gone + 1] = ARGV[at]
    end
    at = last + 1
end
redis.call('DEL', KEYS[3])
local answer = {}
for list, length in pairs(lengths) do
    ring(list .. ':bell')
    answer[#answer + 1] = list
    answer[#answer + 1] = length
end
local taken = {}
if tonumber(ARGV[2]) > 0 then taken = take(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4]) end
return {gone, answer, taken}
"""
)
"""KEYS list, held, staged; ARGV first number, count, seconds of silence and epoch of those that are taken next, then for
each message that is done its number, how many words follow, and list, message, list, message...

Numbers that are held no more, whose outcomes were not put; lists and lengths; the messages that were taken.
"""

FAIL = """\
local message = redis.call('HGET', KEYS[1], ARGV[1])
if not message then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[2] .. '\\n' .. message)
return 1
"""
"""KEYS held, list of failed ones; ARGV number, error in one line."""

GIVE_BACK = (
    _NOW
    + _RING
    + """\
if ARGV[1] == 'silent' then
    local known = redis.call('ZSCORE', '%s', KEYS[1])
    if not known or tonumber(known) > now then return 0 end
end
local numbers = redis.call('HKEYS', KEYS[1])
table.sort(numbers, function(a, b) return tonumber(a) > tonumber(b) end)
local last = math.min(#numbers, tonumber(ARGV[2]))
local messages, counts, worst, most = {}, {}, 0, tonumber(ARGV[3])
for i = 1, last do
    messages[i] = redis.call('HGET', KEYS[1], numbers[i])
    local own = tonumber(#numbers == 1 and ARGV[5] or ARGV[6])
    if ARGV[1] ~= 'handed' and own > 0 then
        counts[i] = KEYS[2] .. ':ends:' .. redis.sha1hex(messages[i])
        local ends = 0
        for _ = 1, own do ends = redis.call('INCR', counts[i]) end
        redis.call('EXPIRE', counts[i], 3600)
        if ends >= most then worst, most = i, ends end
    end
end
for i = 1, last do
    if i == worst then
        redis.call('DEL', counts[i])
        redis.call('RPUSH', KEYS[2] .. ':failed', ARGV[4] .. '\\n' .. messages[i])
    else
        redis.call('LPUSH', KEYS[2], messages[i])
        ring(KEYS[2] .. ':bell')
    end
    redis.call('HDEL', KEYS[1], numbers[i])
    redis.call('DEL', KEYS[1] .. ':staged:' .. numbers[i])
end
if last == #numbers then redis.call('ZREM', '%s', KEYS[1]) end
return #numbers - last
"""
    % (CONSUMERS, CONSUMERS)
)
"""KEYS held, list; ARGV why (silent, gone, handed), most, points that are too many, error, the points of a message
that was in hand alone, and of one among several. The number that is left.

The last one goes first, each to the head: so a part at a time keeps the order. A consumer that ends again and again
with one and the same message in its hands has been ended by it. Where there were several, one is put aside at each
end: the one that has seen the most ends, and of such the one that was in hand for longest.
"""

BEAT = (
    _NOW
    + """\
for i = 2, #ARGV do alive(ARGV[i], ARGV[1]) end
"""
)
"""ARGV seconds, held, held... A sign of life."""

SILENT = (
    _NOW
    + """\
local looked = tonumber(redis.call('HGET', KEYS[2], 'looked') or now)
local since = tonumber(redis.call('HGET', KEYS[2], 'since') or now)
if now < looked - 1 then
    for _, held in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now + ARGV[3], '+inf')) do
        redis.call('ZADD', KEYS[1], now + ARGV[1], held)
    end
end
if now < looked - 1 or now > looked + ARGV[2] then since = now end
redis.call('HSET', KEYS[2], 'looked', string.format('%.3f', now))
redis.call('HSET', KEYS[2], 'since', string.format('%.3f', since))
if now < since + ARGV[1] then return {} end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)
"""
)
"""KEYS consumers, watch; ARGV seconds of silence, of a gap, the most that is believed. Those that are given up.

Where nobody has looked for long, Redis itself was away, and nobody could give a sign: all have their time anew.
"""

HOLD = """\
local home = redis.call('GET', KEYS[3])
if home and home ~= ARGV[2] then return {'home', home} end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and holder ~= ARGV[4] then return {'held', holder} end
local last = redis.call('GET', KEYS[2])
if ARGV[5] == 'renew' and last and last ~= ARGV[1] then return {'held', last} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[1])
return {'mine', ARGV[1]}
"""
"""KEYS lease, last, home; ARGV token, host, milliseconds, a holder that is gone, take or renew."""

RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"
