"""The plan of a scene: what stands where, as plain data that one can write, change and draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from course_lib.data.storybook.palette import GROUND
from course_lib.data.storybook.things import THINGS
from course_lib.errors import Problems, suggestion
from course_lib.scene import ClassTable

__all__ = ["CLASSES", "Band", "Cloud", "ScenePlan", "Thing"]

STUFF_COLOURS = {
    "sky": (150, 200, 240), "cloud": (235, 240, 245), "mountain": (125, 115, 160),
    "forest": (30, 90, 55), "field": (225, 195, 90), "grass": (110, 185, 85),
    "sand": (245, 225, 165), "snow": (215, 230, 250), "water": (50, 120, 200),
    "road": (110, 108, 112),
}  # fmt: skip
THING_COLOURS = {
    "house": (190, 60, 50), "tree": (60, 130, 40), "boat": (150, 60, 130), "car": (225, 30, 80),
    "balloon": (245, 120, 40), "sun": (255, 220, 0), "moon": (250, 245, 200),
    "bird": (40, 200, 210), "sheep": (250, 190, 200), "cat": (160, 100, 60),
    "flower": (245, 70, 170), "mushroom": (170, 20, 30), "lighthouse": (140, 150, 250),
    "windmill": (120, 70, 200), "rocket": (90, 95, 130), "umbrella": (20, 170, 140),
    "fish": (255, 150, 110),
}  # fmt: skip

CLASSES = ClassTable.of(stuff=STUFF_COLOURS, things=THING_COLOURS)


@dataclass(frozen=True)
class Thing:
    """One thing.

    Attributes:
        name: its class.
        colour: one of the colours that its class comes in.
        x: where its middle is, from 0 (left) to 1 (right).
        base: how far down its foot is, from 0 (top) to 1 (bottom); lower down is nearer.
        height: its height as a fraction of the picture.
        mirrored: whether it faces left.
        style: small differences within its class; any seed.
    """

    name: str
    colour: str
    x: float
    base: float
    height: float
    mirrored: bool = False
    style: int = 0

    @property
    def nominal(self) -> tuple[float, float, float, float]:
        """About the box it takes up (corners, fractions); the drawn box is a little smaller."""
        reach = THINGS[self.name].reach * self.height
        return self.x - reach, self.base - self.height, self.x + reach, self.base

    @property
    def depth(self) -> tuple[int, float]:
        """What comes later in this order stands in front."""
        if self.name in ("sun", "moon"):
            return 0, self.base
        return (1, self.height) if "sky" in THINGS[self.name].stands else (2, self.base)


@dataclass(frozen=True)
class Band:
    """Stuff from a line downwards, over everything behind it.

    Attributes:
        stuff: which.
        top: how far down its upper edge is, 0 to 1.
        bottom: how far down it ends; a road is a strip, most stuff goes on to 1.
        relief: how much the edge goes up and down.
        style: the shape of the edge; any seed.
    """

    stuff: str
    top: float
    bottom: float = 1.0
    relief: float = 0.02
    style: int = 0


@dataclass(frozen=True)
class Cloud:
    """One cloud: its middle, its lower side and its width, in fractions of the picture."""

    x: float
    base: float
    width: float
    style: int = 0


@dataclass(frozen=True)
class ScenePlan:
    """A scene's layout: bands of stuff from back to front, clouds, and things in any order.

    Raises:
        CourseError: unknown names and values out of range, all at once.
    """

    bands: tuple[Band, ...]
    things: tuple[Thing, ...] = ()
    clouds: tuple[Cloud, ...] = ()

    def __post_init__(self) -> None:
        with Problems("scene plan") as problems:
            for number, band in enumerate(self.bands):
                _check_band(f"band {number}", band, problems)
            for number, thing in enumerate(self.things):
                _check_thing(f"thing {number}", thing, problems)
            for number, cloud in enumerate(self.clouds):
                fine = 0 < cloud.width <= 2 and -1 <= cloud.x <= 2 and 0 <= cloud.base <= 1
                problems.check(fine, f"cloud {number} is {cloud}: it lies outside the picture")

    @property
    def horizon(self) -> float:
        """Where the ground begins: the top of the lowest stuff that goes on to the bottom."""
        ground = [band.top for band in self.bands if band.stuff not in ("mountain", "forest")]
        return min(ground, default=1.0)

    def to_dict(self) -> dict[str, Any]:
        """The plan in plain lists and numbers, as JSON can keep it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScenePlan:
        """The plan that :meth:`to_dict` gave."""
        return cls(
            tuple(Band(**band) for band in data["bands"]),
            tuple(Thing(**thing) for thing in data.get("things", ())),
            tuple(Cloud(**cloud) for cloud in data.get("clouds", ())),
        )


def _check_band(label: str, band: Band, problems: Problems) -> None:
    known = [stuff for stuff in GROUND if stuff != "cloud"]
    if band.stuff not in known:
        problems.add(f"{label}: unknown stuff {band.stuff!r}; {suggestion(str(band.stuff), known)}")
    problems.check(
        0 <= band.top < band.bottom <= 1,
        f"{label} goes from {band.top} to {band.bottom}; needed is 0 <= top < bottom <= 1",
    )
    problems.check(
        0 <= band.relief <= 0.5, f"{label} has relief {band.relief}, allowed is 0 to 0.5"
    )


def _check_thing(label: str, thing: Thing, problems: Problems) -> None:
    if thing.name not in THINGS:
        problems.add(
            f"{label}: unknown thing {thing.name!r}; {suggestion(str(thing.name), THINGS)}"
        )
    elif thing.colour not in THINGS[thing.name].colours:
        near = suggestion(str(thing.colour), THINGS[thing.name].colours)
        problems.add(f"{label}: a {thing.name} is not {thing.colour!r}; {near}")
    for name, low, high in (("x", 0, 1), ("base", 0, 1.2), ("height", 0.03, 1.5)):
        value = getattr(thing, name)
        fine = isinstance(value, int | float) and low <= value <= high
        problems.check(
            fine, f"{label} ({thing.name}): {name} is {value}, allowed is {low} to {high}"
        )
