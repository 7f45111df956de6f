"""Everything that a teacher takes into a lesson, in one folder: ``make kit``.

- ``index.html``: what is there, and how long everything takes;
- ``slides/``: a file per chapter, made of its cells tagged ``slide``, that needs no network;
- ``students.zip``: the chapters and the assignments as students get them;
- ``teachers.zip``: solutions, hidden tests, nbgrader's sources and the guide. Not for students.

Nothing is run for it. Times of chapters are those of your own ``course run``, where there was one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template

from nbformat import NotebookNode

from course_lib.errors import CourseError
from course_lib.grading.assignment import find_assignment, sources
from course_lib.grading.build import build_all
from course_lib.paths import runs_dir
from course_lib.storage.disk import whole_file
from scripts.notebooks import ROOT, read_notebook
from scripts.slides import deck, slides_of

__all__ = ["make_kit"]

TIME = re.compile(r"\*\*Time[.:]\*\*:?\s*(.+?)(?=\sYou need|\*\*|\n\n|\Z)", re.S)
TITLE = re.compile(r"^# (.+)$", re.M)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content makes the same archive


def make_kit(out: Path, root: Path = ROOT, runs: Path | None = None) -> Path:
    """Writes the kit, and returns its ``index.html``.

    Args:
        runs: where ``course run`` has left its reports; default: the course's folder of runs.

    Raises:
        CourseError: a chapter or an assignment cannot be read, or has a fault.
    """
    chapters = sorted((root / "notebooks").glob("*.ipynb"))
    if not chapters:
        raise CourseError("there are no chapters", where=str(root / "notebooks"))
    built = build_all(root / "assignments")
    students = [path for path in built if path.parent == root / "assignments"]
    teachers = [path for path in built if path not in students]
    guide = root / "docs" / "instructors_guide.md"
    _archive(out / "students.zip", [*chapters, *students], root)
    _archive(
        out / "teachers.zip", [*teachers, *sources(root / "assignments" / "source"), guide], root
    )
    measured = measured_times(runs or runs_dir())
    rows = [_chapter(path, out, measured) for path in chapters]
    work = [_assignment(path) for path in students]
    frame = Template(Path(__file__).with_name("kit.html").read_text("utf-8"))
    made = f"{datetime.now():%d %B %Y}"
    page = frame.substitute(chapters="\n".join(rows), assignments="\n".join(work), made=made,
                            cores=os.cpu_count())  # fmt: skip
    return _write(out / "index.html", page)


def measured_times(runs: Path) -> dict[tuple[str, str], tuple[float, str]]:
    """Seconds and day of every chapter's last whole run, by chapter and profile."""
    found: dict[tuple[str, str], tuple[float, str]] = {}
    for report in sorted((runs / "course").glob("*/report.json")):  # the folders' names are dates
        day, profile = report.parent.name[:10], report.parent.name.rpartition("-")[2]
        for one in json.loads(report.read_text("utf-8"))["notebooks"]:
            if one["status"] == "done":
                found[one["name"], profile] = one["seconds"], day
    return found


def said_time(notebook: NotebookNode) -> str:
    """The sentence on time that stands at the beginning of a notebook."""
    text = "\n\n".join(cell.source for cell in notebook.cells[:3])
    found = TIME.search(text)
    return " ".join(found[1].replace("`", "").split()) if found else ""


def _chapter(path: Path, out: Path, measured: dict[tuple[str, str], tuple[float, str]]) -> str:
    notebook = read_notebook(path)
    title, words = _title(notebook), _words(notebook)
    slides = slides_of(notebook, path.stem)
    link = "none yet"
    if slides:
        page = _write(out / "slides" / f"{path.stem}.html", deck(slides, title))
        link = f'<a href="slides/{page.name}">{len(slides)}</a>'
    times = [_time(measured.get((path.stem, profile))) for profile in ("smoke", "cpu")]
    cells = [escape(title), link, f"{words:,} words", *times, escape(said_time(notebook))]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _assignment(path: Path) -> str:
    source = path.parent / "source" / f"{path.stem}.py"
    assignment, notebook = find_assignment(str(source)), read_notebook(path)
    by_hand = sum(written.points for written in assignment.written)
    points = f"{assignment.points:g} + {by_hand:g} by hand"
    cells = [escape(_title(notebook)), points, escape(said_time(notebook))]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _title(notebook: NotebookNode) -> str:
    found = TITLE.search(notebook.cells[0].source)
    return found[1] if found else "no title"


def _words(notebook: NotebookNode) -> int:
    return sum(len(c.source.split()) for c in notebook.cells if c.cell_type == "markdown")


def _time(measured: tuple[float, str] | None) -> str:
    if measured is None:
        return "not yet"
    seconds, day = measured
    long = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
    return f"{long} <small>({day})</small>"


def _archive(path: Path, files: Iterable[Path], root: Path) -> None:
    """A zip whose folders are the repository's; whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(root).as_posix(), EPOCH)
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kit.py", description="Make a teacher's kit.")
    parser.add_argument("--out", type=Path, default=ROOT / "kit", help="folder (default: kit)")
    try:
        print(make_kit(parser.parse_args(argv).out))
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
