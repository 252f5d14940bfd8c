"""A host's answer to the look: what fits its shape is parsed, what does not is one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fabfile.steps.base import CannotLook, Found
from fabfile.steps.shipped import shipped
from fabfile.steps.sight import ServiceAnswer, parsed

from .local import content
from .sights import ANSWER, answer, found, sight


def test_a_host_without_a_runtime_has_no_sight() -> None:
    assert parsed(Found(0, "null\n")) is None


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last):\n  File", "{", "[" * 100000])
def test_what_is_no_json_is_shown_by_its_end(text: str) -> None:
    with pytest.raises(CannotLook, match="what runs there can't be seen: ") as caught:
        parsed(Found(1, text))
    assert text[-300:] in str(caught.value)


@pytest.mark.parametrize("key", sorted(ANSWER))
def test_an_answer_of_which_a_part_is_missing_is_none(key: str) -> None:
    cut = {name: value for name, value in ANSWER.items() if name != key}
    with pytest.raises(CannotLook, match=f"not as it should be: Object missing required field `{key}`"):
        parsed(Found(0, json.dumps(cut)))


@pytest.mark.parametrize(
    "given",
    [
        {"supervisord": {"answers": "yes"}},
        {"supervisord": []},
        {"programs": [{"name": ["x"]}]},
        {"programs": [{"name": "x", "pid": "7"}]},
        {"leftovers": [{"pid": None}]},
        {"supervisords": [{"pid": 1, "ticks": 1.5}]},
        {"strangers": [{"pid": 1, "holds": "nothing"}]},
        {"schedulers": ["5"]},
        {"log_sizes": {"fetcher1": None}},
        {"answers": {"webui": {"why": "no answer"}}},
        {"preflight": {"stores": {"mysql": "perhaps"}}},
    ],
)
def test_a_part_of_another_kind_is_one_sentence_that_names_it(given: dict[str, Any]) -> None:
    with pytest.raises(CannotLook, match=r"not as it should be: [^\n]* - at `\$[^\n]*`$"):
        parsed(found(**given))


@pytest.mark.parametrize("other", [[], 5, "text", True])
def test_json_of_another_kind_is_no_answer(other: object) -> None:
    with pytest.raises(CannotLook, match="not as it should be"):
        parsed(Found(0, json.dumps(other)))


def test_what_is_not_known_here_is_no_fault() -> None:
    assert parsed(found(more=1, supervisord={"answers": True, "asked": 5.5})) is not None


def test_answers_are_printed_as_they_came() -> None:
    given = {"webui": {"ok": False, "why": "x"}, "scheduler": {"ok": True, "size": 3}, "fetcher": {"ok": False}}
    data = {name: said.as_data() for name, said in sight(answers=given).answers.items()}
    assert json.dumps(data) == json.dumps(given)
    assert ServiceAnswer(ok=False).reason == "its answer makes no sense"
    (one,) = sight(programs=[{"name": 7, "uptime_s": 5}]).programs
    assert json.dumps(one.as_data()) == '{"name": 7, "state": "RUNNING", "pid": 7, "uptime_s": 5}'
    assert one.name == "7"


@pytest.mark.parametrize("preflight", [False, True])
def test_what_is_shipped_gives_what_is_parsed(tmp_path: Path, preflight: bool) -> None:
    options: dict[str, Any] = dict.fromkeys(("socket", "conf", "home", "logs"), f"{tmp_path}/none")
    if preflight:
        writes = {"files": [str(tmp_path)], "folders": [], "data": str(tmp_path / "data")}
        options["preflight"] = {
            "conf": "/none", "folders": ["/"], "ports": [1], "stores": {"redis": ["127.0.0.1", 1]},
            "user": "nobody", "writes": writes,
        }  # fmt: skip
    (tmp_path / "zip").write_bytes(content(shipped()))
    words = [sys.executable, tmp_path / "zip", "look", json.dumps(options)]
    result = subprocess.run(words, capture_output=True, text=True, check=True)
    seen = parsed(Found(0, result.stdout))
    assert seen and not seen.supervisord.answers and not seen.programs
    assert set(ANSWER) <= set(json.loads(result.stdout))
    if preflight:
        assert seen.preflight and seen.preflight.disks and seen.preflight.stores == {"redis": "refused"}


def test_the_answers_of_tests_are_whole() -> None:
    assert parsed(Found(0, json.dumps(answer(preflight={}, leftovers=[{"pid": 1}]))))
