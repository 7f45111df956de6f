"""The things: each a few shapes, in the manner of a picture book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from course_lib.data.storybook.chance import Array, Dice, wave
from course_lib.data.storybook.easel import Easel, cut, union
from course_lib.data.storybook.palette import COLOURS, mix, paint

__all__ = ["THINGS", "ThingClass"]

WHITE, INK = paint((252, 249, 240)), paint((52, 44, 60))
WOOD, STONE, STEEL = paint((142, 96, 62)), paint((196, 188, 182)), paint((176, 186, 198))
ROOF, GLASS, LAMP = paint((156, 78, 62)), paint((190, 226, 242)), paint((255, 226, 128))
LEAF, ROSE, FLAME = paint((92, 158, 70)), paint((244, 150, 150)), paint((255, 168, 52))


def deep(colour: Array) -> Array:
    return mix(colour, INK, 0.28)


def pale(colour: Array) -> Array:
    return mix(colour, WHITE, 0.5)


def contrast(colour: Array) -> Array:
    """White beside a colour, red beside white."""
    return paint(COLOURS["red"]) if float(colour.min()) > 0.8 else WHITE


def inside_light(e: Easel) -> tuple[Array, bool]:
    """What a window shows: the sky by day, a lamp at night; and whether it shines."""
    return (LAMP, True) if e.light.dark else (GLASS, False)


def window(e: Easel, x0: float, y0: float, x1: float, y1: float) -> None:
    pane, shines = inside_light(e)
    e.detail(e.box(x0 - 0.02, y0 - 0.02, x1 + 0.02, y1 + 0.02), deep(WOOD))
    e.detail(e.box(x0, y0, x1, y1), pane, glow=shines)


def eye(e: Easel, x: float, y: float, radius: float, look: float = 0.2) -> None:
    e.detail(e.ellipse(x, y, radius), WHITE)
    e.detail(e.ellipse(x + radius * look, y, radius * 0.58), INK)


def snow(e: Easel, shape: Array, line: float) -> None:
    """In winter, snow lies on a shape above a line."""
    if e.light.look.season == "winter":
        e.detail(cut(shape + 0.006, line - e.v + 0.045 * wave(e.u * 5)), WHITE)


def turned(point: tuple[float, float], turn: float, middle: float = 0.5) -> tuple[float, float]:
    """A point turned around the height ``middle`` on a thing's axis."""
    s, c = float(wave(turn)), float(wave(turn + 0.25))
    x, y = point
    return x * c - y * s, middle + x * s + y * c


def house(e: Easel, dice: Dice) -> None:
    chimney = dice.pick((-1, 1)) * 0.24
    e.fill(e.box(chimney - 0.07, 0.6, chimney + 0.07, 0.97), ROOF)
    e.fill(e.box(-0.4, 0.0, 0.4, 0.6))
    e.texture(wave(e.v * 9), e.box(-0.4, 0.0, 0.4, 0.58), 0.05)
    roof = e.polygon((-0.54, 0.53), (0.54, 0.53), (0.0, 1.0))
    e.fill(roof, deep(e.colour), shade=0.5)
    snow(e, roof, 0.72)
    e.fill(e.box(-0.1, 0.0, 0.1, 0.33, 0.03), WOOD, line=0.015)
    e.detail(e.ellipse(0.05, 0.16, 0.022), LAMP)
    window(e, -0.31, 0.22, -0.18, 0.38)
    window(e, 0.18, 0.22, 0.31, 0.38)
    pane, shines = inside_light(e)
    e.detail(e.ellipse(0.0, 0.69, 0.075), pane, glow=shines)


