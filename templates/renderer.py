"""PhantomJS as a user of its own, under a supervisord that can become nobody else. Any Python from 2.7 on.

    renderer.py serve SOCKET USER    as the renderer's user: runs what USER, the cluster's, asks for, as itself
    renderer.py run SOCKET COMMAND   as the cluster's user, by supervisord: one such command, for as long as this lives
    renderer.py ask SOCKET           prints the digest of the program that serves there
    renderer.py stop SOCKET          as the renderer's user: ends it, and all that it runs

PhantomJS never gives memory back, and a page's script can hang all of it: one that holds too much, or does not answer,
is ended here, and supervisord starts it anew. Fetchers ask once more then.

The socket is in a directory of the renderer's user; only USER, root and itself are heard there. Nothing goes the other
way but the output of the command.
"""

from __future__ import print_function

import errno
import hashlib
import json
import os
import pwd
import select
import signal
import socket
import struct
import subprocess
import sys
import time

SECONDS = 10
MOST = 1 << 20
"""Bytes of a request."""
PASSED = ("LANG", "OPENSSL_CONF", "SUPERVISOR_PROCESS_NAME")
SO_PEERCRED = 17
LOOK = 5
"""Seconds between two looks at a command."""
MOMENT = 0.2
"""Seconds in which a command that has nothing to do answers. Who asked for it may end it meanwhile."""
MEMORY = "PYSPIDER_MEMORY_MB"
"""The variable with the megabytes that a command may hold. The last word of such a command is ADDRESS:PORT."""
PATIENCE = 60
"""Seconds that one which holds too much has for the pages that it has begun; none above twice that much."""
HANG = 120 // LOOK
"""Looks without an answer: two minutes, in which this host was not stopped itself."""
ESTABLISHED = "01"
DEATH = 1
"""PR_SET_PDEATHSIG."""


def digest():
    with open(os.path.abspath(__file__), "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()[:12]


def peer(connection):
    """The pid and the user's number of the other end, as the kernel tells them."""
    size = struct.calcsize("3i")
    return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, SO_PEERCRED, size))[:2]


def connected(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(SECONDS)
    connection.connect(path)
    return connection


def line(connection):
    text = b""
    while not text.endswith(b"\n") and len(text) < MOST:
        some = connection.recv(65536)
        if not some:
            break
        text += some
    return text.decode("utf-8")


def serve(path, user):
    heard, code = (0, os.getuid(), pwd.getpwnam(user).pw_uid), digest()
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    # Whoever connects is asked by the kernel who it is.
    os.chmod(path, 0o666)
    server.listen(16)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        try:
            connection = server.accept()[0]
        except EnvironmentError as error:
            if error.errno != errno.EINTR:
                raise
            continue
        pid, uid = peer(connection)
        if uid in heard and not os.fork():
            die_with_parent()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            server.close()
            try:
                handle(connection, pid, code)
            finally:
                os._exit(0)
        connection.close()


def handle(connection, pid, code):
    connection.settimeout(SECONDS)
    wanted = json.loads(line(connection))
    if not wanted["words"]:
        connection.sendall((code + "\n").encode("ascii"))
        return
    own = pwd.getpwuid(os.getuid())
    environment = {"HOME": own.pw_dir, "USER": own.pw_name, "PATH": "/usr/bin:/bin", "PYSPIDER_STUB": str(pid)}
    environment.update((str(name), str(value)) for name, value in wanted["environment"].items())
    with open(os.devnull) as nothing:
        try:
            process = subprocess.Popen(
                wanted["words"], stdin=nothing, stdout=connection, stderr=connection, env=environment,
                cwd=own.pw_dir, preexec_fn=begin, close_fds=True,
            )  # fmt: skip
        except OSError as error:
            connection.sendall(("%s: %s\n" % (wanted["words"][0], error.strerror)).encode("utf-8"))
            return
    watch, look_at = Watch(process.pid, wanted["words"], environment), clock() + LOOK
    while process.poll() is None:
        # The other end says nothing more: to be readable means that it has ended.
        ended, reason = select.select([connection], [], [], 0.2)[0], ""
        if not ended and clock() >= look_at:
            reason, look_at = watch.reason(), clock() + LOOK
        if reason:
            connection.sendall(("renderer.py: %s; it starts anew\n" % reason).encode("utf-8"))
        if ended or reason:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


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


def memory(pid):
    """The megabytes that a process holds; 0 where there is none."""
    try:
        with open("/proc/%d/statm" % pid) as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    except EnvironmentError:
        return 0


def open_requests(port):
    """How many connections to a port of this host are open."""
    with open("/proc/net/tcp") as stream:
        rows = [line.split() for line in stream.readlines()[1:]]
    return len([row for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == ESTABLISHED])


def begin():
    os.setsid()
    die_with_parent()


def die_with_parent():
    try:
        import ctypes

        ctypes.CDLL(None).prctl(DEATH, signal.SIGKILL)
    except (ImportError, OSError, AttributeError):
        pass


def run(path, words):
    connection = connected(path)
    environment = dict((n, v) for n, v in os.environ.items() if n in PASSED or n.startswith("PYSPIDER_"))
    connection.sendall((json.dumps({"words": words, "environment": environment}) + "\n").encode("utf-8"))
    connection.settimeout(None)
    while True:
        some = connection.recv(65536)
        if not some:
            return 1
        os.write(1, some)


def ask(path):
    connection = connected(path)
    connection.sendall(b'{"words": []}\n')
    print(line(connection).strip())
    return 0


def stop(path):
    # Its own pid is that of the process which listens there.
    os.kill(peer(connected(path))[0], signal.SIGTERM)
    return 0


def main(verb, path, words):
    try:
        return {"serve": lambda: serve(path, words[0]), "run": lambda: run(path, words)}.get(
            verb, lambda: {"ask": ask, "stop": stop}[verb](path)
        )()
    except EnvironmentError as error:
        print("renderer.py: %s: %s; run fab deploy" % (path, error.strerror or error), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
