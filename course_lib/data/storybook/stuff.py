"""Sky, clouds and ground: bands of colour, each with the texture and the light of its stuff."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from course_lib.data.storybook.canvas import Canvas
from course_lib.data.storybook.chance import Array, Dice, wave
from course_lib.data.storybook.palette import mix
from course_lib.data.storybook.plan import Band, Cloud

__all__ = ["paint_band", "paint_cloud", "paint_sky"]

STRENGTH = {
    "sky": 0.05, "mountain": 0.16, "forest": 0.34, "field": 0.22, "grass": 0.26,
    "sand": 0.10, "snow": 0.10, "water": 0.30, "road": 0.10,
}  # fmt: skip
FAR = ("mountain", "forest")  # stuff that closes the view, and fades into the air


def spread(colour: Array) -> Array:
    """A colour for all pixels: ``[3, 1, 1]``."""
    return colour[:, None, None]


def paint_sky(canvas: Canvas) -> None:
    """From its top through its middle to the horizon; with stars at night."""
    top, middle, low = (spread(colour) for colour in canvas.light.sky)
    t = canvas.y / np.float32(max(canvas.plan.horizon, 0.2))
    upper, lower = np.clip(t * 2, 0, 1), np.clip(t * 2 - 1, 0, 1)
    canvas.rgb[:] = top + (middle - top) * upper + (low - middle) * lower
    canvas.rgb *= 1 + canvas.texture("sky", 0) * np.float32(STRENGTH["sky"])
    if canvas.light.dark:
        canvas.rgb += canvas.texture("stars", 1) * np.clip(1.2 - t, 0, 1) * np.float32(0.8)


def paint_cloud(canvas: Canvas, cloud: Cloud, number: int) -> None:
    """Five puffs in a row, bright above and in shadow below."""
    half = cloud.width / 2
    rows, columns = canvas.window(cloud.x, cloud.base, half * 1.15, cloud.width * 0.6)
    u = (canvas.x[:, columns] - np.float32(cloud.x)) / np.float32(half)
    v = (np.float32(cloud.base) - canvas.y[rows]) / np.float32(half)
    dice = Dice(cloud.style, 77)
    distance: Array = np.full(np.broadcast_shapes(u.shape, v.shape), 9, dtype=np.float32)
    for at, usual in ((-0.72, 0.26), (-0.36, 0.37), (0.0, 0.48), (0.36, 0.4), (0.72, 0.24)):
        radius = usual * dice.between(0.85, 1.15)
        a, b = u - at, v - radius * dice.between(0.4, 0.6)
        b = np.where(b < 0, b * 1.7, b)  # flatter below
        distance = np.minimum(distance, np.sqrt(a * a + b * b) - np.float32(radius))
    cover = np.clip(0.5 - distance * np.float32(half * canvas.size), 0, 1)
    white, (_, middle, low) = canvas.light.ground("cloud"), canvas.light.sky
    shadow, bright = spread(mix(white, middle, 0.5)), spread(mix(white, low, 0.15))
    puffs = canvas.texture("cloud", 2 + number)[rows, columns] * np.float32(0.3)
    shape = np.clip(np.clip(v * 1.5 + 0.15, 0, 1) + puffs, 0, 1)
    canvas.lay(rows, columns, cover, shadow + (bright - shadow) * shape, "cloud")


@dataclass(frozen=True)
class Ground:
    """A band on its canvas, from its highest row down.

    Attributes:
        edge: how far down its upper edge is: ``[1, W]``.
        y: the rows' places, ``[H, 1]``; ``depth``: 0 at the band's top, 1 at the picture's bottom.
        field: its texture, ``[H, W]``.
    """

    canvas: Canvas
    band: Band
    edge: Array
    y: Array
    depth: Array
    field: Array


def paint_band(canvas: Canvas, band: Band, number: int) -> None:
    """One band of stuff, over everything behind it."""
    edge = profile(band, canvas.x[0])
    rows = slice(max(int(float(edge.min()) * canvas.size) - 1, 0), canvas.size)
    y = canvas.y[rows]
    steep = np.abs(np.gradient(edge)) * np.float32(canvas.size)
    sharp = np.float32(canvas.size) / np.sqrt(1 + steep * steep)
    cover = np.clip((y - edge) * sharp + 0.5, 0, 1)
    if band.bottom < 1:
        lower = edge + np.float32(band.bottom - band.top)
        cover = np.minimum(cover, np.clip((lower - y) * sharp + 0.5, 0, 1))
    depth = np.clip((y - np.float32(band.top)) / np.float32(max(1 - band.top, 0.1)), 0, 1)
    fine, coarse = (canvas.texture(band.stuff, 20 + number, scale)[rows] for scale in (2.0, 1.0))
    field = fine + (coarse - fine) * np.clip(depth * 1.4, 0, 1)  # marks are larger near by
    field = field * np.float32(STRENGTH[band.stuff])
    ground = Ground(canvas, band, edge[None], y, depth, field)
    canvas.lay(rows, slice(None), cover, coloured(ground, number, rows), band.stuff)


def coloured(ground: Ground, number: int, rows: slice) -> Array:
    """The band's colours: ``[3, H, W]``."""
    light, stuff, depth = ground.canvas.light, ground.band.stuff, ground.depth
    near, (above, middle, low) = light.ground(stuff), light.sky
    if stuff in FAR:
        near, far = mix(near, low, 0.8 * max(0.7 - ground.band.top, 0)), mix(near, low, 0.45)
        depth = 1 - 0.6 * depth
    elif stuff == "water":  # the sky is mirrored in it
        near = mix(near, above, 0.3)
        far = mix(near, middle, 0.3)
    else:
        far = mix(near, low, 0.3)
    tone, share = MODELS.get(stuff, plain)(ground)
    colour = (spread(far) + spread(near - far) * depth) * (1 + tone)
    colour = colour + share * (spread(light.ground("snow")) * (1 + tone * 0.5) - colour)
    if stuff == "grass":
        petals = ground.canvas.texture("petals", 40 + number)[rows] * np.clip(depth * 4, 0, 1)
        colour = colour + petals * (spread(light.petals) - colour)
    if stuff == "water":
        colour = colour + glitter(ground) * (1 - colour)
    return np.clip(colour, 0, 1)


