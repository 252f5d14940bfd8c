"""Names of any bytes on hosts: none ends a look."""

from __future__ import annotations

import json
import os
from pathlib import Path

from fabfile.remote import doctor, files, processes, texts

LATIN = b"caf\xe9"


def test_each_byte_that_is_no_utf8_is_told_as_a_mark() -> None:
    raw = texts.text(LATIN)
    told = texts.told({raw: [raw, ("中文", 1, None, "\ud800")]})
    assert told == {"caf\ufffd": ["caf\ufffd", ["中文", 1, None, "?"]]}
    json.dumps(told).encode()


def test_a_file_of_any_name_is_walked_and_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(LATIN)
    path.write_bytes(b"a line of \xe9\n")
    found = doctor.foreign([str(tmp_path)], "nobody")
    json.dumps(texts.told(found)).encode()
    assert any(Path(one) == path for one, _ in files.walk(str(tmp_path), 9))
    assert texts.told(files.read(str(path))) == "a line of \ufffd\n"


def test_a_process_of_any_words_is_seen() -> None:
    assert texts.told(processes.Process(os.getpid()).words)