def tree(e: Easel, dice: Dice) -> None:
    e.fill(e.polygon((-0.085, 0.0), (0.085, 0.0), (0.05, 0.5), (-0.05, 0.5)), WOOD)
    if dice.chance(0.35):  # a fir
        tiers = ((0.36, 0.2, 0.58), (0.29, 0.43, 0.79), (0.22, 0.66, 1.0))
        crown = union(*(e.polygon((-w, low), (w, low), (0.0, top)) for w, low, top in tiers))
    else:
        crown = e.circles(
            (-0.2, 0.5, 0.19), (0.2, 0.52, 0.18), (0.0, 0.46, 0.2),
            (-0.12, 0.72, 0.2), (0.13, 0.72, 0.19), (0.02, 0.82, 0.175),
        )  # fmt: skip
    e.fill(crown, shade=0.7)
    for _ in range(7):
        x, y = dice.between(-0.26, 0.26), dice.between(0.36, 0.9)
        tuft = cut(e.ellipse(x, y, 0.07, 0.055), crown + 0.03)
        e.detail(tuft, pale(e.colour) if y - x > 0.62 else deep(e.colour), opacity=0.5)
    snow(e, crown, 0.86)


def boat(e: Easel, dice: Dice) -> None:
    e.fill(e.box(-0.035, 0.2, 0.015, 1.0), WOOD, line=0.015)
    jib = pale(e.colour) if float(e.colour.min()) < 0.8 else STONE
    e.fill(e.polygon((0.05, 0.33), (0.47, 0.33), (0.05, 0.95)), jib, shade=0.2)
    e.fill(e.polygon((-0.42, 0.33), (-0.07, 0.33), (-0.07, 0.8)), WHITE, shade=0.2)
    hull = e.polygon((-0.4, 0.0), (0.38, 0.0), (0.6, 0.29), (-0.56, 0.29))
    e.fill(hull, shade=0.4, line=0.024)
    e.detail(cut(e.box(-0.6, 0.185, 0.6, 0.235), hull), contrast(e.colour))
    e.detail(cut(hull, e.v - 0.045 + 0.02 * wave(e.u * 4)), deep(e.colour))
    e.fill(e.polygon((0.0, 0.9), (-0.15, 0.95), (0.0, 1.0)), line=0.012)


def car(e: Easel, dice: Dice) -> None:
    e.fill(e.polygon((-0.62, 0.5), (0.42, 0.5), (0.22, 0.98), (-0.42, 0.98)) - 0.02)
    e.fill(e.box(-0.98, 0.16, 0.98, 0.6, 0.13), shade=0.5)
    pane, shines = inside_light(e)
    rear = e.polygon((-0.46, 0.56), (-0.12, 0.56), (-0.12, 0.87), (-0.34, 0.87))
    front = e.polygon((-0.02, 0.56), (0.3, 0.56), (0.15, 0.87), (-0.02, 0.87))
    e.detail(union(rear, front), pane, glow=shines)
    e.detail(e.ellipse(0.89, 0.44, 0.07), LAMP, glow=True)
    e.detail(e.box(-0.97, 0.38, -0.88, 0.48), paint(COLOURS["red"]), opacity=0.8)
    e.detail(e.box(-0.9, 0.3, 0.9, 0.335), deep(e.colour))
    e.fill(e.circles((-0.54, 0.2, 0.2), (0.54, 0.2, 0.2)), INK, shade=0)
    e.detail(e.circles((-0.54, 0.2, 0.09), (0.54, 0.2, 0.09)), STEEL)


def balloon(e: Easel, dice: Dice) -> None:
    neck = e.polygon((-0.12, 0.24), (0.12, 0.24), (0.3, 0.5), (-0.3, 0.5))
    bag = union(e.ellipse(0.0, 0.655, 0.345), neck)
    for x in (-0.09, 0.09):
        e.fill(e.stroke(x, 0.26, x * 0.75, 0.13, 0.022), WOOD, line=0)
    e.fill(bag, shade=0.6)
    bent = 1 - 3.6 * (e.v - 0.655) * (e.v - 0.655)
    for x, wide in ((-0.2, 0.045), (0.0, 0.056), (0.2, 0.045)):
        band = np.abs(e.u - x * bent) - wide * bent
        e.detail(cut(band, bag + 0.01), contrast(e.colour), opacity=0.9)
    e.detail(cut(bag, e.v - 0.3), deep(e.colour))
    e.detail(e.ellipse(-0.15, 0.82, 0.07, 0.05), WHITE, opacity=0.6)
    e.fill(e.box(-0.1, 0.0, 0.1, 0.15, 0.03), WOOD)
    e.detail(e.box(-0.1, 0.095, 0.1, 0.12), deep(WOOD))


