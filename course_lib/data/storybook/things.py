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


def window(e: Easel, x0: float, y0: float, x1: float, y1: float) -> None:
    e.detail(e.box(x0 - 0.02, y0 - 0.02, x1 + 0.02, y1 + 0.02), deep(WOOD))
    e.detail(e.box(x0, y0, x1, y1), LAMP if e.light.dark else GLASS, glow=e.light.dark)


def face(e: Easel, x: float, y: float, size: float) -> None:
    """Two eyes and a smile; asleep at night."""
    for side in (-1, 1):
        eye = e.ellipse(x + side * size * 0.36, y + size * 0.16, size * 0.1, size * 0.13)
        if e.light.dark:
            eye = e.box(
                x + side * size * 0.36 - size * 0.16,
                y + size * 0.1,
                x + side * size * 0.36 + size * 0.16,
                y + size * 0.17,
            )
        e.detail(eye, INK)
        e.detail(
            e.ellipse(x + side * size * 0.56, y - size * 0.16, size * 0.16), ROSE, opacity=0.55
        )
    ring = np.abs(e.ellipse(x, y + size * 0.06, size * 0.34)) - size * 0.06
    e.detail(cut(ring, e.v - (y - size * 0.08)), INK)


def house(e: Easel, dice: Dice) -> None:
    chimney = dice.pick((-1, 1)) * 0.24
    e.fill(e.box(chimney - 0.07, 0.6, chimney + 0.07, 0.97), ROOF)
    e.fill(e.box(-0.4, 0.0, 0.4, 0.6))
    e.texture(wave(e.v * 9), e.box(-0.4, 0.0, 0.4, 0.58), 0.05)
    e.fill(e.polygon((-0.54, 0.53), (0.54, 0.53), (0.0, 1.0)), deep(e.colour), shade=0.5)
    e.fill(e.box(-0.1, 0.0, 0.1, 0.33, 0.03), WOOD, line=0.015)
    e.detail(e.ellipse(0.05, 0.16, 0.022), LAMP)
    window(e, -0.31, 0.22, -0.18, 0.38)
    window(e, 0.18, 0.22, 0.31, 0.38)
    e.detail(e.ellipse(0.0, 0.69, 0.075), LAMP if e.light.dark else GLASS, glow=e.light.dark)


def tree(e: Easel, dice: Dice) -> None:
    e.fill(e.polygon((-0.085, 0.0), (0.085, 0.0), (0.05, 0.5), (-0.05, 0.5)), WOOD)
    if dice.chance(0.35):
        crown = union(
            [
                e.polygon(
                    (-0.36 + k * 0.07, 0.2 + k * 0.23),
                    (0.36 - k * 0.07, 0.2 + k * 0.23),
                    (0.0, 0.58 + k * 0.21),
                )
                for k in range(3)
            ]
        )
    else:
        lean = dice.between(-0.04, 0.04)
        crown = union(
            [
                e.ellipse(-0.2, 0.5, 0.19),
                e.ellipse(0.2, 0.52, 0.18),
                e.ellipse(lean, 0.46, 0.2),
                e.ellipse(-0.12 + lean, 0.72, 0.2),
                e.ellipse(0.13 + lean, 0.72, 0.19),
                e.ellipse(lean, 0.82, 0.175),
            ]
        )
    e.fill(crown, shade=0.7)
    for _ in range(7):
        x, y = dice.between(-0.26, 0.26), dice.between(0.36, 0.9)
        spot = cut(e.ellipse(x, y, 0.07, 0.055), crown + 0.03)
        e.detail(spot, pale(e.colour) if y - x > 0.62 else deep(e.colour), opacity=0.5)
    if e.light.look.season == "winter":
        e.detail(cut(crown + 0.004, 0.86 - e.v + 0.05 * wave(e.u * 5)), WHITE)


