"""Composes plans at random: a place, its stuff, and things where they belong."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.data.storybook.chance import Dice
from course_lib.data.storybook.plan import Band, Cloud, ScenePlan, Thing
from course_lib.data.storybook.things import THINGS

__all__ = ["PLACES", "compose"]

SEED = 2**32 - 1


def _band(dice: Dice, stuff: str, low: float, high: float, relief: float, deep: float = 0) -> Band:
    top = round(dice.between(low, high), 3)
    bottom = round(top + deep, 3) if deep else 1.0
    return Band(stuff, top, bottom, relief, dice.whole(0, SEED))


def _far(dice: Dice, mountains: float, trees: float) -> list[Band]:
    """What closes the view: mountains, a forest, both or neither."""
    bands = []
    if dice.chance(mountains):
        bands.append(_band(dice, "mountain", 0.2, 0.34, 0.3))
    if dice.chance(trees):
        bands.append(_band(dice, "forest", 0.42, 0.5, 0.07))
    return bands


def meadow(dice: Dice) -> list[Band]:
    return [*_far(dice, 0.5, 0.4), _band(dice, "grass", 0.52, 0.62, 0.04)]


def farm(dice: Dice) -> list[Band]:
    return [
        *_far(dice, 0.3, 0.5),
        _band(dice, "field", 0.5, 0.58, 0.03),
        _band(dice, "grass", 0.74, 0.82, 0.03),
    ]


def roadside(dice: Dice) -> list[Band]:
    return [
        *_far(dice, 0.4, 0.4),
        _band(dice, dice.pick(("grass", "field", "snow", "sand")), 0.5, 0.56, 0.02),
        _band(dice, "road", 0.70, 0.76, 0.012, 0.17),
    ]


def beach(dice: Dice) -> list[Band]:
    return [_band(dice, "water", 0.42, 0.5, 0), _band(dice, "sand", 0.66, 0.74, 0.035)]


def lake(dice: Dice) -> list[Band]:
    return [
        *_far(dice, 0.7, 0.5),
        _band(dice, "water", 0.52, 0.56, 0),
        _band(dice, "grass", 0.76, 0.82, 0.035),
    ]


def sea(dice: Dice) -> list[Band]:
    return [_band(dice, "water", 0.5, 0.6, 0)]


def dunes(dice: Dice) -> list[Band]:
    return [*_far(dice, 0.4, 0), _band(dice, "sand", 0.52, 0.6, 0.07)]


def snowland(dice: Dice) -> list[Band]:
    return [*_far(dice, 0.6, 0.6), _band(dice, "snow", 0.54, 0.62, 0.05)]


def heights(dice: Dice) -> list[Band]:
    """Much sky above little land."""
    return [
        *_far(dice, 0.0, 0.3),
        _band(dice, dice.pick(("grass", "snow", "field")), 0.8, 0.86, 0.03),
    ]


PLACES: dict[str, tuple[Callable[[Dice], list[Band]], tuple[str, ...]]] = {
    "meadow": (meadow, ("sky", "grass")),
    "farm": (farm, ("sky", "field", "grass")),
    "roadside": (roadside, ("sky", "road", "grass")),
    "beach": (beach, ("sky", "water", "sand")),
    "lake": (lake, ("sky", "water", "grass")),
    "sea": (sea, ("sky", "water")),
    "dunes": (dunes, ("sky", "sand")),
    "snowland": (snowland, ("sky", "snow")),
    "heights": (heights, ("sky",)),
}
LARGEST = 0.30  # share of a thing's box that nearer things may hide


def compose(dice: Dice, things: tuple[int, int], hour: str) -> ScenePlan:
    """A plan with between ``things[0]`` and ``things[1]`` things.

    The first thing is drawn first, so that all classes are equally frequent, and then a place
    where it can be.
    """
    wanted = dice.whole(*things)
    first = dice.pick([name for name in THINGS if _awake(name, hour)])
    places = [
        place for place, (_, stuff) in PLACES.items() if set(stuff) & set(THINGS[first].stands)
    ]
    if THINGS[first].stands == ("sky",) and wanted == 1:
        places = ["heights", "heights", *places]
    make, _ = PLACES[dice.pick(places if wanted else list(PLACES))]
    bands = tuple(make(dice))
    placed: list[Thing] = []
    for attempt in range(wanted * 12):
        if len(placed) == wanted:
            break
        alone = wanted == 1
        name = first if not placed else _next(dice, bands, placed, hour)
        thing = _place(dice, name, bands, alone, crowd=wanted)
        if thing is not None and all(_apart(thing, other) for other in placed):
            placed.append(thing)
        elif attempt == wanted * 12 - 1 and len(placed) < things[0]:
            return compose(dice, things, hour)
    return ScenePlan(bands, tuple(placed), _clouds(dice, bands))


def _awake(name: str, hour: str) -> bool:
    """The sun by day, the moon by night."""
    return not (name == "sun" and hour == "night") and not (name == "moon" and hour == "day")


def _next(dice: Dice, bands: tuple[Band, ...], placed: list[Thing], hour: str) -> str:
    """Sometimes one more of the same, else anything that has a place here."""
    if placed[-1].name not in ("sun", "moon") and dice.chance(0.3):
        return placed[-1].name
    here = {"sky", *(band.stuff for band in bands)}
    taken = {thing.name for thing in placed} & {"sun", "moon"}
    names = [
        name
        for name, kind in THINGS.items()
        if here & set(kind.stands)
        and _awake(name, hour)
        and not (taken and name in ("sun", "moon"))
    ]
    return dice.pick(names)


def _place(dice: Dice, name: str, bands: tuple[Band, ...], alone: bool, crowd: int) -> Thing | None:
    kind = THINGS[name]
    colour, style = dice.pick(kind.colours), dice.whole(0, SEED)
    horizon = min(band.top for band in bands if band.stuff not in ("mountain", "forest"))
    scale = dice.between(1.35, 1.7) if alone else dice.between(0.75, 1.15)
    if "sky" in kind.stands:
        height = min(kind.height * scale, 0.92 * horizon, 0.44 / kind.reach)
        base = dice.between(min(height + 0.03, horizon - 0.02), horizon - 0.02)
    else:
        spans = [span for span in _spans(bands) if span[0] in kind.stands]
        if not spans:
            return None
        stuff, top, bottom = dice.pick(spans)
        low, high = top + (0.1 if stuff != "road" else 0.04), bottom - 0.04
        base = dice.between(min(low, high), high) if not alone else high
        near = 0.72 + 0.6 * (base - horizon) / (1 - horizon)
        height = min(kind.height * scale * near, 0.46 / kind.reach, base - 0.04)
    height = max(height, 0.125, 0.0625 / kind.reach)
    reach = kind.reach * height
    x = dice.between(0.4, 0.6) if alone else dice.between(reach + 0.01, 1 - reach - 0.01)
    x = min(max(x, reach + 0.01), 1 - reach - 0.01)
    return Thing(
        name, colour, round(x, 4), round(base, 4), round(height, 4), dice.chance(0.5), style
    )


def _spans(bands: tuple[Band, ...]) -> list[tuple[str, float, float]]:
    """Where each stuff can be stood on: from the top of its band down to the next band."""
    spans = []
    for band, after in zip(bands, (*bands[1:], None), strict=True):
        end = min(band.bottom, 1.0 if after is None else after.top - after.relief)
        spans.append((band.stuff, band.top + band.relief, end))
        if band.bottom < 1:
            continue
    return [span for span in spans if span[2] - span[1] > 0.06]


def _apart(one: Thing, other: Thing) -> bool:
    """Whether neither hides too much of the other."""
    a, b = one.nominal, other.nominal
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return True
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return wide * high <= LARGEST * min(areas)


def _clouds(dice: Dice, bands: tuple[Band, ...]) -> tuple[Cloud, ...]:
    horizon = min(band.top for band in bands)
    count = dice.pick((0, 0, 1, 2, 3, 4))
    return tuple(
        Cloud(
            round(dice.between(0.05, 0.95), 4),
            round(dice.between(0.14, max(horizon * 0.85, 0.2)), 4),
            round(dice.between(0.22, 0.44), 4),
            dice.whole(0, SEED),
        )
        for _ in range(count)
    )
