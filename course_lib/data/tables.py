"""Class tables that no code knows beforehand: from a list of names, or from a file of them."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from course_lib.data.on_disk import first_few
from course_lib.errors import CourseError, Problems
from course_lib.scene import ClassInfo, ClassTable

__all__ = ["Legend", "distinct_colours", "read_legend", "table_of"]

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


@dataclass(frozen=True)
class Legend:
    """What the numbers in files of label maps mean.

    Attributes:
        classes: the class table.
        numbering: which of the table's ``source_ids`` the files hold; None for the table's own.
        unlabeled: the number of pixels that nobody labelled, in the files.
    """

    classes: ClassTable
    numbering: str | None = None
    unlabeled: int | None = None


def read_legend(path: Path) -> Legend:
    """The legend in a file with a line for each class.

    A line is a name; ``stuff`` or ``thing`` and the colour may follow, with commas: ``road, stuff,
    110, 108, 112``. Classes are numbered from 0 in the order of the lines, or else as the lines
    say: ``7 road`` or ``7: road``. Then ``255 unlabeled`` is the number of what nobody labelled.

    Raises:
        CourseError: every line that is none of that, and numbers on some of the lines only.
    """
    lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    parts = [re.fullmatch(r"(?:(\d+)[:\s]\s*)?(.*)", line) for line in lines if line[:1] not in "#"]
    told = [(match[1], match[2]) for match in parts if match]
    with Problems(str(path)) as problems:
        rows = _rows([(n, text) for n, text in told if not (n and text == "unlabeled")], problems)
        bare = [text for number, text in told if number is None]
        some = f"some lines begin with a number, others do not: {first_few(bare)}"
        problems.check(len(bare) in (0, len(told)), some)
    if not rows:
        raise CourseError("there is no class in it", where=str(path), fix="write a name a line")
    void = next((int(number) for number, text in told if number and text == "unlabeled"), None)
    dense = all(row.source_ids.get("file", row.id) == row.id for row in rows)
    classes = ClassTable(tuple(replace(row, source_ids={}) if dense else row for row in rows))
    return Legend(classes, None if dense else "file", void)


def _rows(told: list[tuple[str | None, str]], problems: Problems) -> list[ClassInfo]:
    colours, rows = distinct_colours(len(told)), []
    for i, (number, line) in enumerate(told):
        name, *rest = (part.strip() for part in line.split(","))
        kind = rest[0] if rest else "thing"
        if kind not in ("stuff", "thing") or len(rest) not in (0, 1, 4):
            problems.add(f"{line!r} is not: name, stuff or thing, red, green, blue")
            continue
        channels = [int(part) for part in rest[1:] if part.isdigit() and int(part) < 256]
        problems.check(len(channels) in (0, 3), f"{line!r}: a colour is three numbers, 0 to 255")
        red, green, blue = channels if len(channels) == 3 else colours[i]
        source_ids = {"file": int(number)} if number else {}
        sort: Literal["stuff", "thing"] = "stuff" if kind == "stuff" else "thing"
        rows.append(ClassInfo(i, name, (red, green, blue), sort, source_ids))
    return rows
