"""The way between two machines: filters, names, certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ...inventory.roles import FETCHER
from ...steps.sight import Listener
from ..answers import Answer, SiteAnswer
from ..findings import ENDS, Check, Hit, Patient, View

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  a comparison
NAME = (5, 6)
"""libcurl: could not resolve the proxy, the host."""
LATE = 28
CERTIFICATE = (51, 60, 77)
"""libcurl: the certificate has another name, is not trusted, or there is no bundle to check it with."""
RULES = "nft list ruleset || iptables -S"
HOW = {"silent": "no answer", "refused": "connection refused"}


def listener(view: View, asker: Patient, place: str) -> tuple[Patient, Listener] | None:
    """The cluster's process that listens at `address:port`, and its host, if it takes connections at once.

    A process with connections that wait hangs, and no filter is the reason.
    """
    address, _, port = place.partition("/")[0].rpartition(":")
    server = asker if address == "this host" else view.known(address)
    if server is None:
        return None
    # One that listens for its own host alone refuses that host's address as well.
    fits = (server.host.address, "127.0.0.1", *EVERYWHERE) if address == "this host" else (address, *EVERYWHERE)
    heard = (one for one in server.facts.listeners if str(one.port) == port and one.address in fits)
    return next(((server, one) for one in heard if not one.waiting), None)


def filtered(view: View, asker: Patient, place: str, answer: Answer) -> bool:
    """Whether a filter keeps `asker` from a place where somebody listens."""
    return answer.tcp in HOW and listener(view, asker, place) is not None


def _ways(host: Patient) -> Iterator[tuple[str, str, Answer]]:
    """The servers that the host's components need: (name, place, answer)."""
    for asked in host.asked:
        for database, answer in asked.mysql.items():
            yield "MySQL", asked.places.get(database, "").partition("/")[0], answer
        if asked.redis:
            yield "Redis", asked.places.get("message_queue", "").partition("/")[0], asked.redis
        for role, called in asked.rpc.items():
            yield f"the {role}'s RPC", called.place, called
        if asked.phantomjs:
            yield "phantomjs", asked.phantomjs.place, asked.phantomjs


def filters(view: View) -> Iterator[Hit]:
    for host in view.seen:
        yield from _from_here(host)
        seen = set()
        for name, place, answer in _ways(host):
            behind = listener(view, host, place) if answer.tcp in HOW and place not in seen else None
            if behind:
                seen.add(place)
                yield _hit(host, f"{name} at {place}: {HOW[answer.tcp]}", *behind, host.host.address)


def behind(view: View) -> set[tuple[str, int]]:
    """The (host, port) of servers that a filter keeps from a component of the cluster."""
    ways = [(host, place, answer) for host in view.seen for _, place, answer in _ways(host) if answer.tcp in HOW]
    found = (listener(view, host, place) for host, place, _ in ways)
    return {(server.name, one.port) for server, one in filter(None, found)}


def _from_here(host: Patient) -> Iterator[Hit]:
    """Web UIs that answer on their own host, and not this machine."""
    for webui in host.facts.webuis:
        how = host.facts.from_here.get(webui.port, "")
        if how in HOW and webui.kind == "answer" and not webui.waiting:
            place = f"{host.host.address}:{webui.port}"
            text = f"the web UI at {place}: {HOW[how]} to this machine"
            yield replace(_hit(host, text, host, webui, "where its users are"), hides=False)


def _hit(host: Patient, text: str, server: Patient, one: Listener, source: str) -> Hit:
    return Hit(
        host.name,
        f"{text}, though {one.name} (pid {one.pid}) listens there on {server.name}",
        fix=f"allow TCP port {one.port} from {source}; the rules, on {server.name} as root: {RULES}",
    )


def _sites(matches: Callable[[SiteAnswer], bool]) -> Callable[[View], Iterable[Hit]]:
    def find(view: View) -> Iterator[Hit]:
        for host in view.seen:
            answer = next((asked.site for asked in host.asked_as(FETCHER.name) if asked.site), None)
            if answer and answer.code and matches(answer):
                way = "through the fetcher's proxy " if answer.proxy else ""
                site = str(view.fleet.doctor.site)
                seen = f"https://{site}/ {way}ends with {answer.code}: {answer.says}"
                yield Hit(host.name, seen, items=(site.partition(":")[0],))

    return find


def _nameless(answer: SiteAnswer) -> bool:
    return answer.code in NAME or (answer.code == LATE and not answer.named)


def _untrusted(answer: SiteAnswer) -> bool:
    return answer.code in CERTIFICATE


CHECKS = (
    Check(
        id="firewall",
        title="Connection timed out at the web UI's, a store's or an RPC port, though the server runs",
        cause="something listens there and answers on its own host, so a filter between the two drops or refuses the "
        "connection: the host's own (nft, iptables, firewalld), or the network's (a security group)",
        fix=f"allow the port on the host that listens; the rules, on {{host}} as root: {RULES}",
        find=filters,
        hides=ENDS | {"fatal-after-outage"},
    ),
    Check(
        id="resolver",
        title="599 Could not resolve host",
        cause="the fetcher's host can't turn the name into an address: /etc/resolv.conf names no server that answers, "
        "or that server does not know the name",
        fix="let a name server of /etc/resolv.conf know the name, then, on {host} as root: getent hosts {items}",
        find=_sites(_nameless),
    ),
    Check(
        id="ca-bundle",
        title="599 SSL certificate problem: unable to get local issuer certificate",
        cause="the fetcher's libcurl does not trust who signed the site's certificate: the host's CA bundle is missing "
        "or old, the site's own CA is not in it, or the certificate is not for this name or this day",
        fix="install ca-certificates, or put the site's CA into /usr/local/share/ca-certificates (Red Hat: "
        "/etc/pki/ca-trust/source/anchors), then, on {host} as root: update-ca-certificates || update-ca-trust",
        find=_sites(_untrusted),
    ),
    Check(
        id="site-unreachable",
        title="599 Connection timed out; 599 Failed to connect",
        cause="the fetcher's host knows the site's address and gets no TLS connection to it: no way out, a filter, a "
        "proxy that refuses, or the site itself is away",
        fix="let the host out to that address, by its route or by the filter on the way; or set [pyspider.fetcher] "
        "proxy in hosts.toml where a proxy is the only way out",
        find=_sites(lambda answer: not _nameless(answer) and not _untrusted(answer)),
    ),
)
