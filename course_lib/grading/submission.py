"""A student's file, read without running it, and the functions that are found in it by name.

Cells may have been copied, split, deleted or moved, and all their metadata may be gone: what counts
is the *definition*. For each function the statements are collected that it needs: imports, helpers,
constants, and what these need in turn. So a broken cell elsewhere, or a training, does no harm.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import symtable
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from course_lib.errors import CourseError

__all__ = ["Submission", "read_submission"]

LARGEST = 50 * 2**20  # bytes of a file, outputs included
MOST_CODE = 2**18  # letters of one cell: what a person can write, and a grader read in a moment
MAGIC = re.compile(r"^(\s*)[%!?].*$", re.M)
ANSWER = re.compile(r"^#+ *your answer[: ]+(\d\d\.\d)[^\n]*\n?(.*)", re.S | re.I | re.M)
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Statement:
    """A statement outside of all functions, with the names that it makes and the names it needs."""

    node: ast.stmt
    makes: frozenset[str]
    needs: frozenset[str]


@dataclass
class Submission:
    """What a student has handed in."""

    student: str
    path: Path
    digest: str = ""
    statements: list[Statement] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)  # written ones, by question
    notes: list[str] = field(default_factory=list)  # what could not be read

    def defines(self, name: str) -> int:
        """How many times; the last one counts, as when the notebook is run."""
        return sum(name in statement.makes for statement in self.statements)

    @property
    def functions(self) -> list[str]:
        """The names of all functions, in the order of the file."""
        return [s.node.name for s in self.statements if isinstance(s.node, Function)]

    def source(self, name: str) -> str:
        """A module with everything that ``name`` needs, in the order of the file."""
        wanted, todo = set(), [name]
        while todo:
            current = todo.pop()
            for number, statement in enumerate(self.statements):
                if current in statement.makes and number not in wanted:
                    wanted.add(number)
                    todo += statement.needs
        stars = {n for n, s in enumerate(self.statements) if "*" in s.makes}
        return "\n".join(_written(self.statements[n].node) for n in sorted(wanted | stars)) + "\n"


def read_submission(path: Path, student: str) -> Submission:
    """Reads an ``.ipynb``, a ``.py``, or a ``.zip`` with one of them.

    Raises:
        CourseError: the file cannot be read at all, and why.
    """
    where = path.name
    try:
        if path.stat().st_size > LARGEST:
            size = f"{path.stat().st_size / 1e6:.0f} MB; {LARGEST / 1e6:.0f} MB are the most"
            raise CourseError(size, where=where, fix="clear the outputs, hand it in again")
        content = path.read_bytes()
        kind = path.suffix.lower()
        if kind == ".zip":
            where, content = _unzipped(content, where)
            kind = PurePosixPath(where).suffix.lower()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise CourseError(f"it cannot be read ({error})", where=where) from None
    submission = Submission(student, path, hashlib.sha256(content).hexdigest())
    for number, (kind_of_cell, source) in enumerate(_cells(text, kind, where), 1):
        if kind_of_cell == "markdown":
            submission.answers |= {q: words.strip() for q, words in ANSWER.findall(source)}
        else:
            _read_code(source, f"cell {number}" if kind == ".ipynb" else where, submission)
    return submission


def _unzipped(content: bytes, where: str) -> tuple[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = [
            entry
            for entry in archive.infolist()
            if entry.filename.lower().endswith((".ipynb", ".py"))
            and not entry.filename.startswith("__MACOSX")
        ]
        if len(found) != 1:
            raise CourseError(f"{len(found)} notebooks are in it, it must be one", where=where)
        if found[0].file_size > LARGEST:
            raise CourseError("the notebook in it is too large", where=where)
        return found[0].filename, archive.read(found[0])


def _cells(text: str, kind: str, where: str) -> Iterator[tuple[str, str]]:
    """Each cell's kind and source; a Python file is one cell, and its comments are prose, too."""
    if kind == ".py":
        yield "code", text
        prose = re.split(r"^# %%.*\[markdown\].*$", text, flags=re.M)[1:]
        for part in prose:
            lines = part.partition("\n# %%")[0].splitlines()
            yield "markdown", "\n".join(line.removeprefix("#").lstrip() for line in lines)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            raise CourseError(f"line {number} is left from a merge conflict", where=where)
    try:
        cells = json.loads(text)["cells"]
        for cell in cells:
            source = cell["source"]
            yield cell["cell_type"], source if isinstance(source, str) else "".join(source)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"no notebook of format 4 ({type(error).__name__}: {error})"
        raise CourseError(what, where=where, fix="open it in Jupyter and save it") from None


def _read_code(source: str, where: str, submission: Submission) -> None:
    if len(source) > MOST_CODE:
        submission.notes.append(f"{where}: {len(source)} letters are not read, {MOST_CODE} at most")
        return
    try:
        nodes = ast.parse(MAGIC.sub(r"\1pass", source)).body
        submission.statements += [Statement(n, _makes(n), _needs(n)) for n in nodes]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        place = f"{where}, line {line}" if line else where
        submission.notes.append(f"{place}: {error.args[0] if error.args else error}")


def _makes(node: ast.stmt) -> frozenset[str]:
    """The names that a statement binds outside of functions."""
    if isinstance(node, Function):
        return frozenset({node.name})
    found = set()
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        found.add(node.id)
    if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
        found |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    if isinstance(node, ast.Lambda):
        return frozenset()
    return frozenset(found.union(*map(_makes, ast.iter_child_nodes(node))))  # type: ignore[arg-type]


def _needs(node: ast.stmt) -> frozenset[str]:
    """The names that it looks up outside of functions; a function's own names are not these."""
    outermost = symtable.symtable(ast.unparse(node), "cell", "exec")
    found = {symbol.get_name() for symbol in outermost.get_symbols() if symbol.is_referenced()}
    inner = list(outermost.get_children())
    for table in inner:
        found |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
        inner += table.get_children()
    return frozenset(found)


def _written(node: ast.stmt) -> str:
    """The statement as code; an import that fails leaves its names out, and no more."""
    code = ast.unparse(node)
    if (
        isinstance(node, (ast.Import, ast.ImportFrom))
        and getattr(node, "module", "") != "__future__"
    ):
        return f"try:\n    {code}\nexcept ImportError:\n    pass"
    return code
