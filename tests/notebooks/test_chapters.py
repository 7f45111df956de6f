"""Every chapter survives what readers do: run each cell twice, start in another folder."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
from nbformat import NotebookNode

from course_lib.errors import CourseError
from scripts.notebooks import ROOT, Chapter, chapters, execute, read_source

CHAPTERS = chapters(ROOT / "notebooks")
CELL_TIMEOUT = 300  # seconds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_every_cell_runs_twice(chapter: Chapter):
    execute(twice(chapter), chapter.notebook.parent, "smoke", CELL_TIMEOUT)


@pytest.mark.parametrize("chapter", CHAPTERS[-1:], ids=lambda chapter: chapter.name)
def test_a_chapter_runs_in_another_folder(chapter: Chapter, tmp_path: Path):
    elsewhere = tmp_path / "ailleurs, là-bas"
    elsewhere.mkdir()
    execute(read_source(chapter.source), elsewhere, "smoke", CELL_TIMEOUT)


MINDS = "# %%\nagain = 'again' in globals()\nassert not again, 'I mind'\n"


def test_a_cell_that_must_not_be_run_twice_is_found(tmp_path: Path):
    source = tmp_path / "01_minds.py"
    source.write_text(MINDS, encoding="utf-8")
    execute(read_source(source), tmp_path, "smoke", CELL_TIMEOUT)
    with pytest.raises(CourseError, match="I mind"):
        execute(twice(Chapter(source)), tmp_path, "smoke", CELL_TIMEOUT)


def twice(chapter: Chapter) -> NotebookNode:
    """The chapter with each code cell doubled, so that all run twice in one kernel."""
    notebook = read_source(chapter.source)
    doubled = []
    for cell in notebook.cells:
        doubled.append(cell)
        if cell.cell_type == "code":
            doubled.append(deepcopy(cell))
            doubled[-1].id += "-again"
    notebook.cells = doubled
    return notebook
