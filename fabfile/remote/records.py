"""Lines of logs as records: a line with a stamp, and all that follows it up to the next one.

Levels are pyspider's letters: D I W E C. A program's own clock and zone count; the reader puts both right.
"""

from __future__ import absolute_import, print_function

import calendar
import datetime
import hashlib
import re
import time

LONGEST = 16 << 10
"""Bytes of a line that are kept."""
MOST_LINES = 400
MOST_BYTES = 128 << 10
"""A record that is longer goes on as another one."""


def pattern(text):
    """A pattern for bytes. Ruff would write rb"", which Python 2 can't read."""
    return re.compile(text.encode("ascii"))


COLOUR = r"(?:\x1b\[[\d;]*m)*"
PYSPIDER = pattern(COLOUR + r"\[([DIWEC]) (\d\d)(\d\d)(\d\d) (\d\d):(\d\d):(\d\d) ([\w.]+:\d+)\]" + COLOUR + " ?")
USUAL = pattern(
    COLOUR + r"\[?(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?(Z|[+-]\d\d:?\d\d)?\]?[ :]?"
)
"""supervisord's, that of Python's logging, and ISO 8601."""
LEVEL = pattern(r"\W*(?:\w+[ :]+)?\[?(DEBG|DEBUG|INFO|WARN|WARNING|ERRO|ERROR|CRIT|CRITICAL|FATAL)\b")
TRACEBACK = b"Traceback (most recent call last)"
ENDED = pattern(r"gave up: |; not expected\)$")
"""supervisord's words for a program that ended and should not have."""
ALIKE = (
    (re.compile(r"[a-zA-Z][\w+.-]*://[^\s'\"<>)\]]+", re.UNICODE), "URL"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[a-zA-Z]*\d)[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*\b", re.UNICODE), "ID"),
    (re.compile(r"\d+(?:\.\d+)*", re.UNICODE), "N"),
)
"""The parts by which errors differ that are the same."""


class Clock(object):
    """Local times as seconds since the epoch; a minute is asked of the system once."""

    def __init__(self):
        self.minutes = {}

    def local(self, minute, second):
        """`minute` is (year, month, day, hour, minute); None where there is no such time."""
        if minute not in self.minutes:
            if len(self.minutes) > 10000:
                self.minutes.clear()
            try:
                # mktime itself takes a 40th of May.
                self.minutes[minute] = time.mktime(datetime.datetime(*minute).timetuple())
            except (ValueError, OverflowError):
                self.minutes[minute] = None
        start = self.minutes[minute]
        return None if start is None else start + second


CLOCK = Clock()


def stamp(line):
    """(seconds since the epoch, whether the line itself names the zone, level, source, where its text begins).

    None where a line has no stamp.
    """
    if line[:1] not in b"[\x1b0123456789":
        return None
    found = PYSPIDER.match(line)
    if found:
        year, month, day, hour, minute, second = [int(one) for one in found.groups()[1:7]]
        when = CLOCK.local((2000 + year, month, day, hour, minute), second)
        level, source = found.group(1).decode("ascii"), found.group(8).decode("ascii", "replace")
        return None if when is None else (when, False, level, source, found.end())
    found = USUAL.match(line)
    return usual(line, found) if found else None


def usual(line, found):
    year, month, day, hour, minute, second = [int(one) for one in found.groups()[:6]]
    zone, part = found.group(8), found.group(7) or b""
    if zone:
        when = universal((year, month, day, hour, minute), second, zone.decode("ascii"))
    else:
        when = CLOCK.local((year, month, day, hour, minute), second)
    if when is None:
        return None
    named = LEVEL.match(line, found.end(), found.end() + 80)
    level = letter(named.group(1).decode("ascii")) if named else ""
    return when + (float(b"0." + part) if part else 0), bool(zone), level, "", found.end()


def universal(minute, second, zone):
    """Seconds since the epoch; None where there is no such time: a page's text may look like a stamp."""
    try:
        return calendar.timegm(datetime.datetime(*minute).timetuple()) + second - east(zone)
    except (ValueError, OverflowError):
        return None


def letter(level):
    return "C" if level == "FATAL" else level[0]


def east(zone):
    """The seconds by which a zone is east of Greenwich."""
    if zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return -seconds if zone[0] == "-" else seconds


class LogRecord(object):
    """A line with its stamp, and the lines after it. `when` is None where nothing tells the time."""

    def __init__(self, line, found, place, before=None):
        """`before` is the record that this one goes on."""
        self.stamped = found is not None
        self.when, self.fixed, self.level, self.source, begin = found or (None, False, "", "", 0)
        self.put_right = False
        """Whether `when` is the host's time by now, and no longer the program's own."""
        if before is not None:
            self.when, self.fixed, self.level, self.source = before.when, before.fixed, before.level, before.source
            self.put_right = before.put_right
        self.lines, self.size, self.place = [line[begin:]], len(line), place
        self.closed = False

    def add(self, line, place):
        self.lines.append(line)
        self.size += len(line)
        self.place = place

    def takes(self, line):
        """Whether a line without a stamp is of this record."""
        if len(self.lines) >= MOST_LINES or self.size > MOST_BYTES:
            return False
        if self.stamped or line[:1] in (b" ", b"\t"):
            return True
        if self.lines[0].startswith(TRACEBACK) and not self.closed:
            # The line of the error itself.
            self.closed = True
            return True
        return False

    @property
    def error(self):
        if self.level in ("E", "C") and self.level:
            return True
        return any(TRACEBACK in line for line in self.lines) or bool(ENDED.search(self.lines[0]))

    def text(self):
        """Its lines as text."""
        return [line.decode("utf-8", "replace") for line in self.lines]


def key(lines):
    """The mark that errors share which differ in numbers, ids and addresses alone."""
    text = "\n".join(lines)
    for pattern, word in ALIKE:
        text = pattern.sub(word, text)
    return hashlib.sha1(text.encode("utf-8", "replace")).hexdigest()[:16]


class Parser(object):
    """Takes lines one after the other, and gives each record when it has ended."""

    def __init__(self):
        self.open = self.last = None

    def feed(self, line, place):
        """The record that has ended with the line before, or None."""
        found = stamp(line)
        if found is None and self.open is not None and self.open.takes(line):
            self.open.add(line, place)
            return None
        done = self.flush()
        # What follows a record that was told already is the rest of it.
        goes_on = found is None and self.last is not None and self.last.stamped
        self.open = LogRecord(line, found, place, self.last if goes_on else None)
        self.open.stamped = self.open.stamped or goes_on
        return done

    def flush(self):
        """The record so far, or None."""
        done, self.open = self.open, None
        self.last = done or self.last
        return done


class Lines(object):
    """Bytes as lines; of a long one only the beginning is kept, and its length."""

    def __init__(self):
        self.rest, self.lost = [], 0
        self.kept = 0

    def feed(self, data):
        """(line, bytes of `data` up to its end) of each line that ends in these bytes."""
        found, start = [], 0
        while True:
            end = data.find(b"\n", start)
            if end < 0:
                self.keep(data[start:])
                return found
            self.keep(data[start:end])
            start = end + 1
            found.append((self.taken(), start))

    def keep(self, data):
        room = LONGEST - self.kept
        self.lost += max(0, len(data) - room)
        if data and room > 0:
            self.rest.append(data[:room])
            self.kept += len(self.rest[-1])

    def taken(self):
        """The line so far, which has ended."""
        line = b"".join(self.rest)
        if line.endswith(b"\r"):
            line = line[:-1]
        if self.lost:
            line += (" ... (%d bytes more)" % self.lost).encode("ascii")
        self.rest, self.lost, self.kept = [], 0, 0
        return line

    @property
    def empty(self):
        return not self.kept
