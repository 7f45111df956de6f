"""Keeps the lines in docs/paper_map.md in step with the code.

``python -m scripts.paper_map`` looks up every symbol that the map links to, such as
``stackgan.networks:CA.forward``, and writes where it stands now. ``make docs`` calls it.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from course_lib.errors import CourseError, suggestion

ROOT = Path(__file__).parents[1]
MAP = ROOT / "docs" / "paper_map.md"
LINK = re.compile(r"\[`([\w.]+):([\w.]+)`\]\([^)]*\)")


def main() -> None:
    MAP.write_text(renewed(MAP.read_text("utf-8")), encoding="utf-8")


def renewed(text: str) -> str:
    """The map with every link pointing at the line where its symbol is defined.

    Raises:
        CourseError: a symbol that the code does not have, with the nearest that it has.
    """
    return LINK.sub(lambda link: f"[`{link[1]}:{link[2]}`]({place(link[1], link[2])})", text)


def place(module: str, symbol: str) -> str:
    path = Path("course_lib", *module.split("."))
    file = ROOT / path.with_suffix(".py")
    if not file.is_file():
        raise CourseError(f"course_lib has no module {module!r}", where=MAP.name)
    lines = defined(file)
    if symbol not in lines:
        raise CourseError(
            f"{module} has no {symbol!r}; {suggestion(symbol, lines)}", where=MAP.name
        )
    return f"../{path.with_suffix('.py').as_posix()}#L{lines[symbol]}"


@cache
def defined(file: Path) -> dict[str, int]:
    """Each class, function and method of a module, and its line."""
    lines: dict[str, int] = {}
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            lines[node.name] = node.lineno
            inner = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            lines |= {f"{node.name}.{part.name}": part.lineno for part in inner}
    return lines


if __name__ == "__main__":
    main()