def boat(e: Easel, dice: Dice) -> None:
    e.fill(e.box(-0.035, 0.2, 0.015, 1.0), WOOD, line=0.015)
    sail = e.polygon((0.05, 0.33), (0.47, 0.33), (0.05, 0.95))
    e.fill(sail, pale(e.colour) if float(e.colour.min()) < 0.8 else STONE, shade=0.2)
    e.fill(e.polygon((-0.42, 0.33), (-0.07, 0.33), (-0.07, 0.8)), WHITE, shade=0.2)
    hull = cut(e.polygon((-0.4, 0.0), (0.38, 0.0), (0.6, 0.29), (-0.56, 0.29)), -e.v)
    e.fill(hull, shade=0.4, line=0.024)
    e.detail(cut(e.box(-0.6, 0.185, 0.6, 0.235), hull), contrast(e.colour))
    e.detail(cut(hull, e.v - 0.045 + 0.02 * wave(e.u * 4)), deep(e.colour))
    flag = e.polygon((0.0, 0.9), (-0.15, 0.95), (0.0, 1.0))
    e.fill(flag, line=0.012)


def car(e: Easel, dice: Dice) -> None:
    cabin = e.polygon((-0.62, 0.5), (0.42, 0.5), (0.22, 0.98), (-0.42, 0.98))
    e.fill(cabin - 0.02)
    e.fill(e.box(-0.98, 0.16, 0.98, 0.6, 0.13), shade=0.5)
    glass, lit = (LAMP, True) if e.light.dark else (GLASS, False)
    e.detail(e.polygon((-0.46, 0.56), (-0.12, 0.56), (-0.12, 0.87), (-0.34, 0.87)), glass, glow=lit)
    e.detail(e.polygon((-0.02, 0.56), (0.3, 0.56), (0.15, 0.87), (-0.02, 0.87)), glass, glow=lit)
    e.detail(e.ellipse(0.89, 0.44, 0.07), LAMP, glow=True)
    e.detail(e.box(-0.97, 0.38, -0.88, 0.48), paint(COLOURS["red"]), opacity=0.8)
    e.detail(e.box(-0.9, 0.3, 0.9, 0.335), deep(e.colour))
    for x in (-0.54, 0.54):
        e.fill(e.ellipse(x, 0.2, 0.2), INK, shade=0)
        e.detail(e.ellipse(x, 0.2, 0.09), STEEL)


def balloon(e: Easel, dice: Dice) -> None:
    bag = union(
        [
            e.ellipse(0.0, 0.655, 0.345),
            e.polygon((-0.12, 0.24), (0.12, 0.24), (0.3, 0.5), (-0.3, 0.5)),
        ]
    )
    for x in (-0.09, 0.09):
        e.fill(e.stroke(x, 0.26, x * 0.75, 0.13, 0.022), WOOD, line=0)
    e.fill(bag, shade=0.6)
    stripe = contrast(e.colour)
    for x, wide in ((-0.2, 0.06), (0.0, 0.075), (0.2, 0.06)):
        bent = 1 - 0.9 * (e.v - 0.655) * (e.v - 0.655) * 4
        band = np.abs(e.u - x * bent) - wide * 0.75 * bent
        e.detail(cut(band, bag + 0.01), stripe, opacity=0.9)
    e.detail(cut(bag, e.v - 0.3), deep(e.colour))
    e.detail(e.ellipse(-0.15, 0.82, 0.07, 0.05), WHITE, opacity=0.6)
    e.fill(e.box(-0.1, 0.0, 0.1, 0.15, 0.03), WOOD)
    e.detail(e.box(-0.1, 0.095, 0.1, 0.12), deep(WOOD))


def sun(e: Easel, dice: Dice) -> None:
    away = np.sqrt(e.u * e.u + (e.v - 0.5) * (e.v - 0.5))
    rays = [
        e.polygon(*(_turned(p, k / 12) for p in ((0.3, -0.075), (0.5, 0.0), (0.3, 0.075))))
        for k in range(12)
    ]
    e.fill(union(rays), mix(e.colour, FLAME, 0.4), line=0, shade=0, glow=True)
    e.fill(away - 0.345, glow=True, shade=0.15, line=0.018)
    face(e, 0.0, 0.5, 0.36)


