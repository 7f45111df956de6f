"""How large the course is, and how large it may be: small enough to be read.

Lines of code are counted, not lines: to explain costs nothing. A wing is read alone, and `data/`,
the world and the readers of data sets, is material, and `grading/`, on which nothing leans, serves
instructors: each has a limit of its own. The last limit is that of everything else: what every wing
leans on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

COURSE = Path(__file__).parents[1] / "course_lib"
WING_LIMIT, TRAINING_LIMIT = 1050, 800  # lines of code
DATA_LIMIT, GRADING_LIMIT = 4500, 1600
COURSE_LIMIT = 10_750  # of everything but wings, data and grading; the studio is part of it


def lines(folder: Path) -> int:
    """All lines of all Python files below ``folder``."""
    return sum(len(file.read_text("utf-8").splitlines()) for file in folder.rglob("*.py"))


def code_lines(folder: Path) -> int:
    """Those that are neither empty nor comment nor docstring."""
    return sum(code_lines_of(file.read_text("utf-8")) for file in folder.rglob("*.py"))


def code_lines_of(source: str) -> int:
    explained = set(docstring_lines(ast.parse(source)))
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in explained
        for number, line in enumerate(source.splitlines(), start=1)
    )


def docstring_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            yield from range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)


def wings() -> list[Path]:
    """The painters' packages: a folder with networks is a wing."""
    return sorted(file.parent for file in COURSE.glob("*/networks.py"))


def limits() -> dict[Path, int]:
    """Each room that has a limit of its own, in lines of code."""
    rooms = {"training": TRAINING_LIMIT, "data": DATA_LIMIT, "grading": GRADING_LIMIT}
    named = {COURSE / room: limit for room, limit in rooms.items()}
    return dict.fromkeys(wings(), WING_LIMIT) | named


def course_lines() -> int:
    """Lines of code of the house without its wings, its data and its grader."""
    apart = [*wings(), COURSE / "data", COURSE / "grading"]
    return code_lines(COURSE) - sum(map(code_lines, apart))


def size_table() -> str:
    """A row a room: its lines, its lines of code, and how many of these it may have."""
    rooms = sorted(folder for folder in COURSE.iterdir() if any(folder.rglob("*.py")))
    table = [f"{'room':<16}{'lines':>7}{'code':>7}{'of':>6}"]
    for room in rooms:
        table.append(
            f"{room.name:<16}{lines(room):>7}{code_lines(room):>7}{limits().get(room, ''):>6}"
        )
    table.append(f"{'the rest':<16}{'':>7}{course_lines():>7}{COURSE_LIMIT:>6}")
    return "\n".join(table)
