"""A layout: which things stand where, as class names and boxes with an explicit unit and format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from course_lib.errors import CourseError, Problems, suggestion
from course_lib.scene.classes import ClassTable

__all__ = ["Layout", "OnExtra", "kept"]

Units = Literal["pixel", "fraction"]
Format = Literal["xyxy", "xywh", "cxcywh"]
OnExtra = Literal["error", "first", "largest"]
Four = tuple[float, float, float, float]

TOLERANCE = 1e-4  # of the canvas: 32-bit rounding must not push a box over the edge


@dataclass(frozen=True, eq=False)
class Layout:
    """Class names and their boxes.

    Attributes:
        names: a class name for each object.
        boxes: ``[N, 4]``, float32, ``XYXY``, in pixels of ``boxes.canvas_size``. A layout in
            fractions is one on a canvas of a single pixel, ``(1, 1)``.
    """

    names: tuple[str, ...]
    boxes: tv_tensors.BoundingBoxes

    def __post_init__(self) -> None:
        with Problems("layout") as problems:
            names, boxes = len(self.names), len(self.boxes)
            problems.check(names == boxes, f"{names} names for {boxes} boxes")
            finite = bool(self.boxes.as_subclass(Tensor).isfinite().all())
            problems.check(finite, "a box holds NaN or infinite values")

    @classmethod
    def of(
        cls,
        *objects: tuple[str, Sequence[float]],
        units: Units,
        format: Format,
        canvas: tuple[int, int] | None = None,
        classes: ClassTable | None = None,
        clip: bool = False,
        min_size: float = 0.0,
        max_objects: int | None = None,
        on_extra: OnExtra = "error",
        where: str = "layout",
    ) -> Layout:
        """A layout from what a person writes down.

        >>> Layout.of(("tree", (0.1, 0.4, 0.3, 0.9)), units="fraction", format="xyxy").names
        ('tree',)

        Args:
            objects: pairs of a class name and four numbers.
            units: ``"fraction"`` of the picture's width and height, or ``"pixel"``.
            format: ``"xyxy"`` (two corners), ``"xywh"`` (corner and size) or ``"cxcywh"``.
            canvas: height and width of the picture; needed for pixels.
            classes: if given, every name must be in it.
            clip: cut boxes that stick out of the picture instead of refusing them.
            min_size: the smallest side allowed, in the same units.
            max_objects: how many objects the painter can take.
            on_extra: what to do with more: ``"error"``, or keep the ``"first"`` or ``"largest"``.

        Raises:
            CourseError: every problem of every object, with its index and name.
        """
        size = _canvas_of(units, canvas, where)
        with Problems(where) as problems:
            _check_words(format, on_extra, problems)
        read = _Reader(units, format, size, clip, min_size, classes)
        with Problems(where) as problems:
            parsed = [read(index, entry, problems) for index, entry in enumerate(objects)]
            read.check_convention(parsed, problems)
        layout = cls(
            tuple(name for name, _ in parsed),
            _boxes([read.cut(read.corners(four, format)) for _, four in parsed], size),
        )
        return layout.pick(kept(layout, max_objects, on_extra, where))

    @classmethod
    def empty(cls, canvas: tuple[int, int] = (1, 1)) -> Layout:
        """No object at all: background only."""
        return cls((), _boxes([], canvas))

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, Four]]:
        """Name and box of each object; corners, as fractions of the picture."""
        for name, box in zip(self.names, self.fractions().tolist(), strict=True):
            yield name, tuple(box)

    def __repr__(self) -> str:
        listing = ", ".join(f"{n} ({', '.join(f'{v:.3f}' for v in box)})" for n, box in self)
        return f"Layout({listing})"

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of the picture in pixels, ``(1, 1)`` for fractions."""
        return self.boxes.canvas_size

    def fractions(self) -> Tensor:
        """Corners as fractions of width and height: ``[N, 4]``, float32, XYXY."""
        height, width = self.canvas
        scale = torch.tensor([width, height, width, height], dtype=torch.float32)
        return self.boxes.as_subclass(Tensor) / scale.to(self.boxes.device)

    def on(self, canvas: tuple[int, int]) -> Layout:
        """The same layout in pixels of a picture of this height and width."""
        if canvas == self.canvas:
            return self
        boxes = F.resize(self.boxes, list(canvas))
        return Layout(self.names, boxes)

    def pick(self, indices: Sequence[int]) -> Layout:
        """The objects with these indices, in this order."""
        boxes = tv_tensors.wrap(self.boxes[list(indices)], like=self.boxes)
        return Layout(tuple(self.names[i] for i in indices), boxes)

    def ids(self, classes: ClassTable) -> Tensor:
        """The class ids of the objects: ``[N]``, int64."""
        return torch.tensor([classes.id(name) for name in self.names], dtype=torch.int64)


def _boxes(corners: list[Four], canvas: tuple[int, int]) -> tv_tensors.BoundingBoxes:
    data = torch.tensor(corners, dtype=torch.float32).reshape(-1, 4)
    return tv_tensors.BoundingBoxes(data, format="XYXY", canvas_size=canvas)


def kept(layout: Layout, max_objects: int | None, on_extra: OnExtra, where: str) -> list[int]:
    """The indices of at most ``max_objects`` of the objects, in their order."""
    if max_objects is None or len(layout) <= max_objects:
        return list(range(len(layout)))
    if on_extra == "error":
        raise CourseError(
            f"{len(layout)} objects, at most max_objects={max_objects} are allowed",
            where=where,
            fix="pass on_extra='largest' or 'first', or a larger max_objects",
        )
    if on_extra == "first":
        return list(range(max_objects))
    x0, y0, x1, y1 = layout.fractions().unbind(1)
    order = ((x1 - x0) * (y1 - y0)).argsort(descending=True, stable=True)
    return sorted(order[:max_objects].tolist())