def _turned(point: tuple[float, float], turn: float) -> tuple[float, float]:
    """A point turned around the middle of a thing."""
    s, c = float(wave(turn)), float(wave(turn + 0.25))
    x, y = point
    return x * c - y * s, 0.5 + x * s + y * c


def moon(e: Easel, dice: Dice) -> None:
    disc = e.ellipse(-0.02, 0.5, 0.49)
    bite = -e.ellipse(0.3, 0.6, 0.39)
    e.fill(cut(disc, bite), glow=True, shade=0.2)
    for x, y, r in ((-0.28, 0.62, 0.05), (-0.2, 0.2, 0.06), (0.14, 0.1, 0.04)):
        e.detail(e.ellipse(x, y, r), deep(e.colour), opacity=0.35)
    e.detail(e.ellipse(-0.19, 0.47, 0.036, 0.045), INK)
    ring = np.abs(e.ellipse(-0.1, 0.35, 0.1)) - 0.018
    e.detail(cut(ring, e.v - 0.33), INK)


def bird(e: Easel, dice: Dice) -> None:
    e.fill(e.polygon((-0.84, 0.5), (-0.5, 0.3), (-0.34, 0.5), (-0.8, 0.68)), deep(e.colour))
    e.fill(e.polygon((0.73, 0.46), (0.97, 0.53), (0.73, 0.62)), FLAME, line=0.03)
    e.fill(union([e.ellipse(0.0, 0.36, 0.55, 0.3), e.ellipse(0.52, 0.54, 0.27)]), line=0.035)
    e.detail(e.ellipse(0.14, 0.26, 0.32, 0.14), pale(e.colour), opacity=0.9)
    e.fill(cut(e.ellipse(-0.1, 0.68, 0.3, 0.36), 0.42 - e.v - 0.1 * e.u), deep(e.colour), line=0.03)
    e.detail(e.ellipse(0.6, 0.6, 0.09), WHITE)
    e.detail(e.ellipse(0.63, 0.6, 0.055), INK)


def sheep(e: Easel, dice: Dice) -> None:
    for x in (-0.36, -0.2, 0.2, 0.36):
        e.fill(e.box(x - 0.055, 0.0, x + 0.055, 0.3), INK, line=0)
    fleece = union(
        [
            e.ellipse(-0.42, 0.5, 0.2),
            e.ellipse(-0.26, 0.7, 0.21),
            e.ellipse(0.02, 0.75, 0.22),
            e.ellipse(0.28, 0.66, 0.21),
            e.ellipse(0.36, 0.44, 0.19),
            e.ellipse(0.1, 0.38, 0.2),
            e.ellipse(-0.2, 0.38, 0.2),
            e.ellipse(0.0, 0.55, 0.3),
        ]
    )
    e.fill(fleece, shade=0.45, line=0.03)
    for x, y in ((-0.3, 0.62), (-0.05, 0.66), (-0.2, 0.42), (0.12, 0.46)):
        curl = np.abs(e.ellipse(x, y, 0.09)) - 0.017
        e.detail(cut(curl, y - e.v - 0.3 * (e.u - x)), deep(e.colour), opacity=0.55)
    e.fill(e.ellipse(0.35, 0.69, 0.12, 0.06), INK, line=0)
    e.fill(e.ellipse(0.54, 0.62, 0.165, 0.2), mix(INK, WOOD, 0.3), line=0)
    e.fill(union([e.ellipse(0.45, 0.83, 0.11, 0.09), e.ellipse(0.58, 0.82, 0.1, 0.08)]), line=0.015)
    for x in (0.5, 0.63):
        e.detail(e.ellipse(x, 0.66, 0.048), WHITE)
        e.detail(e.ellipse(x + 0.012, 0.655, 0.025), INK)


