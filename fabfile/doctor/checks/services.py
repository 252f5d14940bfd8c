"""The services that the programs ask of each other: RPC and phantomjs."""

from __future__ import annotations

from collections.abc import Iterator

from ...inventory.roles import FETCHER, PHANTOMJS, ROLES, WEBUI
from ..answers import Answer, Asked, RPCAnswer
from ..facts import Component
from ..findings import Check, Hit, Patient, Unseen, View, deployed
from ..known import option
from ..layout import filled
from .config import RESTART, readers
from .network import filtered
from .ports import taken_roles
from .work import roles as not_working

MARKS = {role.name: role.rpc_method for role in ROLES.values() if role.rpc_method}
"""A method that only this component has."""


def _calls(view: View) -> Iterator[tuple[Patient, str, RPCAnswer]]:
    for host in view.seen:
        for asked in host.asked_as(WEBUI.name):
            yield from ((host, role, answer) for role, answer in asked.rpc.items() if role in MARKS)


def wrong(view: View) -> Iterator[Hit]:
    for host, role, answer in _calls(view):
        if _explained(view, role):
            continue
        if answer.methods and MARKS[role] not in answer.methods:
            other = next((name for name, mark in MARKS.items() if mark in answer.methods), "something else")
            yield _hit(view, host, role, f"webui's {role}-rpc {answer.url} is answered by the {other}")
        elif answer.error and (answer.kind == "other" or _elsewhere(view, role, answer)):
            where = ", ".join(_listening(view, role)) or "elsewhere"
            text = f"webui's {role}-rpc {answer.url}: {answer.error}; the {role} listens on {where}"
            yield _hit(view, host, role, text)


def _hit(view: View, host: Patient, role: str, text: str) -> Hit:
    names = (name for asked in host.asked_as(WEBUI.name) for name in readers(host, asked))
    place = next(iter(_listening(view, role)), f"HOST:{ROLES[role].port}")
    foreign = f'write "{role}-rpc": "http://{place}/" into the section webui of config.json{{restarted}}'
    return Hit(host.name, text, foreign_fix=foreign, items=tuple(names))


def _elsewhere(view: View, role: str, answer: RPCAnswer) -> bool:
    """Nobody is there, while the component listens on another address."""
    places = _listening(view, role)
    return answer.kind == "refused" and bool(places) and not any(place in answer.url for place in places)


def _listening(view: View, role: str) -> list[str]:
    found = []
    for host in view.seen:
        pids = {one.pid for one in host.components if one.role == role}
        found += [f"{host.host.address}:{one.port}" for one in host.facts.listeners if pids & set(one.line)]
    return found


def down(view: View) -> Iterator[Hit]:
    for host, role, answer in _calls(view):
        if _explained(view, role):
            continue
        if not answer.error or answer.kind == "other" or _elsewhere(view, role, answer):
            continue
        if filtered(view, host, answer.place, answer):
            continue
        alive = [(one_host, one) for one_host in view.seen for one in one_host.components if one.role == role]
        names = [f"{h.name} (pid {one.pid}{', stopped' if one.state == 'T' else ''})" for h, one in alive]
        who = f"the {role} runs on {', '.join(names)}" if names else f"no {role} runs"
        seen = f"webui's {role}-rpc {answer.url}: {answer.error}; {who}"
        yield Hit(host.name, seen, fix=(way := _way(view, alive, answer, "--xmlrpc-host")), foreign_fix=way)


def _way(view: View, alive: list[tuple[Patient, Component]], answer: Answer, option: str) -> str:
    """The way to an answer, on the host where the component runs: one that refuses listens for its own host alone."""
    for host, one in alive:
        if deployed(view, host.name):
            return f"fab -H {host.name} deploy --reload"
        if one.held and one.name:
            text = f"on {host.name} as root: {{ctl}} restart {{items}}"
            if answer.tcp == "refused":
                text = f"let {one.name} listen at {host.host.address} ({option}), then on {host.name} as root: "
                text += "{ctl} reread; {ctl} update"
            return filled(text, host.name, one.name, host.facts, (one.name,))
    return ""


def _explained(view: View, role: str) -> bool:
    """Whether a program of that role is known not to run well; that program is then the finding, on its own host."""
    if role in taken_roles(view) | not_working(view):
        return True
    wanted = [host for host in view.hosts if any(one.role == role for one in view.fleet.programs(host.host))]
    return any(isinstance(host, Unseen) or not _runs(host, role) for host in wanted)


