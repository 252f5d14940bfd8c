"""Chromium, spoken to in its DevTools protocol over a pipe: no port is open for it. Any Python from 2.7 on."""

import fcntl
import json
import os
import signal
import sys
import threading

try:
    import queue
except ImportError:
    import Queue as queue

TICK = 0.1
"""Seconds after which a page that hears nothing looks at its clock."""
COMMANDS, ANSWERS = 3, 4
"""The descriptors at which Chromium reads and writes (--remote-debugging-pipe)."""
DEATH = 1
"""PR_SET_PDEATHSIG."""


class Refused(Exception):
    """Chromium does not do what it was told, and says why."""


class Browser(object):
    """One Chromium. `ended` is called when it has ended, by another thread."""

    def __init__(self, words, environment, ended):
        self.ended, self.lock, self.number = ended, threading.Lock(), 0
        self.waiting, self.sessions, self.open = {}, {}, set()
        # Who waits for an answer, by its number; the pages' queues by session, and those that are told the time.
        to_it, from_it = os.pipe(), os.pipe()
        self.pid = started(words, environment, to_it[0], from_it[1])
        os.close(to_it[0])
        os.close(from_it[1])
        self.commands, self.answers = to_it[1], from_it[0]
        for work in (self.read, self.tick):
            thread = threading.Thread(target=work)
            thread.daemon = True
            thread.start()
        # Windows that a page opens are closed at once: they are no part of it.
        self.send("Target.setDiscoverTargets", {"discover": True})

    def send(self, method, parameters, session=None, answers=None):
        """Says something. Its answer goes to `answers`, a queue, where there is one; the number that it has there."""
        with self.lock:
            self.number += 1
            message = {"id": self.number, "method": method, "params": parameters}
            if session:
                message["sessionId"] = session
            if answers is not None:
                self.waiting[self.number] = answers
            data = json.dumps(message).encode("utf-8") + b"\0"
            while data:
                data = data[os.write(self.commands, data) :]
            return self.number

    def ask(self, method, seconds):
        """The answer to a question without parameters. Raises Refused where none comes."""
        answers = queue.Queue()
        self.send(method, {}, None, answers)
        try:
            return result_of(answers.get(True, seconds))
        except queue.Empty:
            raise Refused("Chromium gives no answer")

    def read(self):
        try:
            rest = bytearray()
            while True:
                some = os.read(self.answers, 1 << 20)
                if not some:
                    break
                begin = len(rest)
                rest += some
                while True:
                    end = rest.find(b"\0", begin)
                    if end < 0:
                        break
                    self.deliver(json.loads(bytes(rest[:end]).decode("utf-8")))
                    del rest[: end + 1]
                    begin = 0
        finally:
            self.ended()

    def deliver(self, message):
        """Brings an answer to the one that asked, and an event to the page that it is about."""
        number = message.get("id")
        if number is not None:
            answers = self.waiting.pop(number, None)
        else:
            answers = self.sessions.get(message.get("sessionId"))
            seen = message["params"].get("targetInfo") or {}
            if message["method"] == "Target.targetCreated" and seen.get("openerId"):
                self.send("Target.closeTarget", {"targetId": seen["targetId"]})
        if answers is not None:
            answers.put(message)

    def tick(self):
        """Waking all is cheaper than a wait with a limit, for which Python 2.7 sleeps in small pieces."""
        pause = threading.Event()
        while True:
            pause.wait(TICK)
            for answers in list(self.open):
                answers.put(None)


def say(text):
    """One line of the log, in which a page's own words may be anything."""
    sys.stdout.write(text.encode("ascii", "backslashreplace").decode("ascii").replace("\n", " ") + "\n")
    sys.stdout.flush()


def result_of(answer):
    if "error" in answer:
        raise Refused(answer["error"].get("message", "?"))
    return answer["result"]


def started(words, environment, reads, writes):
    """The pid of a program that has these two descriptors as COMMANDS and ANSWERS, and no other one of this process."""
    # Neither of the two may be in the way of the other.
    reads, writes = (fcntl.fcntl(one, fcntl.F_DUPFD, 16) for one in (reads, writes))
    pid = os.fork()
    if pid:
        os.close(reads)
        os.close(writes)
        return pid
    try:
        os.dup2(reads, COMMANDS)
        os.dup2(writes, ANSWERS)
        os.closerange(ANSWERS + 1, 1024)
        die_with_parent()
        os.execve(words[0], words, environment)
    except Exception as error:
        os.write(2, ("%s: %s\n" % (words[0], error)).encode("utf-8"))
    finally:
        os._exit(1)


def die_with_parent():
    try:
        import ctypes

        ctypes.CDLL(None).prctl(DEATH, signal.SIGKILL)
    except (ImportError, OSError, AttributeError):
        pass