def cat(e: Easel, dice: Dice) -> None:
    tail = np.abs(e.ellipse(0.3, 0.26, 0.18, 0.22)) - 0.042
    e.fill(cut(tail, 0.12 - e.u - 0.6 * (e.v - 0.1)), deep(e.colour))
    body = union([e.ellipse(0.0, 0.2, 0.27, 0.2), e.ellipse(0.0, 0.36, 0.2, 0.24)])
    e.fill(cut(body, -e.v), shade=0.5)
    e.detail(e.ellipse(0.0, 0.29, 0.1, 0.17), pale(e.colour), opacity=0.9)
    for x in (-0.1, 0.1):
        e.fill(e.ellipse(x, 0.045, 0.085, 0.05), pale(e.colour), line=0.012)
    for side in (-1, 1):
        e.fill(e.polygon((0.08 * side, 0.86), (0.25 * side, 0.74), (0.245 * side, 1.0)))
    e.fill(e.ellipse(0.0, 0.7, 0.28, 0.215), shade=0.3)
    for x in (-0.11, 0.11):
        e.detail(e.ellipse(x, 0.72, 0.05, 0.06), WHITE)
        e.detail(e.ellipse(x + 0.008, 0.715, 0.03, 0.046), INK)
    e.detail(e.polygon((-0.035, 0.645), (0.0, 0.61), (0.035, 0.645)), ROSE)
    for side in (-1, 1):
        e.detail(e.stroke(0.12 * side, 0.62, 0.27 * side, 0.64, 0.016), INK, opacity=0.7)


def flower(e: Easel, dice: Dice) -> None:
    e.fill(e.stroke(0.0, 0.02, 0.0, 0.6, 0.05), LEAF, line=0.018)
    for side in (-1, 1):
        lobe = cut(e.ellipse(0.15 * side, 0.17, 0.16), e.ellipse(0.1 * side, 0.31, 0.17))
        e.fill(lobe, LEAF, line=0.018)
    petals = union([e.ellipse(*_petal(k / 7 + 0.04), 0.13) for k in range(7)])
    e.fill(petals, shade=0.35)
    for k in range(7):
        x, y = _petal(k / 7 + 0.04)
        e.detail(
            e.stroke(x * 0.5, 0.71 + (y - 0.71) * 0.5, x, y, 0.02), deep(e.colour), opacity=0.4
        )
    heart = LAMP if float(e.colour[2]) > 0.3 or float(e.colour[1]) < 0.6 else WOOD
    e.fill(e.ellipse(0.0, 0.71, 0.115), heart, line=0.016)


def _petal(turn: float) -> tuple[float, float]:
    return 0.185 * float(wave(turn)), 0.71 + 0.165 * float(wave(turn + 0.25))


def mushroom(e: Easel, dice: Dice) -> None:
    stem = union([e.box(-0.13, 0.06, 0.13, 0.55, 0.06), e.ellipse(0.0, 0.1, 0.2, 0.1)])
    e.fill(stem, WHITE)
    cap = cut(e.ellipse(0.0, 0.42, 0.52, 0.57), 0.42 - e.v + 0.1 * (1 - 4 * e.u * e.u) - 0.08)
    e.fill(cap, shade=0.6, line=0.026)
    dot = contrast(e.colour)
    for x, y, r in ((-0.25, 0.6, 0.085), (0.06, 0.78, 0.1), (0.3, 0.57, 0.08), (-0.02, 0.54, 0.05)):
        e.detail(cut(e.ellipse(x, y, r, r * 0.85), cap + 0.02), dot)
    for x in (-0.055, 0.055):
        e.detail(e.ellipse(x, 0.29, 0.023, 0.034), INK)
    ring = np.abs(e.ellipse(0.0, 0.22, 0.045)) - 0.012
    e.detail(cut(ring, e.v - 0.21), INK)


