"""The kit for a lesson: what is in it, what is kept from students, and whose times it shows."""

from __future__ import annotations

import json
import re
import shutil
import zipfile

import pytest

from course_lib.errors import CourseError
from scripts import kit
from scripts.notebooks import ROOT, as_text
from tests.notebooks.sample import sample_chapter

NAME = "04_spade_norm"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A small course: one chapter with two slides, one assignment, one run of the chapter."""
    root = tmp_path_factory.mktemp("house")
    (root / "assignments" / "source").mkdir(parents=True)
    (root / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "instructors_guide.md", root / "docs")
    shutil.copy(ROOT / "assignments" / "source" / f"{NAME}.py", root / "assignments" / "source")
    chapter = sample_chapter(root / "notebooks")
    chapter.cells[0].source += "\n\n**Time.** With `cpu` ten\nminutes. You need nothing."
    for number in (0, 5, 6):  # the third is a picture on the second slide
        chapter.cells[number].metadata.tags = ["slide"]
    (root / "notebooks" / "01_sample.ipynb").write_text(as_text(chapter))
    for day, seconds, status in ((1, 20, "done"), (2, 240, "done"), (3, 9, "failed")):
        folder = root / "runs" / "course" / f"2026-01-0{day}_10-00-00-cpu"
        folder.mkdir(parents=True)
        run = {"name": "01_sample", "seconds": seconds, "status": status}
        (folder / "report.json").write_text(json.dumps({"notebooks": [run]}))
    return root


@pytest.fixture(scope="module")
def made(house):
    return kit.make_kit(house / "kit", house, house / "runs").parent


def texts(archive):
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name).decode() for name in opened.namelist()}


def test_students_get_notebooks_and_nothing_that_is_not_for_them(made):
    found = texts(made / "students.zip")
    assert set(found) == {"notebooks/01_sample.ipynb", f"assignments/{NAME}.ipynb"}
    assert not re.search(r"### BEGIN|@hidden|torch\.sqrt\(variance", "".join(found.values()))


def test_teachers_get_the_solutions_in_an_archive_of_their_own(made):
    found = texts(made / "teachers.zip")
    assert {name.split("/")[-1] for name in found} == {
        f"{NAME}.ipynb", f"{NAME}.py", "instructors_guide.md",
    }  # fmt: skip
    assert "torch.sqrt(variance" in found[f"assignments/built/solutions/{NAME}.ipynb"]
    assert "@hidden" in found[f"assignments/built/grader/{NAME}.py"]


def test_the_page_shows_slides_points_and_the_times_that_were_measured(made):
    page = (made / "index.html").read_text("utf-8")
    assert "<td>With cpu ten minutes.</td>" in page
    assert "4 min <small>(2026-01-02)</small>" in page  # the last run that reached its end
    assert "<td>not yet</td>" in page  # nobody has run it with profile smoke
    assert "<td>9 + 4 by hand</td><td>90 to 120 minutes.</td>" in page
    (link,) = re.findall(r'<a href="(slides/[^"]*)">2</a>', page)
    assert (made / link).read_text("utf-8").count("<section>") == 2


def test_the_same_course_makes_the_same_archives(house, made, tmp_path):
    kit.make_kit(tmp_path, house, house / "runs")
    for name in ("students.zip", "teachers.zip"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def test_a_folder_without_chapters_is_refused(tmp_path):
    with pytest.raises(CourseError, match="there are no chapters"):
        kit.make_kit(tmp_path / "kit", tmp_path)
