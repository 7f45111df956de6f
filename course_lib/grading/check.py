"""Instant checks in a student's notebook: what is right, what came instead, where to look again."""

from __future__ import annotations

import importlib
import pkgutil
import secrets
from collections.abc import Callable
from typing import Any

from course_lib.errors import CourseError, suggestion
from course_lib.grading.asking import Local
from course_lib.grading.hidden import Body, Test, run

__all__ = ["check", "visible"]

VISIBLE: dict[str, list[Test]] = {}


def visible(question: str, look: str) -> Callable[[Body], Body]:
    """Makes the function below it a test that students see; ``look``: where to look again."""

    def keep(body: Body) -> Body:
        VISIBLE.setdefault(question, []).append(Test(question, body, look=look))
        return body

    return keep


def check(question: str, function: Callable[..., Any]) -> None:
    """Tries a function with fresh inputs, and prints what is right and what not yet.

    ``check("04.2", my_function)``: a wrong answer never stops "Run All".

    Raises:
        CourseError: there is no such question, or nothing to call.
    """
    tests = _tests(str(question))
    if not callable(function):  # such as its value: check("04.2", my_function(x))
        raise CourseError(
            f"a {type(function).__name__} is no function",
            where="check",
            fix=f'check("{question}", my_function): its name alone, without brackets',
        )
    print(f"{question} {getattr(function, '__name__', 'your function')}")
    for test in tests:
        if wrong := run(test, Local(function), secrets.randbits(60)):
            print(f"  not yet: {test.says}\n    {wrong}\n    look again: {test.look}")
            return
        print(f"  right: {test.says}")
    print("  All that this check sees is right. Marks come from other tests, with other inputs.")


def _tests(question: str) -> list[Test]:
    from course_lib.grading import checks

    for module in pkgutil.iter_modules(checks.__path__):
        importlib.import_module(f"{checks.__name__}.{module.name}")
    if question not in VISIBLE:
        known = suggestion(question, VISIBLE)
        raise CourseError(f"there is no question {question!r}; {known}", where="check")
    return VISIBLE[question]