def lighthouse(e: Easel, dice: Dice) -> None:
    e.fill(e.ellipse(0.0, 0.0, 0.3, 0.09), STONE)
    tower = e.polygon((-0.19, 0.02), (0.19, 0.02), (0.115, 0.74), (-0.115, 0.74))
    e.fill(tower, shade=0.3)
    for y in (0.18, 0.46):
        e.detail(cut(e.box(-0.3, y, 0.3, y + 0.13), tower), contrast(e.colour))
    e.fill(e.box(-0.17, 0.72, 0.17, 0.775), INK, line=0.01)
    e.fill(e.box(-0.09, 0.775, 0.09, 0.88), LAMP, glow=True, shade=0)
    e.fill(e.polygon((-0.135, 0.875), (0.135, 0.875), (0.0, 1.0)), shade=0.4)
    e.detail(e.box(-0.055, 0.02, 0.055, 0.13, 0.03), WOOD)


def windmill(e: Easel, dice: Dice) -> None:
    tower = e.polygon((-0.23, 0.0), (0.23, 0.0), (0.14, 0.6), (-0.14, 0.6))
    e.fill(tower, shade=0.4)
    e.fill(cut(e.ellipse(0.0, 0.58, 0.175, 0.17), 0.58 - e.v), deep(e.colour))
    e.detail(e.box(-0.07, 0.0, 0.07, 0.2, 0.03), WOOD)
    window(e, -0.045, 0.33, 0.045, 0.42)
    turn = dice.between(0.06, 0.19)
    for k in range(4):
        blade = ((0.06, -0.012), (0.4, -0.012), (0.4, 0.1), (0.1, 0.1))
        e.fill(e.polygon(*(_blade(p, turn + k / 4) for p in blade)), WHITE, line=0.018, shade=0.2)
        e.detail(
            e.stroke(*_blade((0.0, 0), turn + k / 4), *_blade((0.4, 0), turn + k / 4), 0.025), WOOD
        )
    e.fill(e.ellipse(0.0, 0.6, 0.04), WOOD, line=0.012)


def _blade(point: tuple[float, float], turn: float) -> tuple[float, float]:
    x, y = _turned(point, turn)
    return x, y + 0.1


def rocket(e: Easel, dice: Dice) -> None:
    for w, h, colour in ((0.13, 0.0, FLAME), (0.07, 0.06, LAMP)):
        e.fill(e.polygon((-w, 0.2), (0.0, h), (w, 0.2)), colour, line=0, shade=0, glow=True)
    for side in (-1, 1):
        fin = e.polygon((0.14 * side, 0.42), (0.33 * side, 0.14), (0.14 * side, 0.22))
        e.fill(fin, deep(e.colour))
    body = cut(e.ellipse(-0.26, 0.5, 0.47, 0.56), e.ellipse(0.26, 0.5, 0.47, 0.56), 0.18 - e.v)
    e.fill(body, shade=0.5)
    e.detail(cut(body, 0.8 - e.v), contrast(e.colour))
    e.detail(cut(body, e.v - 0.25), INK, opacity=0.6)
    e.fill(e.ellipse(0.0, 0.6, 0.095), WHITE, line=0.012)
    e.detail(e.ellipse(0.0, 0.6, 0.065), LAMP if e.light.dark else GLASS, glow=e.light.dark)


def umbrella(e: Easel, dice: Dice) -> None:
    e.fill(e.stroke(0.0, 0.0, 0.0, 0.95, 0.04), WOOD, line=0.014)
    dome = cut(e.ellipse(0.0, 0.52, 0.56, 0.43), 0.52 - e.v + 0.035 * np.abs(wave(e.u * 2.2)))
    e.fill(dome, shade=0.5, line=0.024)
    other = contrast(e.colour)
    for side in (-1, 1):
        x = 0.335 * side
        rib = np.abs(e.u - x * np.sqrt(np.clip(1 - ((e.v - 0.52) / 0.43) ** 2, 0, 1))) - 0.085
        e.detail(cut(rib, dome + 0.008), other)
    e.fill(e.ellipse(0.0, 0.965, 0.03), WOOD, line=0.01)