def _runs(host: Patient, role: str) -> bool:
    return host.supervised and set(host.state(role)) == {"RUNNING"}


def phantomjs_down(view: View) -> Iterator[Hit]:
    if _explained(view, PHANTOMJS.name):
        return
    for host in view.seen:
        for asked in host.asked_as(FETCHER.name):
            answer = asked.phantomjs
            if answer and answer.error and not filtered(view, host, answer.place, answer):
                alive = [(one, each) for one in view.seen for each in one.components if each.role == PHANTOMJS.name]
                seen = f"phantomjs-proxy {answer.where}: {answer.error}"
                yield Hit(
                    host.name, seen, fix=(way := _way(view, alive, answer, "its address and port")), foreign_fix=way
                )


def leaking(view: View) -> Iterator[Hit]:
    limit = view.fleet.phantomjs.memory_mb
    for host in view.seen:
        for one in host.components:
            if one.role == PHANTOMJS.name and one.kb >> 10 > limit:
                name = one.name or PHANTOMJS.name
                seen = f"{name} (pid {one.pid}) holds {one.kb >> 10} MB; the limit is {limit}"
                yield Hit(host.name, seen, items=(name,), by_hand=not one.held)


def phantomjs_unset(view: View) -> Iterator[Hit]:
    if not any(host.has(PHANTOMJS) for host in view.fleet.hosts):
        return
    for host in view.seen:
        for asked in host.asked_as(FETCHER.name):
            if asked.config is not None and not asked.option("phantomjs_proxy") and not _endpoint(asked):
                seen = f"{asked.path} has no phantomjs-proxy, though the cluster has a phantomjs"
                place = next(iter(_listening(view, PHANTOMJS.name)), f"HOST:{PHANTOMJS.port}")
                foreign = f'write "phantomjs-proxy": "{place}" into {asked.path}{{restarted}}'
                yield Hit(host.name, seen, foreign_fix=foreign, items=readers(host, asked))


def _endpoint(asked: Asked) -> bool:
    fetcher = asked.section(FETCHER.name)
    return bool(option(fetcher, "phantomjs_endpoint") or option(fetcher, "splash_endpoint"))


CHECKS = (
    Check(
        id="rpc-wrong",
        title="webui: connect to scheduler rpc error, though the scheduler runs; /run answers false",
        cause="scheduler-rpc or fetcher-rpc in config.json leads to something else than that component. It needs "
        "http://, the component's host and its xmlrpc-port (23333, 24444)",
        fix=RESTART,
        find=wrong,
        fixes=("release", "restart"),
        foreign_fix='write "scheduler-rpc": "http://HOST:23333/" into the section webui{restarted}',
    ),
    Check(
        id="rpc-down",
        title="webui: connect to scheduler rpc error",
        cause="the component hangs, or listens only where the web UI's host can't reach it, or a filter drops the "
        "connection",
        fix="fab deploy --reload",
        find=down,
        foreign_fix="let it listen where the web UI's host reaches it (--xmlrpc-host), and restart it by its "
        "supervisord",
    ),
    Check(
        id="phantomjs-down",
        title="pages with fetch_type=js end with 599",
        cause="nothing answers at phantomjs-proxy from this fetcher's host",
        fix="fab deploy --reload",
        find=phantomjs_down,
        foreign_fix="start phantomjs (pyspider phantomjs) where phantomjs-proxy says, or correct that",
    ),
    Check(
        id="phantomjs-leaking",
        title="the host's memory shrinks from day to day; pages with fetch_type=js get slow, then end with 599",
        cause="PhantomJS never gives memory back: after enough pages it has to be started anew. One that fab deploy "
        "has started does so by itself above memory_mb in [phantomjs] of hosts.toml, when its pages are done",
        fix="fab -H {host} doctor --fix",
        find=leaking,
        fixes=("restart",),
        foreign_fix="on {host} as root: {ctl} restart {items}",
    ),
    Check(
        id="phantomjs-501",
        title="pages with fetch_type=js end with 501: phantomjs is not enabled",
        cause="the fetcher's config.json names no phantomjs-proxy",
        fix=RESTART,
        find=phantomjs_unset,
        fixes=("release", "restart"),
        foreign_fix='write "phantomjs-proxy": "HOST:PORT" into config.json{restarted}',
    ),
)
