"""A message is packed and read by the faster module, and by pyspider's own where that one can't."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import umsgpack

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher import packing  # type: ignore[import-not-found]

MESSAGE = {"taskid": "t", "content": b"\xff", "numbers": [1, -1, 2.5, None, True]}


def refuse(*_: Any, **__: Any) -> None:
    raise ValueError("no")


@pytest.mark.parametrize("fast", [None, SimpleNamespace(packb=refuse, unpackb=refuse)])
def test_a_runtime_without_it_and_a_message_that_it_refuses_change_nothing(
    monkeypatch: pytest.MonkeyPatch, fast: Any
) -> None:
    monkeypatch.setattr(packing, "msgpack", fast)
    assert packing.pack(MESSAGE) == umsgpack.packb(MESSAGE)
    assert packing.unpack(umsgpack.packb(MESSAGE)) == MESSAGE
    with pytest.raises(umsgpack.UnsupportedTypeException):
        packing.pack(object())
    with pytest.raises(umsgpack.UnpackException):
        packing.unpack(b"\xc1")


def test_the_faster_one_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = SimpleNamespace(packb=lambda _, **__: b"fast", unpackb=lambda _, **__: "fast")
    monkeypatch.setattr(packing, "msgpack", fast)
    assert packing.pack(1) == b"fast" and packing.unpack(b"") == "fast"
