"""A notebook and its parameters, read and checked before anything is executed.

A chapter has exactly one code cell tagged ``parameters``. It holds plain assignments::

    profile: str | None = None  # smoke, cpu, gpu or paper
    rounds: int | None = None  # of training; the profile says how many
    truncate = 0.7

The annotation, or else the type of the value, says what may be given on the command line. The cell
is read as text (:mod:`ast`) and never executed here.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.errors import CourseError

__all__ = ["Chapter", "Parameter", "read_chapter"]

ALLOWED = "int, float, str, bool, or one of these `| None`"
CONFLICT = ("<<<<<<< ", "=======", ">>>>>>> ")  # what git leaves in a file that it could not merge


@dataclass(frozen=True)
class Parameter:
    """A name in the ``parameters`` cell, and the types that its value may have."""

    name: str
    types: tuple[str, ...]  # of int, float, str, bool, None

    def value(self, text: str) -> int | float | str | bool | None:
        """Reads a value as typed on the command line.

        Raises:
            CourseError: the text is no value of that type.
        """
        for kind in ("None", "bool", "int", "float", "str"):
            if kind in self.types:
                fine, value = _READERS[kind](text)
                if fine:
                    return value
        wanted = " or ".join(_SPOKEN[kind] for kind in self.types)
        raise CourseError(f"{text!r} is not {wanted}", where=f"parameter {self.name}")


@dataclass(frozen=True)
class Chapter:
    """A notebook that can be run: where it lies, what it says, which parameters it takes."""

    path: Path
    notebook: Any  # nbformat.NotebookNode
    parameters: dict[str, Parameter]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def code_cells(self) -> int:
        """How many cells will be executed; empty ones are not."""
        return sum(c.cell_type == "code" and bool(c.source.strip()) for c in self.notebook.cells)

    @property
    def timeout(self) -> float | None:
        """Seconds a cell may take, if the notebook's metadata says so (``course.timeout``)."""
        return self.notebook.metadata.get("course", {}).get("timeout")


def read_chapter(path: Path) -> Chapter:
    """Reads a notebook and its ``parameters`` cell.

    Raises:
        CourseError: no such file, not a notebook of format 4, or no readable ``parameters`` cell.
    """
    notebook = _read_notebook(path)
    cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", [])
    ]
    if len(cells) != 1:
        raise CourseError(
            f"{len(cells)} code cells are tagged `parameters`, exactly one must be",
            where=str(path),
            fix="tag the cell that sets the parameters (JupyterLab: Property Inspector, right)",
        )
    try:
        found = {parameter.name: parameter for parameter in _parameters(cells[0].source)}
    except (CourseError, SyntaxError) as error:
        raise CourseError(f"the parameters cell: {error}", where=str(path)) from error
    chapter = Chapter(path, notebook, found)
    _check_timeout(chapter)
    return chapter


def _read_notebook(path: Path) -> Any:
    import nbformat

    where, fix = str(path), f'`git checkout -- "{path}"` brings back the last committed version'
    if not path.is_file():
        raise CourseError("there is no such notebook", where=where)
    try:
        text = path.read_text(encoding="utf-8")
        _check_conflict(text, where, fix)
        content = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CourseError(f"the file is damaged ({error})", where=where, fix=fix) from error
    version = content.get("nbformat") if isinstance(content, dict) else None
    if version != 4:
        raise CourseError(
            f"a notebook of format {version}, the course reads format 4",
            where=where,
            fix=f'jupyter nbconvert --to notebook --inplace "{path}"' if version else fix,
        )
    try:
        nbformat.validate(content)
    except nbformat.ValidationError as error:
        problem = str(error).splitlines()[0]
        raise CourseError(f"not a valid notebook ({problem})", where=where, fix=fix) from error
    return nbformat.reads(text, as_version=4)


def _check_conflict(text: str, where: str, fix: str) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(CONFLICT):
            raise CourseError(f"line {number} is left from a merge conflict", where=where, fix=fix)


def _check_timeout(chapter: Chapter) -> None:
    seconds = chapter.timeout
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if seconds is not None and not (number and seconds > 0):
        raise CourseError(
            f"metadata course.timeout is {seconds!r}, it must be a number of seconds above 0",
            where=str(chapter.path),
        )


def _parameters(source: str) -> Iterator[Parameter]:
    for statement in ast.parse(source).body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                yield Parameter(name, tuple(_types(annotation, name)))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield Parameter(name, (_type_of_value(value, name),))


def _types(annotation: ast.expr, name: str) -> Iterator[str]:
    match annotation:
        case ast.Name(id=kind) if kind in _READERS:
            yield kind
        case ast.Constant(value=None):
            yield "None"
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _types(left, name)
            yield from _types(right, name)
        case _:
            raise CourseError(
                f"`{name}` is annotated {ast.unparse(annotation)}; a parameter is {ALLOWED}"
            )


def _type_of_value(value: ast.expr, name: str) -> str:
    try:
        kind = type(ast.literal_eval(value)).__name__
    except ValueError:
        kind = "computed"
    if kind not in _READERS:
        raise CourseError(f"`{name}` needs an annotation; a parameter is {ALLOWED}")
    return kind


def _read_none(text: str) -> tuple[bool, None]:
    return text.lower() == "none", None


def _read_bool(text: str) -> tuple[bool, bool]:
    return text.lower() in ("true", "false"), text.lower() == "true"


def _read_int(text: str) -> tuple[bool, int]:
    try:
        return True, int(text)
    except ValueError:
        return False, 0


def _read_float(text: str) -> tuple[bool, float]:
    try:
        return math.isfinite(float(text)), float(text)
    except ValueError:
        return False, 0.0


_READERS: dict[str, Any] = {
    "None": _read_none,
    "bool": _read_bool,
    "int": _read_int,
    "float": _read_float,
    "str": lambda text: (True, text),
}
_SPOKEN = {
    "None": "none",
    "bool": "a truth value (true or false)",
    "int": "a whole number (digits alone: 1000, not 1e3)",
    "float": "a number",
    "str": "a text",
}
