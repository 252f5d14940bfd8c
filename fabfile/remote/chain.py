"""A log and the files that it was rotated into, as one run of bytes; read from its end, and on while it grows."""

from __future__ import absolute_import, print_function

import collections
import os
import zlib

from . import files
from .messages import zone
from .records import Lines, Parser, stamp

BLOCK = 256 << 10
AT_ONCE = 4 << 20
"""Bytes of one log that a poll takes at most: the others get their turn."""
BACKUPS = 100
FEW = 200
"""Lines of a log in which nothing tells the time: nobody knows which of them are young."""
HEAD = 256
"""Bytes by which a file is known again."""
CHECK_SECONDS = 1.0
"""How often it is looked whether another file has come into a log's place."""


class Piece(object):
    """One file of a log, held open."""

    def __init__(self, fd):
        seen = os.fstat(fd)
        self.fd, self.ino, self.size, self.mtime = fd, seen.st_ino, seen.st_size, seen.st_mtime
        self.head = b""

    def read(self, offset, size):
        os.lseek(self.fd, offset, 0)
        return os.read(self.fd, size)

    def mark(self, offset):
        """The first bytes in short, up to `offset`: another file may get the same number."""
        if len(self.head) < min(offset, HEAD) and self.fd is not None:
            self.head = self.read(0, HEAD)
        return zlib.crc32(self.head[: min(offset, HEAD)]) & 0xFFFFFFFF

    def close(self):
        self.mark(HEAD)
        os.close(self.fd)
        self.fd = None


def pieces(path, by):
    """The files of a log, the oldest first. The newest is opened first: one that is rotated meanwhile is met again."""
    found = []
    for number in range(BACKUPS):
        try:
            piece = Piece(files.opened("%s.%d" % (path, number) if number else path, by))
        except (IOError, OSError):
            if number:
                break
            continue
        if piece.ino in [one.ino for one in found]:
            piece.close()
        else:
            found.append(piece)
    return found[::-1]


