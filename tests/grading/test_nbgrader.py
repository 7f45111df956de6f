"""nbgrader itself, in an environment of its own, works on the source unchanged."""

from __future__ import annotations

import csv
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.grading.assignment import find_assignment, sources
from course_lib.grading.build import build
from tests.grading.mutants import ROOT

NAME = "01_spectral_norm"
CONFIGURATION = """
c = get_config()
c.CourseDirectory.course_id = "five-painters"
c.ExecutePreprocessor.timeout = 300
"""


@pytest.fixture(scope="module")
def nbgrader(tmp_path_factory):
    """``nbgrader ...`` with its own packages first, and torch from the environment at hand."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    folder = tmp_path_factory.mktemp("nbgrader")
    install = [uv, "pip", "install", "-q", "--python", str(folder / "bin" / "python")]
    try:
        subprocess.run(
            [uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True
        )
        subprocess.run([*install, "nbgrader", "ipykernel"], check=True, timeout=900)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"nbgrader cannot be installed here: {error}")
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text("\n".join([*site.getsitepackages(), str(ROOT)]))

    def call(course, *arguments, program=None):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {
            "JUPYTER_PREFER_ENV_PATH": "1",
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }
        start = ["-c", program] if program else ["-m", "nbgrader"]
        command = [str(folder / "bin" / "python"), *start, *arguments]
        done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return call


POINTS = """
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    for one in book.assignments:
        print(one.name, one.max_code_score, one.max_written_score)
"""


@pytest.mark.slow
def test_nbgrader_takes_every_assignment_and_finds_the_same_points(nbgrader, tmp_path):
    """Without running one: solutions and hidden tests go, and the points are those of the guide."""
    for source in sources():
        _, _, whole, _ = build(source, tmp_path)
    course = whole.parents[2]
    (course / "nbgrader_config.py").write_text(CONFIGURATION)
    wanted = set()
    for source in sources():
        nbgrader(course, "generate_assignment", source.stem)
        released = (course / "release" / source.stem / f"{source.stem}.ipynb").read_text()
        assert "HIDDEN" not in released and "BEGIN SOLUTION" not in released
        one = find_assignment(source.stem)
        by_hand = sum(written.points for written in one.written)
        wanted.add((source.stem, f"{one.points:.1f}", f"{by_hand:.1f}"))
    assert {tuple(line.split()) for line in nbgrader(course, program=POINTS).splitlines()} == wanted


@pytest.mark.slow
def test_solution_and_blank_get_the_same_marks_from_nbgrader(nbgrader, tmp_path):
    _, solution, whole, _ = build(ROOT / "assignments" / "source" / f"{NAME}.py", tmp_path)
    course = whole.parents[2]  # it has source/NAME/NAME.ipynb
    (course / "nbgrader_config.py").write_text(CONFIGURATION)
    nbgrader(course, "generate_assignment", NAME)
    released = course / "release" / NAME / f"{NAME}.ipynb"
    assert (
        "HIDDEN" not in released.read_text() and "raise NotImplementedError" in released.read_text()
    )
    for student, notebook in {"teacher": solution, "blank": released}.items():
        place = course / "submitted" / student / NAME
        place.mkdir(parents=True)
        shutil.copy(notebook, place / f"{NAME}.ipynb")
    nbgrader(course, "autograde", NAME)
    nbgrader(course, "export")
    with (course / "grades.csv").open() as file:
        points = {row["student_id"]: float(row["raw_score"]) for row in csv.DictReader(file)}
    assert points == {"teacher": find_assignment("01").points, "blank": 0.0}
