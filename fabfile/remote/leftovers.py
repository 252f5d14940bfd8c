"""The leftovers of a dead supervisord: its programs and its socket; and how they go."""

from __future__ import absolute_import, print_function

import errno
import os
import signal
import socket
import time

from . import ground, processes, rpc, whose


def leftovers(table, options):
    """Processes that a supervisord of this cluster started and that no supervisord holds any more."""
    url = "unix://" + options["socket"]
    found = []
    for pid, process in sorted(table.items()):
        if (
            process.environment.get("SUPERVISOR_SERVER_URL") != url
            or not process.alive
            or processes.is_supervisord(process)
            # Anybody may write anything into the environment of a process of his own.
            or not whose.theirs(process, options)
        ):
            continue
        if not any(
            processes.is_supervisord(table[parent]) for parent in processes.ancestors(pid, table) if parent in table
        ):
            found.append(
                {
                    "pid": pid,
                    "ticks": process.ticks,
                    "name": process.environment.get("SUPERVISOR_PROCESS_NAME", "?"),
                    "ours": "PYSPIDER_RELEASE" in process.environment,
                }
            )
    return found


def clear(options):
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(rpc.RPC_SECONDS)
        ground.connect(connection, options["socket"])
    except (socket.error, OSError) as error:
        if error.errno == errno.ECONNREFUSED:
            ground.remove_socket(options["socket"])
    # Where somebody answers, systemd has started it again meanwhile: then it is stale no more.
    return 0


def end(options):
    """End processes (by pid and start time, so that a recycled pid is safe): gently, then not."""
    status = end_all(options["end"], options["signals"])
    # The leftovers of an ended supervisord are seen only now.
    return end_all([one for one in leftovers(processes.table(), options) if one["ours"]], options["signals"]) or status


def end_all(items, signals):
    for name, seconds in signals:
        for item in [item for item in items if same(item)]:
            try:
                os.kill(item["pid"], getattr(signal, name))
            except OSError as error:
                if error.errno != errno.ESRCH:
                    raise
        deadline = time.time() + seconds
        while any(same(item) for item in items) and time.time() < deadline:
            time.sleep(0.05)
    return 1 if any(same(item) for item in items) else 0


def same(item):
    process = processes.Process(item["pid"])
    return process.alive and process.ticks == item["ticks"]
