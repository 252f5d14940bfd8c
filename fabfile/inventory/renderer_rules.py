"""The rules for what renders pages: [phantomjs], [pyspider.phantomjs], and the fetcher's own address of one."""

from __future__ import annotations

from collections.abc import Iterator

from .faults import Fault, KeyPath
from .roles import FETCHER, PHANTOMJS
from .schema import PHANTOMJS_SHA256, HostsFile, PhantomJS

_ARGS: KeyPath = ("pyspider", PHANTOMJS.name, "args")
_OURS = ("headless", "remote-debugging-pipe", "remote-debugging-port", "user-data-dir", "host-resolver-rules")


def renderer_faults(file: HostsFile) -> Iterator[Fault]:
    """Two renderers that contradict each other, and keys without an effect on the one that is chosen."""
    if file.pyspider.fetcher.phantomjs_endpoint and any(host.roles.count(PHANTOMJS) for host in file.hosts.values()):
        yield Fault(
            ("pyspider", FETCHER.name, "phantomjs-endpoint"),
            "contradicts the cluster's own phantomjs; remove this key, or the role phantomjs from the hosts",
        )
    yield from _args(file)
    table, plain = file.phantomjs, PhantomJS()
    if table.chromium and (table.source, table.sha256) != (plain.source, PHANTOMJS_SHA256):
        text = "PhantomJS' binary is not used with renderer = \"chromium\", which comes from the hosts' packages"
        yield Fault((PHANTOMJS.name, "source"), f"{text}; remove source and sha256")
    for key in ("pages", "sandbox"):
        if not table.chromium and getattr(table, key) != getattr(plain, key):
            text = 'has no effect on PhantomJS; remove it, or add renderer = "chromium"'
            yield Fault((PHANTOMJS.name, key), text)


def _args(file: HostsFile) -> Iterator[Fault]:
    for word in file.pyspider.phantomjs.args:
        option, _, value = word.lstrip("-").partition("=")
        if option == "proxy-auth" or (option in ("proxy", "proxy-server") and "@" in value):
            text = f"--{option} with a password would be in the process list; name a file on the hosts by --config"
            yield Fault(_ARGS, text)
        if file.phantomjs.chromium and option in ("no-sandbox", "disable-setuid-sandbox", "disable-namespace-sandbox"):
            text = "take the sandbox away by `sandbox = false` in [phantomjs], where it can be seen"
            yield Fault(_ARGS, f"--{option}: {text}")
        if file.phantomjs.chromium and option in _OURS:
            yield Fault(_ARGS, f"--{option} is this project's own to set; remove it")
