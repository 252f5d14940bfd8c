"""The messages of the crawl in the logs of pyspider: how a program fares with them."""

from __future__ import absolute_import, print_function

import re
import time

from . import files

TAIL_BYTES = 128 << 10
WHILE = 1800
"""Seconds; an end of a program is old after that."""
LINE = re.compile(r"(?:\x1b\[[\d;]*m)*\[([DIWEC]) (\d{6} \d\d:\d\d:\d\d) (\w+):\d+\](?:\x1b[^m]*m)* ?(.*)")
HANDLED = re.compile(
    r"process \S+:\S+ |\[\d+\] \S+:\S+ |result \S+:\S+ "
    r"|(new task|task done|task failed|task retry \S+|select|restart task) \S+:\S+ "
)
"""A line about one message: of a processor, a fetcher, a result_worker, the scheduler."""
SAID = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ \w+ (?:(exited|stopped|gave up|success): (\S+) )?")
"""A line of supervisord's, and the program that it says has ended."""
STARTS = ("starting...", "starts, with queues that hold")
"""The ends of the first lines of a process: pyspider's, and the launcher's."""
AGAIN = re.compile(r"(Redis|MySQL) answers again, after \d+ s$")
"""The launcher's line: what failed while a store was away, over a cut cable mostly, tells nothing of the program."""
NO_PAGE = re.compile(r"-> \[(?!200\])\d+\] ")
"""A processor's line about an answer of a site that is no page: the site failed, not the program."""


class Tally(object):
    """The messages of one process so far."""

    def __init__(self):
        self.done, self.failed, self.error = 0, 0, ""
        self.handled = self.faults = None
        self.loops = []
        self.open = False
        """Whether the last line was of a message that went well, as far as it says."""

    def line(self, when, level, text, following):
        broken = level in "EC" and "Traceback" in following
        if text.endswith(STARTS):
            self.__init__()
        elif AGAIN.match(text):
            self.failed, self.faults, self.open = 0, None, False
        elif HANDLED.match(text):
            self.settle()
            self.handled = when
            self.open = level in "IW"
            if level == "E" and not NO_PAGE.search(text):
                self.fail(when, text)
        elif broken and self.open:
            # A result_worker names a result before it saves it.
            self.fail(when, text)
        elif broken:
            self.loops, self.error = [one for one in self.loops if when - one < 60] + [when], text

    def fail(self, when, text):
        self.failed, self.faults, self.error, self.open = self.failed + 1, when, text, False

    def settle(self):
        """No error has followed the last message that seemed to go well."""
        if self.open:
            self.done, self.failed, self.open = self.done + 1, 0, False


def read(path, by):
    """How a program fares, by the end of its log; None where that is none of pyspider's.

    {quiet: seconds since its last message, at least; done, failed: messages since it was started, the failed ones in a
    row until now; fault_s: seconds since the last of these; loops: errors beside messages in its last minute;
    loop_s: seconds since the last of these; error: the last one's words}
    """
    seen = files.seen(path, by) if path and path.startswith("/") else None
    lines = files.tail(path, TAIL_BYTES, by).splitlines() if seen else []
    parsed = [(index, match) for index, match in enumerate(map(LINE.match, lines)) if match]
    if not parsed:
        return None
    tally, first, last = Tally(), moment(parsed[0][1]), moment(parsed[-1][1])
    for index, match in parsed:
        tally.line(moment(match), match.group(1), match.group(4), "\n".join(lines[index + 1 : index + 4]))
    tally.settle()
    since = time.time() - zone(seen.st_mtime, last)
    return {
        "quiet": since - (first if tally.handled is None else tally.handled),
        "done": tally.done,
        "failed": tally.failed,
        "fault_s": None if tally.faults is None else since - tally.faults,
        "loops": len(tally.loops),
        "loop_s": since - tally.loops[-1] if tally.loops else None,
        "error": tally.error[:300],
    }


def moment(match):
    return seconds(match.group(2), "%y%m%d %H:%M:%S")


def seconds(text, form):
    try:
        return time.mktime(time.strptime(text, form))
    except (ValueError, OverflowError):
        return 0.0


def zone(written, last):
    """The seconds by which a log's clock differs from the host's: its program may live in another time zone."""
    off = round((written - last) / 900) * 900
    return off if abs(written - last - off) < 3 and abs(off) <= 14 * 3600 else 0


def exits(path, by=0):
    """The seconds since each end in the last while of a program that supervisord did not stop, by its name.

    Past are those before it was stopped or given up, since somebody has started it again, and those of its start, as
    soon as it has come up.
    """
    lived, tried, up = {}, {}, set()
    for kind, name, age in told(path, by):
        if kind == "exited":
            (lived if name in up else tried).setdefault(name, []).append(age)
        else:
            tried.pop(name, None)
            if kind != "success":
                lived.pop(name, None)
        (up.add if kind == "success" else up.discard)(name)
    found = {}
    for name in set(lived) | set(tried):
        ages = [age for age in lived.get(name, []) + tried.get(name, []) if 0 <= age < WHILE]
        if ages:
            found[name] = ages
    return found


def told(path, by):
    """(word, program, seconds since then) of supervisord's log: exited, stopped, gave up, success."""
    seen = files.seen(path, by)
    lines = files.tail(path, TAIL_BYTES, by).splitlines() if seen else []
    said = [match for match in map(SAID.match, lines) if match]
    times = [seconds(match.group(1), "%Y-%m-%d %H:%M:%S") for match in said]
    now = time.time() - zone(seen.st_mtime, times[-1]) if times else 0
    return [(one.group(2), one.group(3), round(now - when, 1)) for one, when in zip(said, times) if one.group(2)]
