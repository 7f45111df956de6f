"""The instructor's guide, followed to the letter: a new assignment, and its table of points."""

from __future__ import annotations

import importlib.util
import re

import pytest

from course_lib.grading.asking import Local
from course_lib.grading.assignment import find_assignment, sources
from course_lib.grading.build import build
from course_lib.grading.check import VISIBLE, check
from course_lib.grading.grade import grade_one
from course_lib.grading.hidden import run
from course_lib.grading.sandbox import Limits
from course_lib.grading.submission import read_submission
from tests.grading.conftest import ROOT

GUIDE = (ROOT / "docs" / "instructors_guide.md").read_text("utf-8")
CHECKS, SOURCE = re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S)


@pytest.fixture
def written(tmp_path):
    """Both files of the guide, as one would write them."""
    (tmp_path / "mirror.py").write_text(CHECKS)
    spec = importlib.util.spec_from_file_location("mirror", tmp_path / "mirror.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    source = tmp_path / "source" / "99_mirror.py"
    source.parent.mkdir()
    source.write_text(SOURCE)
    yield source
    del VISIBLE["99.1"]


def test_an_assignment_written_by_the_guide_works(written, tmp_path, sandbox, capsys):
    blank, *_ = build(written, tmp_path)
    assignment = find_assignment(str(written))
    points = [
        grade_one(read_submission(path, "ada"), assignment, sandbox, Limits()).points
        for path in (written, blank)
    ]
    assert points == [2, 0]
    check("99.1", lambda pictures: pictures.flip(-1))
    assert "right: left and right are exchanged" in capsys.readouterr().out
    (test,) = assignment.questions[0].tests
    assert run(test, Local(lambda pictures: pictures), 1)


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
def test_the_table_has_the_points_that_there_are(path):
    assignment = find_assignment(path.stem)
    (row,) = re.findall(rf"^\| {path.stem[:2]} \|.*$", GUIDE, re.M)
    by_hand = sum(written.points for written in assignment.written)
    assert row.split("|")[3:5] == [f" {assignment.points:g} ", f" {by_hand:g} "]
