"""Draws a plan in a look: the picture, and which pixel belongs to what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from course_lib.data.storybook.chance import Array, Dice, wave
from course_lib.data.storybook.easel import Easel
from course_lib.data.storybook.palette import COLOURS, Light, Look, mix, paint
from course_lib.data.storybook.plan import CLASSES, Band, Cloud, ScenePlan, Thing
from course_lib.data.storybook.textures import sheet
from course_lib.data.storybook.things import THINGS

__all__ = ["Drawing", "paint_scene"]

WHITE = paint((255, 252, 244))
STRENGTH = {
    "sky": 0.05, "cloud": 0.10, "mountain": 0.16, "forest": 0.34, "field": 0.22, "grass": 0.26,
    "sand": 0.10, "snow": 0.10, "water": 0.30, "road": 0.10,
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """What comes off the canvas: pixels ``[3, H, W]`` (uint8), class ids and object numbers ``[H, W]``.

    Object numbers count the plan's things from 1; 0 is stuff.
    """

    pixels: NDArray[np.uint8]
    ids: NDArray[np.int64]
    instances: NDArray[np.int64]


class Canvas:
    """The picture in the making."""

    def __init__(self, plan: ScenePlan, look: Look, size: int) -> None:
        self.plan, self.look, self.size = plan, look, size
        self.light = Light(look)
        steps = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
        self.x, self.y = steps[None, :], steps[:, None]
        self.rgb = np.empty((3, size, size), dtype=np.float32)
        self.ids = np.zeros((size, size), dtype=np.int64)
        self.instances = np.zeros((size, size), dtype=np.int64)

    def texture(self, name: str, key: int, scale: float = 1.0) -> Array:
        """A piece of a texture's sheet as large as the picture."""
        dice = Dice(self.look.texture, key)
        left, top = (dice.whole(0, 31) * self.size // 32 for _ in range(2))
        return sheet(name, self.size, scale)[top : top + self.size, left : left + self.size]

    def sky(self) -> None:
        top, middle, low = (colour[:, None, None] for colour in self.light.sky)
        t = self.y / np.float32(max(self.plan.horizon, 0.2))
        upper, lower = np.clip(t * 2, 0, 1), np.clip(t * 2 - 1, 0, 1)
        self.rgb[:] = top + (middle - top) * upper + (low - middle) * lower
        self.rgb *= 1 + self.texture("sky", 0) * np.float32(STRENGTH["sky"])
        if self.light.dark:
            self.rgb += self.texture("stars", 1) * np.clip(1.2 - t, 0, 1) * np.float32(0.8)

    def cloud(self, cloud: Cloud, number: int) -> None:
        dice = Dice(cloud.style, 77)
        half = cloud.width / 2
        rows, columns = self.window(cloud.x, cloud.base, half * 1.15, cloud.width * 0.6)
        u = (self.x[:, columns] - np.float32(cloud.x)) / np.float32(half)
        v = (np.float32(cloud.base) - self.y[rows]) / np.float32(half)
        distance = None
        for k in range(5):
            at, radius = (k - 2) * 0.36, (0.26, 0.37, 0.48, 0.4, 0.24)[k] * dice.between(0.85, 1.15)
            a, b = u - at, v - radius * dice.between(0.4, 0.6)
            b = np.where(b < 0, b * 1.7, b)  # flatter below
            puff = np.sqrt(a * a + b * b) - np.float32(radius)
            distance = puff if distance is None else np.minimum(distance, puff)
        assert distance is not None
        cover = np.clip(0.5 - distance * np.float32(half * self.size), 0, 1)
        shadow = mix(self.light.ground("cloud"), self.light.sky[1], 0.5)[:, None, None]
        bright = mix(self.light.ground("cloud"), self.light.sky[2], 0.15)[:, None, None]
        shape = np.clip(v * 1.5 + 0.15, 0, 1)
        shape = np.clip(shape + self.texture("cloud", 2 + number)[rows, columns] * 0.3, 0, 1)
        colour = shadow + (bright - shadow) * shape
        self.lay(rows, columns, cover, colour, CLASSES.id("cloud"))

    def window(self, x: float, base: float, reach: float, height: float) -> tuple[slice, slice]:
        """The pixels around something: rows and columns."""

        def pixel(value: float) -> int:
            return min(max(int(value * self.size), 0), self.size)

        rows = slice(pixel(base - height), pixel(base + 0.02) + 2)
        return rows, slice(pixel(x - reach), pixel(x + reach) + 2)

    def lay(self, rows: slice, columns: slice, cover: Array, colour: Array, id: int) -> None:
        part = self.rgb[:, rows, columns]
        part += cover * (colour - part)
        self.ids[rows, columns][cover >= 0.5] = id

    def band(self, band: Band, number: int) -> None:
        edge = profile(band, self.x[0])
        first = max(int(float(edge.min()) * self.size) - 1, 0)
        rows = slice(first, self.size)
        y = self.y[rows]
        steep = np.abs(np.gradient(edge)) * np.float32(self.size)
        sharp = np.float32(self.size) / np.sqrt(1 + steep * steep)
        cover = np.clip((y - edge) * sharp + 0.5, 0, 1)
        if band.bottom < 1:
            lower = edge + np.float32(band.bottom - band.top)
            cover = np.minimum(cover, np.clip((lower - y) * sharp + 0.5, 0, 1))
        colour = self.band_colour(band, number, edge, y, rows)
        self.lay(rows, slice(None), cover, colour, CLASSES.id(band.stuff))

    def band_colour(self, band: Band, number: int, edge: Array, y: Array, rows: slice) -> Array:
        near = self.light.ground(band.stuff)
        if band.stuff == "water":  # the sky is mirrored in it
            near = mix(near, self.light.sky[0], 0.3)
        veil = self.light.sky[1 if band.stuff == "water" else 2]
        far = mix(near, veil, 0.45 if band.stuff in ("mountain", "forest") else 0.3)
        depth = np.clip((y - np.float32(band.top)) / np.float32(max(1 - band.top, 0.1)), 0, 1)
        if band.stuff in ("mountain", "forest"):
            near, depth = (
                mix(near, self.light.sky[2], 0.8 * max(0.7 - band.top, 0)),
                1 - 0.6 * depth,
            )
        fine, coarse = (self.texture(band.stuff, 20 + number, s)[rows] for s in (2.0, 1.0))
        field = fine + (coarse - fine) * np.clip(depth * 1.4, 0, 1)
        field = field * np.float32(STRENGTH[band.stuff])
        tone, share = self.modelled(band, edge, y, field)
        colour = far[:, None, None] + (near - far)[:, None, None] * depth
        colour = colour * (1 + tone)
        white = self.light.ground("snow")[:, None, None]
        colour = colour + share * (white * (1 + tone * 0.5) - colour)
        if band.stuff == "grass":
            dots = self.texture("petals", 40 + number)[rows] * np.clip(depth * 4, 0, 1)
            colour = colour + dots * (self.light.petals[:, None, None] - colour)
        if band.stuff == "water":
            colour = colour + self.glitter(y - np.float32(band.top), field) * (1 - colour)
        return np.clip(colour, 0, 1)

    def glitter(self, below: Array, field: Array) -> Array:
        """The path of light on the water below the sun or the moon."""
        path = np.float32(0) * below
        for thing in self.plan.things:
            if thing.name in ("sun", "moon"):
                wide = np.float32(thing.height * 0.35) + below * np.float32(0.5)
                path = path + np.clip(1 - np.abs(self.x - thing.x) / wide, 0, 1)
        return np.clip(path, 0, 1) * np.clip(field * 5 + 0.45, 0, 0.7)

    def modelled(self, band: Band, edge: Array, y: Array, field: Array) -> tuple[Array, Array]:
        """Light and dark on a band, and where it is white."""
        below = y - edge
        if band.stuff == "mountain":
            return self.facets(band, y, field)
        if band.stuff == "road":
            middle = np.float32((band.bottom - band.top) / 2)
            dash = np.clip((0.07 - np.abs(below / middle - 1)) * 18, 0, 1)
            dash = dash * np.clip(wave(self.x * 5 + band.style % 7 / 7) * 6 + 1, 0, 1)
            rim = np.clip((np.abs(below / middle - 1) - 0.84) * 12, 0, 1)
            return field - 0.12 * rim, dash * 0.85
        if band.stuff == "water":
            return field * 0.6, np.clip(field * 1.3, 0, 0.6)
        if band.stuff == "grass" and self.look.season == "winter":
            return field, np.clip(0.3 + field * 1.2, 0, 0.6)
        if band.stuff == "forest":
            crowns = wave(self.x * 9 + 0.15 * wave(self.x * 5)) * 0.1
            return field + crowns + np.clip(0.25 - below * 4, -0.2, 0.25), np.float32(0) * below
        return field + np.clip(0.10 - below * 1.2, 0, 0.1), np.float32(0) * below

    def facets(self, band: Band, y: Array, field: Array) -> tuple[Array, Array]:
        """Peaks one in front of the other: a bright and a dark side, and a cap of snow."""
        tone = white = np.float32(0) * (y + self.x)
        for x, top, slope in sorted(peaks(band), key=lambda peak: peak[1]):
            fall = y - np.float32(top)
            inside = np.clip((fall - slope * np.abs(self.x - x)) * self.size, 0, 1)
            ridge = x + 0.03 * wave(fall * 5 + x) + fall * 0.18
            side = np.clip((ridge - self.x) * np.float32(self.size * 0.5), -1, 1)
            cap = np.float32(band.relief * 0.24) + 0.02 * wave(self.x * 11 + x) + field * 0.1
            snow = np.clip((cap - fall) * np.float32(self.size * 0.6), 0, 1)
            tone = tone + inside * (0.17 * side - 0.04 - tone)
            white = white + inside * (snow - white)
        return tone + field * 0.6, white

    def thing(self, thing: Thing, number: int) -> None:
        kind = THINGS[thing.name]
        height, reach = thing.height, kind.reach * thing.height
        rows, columns = self.window(thing.x, thing.base, reach * 1.08, height * 1.05)
        u = (self.x[:, columns] - np.float32(thing.x)) / np.float32(height)
        v = (np.float32(thing.base) - self.y[rows]) / np.float32(height)
        if not u.size or not v.size:
            return
        if thing.mirrored:
            u = -u
        easel = Easel(u, v, 1 / (self.size * height), self.light, paint(COLOURS[thing.colour]))
        kind.paint(easel, Dice(thing.style, 5))
        part = self.rgb[:, rows, columns]
        part += easel.alpha * (easel.rgb - part)
        solid = easel.alpha >= 0.5
        self.ids[rows, columns][solid] = CLASSES.id(thing.name)
        self.instances[rows, columns][solid] = number

    def under(self, thing: Thing) -> None:
        """What a thing does to the stuff around it: a glow in the sky, a shadow on the ground."""
        kind = THINGS[thing.name]
        if thing.name in ("sun", "moon"):
            a, b = self.x - thing.x, self.y - (thing.base - thing.height / 2)
            near = np.clip(1 - np.sqrt(a * a + b * b) / np.float32(thing.height * 1.25), 0, 1)
            glow = paint(COLOURS[thing.colour])[:, None, None] * (near * near * np.float32(0.4))
            self.rgb += glow * (1 - self.rgb * 0.6)
        elif thing.name == "lighthouse" and self.light.dark:
            a, b = np.abs(self.x - thing.x), np.abs(self.y - (thing.base - thing.height * 0.83))
            beam = np.clip(1.1 - b / (0.02 + 0.2 * a), 0, 1) * np.clip(0.45 - a * 0.6, 0, 1)
            self.rgb += beam * (paint(COLOURS["yellow"])[:, None, None] - self.rgb)
        if "sky" not in kind.stands:
            reach, drop = kind.reach * thing.height * 1.1, thing.height * 0.09
            shift = 0.12 * thing.height
            rows, columns = self.window(thing.x + shift, thing.base + drop, reach, drop * 2)
            a = (self.x[:, columns] - np.float32(thing.x + shift)) / np.float32(reach)
            b = (self.y[rows] - np.float32(thing.base)) / np.float32(drop)
            near = np.clip(1.15 - (a * a + b * b), 0, 1)
            part = self.rgb[:, rows, columns]
            part *= 1 - near * np.float32(0.3)
            if "water" in kind.stands:
                foam = np.clip(1 - np.abs(near - 0.45) * 4, 0, 1) * np.float32(0.6)
                part += foam * (self.light.ground("snow")[:, None, None] - part)

    def finish(self) -> Drawing:
        self.rgb *= 1 + self.texture("paper", 3) * np.float32(0.035)
        pixels = (np.clip(self.rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
        return Drawing(pixels, self.ids, self.instances)


def profile(band: Band, x: Array) -> Array:
    """How far down the upper edge of a band lies, from left to right: ``[W]``."""
    dice = Dice(band.style, 9)
    if band.stuff == "mountain":
        edge = np.full_like(x, band.top + band.relief)
        for peak, top, slope in peaks(band):
            edge = np.minimum(edge, np.float32(top) + np.float32(slope) * np.abs(x - peak))
        return edge
    a, b = dice.unit(), dice.unit()
    if band.stuff == "forest":
        bumps = np.abs(wave(x * 4.5 + a)) * 0.6 + np.abs(wave(x * 7.5 + b)) * 0.4
        return np.float32(band.top) + np.float32(band.relief) * (1 - bumps)
    slow, quick = wave(x * np.float32(0.6) + a), wave(x * np.float32(1.7) + b)
    return np.float32(band.top) + np.float32(band.relief) * (slow * 0.7 + quick * 0.3)


def peaks(band: Band) -> list[tuple[float, float, float]]:
    """Place, height and steepness of a mountain range's five peaks."""
    dice = Dice(band.style, 8)
    foot = band.top + band.relief
    shares = dice.shuffled((1.0, 0.85, 0.7, 0.6, 0.5))
    return [
        ((k + dice.between(0.1, 0.9)) / 5, foot - band.relief * share, dice.between(0.9, 1.4))
        for k, share in enumerate(shares)
    ]


def paint_scene(plan: ScenePlan, look: Look, size: int) -> Drawing:
    """The whole scene, from the back to the front."""
    canvas = Canvas(plan, look, size)
    canvas.sky()
    for number, cloud in enumerate(plan.clouds):
        canvas.cloud(cloud, number)
    for number, band in enumerate(plan.bands):
        canvas.band(band, number)
    numbered = sorted(enumerate(plan.things, 1), key=lambda pair: pair[1].depth)
    for number, thing in numbered:
        canvas.under(thing)
        canvas.thing(thing, number)
    return canvas.finish()
