"""Does the picture show what the caption says? A judge without a network of its own.

A caption is taken apart into claims, each about one attribute; what a picture shows is read by the
two judges that look, and a claim is true or not by the same definitions that the captions of
Storybook follow, with a little slack for boxes that are a pixel off. So a verdict can be explained
("no red house: the house is blue"), which a network that scores pairs of picture and sentence
could not do, and no network can learn which sentences are likely.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from course_lib.data.storybook import CLASSES, COLOURS, THINGS
from course_lib.data.storybook.captions import APART, LARGE, NUMBERS, SMALL, Sight, surroundings
from course_lib.data.storybook.palette import HOURS, SEASONS
from course_lib.errors import CourseError
from course_lib.judges.scenes import SceneJudge
from course_lib.judges.things import ThingJudge

__all__ = ["ATTRIBUTES", "UNSURE", "CaptionJudge", "Claim", "View", "claims_of", "holds"]

ATTRIBUTES = (
    "thing", "colour", "count", "size", "side", "place", "relation", "stuff", "season", "hour",
)  # fmt: skip
UNSURE = ("season",)  # many pages hardly show theirs: more than one in ten is read wrong
SLACK = 0.04  # of the picture's side


@dataclass(frozen=True)
class Noun:
    """Things that a caption speaks of; what it leaves out is empty."""

    count: int
    size: str
    colour: str
    name: str


@dataclass(frozen=True)
class Claim:
    """One thing that a caption says.

    Attributes:
        attribute: one of :data:`ATTRIBUTES`.
        value: what is said of it, ``"on the left"``; empty where the noun says it all.
        noun: the things it is said of.
        other: what they are related to.
    """

    attribute: str
    value: str = ""
    noun: Noun | None = None
    other: Noun | None = None


@dataclass(frozen=True)
class View:
    """What is seen in a picture: things, how much of it is which stuff, season and hour."""

    sights: tuple[Sight, ...]
    stuff: Mapping[str, float]
    season: str
    hour: str


# --- What a caption says ---

COUNTS = {word: number for number, word in enumerate(NUMBERS)} | {"an": 1}
del COUNTS["no"]
NAMES = {kind.plural: name for name, kind in THINGS.items()} | {name: name for name in THINGS}
_NAMES = "|".join(sorted(NAMES, key=len, reverse=True))
_VERBS = "|".join(sorted({kind.verb for kind in THINGS.values()}))
NOUN = re.compile(
    rf"({'|'.join(COUNTS)}) (?:(large|small) )?(?:({'|'.join(COLOURS)}) )?({_NAMES})\b"
    rf"(?: (?:{_VERBS})\b)?"
)
STUFF = "|".join(CLASSES.stuff)
PHRASES = {
    "side": re.compile(r"on the left|on the right|in the middle"),
    "place": re.compile(rf"(?:in|on) the ({STUFF})\b"),
    "relation": re.compile(r"left of|right of|above|below|in front of|behind"),
    "season": re.compile(rf"in ({'|'.join(SEASONS)})"),
    "hour": re.compile(rf"(?:by|at) ({'|'.join(HOURS)})"),
    "stuff": re.compile(r"under a (clear|cloudy) sky|with (?:a )?(mountain|forest)s? far away"),
}
EMPTY = re.compile(rf"(?:an empty scene of|nothing but|only) ((?:{STUFF})(?: and (?:{STUFF}))*)\b")


def _noun(match: re.Match[str]) -> Noun:
    return Noun(COUNTS[match[1]], match[2] or "", match[3] or "", NAMES[match[4]])


def _about(noun: Noun) -> list[Claim]:
    """What a noun with its adjectives claims."""
    said = {"thing": True, "colour": noun.colour, "count": noun.count > 1, "size": noun.size}
    return [Claim(attribute, noun=noun) for attribute, is_said in said.items() if is_said]


def claims_of(caption: str) -> tuple[Claim, ...]:
    """All claims of a caption in Storybook's words.

    Raises:
        CourseError: words that are no claim, with the place from which on it cannot be read.
    """
    claims: list[Claim] = []
    rest, subject = caption.strip().lower().rstrip("."), None
    while rest:
        if match := EMPTY.match(rest):
            claims += [Claim("count", "none")]
            claims += [Claim("stuff", name) for name in match[1].split(" and ")]
        elif match := NOUN.match(rest):
            subject = _noun(match)
            claims += _about(subject)
        elif match := re.match(r"and\b|,", rest):
            pass
        else:
            match, found = _phrase(rest, subject, caption)
            claims += found
        rest = rest[match.end() :].strip()
    return tuple(claims)


def _phrase(rest: str, subject: Noun | None, caption: str) -> tuple[re.Match[str], list[Claim]]:
    for attribute, pattern in PHRASES.items():
        match = pattern.match(rest)
        if match and attribute == "relation":
            other = re.compile(rf"{match[0]} {NOUN.pattern}").match(rest)
            if other and subject:
                noun = _noun(other)
                return other, [*_about(noun), Claim(attribute, match[0], subject, noun)]
        elif match and (subject or attribute not in ("side", "place")):
            value = next((group for group in match.groups() if group), match[0])
            return match, [Claim(attribute, value, subject)]
    raise CourseError(
        f"cannot read {rest!r}",
        where=f"caption {caption!r}",
        fix="say it as Storybook does: 'a red house on the grass', 'two birds above a boat'",
    )


# --- Whether it is so ---


def matching(noun: Noun, view: View, *, by: str = "") -> list[Sight]:
    """The things in view that a noun may mean, by its name alone or also by one adjective."""
    found = [sight for sight in view.sights if sight.name == noun.name]
    if noun.colour and by != "size":
        found = [sight for sight in found if sight.colour == noun.colour]
    return [sight for sight in found if by != "size" or _sized(sight, noun.size)]


def _sized(sight: Sight, size: str) -> bool:
    side = max(sight.box[2] - sight.box[0], sight.box[3] - sight.box[1])
    return side >= LARGE - SLACK if size == "large" else side <= SMALL + SLACK


def _beside(sight: Sight, side: str) -> bool:
    x = sight.middle
    return {
        "on the left": x < 0.36 + SLACK,
        "on the right": x > 0.64 - SLACK,
        "in the middle": 0.4 - SLACK <= x <= 0.6 + SLACK,
    }[side]


def _related(one: Sight, other: Sight, how: str) -> bool:
    apart = APART - SLACK
    return {
        "left of": one.middle <= other.middle - apart,
        "right of": one.middle >= other.middle + apart,
        "above": one.box[3] <= other.box[1] + SLACK,
        "below": one.box[1] >= other.box[3] - SLACK,
        "in front of": one.box[3] >= other.box[3],
        "behind": one.box[3] <= other.box[3],
    }[how]


def _stuff(value: str, view: View) -> bool:
    share = view.stuff.get({"clear": "cloud", "cloudy": "cloud"}.get(value, value), 0.0)
    return share < 0.01 if value == "clear" else share >= 0.01


def holds(claim: Claim, view: View) -> bool:
    """Whether a claim is true of what is seen."""
    if claim.noun is None or claim.attribute in ("season", "hour", "stuff"):
        if claim.attribute == "count":
            return not view.sights
        looks = {"season": view.season, "hour": view.hour}
        known = looks.get(claim.attribute)
        return known == claim.value if known else _stuff(claim.value, view)
    named = [sight for sight in view.sights if sight.name == claim.noun.name]
    meant = matching(claim.noun, view)
    if claim.attribute == "count":
        return len(meant) == claim.noun.count
    if claim.attribute == "size":
        return bool(matching(claim.noun, view, by="size"))
    if claim.attribute == "side":
        return any(_beside(sight, claim.value) for sight in meant)
    if claim.attribute == "place":
        return any(sight.stuff == claim.value for sight in meant)
    if claim.attribute == "relation" and claim.other is not None:
        others = matching(claim.other, view)
        return any(_related(a, b, claim.value) for a in meant for b in others if a is not b)
    return bool(meant if claim.attribute == "colour" else named)


class CaptionJudge:
    """Reads pictures with the two judges that look, and compares them with captions."""

    def __init__(self, scenes: SceneJudge | None = None, things: ThingJudge | None = None) -> None:
        self.scenes = scenes or SceneJudge.load()
        self.things = things or ThingJudge.load()

    def see(self, pictures: Tensor) -> list[View]:
        """What is seen in each picture ``[B, 3, H, W]``; things on which both judges agree."""
        seen = self.scenes.read(pictures)
        boxes, present = seen.found.boxes, seen.found.present
        things, colours = self.things.read(pictures, boxes, present)
        agreed = (things == seen.found.objects) & present
        views = []
        for number, ids in enumerate(seen.label_maps.cpu().numpy()):
            sights = [
                _sight(int(things[number, k]), int(colours[number, k]), boxes[number, k], ids)
                for k in agreed[number].nonzero()[:, 0].tolist()
            ]
            counts = np.bincount(ids.ravel(), minlength=len(CLASSES)) / ids.size
            stuff = {name: float(counts[CLASSES.id(name)]) for name in CLASSES.stuff}
            look = SEASONS[int(seen.seasons[number])], HOURS[int(seen.hours[number])]
            views.append(View(tuple(sights), stuff, *look))
        return views

    def verdicts(self, pictures: Tensor, captions: Sequence[str]) -> list[list[tuple[Claim, bool]]]:
        """For each picture, every claim of its caption, and whether it is so."""
        claims = [claims_of(caption) for caption in captions]
        return [
            [(claim, holds(claim, view)) for claim in said]
            for said, view in zip(claims, self.see(pictures), strict=True)
        ]


def _sight(thing: int, colour: int, box: Tensor, ids: np.ndarray) -> Sight:
    name, corners = CLASSES.name(thing), box.tolist()
    edges = (corners[0], corners[1], corners[2], corners[3])
    stuff = surroundings(ids, edges, "sky" in THINGS[name].stands)
    return Sight(name, tuple(COLOURS)[colour], edges, stuff)
