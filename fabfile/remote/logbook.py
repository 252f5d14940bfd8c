"""The logs of a host's programs, told record by record: the last ones, then on and on where they are followed.

Each line of the answer is one JSON object, and one of:

    {"clock": seconds}                      first, the host's own clock
    {"log": number, "program": name, "path": path, "at": place or null}
    {"log": number, "s": seconds, "l": level, "m": source, "x": [lines], "at": place}
    {"key": mark, "count": n, "first": seconds, "last": seconds, "programs": [names], "example": a record}
    {"left_out": n}                         errors of yet other kinds, which were too many to tell
    {"live": true}                          from here on it is followed
    {"problem": text}
"""

from __future__ import absolute_import, print_function

import collections
import errno
import json
import os
import re
import sys
import time

from . import conf, files, processes, texts
from .chain import Chain
from .records import key

POLL_SECONDS = 0.25
NEW_SECONDS = 2.0
"""How often it is looked for logs of new programs."""
SLACK = 2.0
"""Seconds that the way here may have taken; the asker counts exactly."""
GROUPS = 2000
FOREVER = float("-inf")


def logs(options):
    """Tells the records that are wanted; exit status 1 where the host's Python can't read the pattern."""
    out = Output()
    out.tell({"clock": time.time()})
    out.flush()
    # The crawl goes first.
    os.nice(10)
    try:
        wanted = WantedRecords(options)
    except (re.error, OverflowError) as error:
        out.tell({"problem": "--grep: Python %s can't use it: %s" % (sys.version.split()[0], error)})
        out.flush()
        return 1
    try:
        book = Book(options, wanted, out)
        book.begin()
        if options["follow"]:
            book.follow()
    except (IOError, OSError) as error:
        if error.errno != errno.EPIPE:
            raise
    return 0


class WantedRecords(object):
    """The records that are wanted."""

    def __init__(self, options):
        self.errors = options["errors"]
        pattern = options["grep"].decode("utf-8") if texts.OLD else options["grep"]
        self.pattern = re.compile(pattern, re.UNICODE) if pattern else None
        self.programs = set(options["programs"])

    def __call__(self, record):
        if self.errors and not record.error:
            return False
        return self.pattern is None or any(self.pattern.search(line) for line in record.text())

    def program(self, name, role):
        return not self.programs or name in self.programs or role in self.programs


class Output(object):
    """Lines for the asker, in few pieces."""

    def __init__(self):
        self.fd, self.waiting, self.size = sys.stdout.fileno(), [], 0

    def tell(self, answer):
        self.waiting.append(json.dumps(answer))
        self.size += len(self.waiting[-1])
        if self.size > 1 << 16:
            self.flush()

    def flush(self):
        if not self.waiting:
            return
        # The empty line: what follows the last line's end can't be told from what is on its way.
        data = ("\n".join(self.waiting) + "\n\n").encode("ascii")
        self.waiting, self.size = [], 0
        while data:
            data = data[os.write(self.fd, data) :]