def sun(e: Easel, dice: Dice) -> None:
    """With a smile by day, asleep at night."""
    ray = ((0.3, -0.075), (0.5, 0.0), (0.3, 0.075))
    rays = [e.polygon(*(turned(point, k / 12) for point in ray)) for k in range(12)]
    e.fill(union(*rays), mix(e.colour, FLAME, 0.4), line=0, shade=0, glow=True)
    e.fill(e.ellipse(0.0, 0.5, 0.345), glow=True, shade=0.15, line=0.018)
    for side in (-0.13, 0.13):
        closed = e.box(side - 0.058, 0.536, side + 0.058, 0.561)
        e.detail(closed if e.light.dark else e.ellipse(side, 0.558, 0.036, 0.047), INK)
        e.detail(e.ellipse(side * 1.55, 0.442, 0.058), ROSE, opacity=0.55)
    e.detail(e.smile(0.0, 0.52, 0.122, 0.043), INK)


def moon(e: Easel, dice: Dice) -> None:
    e.fill(cut(e.ellipse(-0.02, 0.5, 0.49), -e.ellipse(0.3, 0.6, 0.39)), glow=True, shade=0.2)
    craters = e.circles((-0.28, 0.62, 0.05), (-0.2, 0.2, 0.06), (0.14, 0.1, 0.04))
    e.detail(craters, deep(e.colour), opacity=0.35)
    e.detail(e.ellipse(-0.19, 0.47, 0.036, 0.045), INK)
    e.detail(e.smile(-0.1, 0.36, 0.1, 0.036), INK)


def bird(e: Easel, dice: Dice) -> None:
    e.fill(e.polygon((-0.84, 0.5), (-0.5, 0.3), (-0.34, 0.5), (-0.8, 0.68)), deep(e.colour))
    e.fill(e.polygon((0.73, 0.46), (0.97, 0.53), (0.73, 0.62)), FLAME, line=0.03)
    e.fill(union(e.ellipse(0.0, 0.36, 0.55, 0.3), e.ellipse(0.52, 0.54, 0.27)), line=0.035)
    e.detail(e.ellipse(0.14, 0.26, 0.32, 0.14), pale(e.colour), opacity=0.9)
    e.fill(cut(e.ellipse(-0.1, 0.68, 0.3, 0.36), 0.42 - e.v - 0.1 * e.u), deep(e.colour), line=0.03)
    eye(e, 0.6, 0.6, 0.09, 0.33)


def sheep(e: Easel, dice: Dice) -> None:
    legs = (e.box(x - 0.055, 0.0, x + 0.055, 0.3) for x in (-0.36, -0.2, 0.2, 0.36))
    e.fill(union(*legs), INK, line=0)
    fleece = e.circles(
        (-0.42, 0.5, 0.2), (-0.26, 0.7, 0.21), (0.02, 0.75, 0.22), (0.28, 0.66, 0.21),
        (0.36, 0.44, 0.19), (0.1, 0.38, 0.2), (-0.2, 0.38, 0.2), (0.0, 0.55, 0.3),
    )  # fmt: skip
    e.fill(fleece, shade=0.45, line=0.03)
    for x, y in ((-0.3, 0.62), (-0.05, 0.66), (-0.2, 0.42), (0.12, 0.46)):
        e.detail(e.smile(x, y, 0.09, 0.034), deep(e.colour), opacity=0.55)
    e.fill(e.ellipse(0.35, 0.69, 0.12, 0.06), INK, line=0)
    e.fill(e.ellipse(0.54, 0.62, 0.165, 0.2), mix(INK, WOOD, 0.3), line=0)
    e.fill(union(e.ellipse(0.45, 0.83, 0.11, 0.09), e.ellipse(0.58, 0.82, 0.1, 0.08)), line=0.015)
    eye(e, 0.5, 0.66, 0.048)
    eye(e, 0.63, 0.66, 0.048)