def glitter(ground: Ground) -> Array:
    """The path of light on the water below the sun or the moon."""
    path = 0 * ground.depth
    for thing in ground.canvas.plan.things:
        if thing.name in ("sun", "moon"):
            wide = np.float32(thing.height * 0.35) + (ground.y - ground.edge) * np.float32(0.5)
            away = np.abs(ground.canvas.x - np.float32(thing.x))
            path = path + np.clip(1 - away / np.maximum(wide, np.float32(0.01)), 0, 1)
    return np.clip(path, 0, 1) * np.clip(ground.field * 5 + 0.45, 0, 0.7)


# How light falls on each stuff: lighter or darker, and how white (with snow, foam or paint).


def plain(ground: Ground) -> tuple[Array, Array]:
    rim = np.clip(0.10 - (ground.y - ground.edge) * 1.2, 0, 0.1)
    return ground.field + rim, 0 * ground.depth


def grass(ground: Ground) -> tuple[Array, Array]:
    if ground.canvas.look.season == "winter":
        return ground.field, np.clip(0.3 + ground.field * 1.2, 0, 0.6)  # frost on the tips
    return plain(ground)


def forest(ground: Ground) -> tuple[Array, Array]:
    crowns = wave(ground.canvas.x * 9 + 0.15 * wave(ground.canvas.x * 5)) * 0.1
    height = np.clip(0.25 - (ground.y - ground.edge) * 4, -0.2, 0.25)
    return ground.field + crowns + height, 0 * ground.depth


def water(ground: Ground) -> tuple[Array, Array]:
    return ground.field * 0.6, np.clip(ground.field * 1.3, 0, 0.6)


def road(ground: Ground) -> tuple[Array, Array]:
    half = np.float32((ground.band.bottom - ground.band.top) / 2)
    across = np.abs((ground.y - ground.edge) / half - 1)  # 0 in the middle, 1 at the kerbs
    gaps = np.clip(wave(ground.canvas.x * 5 + ground.band.style % 7 / 7) * 6 + 1, 0, 1)
    dashes = np.clip((0.07 - across) * 18, 0, 1) * gaps
    return ground.field - 0.12 * np.clip((across - 0.84) * 12, 0, 1), dashes * 0.85


def mountain(ground: Ground) -> tuple[Array, Array]:
    """Peaks one in front of the other: a bright and a dark side, and a cap of snow."""
    x, size, relief = ground.canvas.x, np.float32(ground.canvas.size), ground.band.relief
    tone = white = 0 * ground.field
    for peak, top, slope in sorted(peaks(ground.band), key=lambda one: one[1]):
        fall = ground.y - np.float32(top)
        inside = np.clip((fall - slope * np.abs(x - peak)) * size, 0, 1)
        ridge = peak + 0.03 * wave(fall * 5 + peak) + fall * 0.18
        side = np.clip((ridge - x) * size * 0.5, -1, 1)
        cap = relief * 0.24 + 0.02 * wave(x * 11 + peak) + ground.field * 0.1
        snow = np.clip((cap - fall) * size * 0.6, 0, 1)
        tone = tone + inside * (0.17 * side - 0.04 - tone)
        white = white + inside * (snow - white)
    return tone + ground.field * 0.6, white


MODELS: dict[str, Callable[[Ground], tuple[Array, Array]]] = {
    "grass": grass,
    "forest": forest,
    "water": water,
    "road": road,
    "mountain": mountain,
}


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
