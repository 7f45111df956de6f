"""One source, four files: for students, for their teacher, for the grader, and for nbgrader."""

from __future__ import annotations

import hashlib
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

from course_lib.address import colab_badge, setup_cell
from course_lib.errors import CourseError
from course_lib.grading.assignment import grader_part, sources
from course_lib.grading.report import write
from course_lib.paths import repository

__all__ = ["build", "build_all", "notebook_of"]

SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?### END SOLUTION$", re.M | re.S)
HIDDEN = re.compile(r"\n?^[ \t]*### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS$", re.M | re.S)
MARKS = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION\n?", re.M)
STUB = {
    "code": r"\1# YOUR CODE HERE\n\1raise NotImplementedError()",
    "markdown": "YOUR ANSWER HERE",
}


def build_all(folder: Path | None = None) -> list[Path]:
    """Builds every assignment, and returns what was written.

    Raises:
        CourseError: there are no sources, or one has a fault.
    """
    place = folder or (repository() or Path.cwd()) / "assignments"
    return [path for source in sources(place / "source") for path in build(source, place)]


def build(source: Path, place: Path) -> list[Path]:
    """The student's notebook in ``place``; all that is not for students in ``place/built``."""
    whole, name = notebook_of(source), source.stem
    solution, student = deepcopy(whole), deepcopy(whole)
    for cell in solution.cells:
        cell.source = MARKS.sub("", HIDDEN.sub("", cell.source)).rstrip()
    for cell in student.cells:
        cell.source = HIDDEN.sub("", SOLUTION.sub(STUB[cell.cell_type], cell.source)).rstrip()
    made = place / "built"
    part = grader_part(source.read_text("utf-8"))
    return [
        _write_notebook(student, place / f"{name}.ipynb"),
        _write_notebook(solution, made / "solutions" / f"{name}.ipynb"),
        _write_notebook(whole, made / "nbgrader" / "source" / name / f"{name}.ipynb"),
        _write(made / "grader" / f"{name}.py", part),
    ]


def notebook_of(source: Path) -> Any:
    """The source as a notebook, with badge and set-up cell, and nbgrader's metadata alone."""
    try:
        import jupytext
        import nbformat
    except ImportError as error:
        fix = "pip install jupytext"
        raise CourseError(f"{error.name} is missing", where="build", fix=fix) from None
    notebook = nbformat.v4.new_notebook(metadata=deepcopy(_METADATA))
    for number, cell in enumerate(jupytext.read(source, fmt="py:percent").cells):
        text = cell.source.replace("BADGE", colab_badge(source.stem, "assignments"))
        if "colab-setup" in cell.metadata.get("tags", []):
            text = setup_cell()
        new = (
            nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        )
        kept = {key: cell.metadata[key] for key in ("nbgrader", "tags") if key in cell.metadata}
        digest = hashlib.sha256(f"{number}\n{cell.source}".encode()).hexdigest()[:12]
        notebook.cells.append(new(text, id=digest, metadata=kept))
    return notebook


_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def _write_notebook(notebook: Any, path: Path) -> Path:
    import nbformat

    nbformat.validate(notebook)
    return _write(path, nbformat.writes(notebook) + "\n")


def _write(path: Path, text: str) -> Path:
    if not path.is_file() or path.read_text("utf-8") != text:
        write(path, text)
    return path