def cat(e: Easel, dice: Dice) -> None:
    tail = np.abs(e.ellipse(0.3, 0.26, 0.18, 0.22)) - 0.042
    e.fill(cut(tail, 0.12 - e.u - 0.6 * (e.v - 0.1)), deep(e.colour))
    body = union(e.ellipse(0.0, 0.2, 0.27, 0.2), e.ellipse(0.0, 0.36, 0.2, 0.24))
    e.fill(body, shade=0.5)
    e.detail(e.ellipse(0.0, 0.29, 0.1, 0.17), pale(e.colour), opacity=0.9)
    paws = union(e.ellipse(-0.1, 0.045, 0.085, 0.05), e.ellipse(0.1, 0.045, 0.085, 0.05))
    e.fill(paws, pale(e.colour), line=0.012)
    for side in (-1, 1):
        e.fill(e.polygon((0.08 * side, 0.86), (0.25 * side, 0.74), (0.245 * side, 1.0)))
    e.fill(e.ellipse(0.0, 0.7, 0.28, 0.215), shade=0.3)
    eye(e, -0.11, 0.72, 0.056)
    eye(e, 0.11, 0.72, 0.056)
    e.detail(e.polygon((-0.035, 0.645), (0.0, 0.61), (0.035, 0.645)), ROSE)
    for side in (-1, 1):
        e.detail(e.stroke(0.12 * side, 0.62, 0.27 * side, 0.64, 0.016), INK, opacity=0.7)


def flower(e: Easel, dice: Dice) -> None:
    e.fill(e.stroke(0.0, 0.02, 0.0, 0.6, 0.05), LEAF, line=0.018)
    for side in (-1, 1):
        lobe = cut(e.ellipse(0.15 * side, 0.17, 0.16), e.ellipse(0.1 * side, 0.31, 0.17))
        e.fill(lobe, LEAF, line=0.018)
    petals = [turned((0.175, 0.0), k / 7 + 0.04, 0.71) for k in range(7)]
    e.fill(e.circles(*((x, y, 0.13) for x, y in petals)), shade=0.35)
    for x, y in petals:
        e.detail(e.stroke(x * 0.5, 0.355 + y * 0.5, x, y, 0.02), deep(e.colour), opacity=0.4)
    yellow = float(e.colour[2]) < 0.3 and float(e.colour[1]) > 0.6
    e.fill(e.ellipse(0.0, 0.71, 0.115), WOOD if yellow else LAMP, line=0.016)


def mushroom(e: Easel, dice: Dice) -> None:
    stem = union(e.box(-0.13, 0.06, 0.13, 0.55, 0.06), e.ellipse(0.0, 0.1, 0.2, 0.1))
    e.fill(stem, WHITE)
    cap = cut(e.ellipse(0.0, 0.42, 0.52, 0.57), 0.44 - e.v - 0.4 * e.u * e.u)
    e.fill(cap, shade=0.6, line=0.026)
    for x, y, r in ((-0.25, 0.6, 0.085), (0.06, 0.78, 0.1), (0.3, 0.57, 0.08), (-0.02, 0.54, 0.05)):
        e.detail(cut(e.ellipse(x, y, r, r * 0.85), cap + 0.02), contrast(e.colour))
    e.detail(e.circles((-0.055, 0.29, 0.028), (0.055, 0.29, 0.028)), INK)
    e.detail(e.smile(0.0, 0.225, 0.045, 0.024), INK)


