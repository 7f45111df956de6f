"""A class is graded: every submission by itself, three outcomes, and never a pass without proof.

PASS: all hidden tests of the question were answered rightly. FAIL: one was not, and it is said how.
NOT GRADED: something on *our* side failed; no mark is written, and the next run tries again.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from course_lib import __version__
from course_lib.errors import CourseError
from course_lib.grading.assignment import Assignment, Question
from course_lib.grading.hidden import run
from course_lib.grading.marks import NOT_GRADED, PASS, Graded, Mark
from course_lib.grading.report import file_name, write, write_reports
from course_lib.grading.sandbox import GraderFault, Limits, Remote, Sandbox, Usage
from course_lib.grading.submission import Submission, read_submission
from course_lib.paths import repository

__all__ = ["grade_class", "grade_one"]

KINDS = (".ipynb", ".py", ".zip")


def grade_class(
    folder: Path,
    assignment: Assignment,
    out: Path,
    *,
    jobs: int = 2,
    outer: str = "none",
    limits: Limits | None = None,
    again: bool = False,
) -> list[Graded]:
    """Grades every submission in ``folder``, and writes marks and pages into ``out``.

    What has been graded before and has not changed since is kept, unless ``again``.

    Raises:
        CourseError: there is nothing to grade, or nowhere to write.
    """
    found, records, limits = find_submissions(folder), out / "records", limits or Limits()
    hidden = [place for place in (_assignments(), folder.resolve(), out.resolve()) if place]

    def one(student: str) -> Graded:
        submission = choose(student, found[student], assignment)
        record = records / f"{file_name(student)}.json"
        key = _key(submission, assignment, limits)
        if not again and (kept := _read(record, key)):
            return kept
        own = Sandbox(outer, hidden, limits.memory) if outer != "none" else None
        with own or nullcontext(shared) as sandbox:
            graded = grade_one(submission, assignment, sandbox, limits)
        graded.key = key
        write(record, json.dumps(asdict(graded), indent=1))
        with (out / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"time": time.time()} | asdict(graded)) + "\n")
        return graded

    place: AbstractContextManager[Any] = Sandbox("none", hidden)
    with place as shared, ThreadPoolExecutor(jobs) as pool:
        graded = list(_shown(pool.map(one, found), len(found)))
    write_reports(graded, assignment, out, outer)
    return graded


def _shown(graded: Iterable[Graded], count: int) -> Iterable[Graded]:
    from tqdm.auto import tqdm

    return tqdm(graded, total=count, desc="grading", unit="submission", delay=1)


def _assignments() -> Path | None:
    root = repository()
    return root / "assignments" if root else None


# --- what was handed in ---------------------------------------------------------------------------


def find_submissions(folder: Path) -> dict[str, list[Path]]:
    """Each student's files: ``ada.ipynb`` or everything in ``ada/``.

    Raises:
        CourseError: no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise CourseError("there is no such folder", where=str(folder))
    found: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "__")):
            continue
        inside = sorted(entry.rglob("*")) if entry.is_dir() else [entry]
        name = entry.name if entry.is_dir() else entry.stem
        usable = [path for path in inside if path.suffix.lower() in KINDS and path.is_file()
                  and not path.is_symlink() and "checkpoint" not in str(path)]  # fmt: skip
        if usable or entry.is_dir():
            found.setdefault(name, []).extend(usable)
    if not found:
        what = f"nothing to grade; submissions are {', '.join(KINDS)}, or folders with one"
        raise CourseError(what, where=str(folder))
    return found


def choose(student: str, files: Sequence[Path], assignment: Assignment) -> Submission:
    """The file that defines most of the functions; whatever is wrong is noted, never raised."""
    names = [question.function for question in assignment.questions]
    best, notes = Submission(student, Path("nothing")), []
    for path in files:
        try:
            read = read_submission(path, student)
        except Exception as error:  # whatever is in that file, the batch goes on
            notes.append(
                f"{path.name}: {error}" if not isinstance(error, CourseError) else str(error)
            )
            continue
        if sum(map(bool, map(read.defines, names))) >= sum(map(bool, map(best.defines, names))):
            best = read
    if len(files) > 1:
        others = ", ".join(path.name for path in files if path != best.path)
        notes.append(f"several files; {best.path.name} was graded, not {others}")
    if not files:
        notes.append("nothing was handed in")
    best.notes += notes
    return best


# --- one submission -------------------------------------------------------------------------------


def grade_one(
    submission: Submission, assignment: Assignment, sandbox: Sandbox, limits: Limits
) -> Graded:
    """Marks for every question; a broken one harms no other."""
    usage = Usage()
    graded = Graded(submission.student, submission.path.name, seed=secrets.randbits(60))
    graded.answers, graded.notes = submission.answers, submission.notes
    for question in assignment.questions:
        mark = Mark(question.id, question.function, question.points)
        graded.marks.append(mark)
        if not submission.defines(question.function):
            there = ", ".join(submission.functions) or "none that could be read"
            mark.why = f"there is no function `{question.function}`; found: {there}"
            continue
        if submission.defines(question.function) > 1:
            graded.notes.append(
                f"`{question.function}` is there more than once; the last one counts"
            )
        try:
            source = submission.source(question.function)
            with sandbox.question(source, question.function, limits, usage) as function:
                _test(mark, question, function, graded.seed)
        except Exception as error:  # ours: a submission's own errors are answers
            mark.outcome = NOT_GRADED
            fault = (
                str(error) if isinstance(error, GraderFault) else f"{type(error).__name__}: {error}"
            )
            mark.why = f"a fault of the grader: {fault}"
    graded.cpu, graded.fences = usage.cpu, list(usage.fences)
    return graded


def _test(mark: Mark, question: Question, function: Remote, seed: int) -> None:
    """Every hidden test; a question without one proves nothing."""
    for test in question.tests:
        mark.tests.append((test.name, test.says, run(test, function, seed)))
    wrong = [(says, what) for _, says, what in mark.tests if what]
    if wrong:
        mark.why = f"{wrong[0][0]}: {wrong[0][1]}"
    elif len(mark.tests) == len(question.tests) > 0:
        mark.outcome = PASS


# --- records --------------------------------------------------------------------------------------


def _key(submission: Submission, assignment: Assignment, limits: Limits) -> str:
    """What a mark depends on; an unreadable file is marked again, which costs nothing."""
    file = f"{submission.path.name} {submission.digest}"
    return f"{file} {assignment.digest} {limits} {__version__}"


def _read(record: Path, key: str) -> Graded | None:
    try:
        content = json.loads(record.read_text("utf-8"))
        marks = [Mark(**mark) for mark in content.pop("marks")]
        graded = Graded(**content, marks=marks)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return graded if graded.key == key and graded.complete else None