def fish(e: Easel, dice: Dice) -> None:
    tail = union(
        [
            e.polygon((-0.9, 0.1), (-0.34, 0.5), (-0.78, 0.52)),
            e.polygon((-0.78, 0.48), (-0.34, 0.5), (-0.9, 0.9)),
        ]
    )
    e.fill(tail, deep(e.colour), line=0.03)
    e.fill(e.polygon((-0.2, 0.78), (0.3, 0.78), (-0.05, 1.0)), deep(e.colour), line=0.03)
    body = e.ellipse(0.12, 0.48, 0.66, 0.4)
    e.fill(body, shade=0.6, line=0.035)
    for x in (-0.22, 0.08):
        arc = np.abs(e.ellipse(x - 0.35, 0.48, 0.42)) - 0.05
        e.detail(cut(arc, body + 0.02), contrast(e.colour), opacity=0.85)
    e.detail(e.ellipse(0.48, 0.56, 0.105), WHITE)
    e.detail(e.ellipse(0.5, 0.56, 0.06), INK)
    e.detail(e.stroke(0.6, 0.34, 0.73, 0.39, 0.035), INK)


Paint = Callable[[Easel, Dice], None]


@dataclass(frozen=True)
class ThingClass:
    """A class of things.

    Attributes:
        paint: draws it on an easel.
        height: its usual height in the foreground, as a fraction of the picture.
        reach: how far it goes to either side of its middle, in units of its height.
        stands: the stuff that it stands on, lies in or flies through.
        colours: the colours that it comes in.
        plural: its name where there are several.
    """

    paint: Paint
    height: float
    reach: float
    stands: tuple[str, ...]
    colours: tuple[str, ...] = tuple(COLOURS)
    plural: str = ""


LAND = ("grass", "field", "snow")

THINGS: dict[str, ThingClass] = {
    "house": ThingClass(house, 0.40, 0.57, (*LAND, "sand"), plural="houses"),
    "tree": ThingClass(tree, 0.46, 0.42, LAND, plural="trees"),
    "boat": ThingClass(boat, 0.36, 0.62, ("water",), plural="boats"),
    "car": ThingClass(car, 0.20, 1.02, ("road",), plural="cars"),
    "balloon": ThingClass(balloon, 0.40, 0.38, ("sky",), plural="balloons"),
    "sun": ThingClass(sun, 0.30, 0.52, ("sky",), ("yellow", "orange", "red"), plural="suns"),
    "moon": ThingClass(moon, 0.26, 0.53, ("sky",), ("white", "yellow", "blue"), plural="moons"),
    "bird": ThingClass(bird, 0.15, 0.99, ("sky",), plural="birds"),
    "sheep": ThingClass(sheep, 0.24, 0.74, LAND, plural="sheep"),
    "cat": ThingClass(cat, 0.30, 0.46, ("grass", "sand", "snow"), plural="cats"),
    "flower": ThingClass(flower, 0.34, 0.34, ("grass", "field"), plural="flowers"),
    "mushroom": ThingClass(mushroom, 0.26, 0.55, ("grass",), plural="mushrooms"),
    "lighthouse": ThingClass(lighthouse, 0.54, 0.32, ("sand", "grass"), plural="lighthouses"),
    "windmill": ThingClass(windmill, 0.50, 0.44, ("grass", "field"), plural="windmills"),
    "rocket": ThingClass(rocket, 0.42, 0.35, ("sky",), plural="rockets"),
    "umbrella": ThingClass(umbrella, 0.36, 0.59, ("sand",), plural="umbrellas"),
    "fish": ThingClass(fish, 0.18, 0.93, ("water",), plural="fish"),
}
