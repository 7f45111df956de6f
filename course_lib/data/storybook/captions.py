"""Sentences about a scene. Each is true, because it is said after looking at boxes and masks.

A number word is exact ("two sheep": two, not three); "a" means at least one; a colour or a size
before a noun belongs to every thing that the words count. There are fewer than two hundred words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from course_lib.data.storybook.chance import Dice
from course_lib.data.storybook.palette import Look
from course_lib.data.storybook.plan import CLASSES, Thing
from course_lib.data.storybook.things import THINGS

__all__ = ["Sight", "captions", "sights"]

NUMBERS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight")
LARGE, SMALL = 0.42, 0.24  # longer side of the box, as a fraction of the picture
APART = 0.14  # how far apart two middles are before one is left of the other
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Sight:
    """A thing as it is seen: class, colour, box (corners, fractions), and the stuff around it."""

    name: str
    colour: str
    box: Box
    stuff: str

    @property
    def size(self) -> str:
        side = max(self.box[2] - self.box[0], self.box[3] - self.box[1])
        return "large" if side >= LARGE else "small" if side <= SMALL else ""

    @property
    def middle(self) -> float:
        return (self.box[0] + self.box[2]) / 2

    @property
    def side(self) -> str:
        if 0.4 <= self.middle <= 0.6:
            return "in the middle"
        return "on the left" if self.middle < 0.36 else "on the right" if self.middle > 0.64 else ""

    @property
    def place(self) -> str:
        """Where it is, if the stuff around it is where it belongs."""
        if self.stuff not in THINGS[self.name].stands:
            return ""
        inside = self.name == "fish" or self.stuff in ("sky", "field")
        return f"{'in' if inside else 'on'} the {self.stuff}"


def sights(
    things: Sequence[Thing], boxes: Sequence[Box], ids: NDArray[np.int64]
) -> tuple[Sight, ...]:
    """What is seen of the things: ``boxes`` are fractions, ``ids`` the label map."""
    return tuple(
        Sight(
            thing.name,
            thing.colour,
            box,
            surroundings(ids, box, "sky" in THINGS[thing.name].stands),
        )
        for thing, box in zip(things, boxes, strict=True)
    )


def surroundings(ids: NDArray[np.int64], box: Box, whole: bool) -> str:
    """The stuff that more than half of a box's surroundings are, if there is one; clouds are sky.

    Around its lowest quarter only, unless ``whole``.
    """
    size = ids.shape[0]
    x0, y0, x1, y1 = (round(edge * size) for edge in box)
    margin = max(size // 24, 1)
    top = y0 - margin if whole else y1 - max((y1 - y0) // 4, 1)
    part = ids[max(top, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin]
    counts = np.bincount(part.ravel(), minlength=len(CLASSES))[: len(CLASSES.stuff)]
    counts[CLASSES.id("sky")] += counts[CLASSES.id("cloud")]
    counts[CLASSES.id("cloud")] = 0
    most = int(counts.argmax())
    return CLASSES.name(most) if 2 * counts[most] > counts.sum() else ""


def noun(sight: Sight, *, colour: bool = True, size: bool = True) -> str:
    """ "a large red house"."""
    words = [sight.size if size else "", sight.colour if colour else "", sight.name]
    text = " ".join(word for word in words if word)
    return f"an {text}" if text[0] in "aeiou" else f"a {text}"


def groups(seen: Sequence[Sight], *, colours: bool) -> list[str]:
    """All things, counted by class and, if asked, by colour: "two red boats", "a sheep"."""
    counted: dict[tuple[str, str], list[Sight]] = {}
    for sight in seen:
        counted.setdefault((sight.name, sight.colour if colours else ""), []).append(sight)
    texts = []
    for (name, colour), members in counted.items():
        if len(members) == 1:
            texts.append(noun(members[0], colour=colours, size=False))
        else:
            plural = f"{colour} {THINGS[name].plural}".strip()
            texts.append(f"{NUMBERS[len(members)]} {plural}")
    return texts


def relation(one: Sight, other: Sight, dice: Dice) -> str:
    """How one thing lies to another, if that is plain."""
    options = []
    if abs(one.middle - other.middle) >= APART:
        options.append("left of" if one.middle < other.middle else "right of")
    if one.box[3] <= other.box[1]:
        options.append("above")
    elif one.box[1] >= other.box[3]:
        options.append("below")
    elif _overlap(one.box, other.box) and abs(one.box[3] - other.box[3]) > 0.03:
        ground = all("sky" not in THINGS[sight.name].stands for sight in (one, other))
        if ground:
            options.append("in front of" if one.box[3] > other.box[3] else "behind")
    return dice.pick(options) if options else ""


def _overlap(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


class Narrator:
    """Tells one scene in several ways."""

    def __init__(
        self, seen: Sequence[Sight], ids: NDArray[np.int64], look: Look, dice: Dice
    ) -> None:
        self.seen, self.look, self.dice = seen, look, dice
        counts = np.bincount(ids.ravel(), minlength=len(CLASSES))
        self.share = {info.name: counts[info.id] / ids.size for info in CLASSES}

    def hour(self) -> str:
        return {"day": "by day", "sunset": "at sunset", "night": "at night"}[self.look.hour]

    def sky(self) -> str:
        if self.share["cloud"] == 0:
            return "under a clear sky"
        return "under a cloudy sky" if self.share["cloud"] >= 0.03 else self.hour()

    def view(self) -> str:
        """What closes the view."""
        far = [name for name in ("mountain", "forest") if self.share[name] >= 0.02]
        if not far:
            return self.sky()
        return {"mountain": "with mountains far away", "forest": "with a forest far away"}[
            self.dice.pick(far)
        ]

    def mood(self) -> str:
        """One or two words about season, hour, sky and view."""
        options = [f"in {self.look.season}", self.hour(), self.sky(), self.view()]
        first, second = self.dice.shuffled(range(len(options)))[:2]
        if options[first] == options[second] or self.dice.chance(0.5):
            return options[first]
        return f"{options[min(first, second)]} {options[max(first, second)]}"

    def empty(self) -> str:
        """A scene without things, by its stuff."""
        stuff = [
            name for name in CLASSES.stuff if name not in ("sky", "cloud", "mountain", "forest")
        ]
        found = sorted((n for n in stuff if self.share[n] >= 0.03), key=lambda n: -self.share[n])
        opening = self.dice.pick(("an empty scene of", "nothing but", "only"))
        return f"{opening} {' and '.join(found) or 'sky'} {self.mood()}"

    def all_things(self, colours: bool) -> str:
        """Every thing, counted."""
        return f"{' and '.join(groups(self.seen, colours=colours))} {self.mood()}"

    def one_thing(self) -> str:
        """One thing with all that can be said of it."""
        sight = self.dice.pick(self.seen)
        verb = THINGS[sight.name].verb if sight.place and self.dice.chance(0.35) else ""
        words = (noun(sight), verb, sight.place or sight.side, self.mood())
        return " ".join(word for word in words if word)

    def where(self) -> str:
        """Things by their sides of the picture."""
        told = [s for s in self.dice.shuffled(self.seen) if s.side][:2]
        parts = [f"{noun(sight, size=self.dice.chance(0.5))} {sight.side}" for sight in told]
        return " and ".join(parts) if parts else self.one_thing()

    def pair(self) -> str:
        """Two things and how they lie to each other."""
        for one, other in zip(
            self.dice.shuffled(self.seen), self.dice.shuffled(self.seen), strict=True
        ):
            how = relation(one, other, self.dice) if one is not other else ""
            if how:
                size = self.dice.chance(0.4)
                return f"{noun(one, size=size)} {how} {noun(other, size=False)} {self.mood()}"
        return self.one_thing()


def captions(
    seen: Sequence[Sight], ids: NDArray[np.int64], look: Look, dice: Dice
) -> tuple[str, ...]:
    """Five sentences about a scene."""
    tell = Narrator(seen, ids, look, dice)
    if not seen:
        return tuple(tell.empty() for _ in range(5))
    return (
        tell.one_thing(), tell.all_things(True), tell.pair(), tell.where(), tell.all_things(False),
    )  # fmt: skip
