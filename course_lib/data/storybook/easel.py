"""A few square inches of canvas on which one thing is drawn, smoothly at every size.

A shape is a *distance*: how far outside it each pixel lies, negative inside, in units of the
thing's height. ``minimum`` unites shapes, ``maximum`` cuts one with another.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from course_lib.data.storybook.chance import Array
from course_lib.data.storybook.palette import Light, mix

__all__ = ["Easel", "cut", "union"]

INK = np.array([0.16, 0.13, 0.20], dtype=np.float32)


class Easel:
    """One thing in the making.

    Args:
        u, v: coordinates of the pixels, ``[1, W]`` and ``[H, 1]``: ``u`` from the thing's middle to
            the right, ``v`` from its foot (0) up to its top (1).
        pixel: the side of a pixel, in the same units.
        light: what the hour makes of colours.
        colour: the thing's own colour.
    """

    def __init__(self, u: Array, v: Array, pixel: float, light: Light, colour: Array) -> None:
        self.u, self.v, self.light, self.colour = u, v, light, colour
        self.sharp = np.float32(1 / pixel)
        self.form = np.asarray((v - 0.5) * 0.8 - u * 0.6, dtype=np.float32)  # light: upper left
        self.ink = light.thing(mix(colour, INK, 0.72))
        shape = np.broadcast_shapes(u.shape, v.shape)
        self.rgb = np.empty((3, *shape), dtype=np.float32)
        self.rgb[:] = self.ink[:, None, None]
        self.alpha = np.zeros(shape, dtype=np.float32)

    def cover(self, distance: Array) -> Array:
        """How much of each pixel a shape covers."""
        return np.clip(0.5 - distance * self.sharp, 0, 1)

    def fill(
        self,
        distance: Array,
        colour: Array | None = None,
        *,
        shade: float = 0.3,
        line: float = 0.022,
        glow: bool = False,
    ) -> None:
        """Paints a shape, with an ink line around it.

        Args:
            colour: its colour by day; the thing's own by default.
            shade: how much lighter the upper left is than the lower right.
            line: the width of the line in units of the thing's height.
            glow: the shape shines by itself, whatever the hour.
        """
        colour = self.colour if colour is None else colour
        lit = colour if glow else self.light.thing(colour)
        if line:
            self.over(self.cover(distance - np.float32(line)), self.ink[:, None, None])
        tone = np.clip(lit[:, None, None] * (1 + np.float32(shade) * self.form), 0, 1)
        self.over(self.cover(distance), tone)

    def over(self, cover: Array, colour: Array) -> None:
        self.rgb += cover * (colour - self.rgb)
        np.maximum(self.alpha, cover, out=self.alpha)

    def detail(
        self, distance: Array, colour: Array, *, opacity: float = 1, glow: bool = False
    ) -> None:
        """Paints on what is there already; the thing's outline stays as it is."""
        lit = colour if glow else self.light.thing(colour)
        cover = self.cover(distance) * np.float32(opacity)
        self.rgb += cover * (lit[:, None, None] - self.rgb)

    def texture(self, field: Array, distance: Array, strength: float) -> None:
        """Lightens and darkens a shape by a texture."""
        self.rgb *= 1 + self.cover(distance) * field * np.float32(strength)

    def ellipse(self, x: float, y: float, rx: float, ry: float | None = None) -> Array:
        ry = rx if ry is None else ry
        a, b = (self.u - x) / rx, (self.v - y) / ry
        return (np.sqrt(a * a + b * b) - 1) * min(rx, ry)

    def circles(self, *circles: tuple[float, float, float]) -> Array:
        """Several circles as one shape; ``(x, y, radius)`` each."""
        return union(*(self.ellipse(x, y, radius) for x, y, radius in circles))

    def smile(self, x: float, y: float, radius: float, width: float) -> Array:
        """The lower arc of a ring."""
        ring = np.abs(self.ellipse(x, y, radius)) - width / 2
        return np.maximum(ring, self.v - (y - radius * 0.35))

    def box(self, x0: float, y0: float, x1: float, y1: float, round: float = 0.0) -> Array:
        a = np.abs(self.u - (x0 + x1) / 2) - ((x1 - x0) / 2 - round)
        b = np.abs(self.v - (y0 + y1) / 2) - ((y1 - y0) / 2 - round)
        if not round:
            return np.maximum(a, b)
        a, b = np.maximum(a, 0), np.maximum(b, 0)
        return np.sqrt(a * a + b * b) - round

    def polygon(self, *corners: tuple[float, float]) -> Array:
        """A convex shape; corners in order."""
        edges = list(zip(corners, (*corners[1:], corners[0]), strict=True))
        if sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in edges) < 0:
            edges = [(end, start) for start, end in edges]  # anticlockwise
        sides = []
        for (x0, y0), (x1, y1) in edges:
            length = math.sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
            a, b = (y1 - y0) / length, -(x1 - x0) / length
            sides.append(self.u * a + (self.v * b - (x0 * a + y0 * b)))
        return functools.reduce(np.maximum, sides)

    def stroke(self, x0: float, y0: float, x1: float, y1: float, width: float) -> Array:
        """A line with round ends."""
        dx, dy = x1 - x0, y1 - y0
        along = ((self.u - x0) * dx + (self.v - y0) * dy) / (dx * dx + dy * dy)
        along = np.clip(along, 0, 1)
        a, b = self.u - x0 - along * dx, self.v - y0 - along * dy
        return np.sqrt(a * a + b * b) - width / 2


def union(shape: Array, *others: Array) -> Array:
    """All of several shapes as one."""
    for other in others:
        shape = np.minimum(shape, other)
    return shape


def cut(shape: Array, *others: Array) -> Array:
    """What several shapes have in common."""
    for other in others:
        shape = np.maximum(shape, other)
    return shape
