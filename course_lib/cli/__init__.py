"""The command ``course``: one function for each verb, in modules of verbs that belong together.

To add a verb, write a function that takes its arguments and returns the exit code, and enter it in
``VERBS``: its name is the verb, its docstring's first line the help. A verb imports what it needs
itself, so that ``course --help`` and ``course doctor`` answer at once, torch or no torch.

Exit codes: 0 all is well, 1 something was found or failed, 2 the request cannot work, 130 Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from course_lib.cli.arguments import Verb
from course_lib.cli.data import data
from course_lib.cli.demo import demo
from course_lib.cli.doctor import doctor
from course_lib.cli.evaluate import evaluate
from course_lib.cli.grade import assignments, grade
from course_lib.cli.run import run
from course_lib.cli.sample import sample, timelapse
from course_lib.cli.train import train
from course_lib.errors import CourseError, suggestion

__all__ = ["VERBS", "main"]

IN_ORDER = (doctor, demo, run, train, sample, timelapse, evaluate, data, grade, assignments)
VERBS: dict[str, Verb] = {verb.__name__: verb for verb in IN_ORDER}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``course VERB ...`` and returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(given)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    name, *rest = given
    if name not in VERBS:
        raise CourseError(f"there is no verb {name!r}; {suggestion(name, VERBS)}", where="course")
    return VERBS[name](rest)


def _overview() -> str:
    lines = [f"  {name:<12} {_first_line(function)}" for name, function in VERBS.items()]
    return "\n".join(
        ["One Scene, Five Painters: usage: course VERB ...", *lines, "course VERB --help says more"]
    )


def _first_line(function: Verb) -> str:
    return (function.__doc__ or "").splitlines()[0]
