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
HIDDEN = 0.3  # share of a thing's box that another may hide


def compose(dice: Dice, things: tuple[int, int], hour: str) -> ScenePlan:
    """A plan with between ``things[0]`` and ``things[1]`` things.

    The first thing is chosen before the place, so that all classes are about equally frequent.
    """
    wanted = dice.whole(*things) or dice.whole(things[0], min(things[1], 1))  # few empty scenes
    while True:
        first = dice.pick([name for name in THINGS if _awake(name, hour)])
        bands = tuple(PLACES[_place_for(dice, first, wanted)][0](dice))
        if wanted == 1:
            return ScenePlan(bands, (_alone(dice, first, bands),), _clouds(dice, bands))
        placed = _gathered(dice, first, wanted, bands, hour)
        if len(placed) >= min(wanted, max(things[0], 1)):
            return ScenePlan(bands, placed, _clouds(dice, bands))


def _place_for(dice: Dice, first: str, wanted: int) -> str:
    """A place where the first thing can be; if it is alone, one with much room for it."""
    stands = set(THINGS[first].stands)
    if not wanted:
        return dice.pick([name for name in PLACES if name not in ("heights", "sea")])
    if wanted == 1 and stands == {"sky"}:
        return "heights"
    places = [name for name, (_, stuff) in PLACES.items() if stands & set(stuff)]
    if wanted == 1 and first != "car":
        places = [name for name in places if name != "roadside"]
    return dice.pick(places)


def _alone(dice: Dice, name: str, bands: tuple[Band, ...]) -> Thing:
    """One large thing near the middle."""
    kind = THINGS[name]
    height = min(dice.between(0.58, 0.76), dice.between(0.40, 0.45) / kind.reach)
    if kind.stands == ("sky",):
        base = min(0.46 + height / 2, bands[-1].top - 0.02)
    else:
        spans = [span for span in _spans(bands) if span[0] in kind.stands]
        base = max(dice.between(0.88, 0.94) * spans[-1][2], height + 0.03)
    reach = kind.reach * height
    x = min(max(dice.between(0.42, 0.58), reach + 0.02), 0.98 - reach)
    return _thing(dice, name, x, base, height)


def _thing(dice: Dice, name: str, x: float, base: float, height: float) -> Thing:
    colour, style = dice.pick(THINGS[name].colours), dice.whole(0, SEED)
    return Thing(
        name, colour, round(x, 4), round(base, 4), round(height, 4), dice.chance(0.5), style
    )


def _gathered(
    dice: Dice, first: str, wanted: int, bands: tuple[Band, ...], hour: str
) -> tuple[Thing, ...]:
    """As many things as find room, in twelve attempts each."""
    placed: list[Thing] = []
    for _ in range(wanted * 12):
        if len(placed) == wanted:
            break
        thing = _among(dice, _next(dice, bands, placed, hour) if placed else first, bands)
        if thing is not None and all(_apart(thing, other) for other in placed):
            placed.append(thing)
    return tuple(placed)


def _awake(name: str, hour: str) -> bool:
    """The sun by day, the moon by night."""
    return not (name == "sun" and hour == "night") and not (name == "moon" and hour == "day")


def _next(dice: Dice, bands: tuple[Band, ...], placed: list[Thing], hour: str) -> str:
    """Sometimes one more of the same, else anything that has a place here."""
    if placed[-1].name not in ("sun", "moon") and dice.chance(0.3):
        return placed[-1].name
    taken = {thing.name for thing in placed} & {"sun", "moon"}
    here = {"sky"} if dice.chance(0.22) else {band.stuff for band in bands}
    names = [
        name
        for name, kind in THINGS.items()
        if here & set(kind.stands)
        and _awake(name, hour)
        and not (taken and name in ("sun", "moon"))
    ]
    return dice.pick(names or [placed[-1].name])


def _among(dice: Dice, name: str, bands: tuple[Band, ...]) -> Thing | None:
    """One thing among others: where it belongs, and larger the nearer it is."""
    kind = THINGS[name]
    horizon = min(band.top for band in bands if band.stuff not in ("mountain", "forest"))
    height = kind.height * dice.between(0.8, 1.15)
    if kind.stands == ("sky",):
        height = min(height, 0.92 * horizon)
        base = dice.between(min(height + 0.03, horizon - 0.02), horizon - 0.02)
    else:
        spans = [span for span in _spans(bands) if span[0] in kind.stands]
        if not spans:
            return None
        stuff, top, bottom = dice.pick(spans)
        low, high = top + (0.04 if stuff == "road" else 0.1), bottom - 0.04
        base = dice.between(min(low, high), high)
        near = 0.76 + 0.56 * (base - horizon) / (1 - horizon)
        height = min(height * near, base - 0.04)
    height = min(max(height, 0.125, 0.0625 / kind.reach), 0.46 / kind.reach)
    reach = kind.reach * height + 0.01
    return _thing(dice, name, dice.between(reach, 1 - reach), base, height)


def _spans(bands: tuple[Band, ...]) -> list[tuple[str, float, float]]:
    """Where each stuff can be stood on: from the top of its band down to the next band."""
    spans = []
    for band, after in zip(bands, (*bands[1:], None), strict=True):
        end = min(band.bottom, 1.0 if after is None else after.top - after.relief)
        spans.append((band.stuff, band.top + band.relief, end))
    return [span for span in spans if span[2] - span[1] > 0.06]


def _apart(one: Thing, other: Thing) -> bool:
    """Whether neither hides too much of the other."""
    a, b = one.nominal, other.nominal
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return True
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return wide * high <= HIDDEN * min(areas)


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
