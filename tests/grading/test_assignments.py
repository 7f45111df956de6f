"""Every assignment: the solution gets all points, the blank none, and each hidden test can see."""

from __future__ import annotations

import importlib.util
import re

import nbformat
import pytest

from course_lib.grading.asking import Local
from course_lib.grading.assignment import find_assignment, sources
from course_lib.grading.build import build
from course_lib.grading.check import VISIBLE, check
from course_lib.grading.grade import grade_one
from course_lib.grading.hidden import run
from course_lib.grading.marks import FAIL, PASS
from course_lib.grading.sandbox import Limits
from course_lib.grading.submission import read_submission
from scripts.notebooks import code_cells, execute, pictures
from tests.grading.mutants import MUTANTS, ROOT, planted, solution

NAMES = [path.stem for path in sources()]
ASSIGNMENTS = {name: find_assignment(name) for name in NAMES}
QUESTIONS = [(name, q) for name in NAMES for q in ASSIGNMENTS[name].questions]
TESTS = [(name, q, test) for name, q in QUESTIONS for test in q.tests]


def loaded(source, function, folder):
    """The function of a module with this source, here and now."""
    path = folder / "submission.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("submission", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, function)


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_gets_all_points_and_the_blank_none(name, sandbox):
    assignment = ASSIGNMENTS[name]
    blank = read_submission(ROOT / "assignments" / f"{name}.ipynb", "nobody")
    right = grade_one(solution(name), assignment, sandbox, Limits())
    assert [mark.why for mark in right.marks] == [""] * len(assignment.questions)
    assert right.points == assignment.points > 0
    empty = grade_one(blank, assignment, sandbox, Limits())
    assert empty.points == 0 and {mark.outcome for mark in empty.marks} == {FAIL}
    assert all("not written yet" in mark.why for mark in empty.marks)


@pytest.mark.parametrize(("name", "question", "test"), TESTS, ids=lambda v: getattr(v, "name", ""))
def test_each_hidden_test_sees_its_planted_fault(name, question, test, tmp_path):
    wrong = loaded(planted(name, question.function, test.name), question.function, tmp_path)
    assert run(test, Local(wrong), 7)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_committed_is_what_the_source_says(name, tmp_path):
    student, *_ = build(ROOT / "assignments" / "source" / f"{name}.py", tmp_path)
    committed = ROOT / "assignments" / student.name
    assert committed.read_text() == student.read_text(), "run `course assignments build`"


@pytest.mark.parametrize("name", NAMES)
def test_students_see_neither_solution_nor_hidden_tests(name):
    notebook = nbformat.read(ROOT / "assignments" / f"{name}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert not re.search(r"### (BEGIN|END)", text)
    assert text.count("raise NotImplementedError()") >= len(ASSIGNMENTS[name].questions)
    assert not any(test.name in text for q in ASSIGNMENTS[name].questions for test in q.tests)
    assert "colab.research.google.com" in text and f"assignments/{name}.ipynb" in text
    assert text.count("<details><summary>Hint") >= len(ASSIGNMENTS[name].questions)
    assert text.count("YOUR ANSWER HERE") == len(ASSIGNMENTS[name].written)


@pytest.mark.parametrize(("name", "question"), QUESTIONS, ids=lambda v: getattr(v, "id", ""))
def test_instant_checks_say_right_and_not_yet(name, question, tmp_path, capsys):
    right = loaded(solution(name).source(question.function), question.function, tmp_path)
    check(question.id, right)
    assert "not yet" not in (words := capsys.readouterr().out)
    assert words.count("right:") == len(VISIBLE[question.id])
    check(question.id, lambda *arguments: None)
    words = capsys.readouterr().out
    assert "not yet" in words and "None" in words and "look again" in words


def test_there_is_an_instant_check_for_each_question_and_for_no_other():
    assert VISIBLE.keys() == {question.id for _, question in QUESTIONS}
    assert MUTANTS.keys() == set(NAMES)
    for name in NAMES:
        tests = [test.name for given, _, test in TESTS if given == name]
        assert sorted(MUTANTS[name]) == sorted(tests)


def test_what_a_check_and_an_assignment_point_to_is_there():
    """``chapter 04, section 4, The norm that gives it back`` is a heading of that chapter."""
    looks = {test.look for tests in VISIBLE.values() for test in tests}
    looks = {look for look in looks if look.startswith("chapter")}
    assert len(looks) >= 6
    for look in looks:
        number, section, title = re.fullmatch(r"chapter (\d\d), section (\d+), (.*)", look).groups()
        chapter = list((ROOT / "notebooks" / "source").glob(f"{number}_*.py"))
        assert not chapter or f"\n# ## {section} {title}\n" in chapter[0].read_text("utf-8"), look
        (needs,) = [path.read_text("utf-8") for path in sources() if path.stem[:2] == number]
        assert re.search(rf"\*\*You need\*\* chapter {number}, sections? [\d to]*{section}?", needs)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_solution_runs_through_and_draws_its_figure(name, tmp_path):
    _, path, *_ = build(ROOT / "assignments" / "source" / f"{name}.py", tmp_path)
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, tmp_path, "smoke")
    assert [True for cell in code_cells(notebook) for _ in pictures(cell)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_planted_fault_fails_behind_the_wall_too(name, sandbox):
    for given, question, test in TESTS:
        if given == name:
            submission = solution(name)
            source = planted(name, question.function, test.name)
            submission.source = lambda function, source=source: source
            graded = grade_one(submission, ASSIGNMENTS[name], sandbox, Limits())
            (mark,) = [mark for mark in graded.marks if mark.question == question.id]
            assert mark.outcome == FAIL and test.says in [s for _, s, wrong in mark.tests if wrong]
            assert PASS not in (mark.outcome,)
