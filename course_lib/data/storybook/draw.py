"""Draws a plan in a look: the picture, and which pixel belongs to what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from course_lib.data.storybook.canvas import Canvas
from course_lib.data.storybook.chance import Dice
from course_lib.data.storybook.easel import Easel
from course_lib.data.storybook.palette import COLOURS, Look, paint
from course_lib.data.storybook.plan import ScenePlan, Thing
from course_lib.data.storybook.stuff import paint_band, paint_cloud, paint_sky, spread
from course_lib.data.storybook.things import THINGS

__all__ = ["paint_scene"]

Drawing = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]


def paint_scene(plan: ScenePlan, look: Look, size: int) -> Drawing:
    """The whole scene, from the back to the front.

    Returns:
        Pixels ``[3, H, W]`` (uint8), class ids and object numbers ``[H, W]`` (0 is stuff, ``k + 1``
        the plan's thing ``k``).
    """
    canvas = Canvas(plan, look, size)
    paint_sky(canvas)
    for number, cloud in enumerate(plan.clouds):
        paint_cloud(canvas, cloud, number)
    for number, band in enumerate(plan.bands):
        paint_band(canvas, band, number)
    for number, thing in sorted(enumerate(plan.things, 1), key=lambda pair: pair[1].depth):
        shine(canvas, thing)
        shadow(canvas, thing)
        paint_thing(canvas, thing, number)
    canvas.rgb *= 1 + canvas.texture("paper", 3) * np.float32(0.035)
    pixels = (np.clip(canvas.rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels, canvas.ids, canvas.instances


def paint_thing(canvas: Canvas, thing: Thing, number: int) -> None:
    """Draws a thing on an easel of its own, and lays it on the canvas."""
    kind, height = THINGS[thing.name], thing.height
    rows, columns = canvas.window(thing.x, thing.base, kind.reach * height * 1.08, height * 1.05)
    u = (canvas.x[:, columns] - np.float32(thing.x)) / np.float32(height)
    v = (np.float32(thing.base) - canvas.y[rows]) / np.float32(height)
    if not u.size or not v.size:
        return
    pixel, colour = 1 / (canvas.size * height), paint(COLOURS[thing.colour])
    easel = Easel(-u if thing.mirrored else u, v, pixel, canvas.light, colour)
    kind.paint(easel, Dice(thing.style, 5))
    canvas.lay(rows, columns, easel.alpha, easel.rgb, thing.name)
    canvas.instances[rows, columns][easel.alpha >= 0.5] = number


def shine(canvas: Canvas, thing: Thing) -> None:
    """The glow around the sun and the moon, and the beam of a lighthouse at night."""
    if thing.name in ("sun", "moon"):
        a, b = canvas.x - thing.x, canvas.y - (thing.base - thing.height / 2)
        near = np.clip(1 - np.sqrt(a * a + b * b) / np.float32(thing.height * 1.25), 0, 1)
        glow = spread(paint(COLOURS[thing.colour])) * (near * near * np.float32(0.4))
        canvas.rgb += glow * (1 - canvas.rgb * 0.6)
    elif thing.name == "lighthouse" and canvas.light.dark:
        a, b = np.abs(canvas.x - thing.x), np.abs(canvas.y - (thing.base - thing.height * 0.83))
        beam = np.clip(1.1 - b / (0.02 + 0.2 * a), 0, 1) * np.clip(0.45 - a * 0.6, 0, 1)
        canvas.rgb += beam * (spread(paint(COLOURS["yellow"])) - canvas.rgb)


def shadow(canvas: Canvas, thing: Thing) -> None:
    """A shadow on the ground; on water, with foam around it."""
    kind = THINGS[thing.name]
    if "sky" in kind.stands:
        return
    x, reach, drop = (
        thing.x + 0.12 * thing.height,
        1.1 * kind.reach * thing.height,
        0.09 * thing.height,
    )
    rows, columns = canvas.window(x, thing.base + drop, reach, drop * 2)
    a = (canvas.x[:, columns] - np.float32(x)) / np.float32(reach)
    b = (canvas.y[rows] - np.float32(thing.base)) / np.float32(drop)
    near = np.clip(1.15 - (a * a + b * b), 0, 1)
    part = canvas.rgb[:, rows, columns]
    part *= 1 - near * np.float32(0.3)
    if "water" in kind.stands:
        foam = np.clip(1 - np.abs(near - 0.45) * 4, 0, 1) * np.float32(0.6)
        part += foam * (spread(canvas.light.ground("snow")) - part)
