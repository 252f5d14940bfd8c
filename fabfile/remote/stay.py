"""A look that stays: one process for all looks of a channel, with which it ends.

It lives in the channel's folder, which is root's alone: `1` are the options of the next look, a line in `ask` begins
it, its answer goes into `answer`.
"""

from __future__ import absolute_import, print_function

import errno
import json
import os
import select
import shutil
import sys
import time

from . import files, look, texts

ALIVE_SECONDS = 1.0
"""How often it is looked whether the channel is still there."""
TRY_SECONDS = 0.005


def stay(options):
    """The first answer; what gives the others stays."""
    answer = look.look(options)
    folder = os.path.dirname(os.path.abspath(sys.argv[0]))
    for name in ("ask", "answer"):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            os.mkfifo(path, 0o600)
    # After the look, so that it has all its modules: nothing is read from the zip any more.
    child = os.fork()
    if child == 0:
        try:
            reside(folder)
        finally:
            os._exit(1)
    with open(os.path.join(folder, "pid"), "w") as stream:
        stream.write("%d\n" % child)
    return answer


def reside(folder):
    alone()
    receiver = int(files.read(os.path.join(folder, "receiver")))
    # Opened for both, it has no end when a question has been read.
    ask = os.open(os.path.join(folder, "ask"), os.O_RDWR)
    while there(folder, receiver):
        if select.select([ask], [], [], ALIVE_SECONDS)[0]:
            os.read(ask, 512)
            answer = answered(folder)
            tell(folder, receiver, answer.encode("ascii"))
            if not answer:
                return
    # A receiver that was killed has left its folder.
    shutil.rmtree(folder, True)


def alone():
    """Hold nothing of the channel open: it ends when its own processes have."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    os.closerange(3, 256)


def there(folder, receiver):
    """Whether the channel is: its folder goes with it, but for a receiver that was killed."""
    try:
        os.kill(receiver, 0)
    except OSError:
        return False
    return os.path.isdir(folder)


def answered(folder):
    """The answer in JSON; empty where the look failed, which another process then tells."""
    try:
        options = texts.native(json.loads(files.read(os.path.join(folder, "1"))))
        return json.dumps(texts.told(look.look(options)))
    except Exception:
        return ""


def tell(folder, receiver, data):
    """Write it all, as soon as the side that asked has opened the pipe."""
    pipe = None
    while there(folder, receiver):
        try:
            if pipe is None:
                pipe = os.open(os.path.join(folder, "answer"), os.O_WRONLY | os.O_NONBLOCK)
            data = data[os.write(pipe, data) :]
            if not data:
                break
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.EAGAIN):
                break
        time.sleep(TRY_SECONDS)
    if pipe is not None:
        os.close(pipe)
