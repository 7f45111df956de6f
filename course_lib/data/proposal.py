"""A layout for a caption: the things that it names, as many as it says, and where it says.

Nothing is learnt here. Names, numbers and words of place are looked up; whatever else a caption
says is passed over. What it leaves open is filled in: things stand from left to right as they are
told, where such things usually stand, and as large.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from course_lib.data.storybook import THINGS
from course_lib.data.storybook.captions import NUMBERS
from course_lib.scene import ClassTable, Layout

__all__ = ["Named", "named", "propose"]

COUNTS = {word: count for count, word in enumerate(NUMBERS)} | {"an": 1, "one": 1, "the": 1}
SIZES = {"large": 1.3, "big": 1.3, "huge": 1.5, "small": 0.65, "little": 0.65, "tiny": 0.5}
SIDES = {"on the left": 0.22, "on the right": 0.78, "in the middle": 0.5}
RELATIONS = {
    "left of": "left", "to the left of": "left", "right of": "right", "to the right of": "right",
    "above": "above", "over": "above", "below": "below", "under": "below", "beneath": "below",
    "beside": "beside", "next to": "beside", "in front of": "front", "behind": "behind",
}  # fmt: skip
OTHERWISE = {"right": "left", "below": "above", "behind": "front"}  # said of the other one
LINKS = "and|with|in|on|at|of|by|to|near|is|are|there|far|away"  # no adjective is one of these
EDGE, MIDDLE = 0.02, 0.5  # of the picture: what stays free; what is "above" ends at the middle


@dataclass
class Box:
    """A thing while its place is looked for, in fractions of the picture."""

    name: str
    x: float  # its middle
    base: float
    width: float
    height: float

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Moved into the picture."""
        x = min(max(self.x, EDGE + self.width / 2), 1 - EDGE - self.width / 2)
        base = min(max(self.base, EDGE + self.height), 1 - EDGE)
        return x - self.width / 2, base - self.height, x + self.width / 2, base


@dataclass(frozen=True)
class Named:
    """Some things of one class that a caption names, and what it says of their place."""

    name: str
    count: int
    size: float  # a factor
    side: float | None  # x of their middle, if it is said
    relation: str  # to the things named before: left, above, ..., or empty


def named(caption: str, classes: ClassTable) -> list[Named]:
    """What a caption names, in its order."""
    found: list[Named] = []
    relation, end = "", -1  # the last relation, and where it ended
    for match in _pattern(classes).finditer(" ".join(caption.lower().split())):
        if match["relation"]:
            relation, end = RELATIONS[match["relation"]], match.end()
        elif match["side"] and found:
            found[-1] = replace(found[-1], side=SIDES[match["side"]])
        elif match["name"]:
            size = next((SIZES[w] for w in match["words"].split() if w in SIZES), 1.0)
            related = relation if found and match.start() <= end + 1 else ""
            name, count = _names(classes)[match["name"]], COUNTS.get(match["count"] or "a", 1)
            found.append(Named(name, count, size, None, related))
    return [each for each in found if each.count]


def _names(classes: ClassTable) -> dict[str, str]:
    """What a thing may be called, in the singular and in the plural."""
    plurals = {n: THINGS[n].plural if n in THINGS else f"{n}s" for n in classes.things}
    return {plural: name for name, plural in plurals.items()} | {n: n for n in classes.things}


def _pattern(classes: ClassTable) -> re.Pattern[str]:
    def any_of(words: Iterator[str] | Sequence[str]) -> str:
        return "|".join(sorted(map(re.escape, words), key=len, reverse=True))

    other = any_of([*_names(classes), *RELATIONS, *SIDES]) + "|" + LINKS
    return re.compile(
        rf"\b(?:(?P<side>{any_of([*SIDES])})|(?P<relation>{any_of([*RELATIONS])})"
        rf"|(?:(?P<count>{any_of([*COUNTS])}) )?(?P<words>(?:(?!(?:{other})\b)[\w'-]+ ){{0,3}})"
        rf"(?P<name>{any_of([*_names(classes)])}))\b"
    )


def propose(caption: str, classes: ClassTable, most: int | None = None) -> Layout:
    """Boxes for the things that a caption names, the farthest first.

    >>> from course_lib.data.storybook import CLASSES
    >>> propose("two birds above a large red house", CLASSES).names
    ('bird', 'bird', 'house')

    Args:
        most: that a painter takes; of more, the first are kept.
    """
    told = named(caption, classes)
    crowd = max(sum(each.count for each in told), 1)
    groups = [[_usual(n.name, n.size, crowd) for _ in range(n.count)] for n in told]
    for place, box in enumerate(boxes := [box for group in groups for box in group]):
        box.x = (place + 0.5) / crowd
    for each, group in zip(told, groups, strict=True):
        if each.side is not None:
            _spread(group, each.side)
    for before, each, group in zip(groups, told[1:], groups[1:], strict=False):
        if each.relation:
            turned = each.relation in OTHERWISE
            pair = (group, before) if turned else (before, group)
            _relate(OTHERWISE.get(each.relation, each.relation), *pair)
    kept = [(box.name, box.corners) for box in sorted(boxes[:most], key=lambda box: box.base)]
    return Layout.of(*kept, units="fraction", format="xyxy", classes=classes)


def _usual(name: str, size: float, crowd: int) -> Box:
    """A thing as large as such things are, smaller in a crowd, in the sky or on the ground."""
    kind, factor = THINGS.get(name), size * min(1, (2 / crowd) ** 0.5)
    if kind is None:
        return Box(name, 0.5, 0.85, 0.4 * factor, 0.4 * factor)
    height = min(0.9 * kind.height * factor, 0.7, 0.35 / kind.reach)
    base = 0.2 + height / 2 if "sky" in kind.stands else 0.86
    return Box(name, 0.5, base, 2 * kind.reach * height, height)


def _relate(how: str, one: list[Box], other: list[Box]) -> None:
    """Moves things so that ``one`` is left of, above, beside or in front of the ``other``."""
    if how in ("left", "beside"):
        _spread(one, 0.27)
        _spread(other, 0.73)
        for box in one + other if how == "beside" else []:
            box.base = max(one[0].base, other[0].base)
    elif how == "above":
        for box in one + other:
            box.height = min(box.height, MIDDLE - 2 * EDGE)
        for box in one:
            box.base = min(box.base, MIDDLE - EDGE)
        for box in other:
            box.base = max(box.base, MIDDLE + EDGE + box.height)
    else:
        _spread(one, sum(box.x for box in other) / len(other) + 0.06)
        for nearer, farther in ((a, b) for a in one for b in other):
            nearer.base, farther.base = 0.94, min(farther.base, 0.8)


def _spread(boxes: list[Box], x: float) -> None:
    """Side by side around ``x``."""
    for number, box in enumerate(boxes):
        box.x = x + 0.16 * (number - (len(boxes) - 1) / 2)
