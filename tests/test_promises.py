"""The table of promises names tests that exist, and each promise once."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| ([RBDOGSW]\d+) \| [^|]+ \| (`[^`|]+::[^`|]+`(?:, `[^`|]+::[^`|]+`)*) \|$")
ROWS = [line for line in (ROOT / "docs" / "promises.md").read_text("utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| |")]  # fmt: skip


def missing(tests: str) -> list[str]:
    """Which of the tests that a row names are not there."""
    found = []
    for test in re.findall(r"`([^`]+)`", tests):
        name, _, function = test.partition("::")
        if function not in defined_in(ROOT / name):
            found.append(test)
    return found


@cache
def defined_in(path: Path) -> set[str]:
    """The functions that a file of tests defines; none if there is no such file."""
    tree = ast.parse(path.read_text("utf-8")) if path.is_file() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:6].strip())
def test_a_promise_has_tests_that_exist(row: str) -> None:
    match = ROW.match(row)
    assert match, "a row is: | R1 | what is promised | `tests/file.py::test_name`, ... |"
    assert not missing(match[2])


def test_every_promise_is_made_once() -> None:
    names = [row.split("|")[1].strip() for row in ROWS]
    assert len(names) == len(set(names)) >= 20


def test_a_test_that_is_not_there_is_seen() -> None:
    assert missing("`tests/test_promises.py::test_every_promise_is_made_once`") == []
    assert len(missing("`tests/test_promises.py::test_gone`, `tests/gone.py::test_a`")) == 2