def lighthouse(e: Easel, dice: Dice) -> None:
    rocks = union(e.ellipse(-0.17, 0.0, 0.12, 0.09), e.ellipse(0.16, 0.0, 0.14, 0.08))
    e.fill(cut(rocks, -e.v), STONE)
    tower = e.polygon((-0.19, 0.02), (0.19, 0.02), (0.115, 0.74), (-0.115, 0.74))
    e.fill(tower, shade=0.3)
    stripes = union(e.box(-0.3, 0.18, 0.3, 0.31), e.box(-0.3, 0.46, 0.3, 0.59))
    e.detail(cut(stripes, tower), contrast(e.colour))
    e.fill(e.box(-0.17, 0.72, 0.17, 0.775), INK, line=0.01)
    e.fill(e.box(-0.09, 0.775, 0.09, 0.88), LAMP, glow=True, shade=0)
    e.fill(e.polygon((-0.135, 0.875), (0.135, 0.875), (0.0, 1.0)), shade=0.4)
    e.detail(e.box(-0.055, 0.02, 0.055, 0.13, 0.03), WOOD)


def windmill(e: Easel, dice: Dice) -> None:
    e.fill(e.polygon((-0.23, 0.0), (0.23, 0.0), (0.14, 0.6), (-0.14, 0.6)), shade=0.4)
    e.fill(cut(e.ellipse(0.0, 0.58, 0.175, 0.17), 0.58 - e.v), deep(e.colour))
    e.detail(e.box(-0.07, 0.0, 0.07, 0.2, 0.03), WOOD)
    window(e, -0.045, 0.33, 0.045, 0.42)
    start = dice.between(0.06, 0.19)
    sail = ((0.06, -0.012), (0.4, -0.012), (0.4, 0.1), (0.1, 0.1))
    for turn in (start, start + 0.25, start + 0.5, start + 0.75):
        blade = e.polygon(*(turned(point, turn, 0.6) for point in sail))
        e.fill(blade, WHITE, line=0.018, shade=0.2)
        e.detail(e.stroke(0.0, 0.6, *turned((0.4, 0.0), turn, 0.6), 0.025), WOOD)
    e.fill(e.ellipse(0.0, 0.6, 0.04), WOOD, line=0.012)


def rocket(e: Easel, dice: Dice) -> None:
    for w, low, colour in ((0.13, 0.0, FLAME), (0.07, 0.06, LAMP)):
        flame = e.polygon((-w, 0.2), (0.0, low), (w, 0.2))
        e.fill(flame, colour, line=0, shade=0, glow=True)
    for side in (-1, 1):
        fin = e.polygon((0.14 * side, 0.42), (0.33 * side, 0.14), (0.14 * side, 0.22))
        e.fill(fin, deep(e.colour))
    sides = e.ellipse(-0.26, 0.5, 0.47, 0.56), e.ellipse(0.26, 0.5, 0.47, 0.56)
    body = cut(*sides, 0.18 - e.v)
    e.fill(body, shade=0.5)
    e.detail(cut(body, 0.8 - e.v), contrast(e.colour))
    e.detail(cut(body, e.v - 0.25), INK, opacity=0.6)
    pane, shines = inside_light(e)
    e.fill(e.ellipse(0.0, 0.6, 0.095), WHITE, line=0.012)
    e.detail(e.ellipse(0.0, 0.6, 0.065), pane, glow=shines)


def umbrella(e: Easel, dice: Dice) -> None:
    e.fill(e.stroke(0.0, 0.02, 0.0, 0.95, 0.04), WOOD, line=0.014)
    hem = 0.5 - e.v + 0.035 * np.abs(wave(e.u * 2.2))
    dome = cut(e.ellipse(0.0, 0.5, 0.56, 0.45), hem)
    e.fill(dome, shade=0.5, line=0.024)
    height = (e.v - 0.5) / 0.45
    bend = np.sqrt(np.clip(1 - height * height, 0, 1))
    for x in (-0.335, 0.335):
        e.detail(cut(np.abs(e.u - x * bend) - 0.085, dome + 0.008), contrast(e.colour))
    e.fill(e.ellipse(0.0, 0.965, 0.03), WOOD, line=0.01)


