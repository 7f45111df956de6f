"""Tests of students' functions: visible ones for instant checks, hidden ones for marks.

Both are the same kind of function: it gets the student's function to ask, and fresh random inputs,
and raises :class:`Wrong` where an answer is not right. Its docstring says what must hold.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from course_lib.grading.asking import Asked, Draw, Local, Wrong

__all__ = ["ROUNDS", "Stub", "Test", "hidden", "run", "stub"]

ROUNDS = 3  # times that a test is run, with other inputs each time
Body = Callable[[Asked, Draw], None]


@dataclass(frozen=True)
class Test:
    """One thing that must hold for the function of one question."""

    question: str
    body: Body
    function: str = ""
    look: str = ""  # where to look again

    @property
    def name(self) -> str:
        return self.body.__name__

    @property
    def says(self) -> str:
        """What must hold, in a sentence."""
        return " ".join((self.body.__doc__ or self.name.replace("_", " ")).split())


def run(test: Test, function: Asked, seed: int) -> str:
    """What is wrong, in words; empty if all is right."""
    for turn in range(ROUNDS):
        try:
            test.body(function, Draw((seed + turn) % 2**63))
        except Wrong as wrong:
            return str(wrong)
    return ""


@dataclass(frozen=True)
class Stub:
    """Stands for a function that will be asked on the other side of the wall."""

    name: str


stub = Stub


def hidden(question: str, function: Any) -> Callable[[Body], Test]:
    """Makes the function below it a hidden test of ``function``.

    In a notebook, as nbgrader runs it, the test is done at once; in the grader's part, where
    ``function`` is a :class:`Stub`, it is kept for later.

    Raises:
        Wrong: the test is not passed.
    """

    def keep(body: Body) -> Test:
        if isinstance(function, Stub):
            return Test(question, body, function.name)
        test = Test(question, body, function.__name__)
        if wrong := run(test, Local(function), secrets.randbits(60)):
            raise Wrong(f"{question}: {test.says}: {wrong}")
        return test

    return keep
