"""Class tables that no code knows beforehand: from a list of names, or from a file of them."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence
from pathlib import Path

from course_lib.errors import CourseError, Problems
from course_lib.scene import ClassInfo, ClassTable

__all__ = ["distinct_colours", "read_classes", "table_of"]

Colour = tuple[int, int, int]


def distinct_colours(count: int) -> list[Colour]:
    """Colours that the eye tells apart, none of them black: hues a golden ratio from each other."""
    colours = []
    for i in range(count):
        saturation, value = ((0.65, 0.95), (0.85, 0.70), (0.40, 0.85))[i % 3]
        red, green, blue = colorsys.hsv_to_rgb(i * 0.618034 % 1, saturation, value)
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return colours


def table_of(names: Sequence[str]) -> ClassTable:
    """A table of things with these names, in colours of our choice."""
    colours = distinct_colours(len(names))
    pairs = zip(names, colours, strict=True)
    return ClassTable(tuple(ClassInfo(i, *pair, "thing") for i, pair in enumerate(pairs)))


def read_classes(path: Path) -> ClassTable:
    """The table in a file with a line for each class, in the order of their ids from 0.

    A line is a name. Its number may stand before it (``3 road``, ``3: road``); ``stuff`` or
    ``thing`` and the colour may follow, with commas: ``road, stuff, 110, 108, 112``.
    """
    lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    colours, rows = distinct_colours(len(lines)), []
    with Problems(str(path)) as problems:
        for i, line in enumerate(lines):
            name, *rest = (part.strip() for part in line.split(","))
            kind = rest[0] if rest else "thing"
            if kind not in ("stuff", "thing") or len(rest) not in (0, 1, 4):
                problems.add(f"{line!r} is not: name, stuff or thing, red, green, blue")
                continue
            numbers = [int(part) for part in rest[1:] if part.isdigit() and int(part) < 256]
            problems.check(len(numbers) in (0, 3), f"{line!r}: a colour is three numbers, 0 to 255")
            colour = (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else colours[i]
            bare = re.sub(rf"^{i}[:\s]\s*", "", name)
            rows.append(ClassInfo(i, bare, colour, "stuff" if kind == "stuff" else "thing"))
    if not rows:
        raise CourseError("there is no class in it", where=str(path), fix="write a name a line")
    return ClassTable(tuple(rows))