class Book(object):
    """The logs that are told, by their numbers."""

    def __init__(self, options, wanted, out):
        self.options, self.wanted, self.out = options, wanted, out
        age = options["age"]
        # Once: reading one log may take long, and must not move the limit of the next.
        self.limit = FOREVER if age is None else time.time() - age - SLACK
        self.chains = []
        self.looked = 0.0

    def begin(self):
        """Tells what is there, and where each log has been read to."""
        groups = Groups(self.out) if self.options["groups"] else None
        for name, path, by in found(self.options, self.wanted):
            chain = self.add(name, path, by)
            for one in self.there(chain):
                if self.wanted(one):
                    groups.add(chain, one) if groups else self.record(chain, one)
            self.named(chain, chain.here())
            chain.settle()
        if groups:
            groups.tell()
        self.out.tell({"live": True})
        self.out.flush()

    def there(self, chain):
        """The records that a log has by now, as far back as is wanted."""
        known, count = self.options["places"], self.options["count"]
        limit, whole = self.limit, not self.options["follow"]
        if known is not None:
            # What has come while nobody looked may be more than anybody wants.
            last = lambda found: collections.deque(filter(self.wanted, found), count)  # noqa: E731
            return chain.go_on(known.get(chain.path), list if count is None or self.options["follow"] else last)
        return chain.since(limit, whole) if count is None else chain.last(count, limit, self.wanted, whole)

    def add(self, name, path, by):
        chain = Chain(name, path, by)
        chain.number = len(self.chains)
        self.chains.append(chain)
        self.named(chain)
        return chain

    def named(self, chain, place=None):
        """What a log's number means; and, when its first records are told, where it is."""
        answer = {"log": chain.number, "program": chain.program, "path": chain.path, "at": place}
        self.out.tell(texts.told(answer))

    def record(self, chain, one):
        answer = {"log": chain.number, "s": one.when, "l": one.level, "m": one.source, "x": one.text()}
        self.out.tell(dict(answer, at=chain.place(one)))

    def follow(self):
        while True:
            time.sleep(POLL_SECONDS)
            now = time.time()
            if now - self.looked > NEW_SECONDS or now < self.looked:
                self.looked = now
                self.join()
            for chain in self.chains:
                for one in chain.poll(now):
                    if self.wanted(one):
                        self.record(chain, one)
            self.out.flush()

    def join(self):
        """The logs of programs that were not there before."""
        known = [chain.path for chain in self.chains]
        for name, path, by in unlisted(self.options, known):
            if self.wanted.program(name, role(name)):
                chain = self.add(name, path, by)
                for one in chain.go_on(None):
                    if self.wanted(one):
                        self.record(chain, one)


class Groups(object):
    """Equal errors, with how often and when they came."""

    def __init__(self, out):
        self.out, self.known, self.left_out = out, {}, 0

    def add(self, chain, one):
        lines = one.text()
        mark = key(lines)
        group = self.known.get(mark)
        if group is None:
            if len(self.known) >= GROUPS:
                self.left_out += 1
                return
            example = {"l": one.level, "m": one.source, "x": lines}
            group = {"key": mark, "count": 0, "first": one.when, "last": one.when, "programs": []}
            self.known[mark] = dict(group, example=example)
            group = self.known[mark]
        group["count"] += 1
        group["first"], group["last"] = min(group["first"], one.when), max(group["last"], one.when)
        if chain.program not in group["programs"]:
            group["programs"].append(chain.program)

    def tell(self):
        for _, group in sorted(self.known.items()):
            self.out.tell(dict(group, programs=texts.told(group["programs"])))
        if self.left_out:
            self.out.tell({"left_out": self.left_out})


def role(name):
    return name.rstrip("0123456789")


def found(options, wanted):
    """(program, path, the user that named it) of each log that is wanted, also of programs that are no more."""
    table = processes.table()
    own = conf.effective(conf.confs(options, table), options) or {}
    listed = []
    for one in own.get("programs", []):
        if wanted.program(one["name"], one["role"]):
            both = (one["log"], None if one["merged"] else one["err"])
            listed += [(one["name"], path, one["by"]) for path in both]
    if wanted.program("supervisord", "supervisord"):
        listed.append(("supervisord", own.get("logfile"), own.get("by", 0)))
    answer, paths = [], set()
    named = [path for one in own.get("programs", []) for path in (one["log"], one["err"])] + [own.get("logfile")]
    listed += [one for one in unlisted(options, named) if wanted.program(one[0], role(one[0]))]
    for one in listed:
        if one[1] and one[1].startswith("/") and one[1] not in paths:
            paths.add(one[1])
            answer.append(one)
    return answer


def unlisted(options, known):
    """The logs in the cluster's folder beside those that are known."""
    paths = [path for path in files.glob(os.path.join(options["logs"], "*.log")) if path not in known]
    return [(os.path.basename(path)[:-4], path, 0) for path in paths]