def fish(e: Easel, dice: Dice) -> None:
    upper = e.polygon((-0.9, 0.1), (-0.34, 0.5), (-0.78, 0.52))
    lower = e.polygon((-0.78, 0.48), (-0.34, 0.5), (-0.9, 0.9))
    e.fill(union(upper, lower), deep(e.colour), line=0.03)
    e.fill(e.polygon((-0.2, 0.78), (0.3, 0.78), (-0.05, 1.0)), deep(e.colour), line=0.03)
    body = e.ellipse(0.12, 0.48, 0.66, 0.4)
    e.fill(body, shade=0.6, line=0.035)
    for x in (-0.57, -0.27):
        arc = np.abs(e.ellipse(x, 0.48, 0.42)) - 0.05
        e.detail(cut(arc, body + 0.02), contrast(e.colour), opacity=0.85)
    eye(e, 0.48, 0.56, 0.105)
    e.detail(cut(e.smile(0.66, 0.44, 0.13, 0.04), e.u - 0.76), INK)


Paint = Callable[[Easel, Dice], None]


@dataclass(frozen=True)
class ThingClass:
    """A class of things.

    Attributes:
        paint: draws it on an easel.
        height: its usual height in the foreground, as a fraction of the picture.
        reach: how far it goes to either side of its middle, in units of its height.
        stands: the stuff that it stands on, lies in or flies through.
        verb: what it does there.
        plural: its name where there are several.
        colours: the colours that it comes in.
    """

    paint: Paint
    height: float
    reach: float
    stands: tuple[str, ...]
    verb: str
    plural: str
    colours: tuple[str, ...] = tuple(COLOURS)


LAND, MEADOW, BEACH = ("grass", "field", "snow"), ("grass", "field"), ("sand", "grass")
WATER, SKY = ("water",), ("sky",)
GOLD, SILVER = ("yellow", "orange", "red"), ("white", "yellow", "blue")

THINGS: dict[str, ThingClass] = {
    "house": ThingClass(house, 0.40, 0.57, (*LAND, "sand"), "stands", "houses"),
    "tree": ThingClass(tree, 0.46, 0.42, LAND, "grows", "trees"),
    "boat": ThingClass(boat, 0.36, 0.62, WATER, "sails", "boats"),
    "car": ThingClass(car, 0.20, 1.02, ("road",), "drives", "cars"),
    "balloon": ThingClass(balloon, 0.40, 0.38, SKY, "floats", "balloons"),
    "sun": ThingClass(sun, 0.30, 0.52, SKY, "shines", "suns", GOLD),
    "moon": ThingClass(moon, 0.26, 0.53, SKY, "shines", "moons", SILVER),
    "bird": ThingClass(bird, 0.15, 0.99, SKY, "flies", "birds"),
    "sheep": ThingClass(sheep, 0.24, 0.74, LAND, "stands", "sheep"),
    "cat": ThingClass(cat, 0.30, 0.52, (*BEACH, "snow"), "sits", "cats"),
    "flower": ThingClass(flower, 0.34, 0.34, MEADOW, "grows", "flowers"),
    "mushroom": ThingClass(mushroom, 0.26, 0.55, ("grass",), "grows", "mushrooms"),
    "lighthouse": ThingClass(lighthouse, 0.54, 0.32, BEACH, "stands", "lighthouses"),
    "windmill": ThingClass(windmill, 0.50, 0.44, MEADOW, "stands", "windmills"),
    "rocket": ThingClass(rocket, 0.42, 0.35, SKY, "flies", "rockets"),
    "umbrella": ThingClass(umbrella, 0.36, 0.59, ("sand",), "stands", "umbrellas"),
    "fish": ThingClass(fish, 0.18, 0.93, WATER, "swims", "fish"),
}
