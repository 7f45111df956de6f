"""What a graded class looks like: ``grades.csv``, a page per student, and a summary."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from course_lib.grading.assignment import Assignment
from course_lib.grading.marks import Graded
from course_lib.storage.disk import whole_file

__all__ = ["file_name", "isolation", "write", "write_reports"]


def write_reports(graded: Sequence[Graded], assignment: Assignment, out: Path, outer: str) -> None:
    """Writes everything anew; each file is whole or not there."""
    fences = isolation(graded, outer)
    for one in graded:
        page = out / "students" / f"{file_name(one.student)}.html"
        write(page, _student(one, assignment, fences))
    write(out / "grades.csv", _csv(graded, assignment))
    write(out / "summary.html", _summary(graded, assignment, fences))


def isolation(graded: Sequence[Graded], outer: str) -> str:
    """Which fences stood around every submission, and what follows from that."""
    stood = [set(one.fences) for one in graded if one.fences]
    every = set.intersection(*stood) if stood else set()
    listed = ", ".join(fence for fence in (graded[0].fences if graded else ()) if fence in every)
    within = "" if outer == "none" else f"inside {outer}; "
    if outer == "none" and "disks read-only" not in every:
        listed += ". Process only: do not grade strangers' code with it"
    return f"Isolation: {within}{listed or 'no submission was run'}."


def file_name(student: str) -> str:
    """A name for files that no two students share, whatever letters are in it."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "_", student)[:40]
    return f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:6]}"


def _csv(graded: Sequence[Graded], assignment: Assignment) -> str:
    """A row per student; a question that was not graded leaves its points, and the sum, empty."""
    table = io.StringIO()
    writer = csv.writer(table)
    ids = [question.id for question in assignment.questions]
    by_hand = [f"{written.id} of {written.points:g} by hand" for written in assignment.written]
    writer.writerow(["student", "file", "points", "of", "status", *ids, *by_hand])
    for one in graded:
        marks = [f"{m.points:g}" if m.outcome != "NOT GRADED" else "" for m in one.marks]
        points = f"{one.points:g}" if one.complete else ""
        status = "graded" if one.complete else "NOT GRADED"
        name = f"'{one.student}" if one.student[:1] in "=+-@" else one.student  # no formula
        row = [name, one.file, points, f"{assignment.points:g}", status, *marks]
        writer.writerow([*row, *("" for _ in by_hand)])
    return table.getvalue()


def _student(one: Graded, assignment: Assignment, fences: str) -> str:
    total = f"{one.points:g} of {assignment.points:g} points" if one.complete else "NOT GRADED"
    parts = [
        f"<p class='total'>{total}</p>",
        *(f"<p class='NOT'>{escape(note)}</p>" for note in one.notes),
    ]
    for mark in one.marks:
        head = f"{mark.question} <code>{escape(mark.function)}</code>"
        got = f"{mark.points:g} of {mark.of:g}"
        parts.append(f"<h2>{head} <b class='{mark.outcome[:4]}'>{mark.outcome}</b>, {got}</h2>")
        if mark.why and not mark.tests:
            parts.append(f"<p>{escape(mark.why)}</p>")
        rows = [
            f"<tr><td>{'not yet' if wrong else 'right'}</td><td>{escape(says)}"
            f"<br><small>{escape(wrong)}</small></td></tr>"
            for _, says, wrong in mark.tests
        ]
        parts.append(f"<table>{''.join(rows)}</table>")
    for written in assignment.written:
        words = escape(one.answers.get(written.id, "")) or "nothing found"
        parts.append(f"<h2>{written.id}, in words, of {written.points:g}</h2><pre>{words}</pre>")
    parts.append(f"<p><small>{fences} Seed {one.seed}.</small></p>")
    return _page(f"{assignment.name}: {one.student}", "\n".join(parts))


def _summary(graded: Sequence[Graded], assignment: Assignment, fences: str) -> str:
    marked = [one for one in graded if one.complete]
    mean = sum(one.points for one in marked) / max(1, len(marked))
    fault = "NOT GRADED: a fault of the grader, run it again"
    left = f"; <b class='NOT'>{len(graded) - len(marked)} {fault}</b>" * (marked != graded)
    head = f"{len(graded)} submissions, {mean:.1f} of {assignment.points:g} points on average{left}"
    rows = [_question(number, graded, assignment) for number in range(len(graded[0].marks))]
    people = [
        f"<tr><td><a href='students/{file_name(one.student)}.html'>{escape(one.student)}</a></td>"
        f"<td>{f'{one.points:g}' if one.complete else 'NOT GRADED'}</td>"
        f"<td>{' '.join(mark.outcome for mark in one.marks)}</td><td>{one.cpu:.1f} s</td></tr>"
        for one in graded
    ]
    body = (
        f"<p>{head}</p><p>{fences}</p><table><tr><th>question<th>passed<th>not graded"
        f"<th>failed most often</tr>{''.join(rows)}</table><h2>Students</h2><table>"
        f"<tr><th>student<th>points<th>questions<th>processor time</tr>{''.join(people)}</table>"
    )
    return _page(assignment.name, body)


def _question(number: int, graded: Sequence[Graded], assignment: Assignment) -> str:
    marks = [one.marks[number] for one in graded]
    count = Counter(mark.outcome for mark in marks)
    failed = Counter(says for mark in marks for _, says, wrong in mark.tests if wrong)
    worst = f"{failed.most_common(1)[0][0]} ({failed.most_common(1)[0][1]})" if failed else ""
    question = assignment.questions[number]
    share = f"{count['PASS']} of {len(marks)} ({count['PASS'] / max(1, len(marks)):.0%})"
    return (
        f"<tr><td>{question.id} <code>{escape(question.function)}</code></td><td>{share}</td>"
        f"<td>{count['NOT GRADED']}</td><td>{escape(worst)}</td></tr>"
    )


def _page(title: str, body: str) -> str:
    frame = Template(Path(__file__).with_name("page.html").read_text("utf-8"))
    return frame.substitute(title=escape(title), body=body)


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
