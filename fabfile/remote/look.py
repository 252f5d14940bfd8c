"""The supervisord and the programs of a host, as data.

supervisorctl answers in English; supervisord's XML-RPC and /proc answer in data.
"""

from __future__ import absolute_import, print_function

import os
import sys

from . import (
    conf,
    daemons,
    files,
    firewall,
    ground,
    leftovers,
    logs,
    machine,
    processes,
    purpose,
    questions,
    spent,
    strangers,
    watch,
    whose,
    work,
)


def look(options):
    if options.get("anywhere"):
        return look_anywhere(options)
    server, infos = daemons.asked(options)
    # After the supervisor's answer: a pid that it names must be in the table.
    table = processes.table()
    running = daemons.running(table, options)
    known = programs(infos, table, options)
    if options.get("work"):
        work.added(known, table, options)
    answer = {
        "supervisord": server,
        "socket": ground.stands(options["socket"]) is not None,
        "socket_kind": ground.kind(options["socket"]),
        "programs": known,
        "leftovers": leftovers.leftovers(table, options),
        "supervisords": [one for one in running if whose.theirs(table[one["pid"]], options)],
        "unit": daemons.unit(options),
        "stopped": purpose.stopped(options),
        "watcher": watch.seen(table, options),
        "strangers": strangers.strangers(table, options, server, running),
        "foreign_conf": strangers.foreign_sections(options["conf"], conf.daemon_of(options["conf"], table, options)),
        "hidden": strangers.hidden(options["conf"]),
        "schedulers": schedulers(table, options),
        "others": whose.others(table, options),
        "log_sizes": logs.log_sizes(options["logs"]),
        "current": files.link(options.get("home", "") + "/current"),
        "firewall": firewall.firewall(options),
        "answers": {"webui": questions.webui_answer(options["webui"])} if options.get("webui") else {},
    }
    for name, url in options.get("rpc", {}).items():
        answer["answers"][name] = questions.rpc_answer(url)
    if options.get("preflight"):
        answer["preflight"] = machine.preflight(options["preflight"], table)
    if options.get("spent"):
        spent.added(known, table)
        answer["spent"] = spent.host([options["home"], options["logs"], "/"])
        scheduler = options.get("rpc", {}).get("scheduler")
        answer["projects"] = questions.projects(scheduler) if scheduler else {}
    return answer


def look_anywhere(options):
    """The look at the supervisord that is found, and how the host was set up."""
    table = processes.table()
    found = conf.confs(options, table)
    own = conf.effective(found, options)
    where = dict(conf.where(options, own), anywhere=None, roles=roles(own))
    answer = look(where)
    live = [one for one in table.values() if one.alive and one.role() and whose.judged(one, table, where)]
    answer["situation"] = {
        "deployed": conf.deployed(options),
        "runtime": ground.stands(options["python"]) is not None,
        "conf": own["path"] if own else "",
        "socket": where["socket"],
        "daemons": machine.daemons(table, [one["path"] for one in found], where),
        "processes": len(live),
    }
    return answer


def roles(own):
    return dict((one["name"], one["role"]) for one in own["programs"]) if own else {}


def programs(infos, table, options):
    found = []
    for info in infos:
        process = table.get(info["pid"]) if info["pid"] else None
        found.append(
            {
                "name": info["name"],
                "state": info["statename"],
                "pid": info["pid"] or None,
                "uptime_s": info["now"] - info["start"] if info["pid"] else None,
                "apart": process is not None and process.role() != "phantomjs" and by_another_runtime(process),
                "release": process.environment.get("PYSPIDER_RELEASE") if process else None,
                "log": ground.stands(os.path.join(options["logs"], info["name"] + ".log")) is not None,
                "why": info["spawnerr"],
                "role": options.get("roles", {}).get(info["name"]) or (process.role() if process else None),
            }
        )
    return found


def by_another_runtime(process):
    """Whether a process is run by another one of the project's Pythons than the current one, which runs this look."""
    mine = os.path.realpath(sys.executable)
    home = os.path.dirname(os.path.dirname(mine))
    try:
        path = os.readlink("/proc/%d/exe" % process.pid)
    except OSError:
        return False  # it has ended, or is another user's
    runtimes, name = os.path.split(home)
    beside = path.startswith(runtimes + "/") and path[len(runtimes) + 1 :].split("/")[0]
    # One that begins with a dot is the same one, which was made anew.
    return bool(os.path.basename(runtimes) == "runtimes" and beside and beside[0] != "." and beside != name)


def schedulers(table, options):
    """Pids of the cluster's live schedulers, also without a supervisord; a wrapper and its child count once."""
    pids = [
        pid
        for pid, process in table.items()
        if process.alive and process.role() in ("scheduler", "all", "one") and whose.judged(process, table, options)
        if not processes.of_a_bench(process, table)
    ]
    return sorted(pid for pid in pids if table[pid].parent not in pids)