class Chain(object):
    """A log. It is read by `last` or `since`, then on by `poll`."""

    def __init__(self, program, path, by=0):
        self.program, self.path, self.by = program, path, by
        self.pieces = pieces(path, by)
        self.lines, self.parser = Lines(), Parser()
        self.stamped = False
        """Whether its last lines have any stamp."""
        self.zone = self.clock_off()
        self.offset = 0
        """Of the newest piece, up to where it was read."""
        self.quiet, self.checked = 0, 0.0

    def settle(self):
        """The files before the newest have been read, and are needed no more."""
        for piece in self.pieces[:-1]:
            piece.close()
        self.pieces = self.pieces[-1:]

    @property
    def total(self):
        return sum(piece.size for piece in self.pieces)

    def clock_off(self):
        """The seconds by which the program's clock differs from the host's, by its last stamp; None without one."""
        for piece in self.pieces[-1:]:
            tail = piece.read(max(0, piece.size - (BLOCK >> 2)), BLOCK >> 2)
            stamps = [found for found in map(stamp, tail.split(b"\n")) if found]
            self.stamped = bool(stamps)
            local = [found[0] for found in stamps if not found[1]]
            if local:
                return zone(piece.mtime, local[-1])
        return None

    def blocks(self, start):
        """(bytes, piece, offset of their end) from byte `start` of the whole on."""
        for piece in self.pieces:
            offset = max(0, start)
            start -= piece.size
            self.offset = min(offset, piece.size)
            while offset < piece.size:
                data = piece.read(offset, min(BLOCK, piece.size - offset))
                if not data:
                    break
                offset += len(data)
                self.offset = offset
                yield data, piece, offset

    def records(self, start, skip):
        """The records from byte `start` on; with `skip`, none before the first stamp. Their last one stays open."""
        self.lines, self.parser = Lines(), Parser()
        skip_line = start > 0
        for data, piece, end in self.blocks(start):
            for line, length in self.lines.feed(data):
                if skip_line:
                    skip_line = False
                    continue
                if skip and stamp(line) is None:
                    continue
                skip = False
                done = self.parser.feed(line, (piece, end - len(data) + length))
                if done:
                    yield self.dated(done)

    def ended(self, whole):
        """The records that are still open; with `whole`, half a line at the end of the log counts too."""
        found = []
        if whole and not self.lines.empty and self.pieces:
            found.append(self.parser.feed(self.lines.taken(), (self.pieces[-1], self.offset)))
        found.append(self.parser.flush())
        return [self.dated(one) for one in found if one]

    def dated(self, record):
        """The record with the host's own time; a file without stamps was written when it was changed last."""
        if record.when is None:
            record.when = record.place[0].mtime
        elif not record.fixed and not record.put_right:
            record.when += self.zone or 0
        record.put_right = True
        return record

    def last(self, count, limit, wanted, whole):
        """The last `count` wanted records, none of them from before `limit`; the log is read no further back."""
        window = BLOCK
        while True:
            start = max(0, self.total - window)
            found, first = collections.deque(maxlen=count), None
            for skip in (start > 0, False):
                for one in self.records(start, skip):
                    first = one.when if first is None else first
                    if one.when >= limit and wanted(one):
                        found.append(one)
                found.extend(one for one in self.ended(whole) if one.when >= limit and wanted(one))
                if first is not None or found or not skip:
                    break
            if not start or len(found) == count or (first is not None and first < limit):
                return list(found)
            window *= 4

    def since(self, limit, whole):
        """All records that are not from before `limit`; of a log without stamps, the last few lines."""
        if not self.stamped and self.total > BLOCK:
            for one in self.last(FEW, limit, lambda _: True, whole):
                yield one
            return
        start = self.start(limit)
        for one in self.records(start, start > 0):
            if one.when >= limit:
                yield one
        for one in self.ended(whole):
            if one.when >= limit:
                yield one

    def start(self, limit):
        """A byte of the whole before which nothing is younger than `limit`."""
        window = BLOCK
        while window < self.total:
            first = next((one.when for one in self.records(self.total - window, True)), None)
            if first is not None and first < limit:
                return self.total - window
            window *= 4
        return 0

    def place(self, record):
        """A record's end, from which another look goes on: [number of its file, offset, mark]."""
        piece, offset = record.place
        return [piece.ino, offset, piece.mark(offset)]

    def here(self):
        """The same of the end of the last whole record."""
        if not self.pieces:
            return None
        record = self.parser.open or self.parser.last
        return self.place(record) if record else [self.pieces[-1].ino, 0, self.pieces[-1].mark(0)]

    def go_on(self, place, taken=list):
        """Read on from a place of an earlier look; what was rotated meanwhile first. `taken` of the records by now."""
        start = 0
        for piece in self.pieces:
            if place and piece.ino == place[0] and piece.size >= place[1] and piece.mark(place[1]) == place[2]:
                start += place[1]
                break
            start += piece.size
        else:
            # That file is gone, or was begun anew: without a place all of the newest is new.
            start = 0 if place is None else self.total - (self.pieces[-1].size if self.pieces else 0)
        return taken(self.from_line(start))

    def from_line(self, start):
        """The records from byte `start` on, at which a line begins."""
        self.lines, self.parser = Lines(), Parser()
        for data, piece, end in self.blocks(start):
            for one in self.fed(data, piece, end):
                yield one
        for one in self.ended(False):
            yield one

    def fed(self, data, piece, end):
        for line, length in self.lines.feed(data):
            done = self.parser.feed(line, (piece, end - len(data) + length))
            if done:
                yield self.dated(done)

    def poll(self, now):
        """The records that have come since; the last one as soon as nothing more follows it."""
        found = []
        for data in self.grown():
            self.quiet = 0
            if self.zone is None:
                self.learn(data, now)
            found += self.fed(data, self.pieces[-1], self.offset)
        self.quiet += 1
        if self.quiet > 1 and self.parser.open:
            found += self.ended(False)
        if now - self.checked >= CHECK_SECONDS or now < self.checked:
            self.checked = now
            found += self.another()
        return found

    def learn(self, data, now):
        stamps = [one for one in map(stamp, data.split(b"\n")) if one and not one[1]]
        self.zone = zone(now, stamps[-1][0]) if stamps else None

    def grown(self):
        """The bytes that the newest file has got."""
        if not self.pieces:
            return
        piece, taken = self.pieces[-1], 0
        size = os.fstat(piece.fd).st_size
        if size < self.offset:
            # It was emptied: what comes is a new beginning.
            self.offset, self.lines, piece.head = 0, Lines(), b""
        while taken < AT_ONCE:
            data = piece.read(self.offset, BLOCK)
            if not data:
                return
            self.offset += len(data)
            taken += len(data)
            piece.size, piece.mtime = self.offset, os.fstat(piece.fd).st_mtime
            yield data

    def another(self):
        """The records of the files that have come into the log's place; of the old one nothing is left out."""
        seen = files.seen(self.path, self.by)
        if seen is None or (self.pieces and seen.st_ino == self.pieces[-1].ino):
            return []
        before = self.pieces[-1] if self.pieces else None
        found = []
        for data in self.grown() if before else ():
            found += self.fed(data, before, self.offset)
        fresh = pieces(self.path, self.by)
        numbers = [one.ino for one in fresh]
        old = numbers.index(before.ino) + 1 if before and before.ino in numbers else max(0, len(fresh) - 1)
        for one in fresh[:old] + self.pieces:
            one.close()
        self.pieces = fresh[old:]
        for data, piece, end in self.blocks(0):
            if self.zone is None:
                self.learn(data, piece.mtime)
            found += self.fed(data, piece, end)
        self.settle()
        return found
