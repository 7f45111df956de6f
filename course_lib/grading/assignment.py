"""An assignment's source, and the grader's part that is made of it.

The source is a notebook in jupytext's percent format with nbgrader's delimiters and metadata: what
stands between ``### BEGIN HIDDEN TESTS`` and ``### END HIDDEN TESTS`` is the grader's part, the
cell's ``points`` are the question's, and a Markdown cell with points is an answer in words.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.errors import CourseError, suggestion
from course_lib.grading.hidden import Test
from course_lib.paths import repository

__all__ = ["Assignment", "Question", "Written", "find_assignment", "grader_part", "sources"]

CELL = re.compile(r"^# %%(.*)$", re.M)
HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS\n(.*?)^### END HIDDEN TESTS$", re.M | re.S)
ASKS = re.compile(r"@hidden\(\"(\d\d\.\d)\", (\w+)\)")
METADATA = re.compile(r"nbgrader=(\{[^}]*\})")
WORDS = re.compile(r"### Your answer (\d\d\.\d)")


@dataclass(frozen=True)
class Question:
    """A function to write, and the tests that give its points: all or nothing, as in nbgrader."""

    id: str
    function: str
    points: float
    tests: tuple[Test, ...]


@dataclass(frozen=True)
class Written:
    """An answer in words, which a person marks."""

    id: str
    points: float


@dataclass(frozen=True)
class Assignment:
    """What a grader must know; ``digest`` changes with every word of it."""

    name: str
    questions: tuple[Question, ...]
    written: tuple[Written, ...]
    digest: str

    @property
    def points(self) -> float:
        return sum(question.points for question in self.questions)


def sources(folder: Path | None = None) -> list[Path]:
    """All assignments' sources.

    Raises:
        CourseError: there are none.
    """
    place = folder or (repository() or Path.cwd()) / "assignments" / "source"
    found = sorted(place.glob("*.py"))
    if not found:
        raise CourseError("there are no assignments", where=str(place))
    return found


def find_assignment(name: str) -> Assignment:
    """The assignment called so: ``01``, its whole name, or a file, a source or a grader's part.

    Raises:
        CourseError: there is none.
    """
    known = [Path(name)] if name.endswith(".py") else sources()
    for path in known:
        if path.is_file() and name in (path.stem, path.stem.partition("_")[0], str(path)):
            return _load(path)
    listing = suggestion(name, [path.stem for path in known])
    raise CourseError(f"no assignment {name!r}; {listing}", where="course grade")


def _load(path: Path) -> Assignment:
    text = path.read_text("utf-8")
    part = grader_part(text) if "### BEGIN HIDDEN TESTS" in text else text
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"hidden_tests_{path.stem}.py"
        file.write_text(part, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(file.stem, file)
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    tests = [value for value in vars(module).values() if isinstance(value, Test)]
    questions = [
        Question(q, function, points, tuple(test for test in tests if test.question == q))
        for q, (function, points) in module.QUESTIONS.items()
    ]
    written = tuple(Written(*pair) for pair in module.WRITTEN.items())
    digest = hashlib.sha256(part.encode()).hexdigest()
    return Assignment(path.stem, tuple(questions), written, digest)


def grader_part(source: str) -> str:
    """The module of hidden tests that belongs to a source.

    Raises:
        CourseError: a cell of tests without points, or points without tests.
    """
    questions: dict[str, tuple[str, float]] = {}
    written: dict[str, float] = {}
    blocks = []
    for header, body in _cells(source):
        found = METADATA.search(header)
        points: Any = json.loads(found[1]).get("points") if found else None
        asks, answer, tests = ASKS.findall(body), WORDS.search(body), HIDDEN.search(body)
        if bool(asks) != bool(tests) or (asks and points is None):
            what = "hidden tests, @hidden and points belong together"
            raise CourseError(what, where=header.strip(), fix="see the instructor's guide")
        if asks and tests:
            questions[asks[0][0]] = (asks[0][1], points)
            blocks.append(tests[1])
        elif answer and points is not None:
            written[answer[1]] = points
    return _PART.format(
        questions=questions,
        written=written,
        stubs="\n".join(f'{name} = stub("{name}")' for name, _ in questions.values()),
        blocks="\n".join(blocks),
    )


def _cells(source: str) -> Sequence[tuple[str, str]]:
    pieces = CELL.split(source)
    return list(zip(pieces[1::2], pieces[2::2], strict=True))


_PART = '''\
"""Made by `course assignments build`: the hidden tests, for the grader alone."""

from course_lib.grading.hidden import hidden, stub

QUESTIONS = {questions}  # id: function, points
WRITTEN = {written}  # id: points, given by a person
{stubs}

{blocks}'''
