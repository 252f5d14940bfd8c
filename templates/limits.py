"""The limits of a command that renders pages: the memory that it holds, and an answer. Any Python from 2.7 on."""

import os
import select
import socket

LOOK = 5
"""Seconds between two looks at a command."""
MOMENT = 0.2
"""Seconds in which a command that has nothing to do answers. Who asked for it may end it meanwhile."""
MEMORY = "PYSPIDER_MEMORY_MB"
"""The variable with the megabytes that a command may hold. The last word of such a command is ADDRESS:PORT."""
PATIENCE = 60
"""Seconds that one which holds too much has for the pages that it has begun; none above twice that much."""
HANG = 95 // LOOK
"""Looks without an answer, in which this host was not stopped itself: it ends before a fetcher gives up after 121 s."""
ESTABLISHED = "01"


def clock():
    """Seconds that no setting of the clock changes."""
    return os.times()[4]


class Watch(object):
    """A command that listens at an address, and the reasons for which it has to end."""

    def __init__(self, pid, words, environment):
        self.pid, self.limit = pid, int(environment.get(MEMORY) or 0)
        self.address, _, port = words[-1].rpartition(":")
        self.port = int(port) if self.limit else 0
        self.heavy_since, self.silent, self.question = None, 0, None

    def reason(self):
        """Why it has to end now, in words; empty where it need not."""
        if not self.limit:
            return ""
        self.hear()
        if self.silent > HANG:
            return "no answer at %s:%d for %d s" % (self.address, self.port, HANG * LOOK)
        holds = memory(self.pid)
        if holds <= self.limit:
            self.heavy_since = None
            return ""
        self.heavy_since = self.heavy_since or clock()
        late = clock() > self.heavy_since + PATIENCE or holds > 2 * self.limit
        if late or not open_requests(self.port):
            return "it holds %d MB, more than memory_mb = %d" % (holds, self.limit)
        return ""

    def hear(self):
        """Asks it something, and takes note of its answer, of which only the first byte counts."""
        if self.question is None:
            self.question = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.question.settimeout(MOMENT)
            try:
                self.question.connect((self.address, self.port))
                self.question.sendall(b"GET / HTTP/1.0\r\n\r\n")
            except EnvironmentError:
                # Nobody listens yet, or a filter of the host's is in between: that is no silence of its own.
                self.silent = 0
                self.close()
                return
        self.silent += 1
        if select.select([self.question], [], [], MOMENT)[0]:
            if self.heard():
                self.silent = 0
            self.close()

    def heard(self):
        try:
            return bool(self.question.recv(1))
        except EnvironmentError:
            return False

    def close(self):
        self.question.close()
        self.question = None


def memory(session):
    """The megabytes that all processes of a session hold; 0 where there is none. What they share counts once."""
    own = shared = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as stat, open("/proc/%s/statm" % pid) as statm:
                within = int(stat.read().rpartition(")")[2].split()[3]) == session
                held, both = [int(number) for number in statm.read().split()[1:3]]
        except (EnvironmentError, IndexError, ValueError):
            continue
        if within:
            own, shared = own + held - both, max(shared, both)
    return (own + shared) * os.sysconf("SC_PAGE_SIZE") >> 20


def open_requests(port):
    """How many connections to a port of this host are open."""
    with open("/proc/net/tcp") as stream:
        rows = [line.split() for line in stream.readlines()[1:]]
    return len([row for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == ESTABLISHED])
