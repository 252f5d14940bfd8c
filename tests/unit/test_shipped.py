"""The zip that hosts get: the same bytes from the same sources, run by root and by a user who can't get to it."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import tokenize
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.remote import words
from fabfile.runs.engine import look
from fabfile.steps.base import Action, Found, Probe
from fabfile.steps.shipped import MORE, REMOTE, _packed, as_root, as_work, shipped

from .local import LocalLink, content

FILES = sorted(REMOTE.glob("*.py"))
THEIRS = {"click", "lxml", "mysql", "pycurl", "pyspider", "redis", "tornado"}


def test_equal_sources_make_equal_bytes_without_a_date() -> None:
    first = content(shipped("logs"))
    _packed.cache_clear()
    assert content(shipped("logs")) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        names = archive.namelist()
    others = MORE["stay"] + MORE["keep"]
    assert sorted(name.rpartition("/")[2] for name in names) == [p.name for p in FILES if p.name not in others]
    assert "__main__.py" in names and "remote/words.py" in names


def test_it_stays_small() -> None:
    assert len(content(shipped())) < 75_000
    with zipfile.ZipFile(io.BytesIO(content(shipped()))) as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}
    for word, more in MORE.items():
        assert not names & set(more)
        with zipfile.ZipFile(io.BytesIO(content(shipped(word)))) as archive:
            assert {name.rpartition("/")[2] for name in archive.namelist()} == names | set(more)


@pytest.mark.parametrize("word", sorted(words.MODULES))
def test_every_word_has_its_function(word: str) -> None:
    module = __import__(f"fabfile.remote.{words.MODULES[word]}", fromlist=[word])
    assert callable(getattr(module, word))


class Script:
    """A script that runs the zip on this machine, by way of the real receiver."""

    name = "script"

    def __init__(self, script: str) -> None:
        self.script = script

    def probe(self) -> Probe:
        return Probe(self.script, (shipped(),))

    def diff(self, found: Found) -> list[Action]:
        del found
        return []


def test_it_runs_as_root_from_its_payload(tmp_path: Path) -> None:
    (found,) = look(LocalLink(), [Script(as_root(sys.executable, "owners", {"paths": [str(tmp_path)]}))])
    assert (found.status, list(json.loads(found.text))) == (0, [str(tmp_path)])


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
def test_it_runs_as_a_user_who_can_not_open_the_payload(tmp_path: Path) -> None:
    script = as_work("nobody", "/usr/bin/python3", "owners", {"paths": ["/etc/passwd"]})
    (found,) = look(LocalLink(), [Script(f'su -s /bin/sh nobody -c "cat $1" 2>&1; {script}')])
    denied, _, answer = found.text.strip().rpartition("\n")
    assert "Permission denied" in denied
    assert json.loads(answer) == {"/etc/passwd": "root"}


def test_its_modules_are_found_before_those_of_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "zip").write_bytes(content(shipped()))
    for name in ("json", "remote", "socket"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    command = [sys.executable, "zip", "clear", f'{{"socket": "{tmp_path}/none"}}']
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_plain_text_to_every_python(path: Path) -> None:
    path.read_text(encoding="ascii")


@pytest.mark.parametrize("path", [path for path in FILES if not path.is_symlink()], ids=lambda path: path.name)
def test_a_module_stays_short_and_takes_no_name_from_others(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 300
    assert path.stem not in set(sys.stdlib_module_names) | THEIRS
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring
    if path.name != "__init__.py":
        # An old Python looks for any module beside the one that imports it first.
        assert "from __future__ import absolute_import, print_function\n" in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_written_as_python_2_6_reads_it(path: Path) -> None:
    text = path.read_text()
    assert list(newer(ast.parse(text))) + list(stray_commas(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "{1, 2}",
        "{a for a in b}",
        "{a: 1 for a in b}",
        "with a as b, c as d: pass",
        "f'{a}'",
        "'{}'.format(1)",
        "b'{0}'.format(1)",
        "def f(*, a): pass",
        "def f(a: int): pass",
        "def f() -> int: pass",
        "a: int = 1",
        "nonlocal_ = 1\ndef f():\n    nonlocal nonlocal_",
        "async def f(): pass",
        "(a := 1)",
        "a, *b = c",
        "[*a, b]",
        "{**a}",
        "f(*a, *b)",
        "f(*a,\n)",
        "f(**a,\n)",
        "raise A from b",
        "def f():\n    yield from a",
        "class A(metaclass=B): pass",
        "class A: pass",
        "super().a()",
        "u'a' if a else 1_000",
        "def f(a, /): pass",
        "import importlib",
        "subprocess.check_output([])",
        "a.bit_length()",
        "print('a', flush=True)",
        "a @ b",
        "try:\n    pass\nexcept* A:\n    pass",
        "match a:\n    case 1: pass",
    ],
)
def test_newer_syntax_is_found(text: str) -> None:
    found = list(stray_commas(text))
    assert found or list(newer(ast.parse(text)))


NEWER_NODES = (
    *(ast.Set, ast.SetComp, ast.DictComp, ast.JoinedStr, ast.AnnAssign, ast.Nonlocal, ast.NamedExpr, ast.Starred),
    *(ast.YieldFrom, ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.MatMult, ast.TryStar, ast.Match),
)
NEWER_MODULES = {"argparse", "collections.abc", "concurrent", "enum", "importlib", "pathlib", "shutil.which", "typing"}
NEWER_CALLS = {"check_output", "bit_length", "total_seconds", "viewitems", "casefold"}


def newer(tree: ast.AST) -> Iterator[str]:
    """Whatever in a module Python 2.6 or 2.7 has not: node by node."""
    for node in ast.walk(tree):
        if any(check(node) for check in (newer_node, newer_function, newer_call, newer_import)):
            yield f"{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"


def newer_node(node: ast.AST) -> bool:
    match node:
        case ast.Starred():
            return False  # judged where it stands
        case ast.With(items=items):
            return len(items) > 1
        case ast.Raise(cause=cause):
            return cause is not None
        case ast.ClassDef(bases=bases, keywords=keywords):
            return bool(keywords) or not bases
        case ast.Dict(keys=keys):
            return None in keys
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return any(isinstance(item, ast.Starred) for item in items)
        case ast.Constant(value=bool()):
            return False
    return isinstance(node, NEWER_NODES)


def newer_function(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.Lambda):
        return False
    arguments = node.args
    every = [*arguments.args, *filter(None, (arguments.vararg, arguments.kwarg))]
    annotated = [one for one in every if one.annotation] or getattr(node, "returns", None)
    return bool(arguments.kwonlyargs or arguments.posonlyargs or annotated)


def newer_call(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    stars = [one for one in node.args if isinstance(one, ast.Starred)]
    doubles = [one for one in node.keywords if one.arg is None]
    # Nothing but ** may come after *, save for names.
    crowded = len(stars) > 1 or len(doubles) > 1 or (bool(stars) and not isinstance(node.args[-1], ast.Starred))
    match node.func:
        case ast.Name(id="super"):
            return crowded or not node.args
        case ast.Name(id="print"):
            return crowded or any(one.arg == "flush" for one in node.keywords)
        case ast.Attribute(value=ast.Constant(value=str(text)), attr="format"):
            return crowded or "{}" in text
        case ast.Attribute(value=ast.Constant(value=bytes()), attr="format"):
            return True
        case ast.Attribute(attr=name):
            return crowded or name in NEWER_CALLS
    return crowded


def newer_import(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(one.name in NEWER_MODULES for one in node.names)
    return isinstance(node, ast.ImportFrom) and not node.level and node.module in NEWER_MODULES


def stray_commas(text: str) -> Iterator[str]:
    """A comma after `*args` or `**kwargs` at the end of a call, numbers with underscores, and rb"" for br""."""
    tokens = [
        one
        for one in tokenize.generate_tokens(io.StringIO(text).readline)
        if one.type not in (tokenize.NL, tokenize.COMMENT)
    ]
    depths: list[bool] = []
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if token.type == tokenize.NUMBER and "_" in token.string:
            yield f"{token.start[0]}: {token.string}"
        if token.type == tokenize.STRING and token.string[:2].lower() == "rb":
            yield f"{token.start[0]}: {token.string}"
        if token.string in ("(", "[", "{"):
            depths.append(False)
        elif token.string in (")", "]", "}"):
            depths.pop()
        elif depths and token.string in ("*", "**") and before and before.string in ("(", ","):
            depths[-1] = True
        elif depths and depths[-1] and token.string == "," and after and after.string == ")":
            yield f"{token.start[0]}: a comma after the last of the arguments"
