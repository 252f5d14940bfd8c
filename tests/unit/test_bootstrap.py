"""Hosts that wait for another one's runtime."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest

from fabfile.errors import NoCache, Problem, Unreachable
from fabfile.inventory import Host
from fabfile.runs.outcomes import on_host
from fabfile.runs.run import Looked
from fabfile.steps.base import Found
from fabfile.steps.runtime import Runtime, Ship
from fabfile.steps.runtime_spec import Platform, RuntimeSpec
from fabfile.tasks.distribution import Shares, brought, promised

SHIP = Ship(Path("runtime.tar.gz"), "a" * 64, "b" * 64)


@pytest.mark.parametrize("error", [Unreachable("node1: gone"), ZeroDivisionError("a bug"), KeyboardInterrupt()])
def test_whoever_waits_for_a_runtime_is_told_when_its_maker_fails(error: BaseException) -> None:
    archive: Future[Ship] = Future()
    with pytest.raises(type(error)), promised(archive, "node1"):
        raise error

    def wait() -> None:
        archive.result(0)

    outcome = on_host("node2", wait)
    assert outcome.status == "not reached"
    assert "no Python came from node1" in outcome.cause


def test_a_runtime_that_came_stays_even_if_its_maker_fails_afterwards() -> None:
    archive: Future[Ship] = Future()
    with pytest.raises(Unreachable), promised(archive, "node1"):
        archive.set_result(SHIP)
        raise Unreachable("node1: gone")
    assert archive.result(0) == SHIP


def test_a_python_that_cant_be_kept_here_stays_with_its_maker_and_those_that_wait_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive: Future[Ship] = Future()

    def fetch() -> Ship:
        raise NoCache("/cache: can't be read or written: no space left on device")

    def work() -> None:
        with promised(archive, "node1"):
            brought(archive, "node1", fetch)

    assert on_host("node1", work).status == "ok"
    assert "node1 has its Python, and this machine can't keep it for other hosts: /cache: " in capsys.readouterr().err
    outcome = on_host("node2", lambda: archive.result(0) and None)
    assert outcome.status == "not reached"
    assert outcome.cause.startswith("no Python came from node1: /cache: can't be")


@pytest.mark.parametrize("maker", [True, False], ids=["maker", "waits"])
@pytest.mark.parametrize(
    ("arch", "libc", "why"), [("aarch64", "glibc 2.36", "this host is aarch64"), ("x86_64", "", "another C library")]
)
def test_a_host_that_no_runtime_fits_is_refused_before_anything_is_changed(
    maker: bool, arch: str, libc: str, why: str
) -> None:
    step = Runtime(RuntimeSpec("2.7.18", "a" * 64, "b" * 64))
    text = f"os_id=debian\nos_version=12\narch={arch}\nlibc={libc}\ncurrent=\nend="
    platform = Platform("debian", "12", arch, libc)
    looked = {"arm": Looked((step,), (Found(0, text),))}
    archives: dict[Platform, Future[Ship]] = {platform: Future()}
    # A run that knows nothing: whatever is asked of it fails.
    run = SimpleNamespace()
    shares = Shares(run, looked, {"arm": platform}, {"arm": platform} if maker else {}, archives)  # type: ignore[arg-type]
    with pytest.raises(Problem, match=f"nothing was changed here: .*{why}"):
        shares.work(Host("arm", "192.0.2.1"), print)
    assert archives[platform].done() == maker
