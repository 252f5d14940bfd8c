"""What strangers can read or reach."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from ..findings import Check, Hit, Patient, View
from ..known import option

LOOPBACK = ("127.", "::1", "localhost")


def readable_configs(view: View) -> Iterator[Hit]:
    for host in view.seen:
        seen = set()
        for asked in host.asked:
            file = asked["file"]
            if file and file["mode"] & 0o044 and file["path"] not in seen:
                seen.add(file["path"])
                yield Hit(host.name, f"{file['path']} holds passwords and has mode {file['mode']:04o}")


def open_webuis(view: View) -> Iterator[Hit]:
    for host in view.seen:
        assert host.facts
        for webui in host.facts["webuis"]:
            if webui["status"] == 200 and not webui["address"].startswith(LOOPBACK):
                place = f"{webui['address']}:{webui['port']}"
                yield Hit(host.name, f"the web UI at {place} asks for no password; whoever reaches it runs code here")
        yield from _any_login(host)


def _any_login(host: Patient) -> Iterator[Hit]:
    for asked in host.asked_as("webui"):
        section: Mapping[str, Any] = option(asked.get("config") or {}, "webui") or {}
        if option(section, "need_auth") and not option(section, "username"):
            yield Hit(host.name, f"{asked['path']}: need-auth without a username lets in anybody with any password")


def open_supervisors(view: View) -> Iterator[Hit]:
    for host in view.seen:
        assert host.facts
        inet = (host.facts["conf"] or {}).get("inet")
        if inet and not inet["password"] and not inet["port"].startswith(LOOPBACK):
            yield Hit(host.name, f"{host.facts['conf']['path']}: [inet_http_server] {inet['port']} has no password")


def public_ports(view: View) -> Iterator[Hit]:
    fleet = view.fleet
    ports = {fleet.stores.mysql.port: "MySQL", fleet.stores.redis.port: "Redis"}
    for host in view.seen:
        assert host.facts
        roles = {
            one["pid"]: f"the {one['role']}'s RPC" for one in host.components if one["role"] in ("scheduler", "fetcher")
        }
        for one in host.facts["listeners"]:
            what = next((roles[pid] for pid in one["line"] if pid in roles), None) or ports.get(one["port"])
            if what and _public(one["address"], host.host.address):
                yield Hit(host.name, f"{what} listens on {one['address']}:{one['port']}, an address of the internet")


def _public(address: str, own: str) -> bool:
    try:
        return ipaddress.ip_address(own if address in ("0.0.0.0", "::") else address).is_global  # noqa: S104  a comparison
    except ValueError:
        return False


def exposed(view: View) -> Iterator[Hit]:
    for find in (readable_configs, open_webuis, open_supervisors, public_ports):
        yield from find(view)


CHECKS = (
    Check(
        "exposed",
        "strangers read passwords, or run code through the web UI, supervisor or RPC",
        "a port or a file is open to more than the cluster; RPC never asks who you are, a web UI only with need-auth",
        "fab -H {host} deploy",
        exposed,
        ("conf", "release"),
        "chmod 600 config.json; need-auth with username and password; bind to 127.0.0.1 or an inner address",
    ),
)
