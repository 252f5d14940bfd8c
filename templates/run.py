"""Starts one component of pyspider, with config.json as its only input. Runs under Python 2.7.

    run.py -c CONFIG.json COMPONENT [OPTIONS]
"""

from __future__ import print_function

import errno
import json
import os
import socket
import sys

try:
    from urllib import parse
except ImportError:
    import urlparse as parse

# What the web UI's pages load; fab bootstrap puts it there.
LIBRARIES = "/opt/pyspider/libraries"

# pyspider silently goes on alone, with SQLite and a queue of its own, where one of these is missing.
NEEDED = ("taskdb", "projectdb", "resultdb", "message-queue", "data-path")

# pyspider lets these win over config.json.
IGNORED = (
    "DEBUG", "QUEUE_MAXSIZE", "TASKDB", "PROJECTDB", "RESULTDB", "AMQP_URL", "BEANSTALK_HOST", "PHANTOMJS_PROXY",
    "SCHEDULER_XMLRPC_PORT", "FETCHER_XMLRPC_PORT", "WEBUI_HOST", "WEBUI_PORT", "WEBUI_USERNAME", "WEBUI_PASSWORD",
    "MYSQL_NAME", "MONGODB_NAME", "RABBITMQ_NAME", "PHANTOMJS_NAME", "SCHEDULER_NAME",
)


# Seconds until a silent connection is asked, between questions, how many; milliseconds for what was sent. The last is
# TCP_USER_TIMEOUT, for which Python 2.7 has no name.
SILENT_PEER = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 3), (socket.TCP_KEEPCNT, 3), (18, 15000))

# They take messages; the web UI only looks at queues.
KEEPERS = ("scheduler", "fetcher", "processor", "result_worker")


def refuse(text):
    sys.stderr.write("run.py: %s\n" % text)
    sys.exit(2)


def configuration(words):
    if len(words) < 3 or words[0] != "-c":
        refuse("usage: run.py -c CONFIG.json COMPONENT [OPTIONS]")
    try:
        with open(words[1]) as stream:
            config = json.load(stream)
    except (IOError, OSError) as error:
        refuse("%s can't be read (%s); run fab deploy" % (words[1], error.strerror))
    except ValueError as error:
        refuse("%s is not JSON (%s); run fab deploy" % (words[1], error))
    missing = [name for name in NEEDED if not config.get(name)]
    if missing:
        refuse("%s lacks %s; run fab deploy" % (words[1], ", ".join(missing)))
    return config


def make_directory(path):
    # pyspider looks first and makes it then: of several programs that start at once, all but one would die.
    try:
        os.makedirs(path)
    except OSError as error:
        if error.errno != errno.EEXIST:
            refuse("%s can't be made (%s)" % (path, error.strerror))


def serve_libraries():
    # pyspider itself would have every browser fetch them from a CDN.
    from flask import send_from_directory
    from pyspider.webui.app import app
    app.add_url_rule("/libraries/<path:name>", "libraries", lambda name: send_from_directory(LIBRARIES, name))


def beside(name):
    # A release holds what was deployed, and nothing that Python would keep of it.
    sys.dont_write_bytecode = True
    try:
        return __import__(name, fromlist=["*"])
    finally:
        sys.dont_write_bytecode = False


def secure_stores(folder):
    # pyspider has no option for TLS; fab deploy puts both files there where hosts.toml asks for it.
    if not os.path.exists(os.path.join(folder, "tls.json")):
        return
    tls = beside("tls")
    try:
        tls.secure(tls.wanted(folder))
    except ValueError as error:
        refuse("%s/tls.json is broken (%s); run fab deploy" % (folder, error))


def name_redis_user(url):
    # pyspider's queue tells Redis a password alone, and so would be its default user.
    user = parse.urlparse(url).username
    if not user:
        return
    import redis
    plain = redis.StrictRedis
    redis.StrictRedis = lambda **options: plain(**dict(options, username=user))


def notice_cut_cables():
    # Over a cut cable no answer comes, and no end either: MySQL's driver would wait for minutes after it is mended.
    try:
        from mysql.connector.network import MySQLTCPSocket
    except ImportError:
        # Where pyspider needs it, it says so itself.
        return
    open_connection = MySQLTCPSocket.open_connection

    def opened(self):
        open_connection(self)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for number, value in SILENT_PEER:
            try:
                self.sock.setsockopt(socket.IPPROTO_TCP, number, value)
            except socket.error:
                # Linux before 2.6.37 has no TCP_USER_TIMEOUT.
                pass
    MySQLTCPSocket.open_connection = opened


def guard_rpc(folder):
    # pyspider's RPC servers do what anybody says who reaches them.
    path = os.path.join(folder, "peers.json")
    if not os.path.exists(path):
        return
    sys.dont_write_bytecode = True
    import peers
    sys.dont_write_bytecode = False
    peers.guard(path)


def keeps(role, queues):
    """Whether a component takes messages, from queues that can hold them until their outcome is stored."""
    return role in KEEPERS and queues.startswith("redis://") and "," not in queues


def main():
    config = configuration(sys.argv[1:])
    make_directory(config["data-path"])
    secure_stores(os.path.dirname(sys.argv[2]))
    name_redis_user(config["message-queue"])
    notice_cut_cables()
    for name in IGNORED:
        os.environ.pop(name, None)
    from pyspider.run import main as pyspider
    if sys.argv[3] in ("scheduler", "fetcher"):
        guard_rpc(os.path.dirname(sys.argv[2]))
    if sys.argv[3] == "webui":
        serve_libraries()
        beside("guard").stand()
    if keeps(sys.argv[3], config["message-queue"]):
        sys.exit(beside("launcher.wiring").run(sys.argv[3], config, pyspider))
    pyspider()


if __name__ == "__main__":
    main()
