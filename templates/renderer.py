"""PhantomJS as a user of its own, under a supervisord that can become nobody else. Any Python from 2.7 on.

    renderer.py serve SOCKET USER    as the renderer's user: runs what USER, the cluster's, asks for, as itself
    renderer.py run SOCKET COMMAND   as the cluster's user, by supervisord: one such command, for as long as this lives
    renderer.py ask SOCKET           prints the digest of the program that serves there
    renderer.py stop SOCKET          as the renderer's user: ends it, and all that it runs

PhantomJS never gives memory back, and a page's script can hang all of it: one that holds too much, or does not answer,
is ended here, and supervisord starts it anew. Fetchers ask once more then. The same holds for Chromium. What a command
writes below TMPDIR is gone when it has ended.

The socket is in a directory of the renderer's user; only USER, root and itself are heard there. Nothing goes the other
way but the output of the command.
"""

from __future__ import print_function

import errno
import glob
import hashlib
import json
import os
import pwd
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from limits import LOOK, Watch, clock

SECONDS = 10
MOST = 1 << 20
"""Bytes of a request."""
PASSED = ("LANG", "OPENSSL_CONF", "SUPERVISOR_PROCESS_NAME")
SO_PEERCRED = 17
SCRATCH = "/var/tmp"
"""Where a command's TMPDIR is: on the disk, and where systemd runs, private."""
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
    text, until = b"", clock() + SECONDS
    while not text.endswith(b"\n") and len(text) < MOST:
        # The other end may say a byte now and then.
        connection.settimeout(max(0.01, until - clock()))
        some = connection.recv(65536)
        if not some:
            break
        text += some
    return text.decode("utf-8")


def serve(path, user):
    heard, code = (0, os.getuid(), pwd.getpwnam(user).pw_uid), digest()
    for left in glob.glob(os.path.join(SCRATCH, scratch_name(path) + "*")):
        if os.lstat(left).st_uid == os.getuid():
            remove(left)
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
                handle(connection, pid, code, scratch_name(path))
            finally:
                os._exit(0)
        connection.close()


def handle(connection, pid, code, scratch):
    connection.settimeout(SECONDS)
    wanted = json.loads(line(connection))
    if not wanted["words"]:
        connection.sendall((code + "\n").encode("ascii"))
        return
    folder = tempfile.mkdtemp(prefix=scratch, dir=SCRATCH)
    try:
        own = pwd.getpwuid(os.getuid())
        environment = {"HOME": own.pw_dir, "USER": own.pw_name, "PATH": "/usr/bin:/bin", "PYSPIDER_STUB": str(pid)}
        environment.update((str(name), str(value)) for name, value in wanted["environment"].items())
        watched(connection, wanted["words"], dict(environment, TMPDIR=folder))
    finally:
        remove(folder)


def watched(connection, words, environment):
    """Runs a command for as long as the other end lives and there is no reason against it."""
    with open(os.devnull) as nothing:
        try:
            process = subprocess.Popen(
                words, stdin=nothing, stdout=connection, stderr=connection, env=environment,
                cwd=environment["HOME"], preexec_fn=begin, close_fds=True,
            )  # fmt: skip
        except OSError as error:
            connection.sendall(("%s: %s\n" % (words[0], error.strerror)).encode("utf-8"))
            return
    watch, look_at = Watch(process.pid, words, environment), clock() + LOOK
    while process.poll() is None:
        # The other end says nothing more: to be readable means that it has ended.
        ended, reason = select.select([connection], [], [], 0.2)[0], ""
        if not ended and clock() >= look_at:
            reason, look_at = watch.reason(), clock() + LOOK
        if reason:
            connection.sendall(("renderer.py: %s; it starts anew\n" % reason).encode("utf-8"))
        if ended or reason:
            break
    # Its children go with it, and also those of one that has ended by itself.
    kill_group(process.pid)
    process.wait()


def kill_group(number):
    try:
        os.killpg(number, signal.SIGKILL)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise


def scratch_name(path):
    """How the names of the folders begin that are for commands of this socket."""
    return os.path.basename(os.path.dirname(os.path.abspath(path))) + "."


def remove(folder):
    """Removes a folder of this user's, into which a process that ends may still write."""
    shutil.rmtree(folder, ignore_errors=True)
    for _ in range(20):
        if os.path.lexists(folder):
            time.sleep(0.1)
            shutil.rmtree(folder, ignore_errors=True)


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
