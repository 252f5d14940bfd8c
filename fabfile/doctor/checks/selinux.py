"""Refusals of SELinux."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Check, Hit, View


def denied(view: View) -> Iterator[Hit]:
    return (Hit(host.name, "; ".join(host.facts.denials)) for host in view.seen if host.facts.denials)


CHECKS = (
    Check(
        id="selinux-denied",
        title="Permission denied, though owner and mode are right; avc: denied; status=203/EXEC",
        cause="SELinux refused it within the last hour: a file has another context than the host's policy gives it, or "
        "the policy has no rule for this use",
        fix="on {host} as root: restorecon -R -v /opt/pyspider; a refusal that comes again needs a rule of the host's "
        "owner, for which `ausearch -m avc -ts recent | audit2allow` makes a proposal",
        find=denied,
    ),
)
