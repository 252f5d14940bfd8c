"""Tasks that wait for room in the fetchers' queue while the web UI asks for its "Active Tasks", as pyspider answers it.

Runs under the hosts' Python 2.7:  shown.py CONFIG.json RELEASE
"""

import json
import socket
import threading
import time

import common
import xmlrpclib
from launcher import database
from launcher.patience import Ending, Store
from launcher.projects import cronjob
from six.moves import queue as queues

NAME, COUNT, SECONDS = "shown", 3, 20


def free_port():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    return port


def asked(port):
    """What the web UI gets."""
    until = time.time() + SECONDS
    while True:
        try:
            return xmlrpclib.ServerProxy("http://127.0.0.1:%d" % port).get_active_tasks(NAME, 100)
        except socket.error:
            if time.time() > until:
                raise
            time.sleep(0.1)


def main():
    database.stand(Store("MySQL", database.lost, Ending(), cut=database.cut))
    scheduler = common.kept(common.Kept, "shown", common.Projects([NAME], 1.0, 1.0, time.time()), 1)
    # It asks the project for its settings: the queue is full.
    scheduler.run_once()
    for tick in range(COUNT):
        scheduler.on_select_task(cronjob(NAME, tick, 2))
    waiting, port = len(scheduler._send_buffer), free_port()
    thread = threading.Thread(target=scheduler.xmlrpc_run, kwargs={"port": port, "bind": "127.0.0.1"})
    thread.daemon = True
    thread.start()
    shown, sent = asked(port), []
    until = time.time() + SECONDS
    while len(sent) <= COUNT and time.time() < until:
        try:
            sent.append(scheduler.out_queue.get_nowait())
        except queues.Empty:
            scheduler.run_once()
    found = {"waiting": waiting, "shown": sorted(set(key for _, task in shown for key in task))}
    found["callbacks"] = [task.get("process", {}).get("callback") for task in sent]
    print(json.dumps(found))


main()