def _canvas_of(units: str, canvas: tuple[int, int] | None, where: str) -> tuple[int, int]:
    if units not in ("pixel", "fraction"):
        raise CourseError(f"units {units!r}; allowed are 'pixel' and 'fraction'", where=where)
    if units == "fraction":
        return 1, 1
    if canvas is None or len(canvas) != 2 or min(canvas) < 1:
        raise CourseError(
            f"boxes in pixels need the picture's size, canvas is {canvas!r}",
            where=where,
            fix="pass canvas=(height, width)",
        )
    return int(canvas[0]), int(canvas[1])


def _check_words(format: str, on_extra: str, problems: Problems) -> None:
    formats, choices = ("xyxy", "xywh", "cxcywh"), ("error", "first", "largest")
    problems.check(format in formats, f"format {format!r}; allowed are {', '.join(formats)}")
    problems.check(on_extra in choices, f"on_extra {on_extra!r}; allowed are {', '.join(choices)}")


NOTHING: Four = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class _Reader:
    """Reads what a person wrote as one object, and notes what is wrong with it."""

    units: Units
    format: Format
    canvas: tuple[int, int]
    clip: bool
    min_size: float
    classes: ClassTable | None

    def __call__(self, index: int, entry: Any, problems: Problems) -> tuple[str, Four]:
        try:
            name, box = entry
            numbers = tuple(box.tolist() if isinstance(box, Tensor) else box)
        except (TypeError, ValueError):
            problems.add(f"object {index} is {entry!r}", "write (name, (four numbers))")
            return "", NOTHING
        label = f"object {index} ({name!r})"
        self.check_name(index, name, problems)
        if len(numbers) != 4 or not all(_is_number(value) for value in numbers):
            problems.add(f"{label}: the box {numbers!r} is not four numbers")
            return str(name), NOTHING
        a, b, c, d = (float(value) for value in numbers)
        self.check_box(label, (a, b, c, d), problems)
        return str(name), (a, b, c, d)

    def check_name(self, index: int, name: object, problems: Problems) -> None:
        if not isinstance(name, str):
            problems.add(
                f"object {index}: {name!r} is not a class name", "classes go by their names"
            )
        elif self.classes is not None and name not in self.classes:
            near = suggestion(name, self.classes.names)
            problems.add(f"object {index}: unknown class {name!r}; {near}")

    def corners(self, four: Four, format: Format) -> Four:
        a, b, c, d = four
        if format == "xywh":
            return a, b, a + c, b + d
        if format == "cxcywh":
            return a - c / 2, b - d / 2, a + c / 2, b + d / 2
        return four

    def cut(self, corners: Four) -> Four:
        """The part of a box inside the picture."""
        (x0, y0, x1, y1), (height, width) = corners, self.canvas
        return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))

    def fits(self, four: Four, format: Format) -> bool:
        """Whether the numbers are a box inside the picture, if read in this format."""
        x0, y0, x1, y1 = self.corners(four, format)
        height, width = self.canvas
        slack = TOLERANCE * max(height, width)
        inside = min(x0, y0) >= -slack and x1 <= width + slack and y1 <= height + slack
        return inside and x1 > x0 and y1 > y0

    def check_box(self, label: str, four: Four, problems: Problems) -> None:
        if not all(math.isfinite(value) for value in four):
            problems.add(f"{label}: the box {four} holds NaN or infinite values")
            return
        x0, y0, x1, y1 = self.corners(four, self.format)
        height, width = self.canvas
        if x1 < x0 or y1 < y0:
            problems.add(
                f"{label}: the box {four} is inverted, x1 < x0 or y1 < y0", self.hint(four)
            )
        elif min(x1 - x0, y1 - y0) <= 0:
            problems.add(f"{label}: the box {four} has zero area", self.hint(four))
        elif min(x1 - x0, y1 - y0) < self.min_size:
            problems.add(f"{label}: the box {four} is smaller than min_size={self.min_size}")
        elif x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            problems.add(f"{label}: the box {four} lies {self.outside()}", self.hint(four))
        elif not self.clip and not self.fits(four, self.format):
            fix = self.hint(four) or "pass clip=True to cut it at the edge"
            problems.add(f"{label}: the box {four} lies partly {self.outside()}", fix)

    def outside(self) -> str:
        height, width = self.canvas
        unit = "fractions from 0 to 1" if self.units == "fraction" else f"{width}x{height} pixels"
        return f"outside the picture ({unit})"

    def hint(self, four: Four) -> str:
        """Which other convention would make sense of the numbers."""
        if self.units == "fraction" and max(four) > 2:
            return "are these pixels? then pass units='pixel' and canvas=(height, width)"
        others: tuple[Format, ...] = ("xywh", "xyxy", "cxcywh")
        names = {"xywh": "x, y, width, height", "xyxy": "two corners", "cxcywh": "centre and size"}
        for other in others:
            if other != self.format and self.fits(four, other):
                return f"are these {names[other]}? then pass format='{other}'"
        return ""

    def check_convention(self, parsed: list[tuple[str, Four]], problems: Problems) -> None:
        """Fractions given as pixels make valid boxes, a part of one pixel large: say so."""
        boxes = [four for _, four in parsed if four != NOTHING]
        tiny = bool(boxes) and all(0 <= value <= 1 for four in boxes for value in four)
        if self.units == "pixel" and tiny and min(self.canvas) > 2:
            problems.add(
                "all boxes lie between 0 and 1, but units='pixel'",
                "are these fractions? then pass units='fraction'",
            )


def _is_number(value: object) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, bool)
