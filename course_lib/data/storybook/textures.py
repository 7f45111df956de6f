"""What stuff is painted with: blades, waves, grains, puffs, leaves, as fields of light and dark.

A texture is a function of two coordinates in units of the picture's side. It is drawn once for each
size, four times as fine and averaged, on a sheet twice as wide as the picture; a scene cuts its own
piece out of the sheet. The values lie around 0, about -1 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from course_lib.data.storybook.chance import Array, hashed, wave

__all__ = ["TEXTURES", "sheet"]


def noise(x: Array, y: Array, cells: int, seed: int, stretch: int = 1) -> Array:
    """Value noise: chance on a lattice, smoothly in between. ``stretch`` makes it lie flat."""
    u, v = x * cells, y * (cells * stretch)
    i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    lattice = hashed(int(j.max()) + 2, int(i.max()) + 2, seed) * 2 - 1
    s, t = _smooth(u - i), _smooth(v - j)
    upper = lattice[j, i] * (1 - s) + lattice[j, i + 1] * s
    lower = lattice[j + 1, i] * (1 - s) + lattice[j + 1, i + 1] * s
    return np.asarray(upper * (1 - t) + lower * t, dtype=np.float32)


def _smooth(t: Array) -> Array:
    return t * t * (3 - 2 * t)


def _step(low: float, high: float, value: Array) -> Array:
    return _smooth(np.clip((value - low) / (high - low), 0, 1))


def _cells(
    x: Array, y: Array, cells: int, seed: int, shape: Callable[[Array, Array, Array], Array]
) -> Array:
    """The brightest of the marks around every point; one mark in each cell, at a random place.

    ``shape(dx, dy, chance)`` is the mark, with distances in cells.
    """
    u, v = x * cells + 1, y * cells + 1
    i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    size = int(j.max()) + 2, int(i.max()) + 2
    place_x, place_y, chance = (hashed(*size, seed + k) for k in range(3))
    best = np.full(np.broadcast_shapes(u.shape, v.shape), -1, dtype=np.float32)
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            at = (j + b, i + a)
            dx = u - (i + a) - place_x[at]
            dy = v - (j + b) - place_y[at]
            best = np.maximum(best, shape(dx, dy, chance[at]))
    return best


def strokes(x: Array, y: Array) -> Array:
    """Broad, flat strokes of a gouache brush, for skies."""
    return noise(x, y, 3, 1, 4) * 0.6 + noise(x, y, 7, 2, 5) * 0.3 + noise(x, y, 24, 3) * 0.12


def blades(x: Array, y: Array) -> Array:
    """Tufts of grass: thin leaning marks, lighter towards their tips."""

    def blade(dx: Array, dy: Array, chance: Array) -> Array:
        height = (0.55 - dy) / 1.1  # 0 at the foot, 1 at the tip
        lean = (chance - 0.5) * 1.1 * height * height
        thin = 1 - np.abs(dx - lean) / (0.21 * (1.05 - height))
        inside = (height > 0) & (height < 1)
        return np.where(inside, np.clip(thin * 3, -1, 1) * (0.15 + 0.85 * height), -0.6)

    return _cells(x, y, 17, 10, blade) * 0.8 + noise(x, y, 4, 14) * 0.45 + 0.15


def waves(x: Array, y: Array) -> Array:
    """Rows of crests that come and go."""
    height = y * 13 + 0.28 * wave(x * 4.2 + noise(x, y, 3, 20) * 0.7) + noise(x, y, 5, 21) * 0.35
    crest = wave(height)
    broken = _step(-0.2, 0.5, noise(x, y, 6, 22, 2))
    return _step(0.45, 0.95, crest) * broken * 1.5 - 0.25 * _step(0.2, 0.9, -crest) - 0.2


def grains(x: Array, y: Array) -> Array:
    """Sand: long ripples under fine grains."""
    ripple = wave(y * 11 + 0.8 * noise(x, y, 3, 30) + x * 0.8)
    speck = noise(x, y, 56, 31)
    return ripple * 0.32 + speck * 0.5 + noise(x, y, 5, 32) * 0.3


def leaves(x: Array, y: Array) -> Array:
    """Clumps of foliage, lit from the upper left."""

    def clump(dx: Array, dy: Array, chance: Array) -> Array:
        inside = 1 - (dx * dx + dy * dy) / 0.62
        light = 0.35 - 0.9 * dy - 0.45 * dx + (chance - 0.5) * 0.7
        return np.where(inside > 0, light, -1)

    return np.clip(_cells(x, y, 24, 40, clump), -1, 1.2) * 0.6 + noise(x, y, 8, 44) * 0.5


def puffs(x: Array, y: Array) -> Array:
    """The inside of clouds: round puffs with soft lower rims."""

    def puff(dx: Array, dy: Array, chance: Array) -> Array:
        return 1 - (dx * dx + (dy + 0.25) * (dy + 0.25)) * 1.1 - chance * 0.2

    return np.clip(_cells(x, y, 8, 50, puff), -1, 1) * 0.9 - 0.45


def rocks(x: Array, y: Array) -> Array:
    """Slanting faces of stone."""
    one = noise(x + y * 0.6, y * 0.8, 7, 60)
    other = noise(x - y * 0.7 + 3, y * 0.8, 9, 61)
    return np.clip((np.abs(one) - np.abs(other)) * 1.7, -1, 1) + noise(x, y, 30, 62) * 0.25


def drifts(x: Array, y: Array) -> Array:
    """Snow: soft blue hollows and a few sparkles."""

    def spark(dx: Array, dy: Array, chance: Array) -> Array:
        return np.where(chance > 0.6, 1 - (dx * dx + dy * dy) * 42, -1)

    soft = noise(x, y, 4, 70, 2) * 0.75 + noise(x, y, 11, 71, 2) * 0.25
    return soft + np.clip(_cells(x, y, 11, 72, spark), 0, 1) * 1.1


def pebbles(x: Array, y: Array) -> Array:
    """A road's rough skin, with the long marks of wheels."""
    return noise(x, y, 60, 80) * 0.5 + noise(x, y, 3, 81, 6) * 0.55


def ears(x: Array, y: Array) -> Array:
    """Rows of corn: bristling heads, one row behind the other."""
    row = y * 12
    tips = row + 0.5 * np.abs(wave(x * 21 + np.floor(row) * 0.37)) + 0.2 * noise(x, y, 9, 91)
    t = tips - np.floor(tips)
    return (t * 1.6 - 0.85) + noise(x, y, 34, 92) * 0.35


def stars(x: Array, y: Array) -> Array:
    """Stars: 0 where there is none."""

    def star(dx: Array, dy: Array, chance: Array) -> Array:
        away = np.sqrt(dx * dx + dy * dy) / (0.05 + 0.07 * chance)
        return np.where(chance > 0.35, 1.25 - away * 0.75, 0)

    return np.clip(_cells(x, y, 8, 95, star), 0, 1)


def petals(x: Array, y: Array) -> Array:
    """Blossoms or fallen leaves, scattered: 0 where there is none."""

    def petal(dx: Array, dy: Array, chance: Array) -> Array:
        return np.where(chance > 0.45, 1.6 - np.sqrt(dx * dx + dy * dy) * 11, 0)

    return np.clip(_cells(x, y, 9, 99, petal), 0, 1)


def paper(x: Array, y: Array) -> Array:
    """The tooth of the paper under all paint."""
    return noise(x, y, 70, 97) * 0.6 + noise(x, y, 28, 98) * 0.4


TEXTURES: dict[str, Callable[[Array, Array], Array]] = {
    "sky": strokes,
    "cloud": puffs,
    "mountain": rocks,
    "forest": leaves,
    "field": ears,
    "grass": blades,
    "sand": grains,
    "snow": drifts,
    "water": waves,
    "road": pebbles,
    "stars": stars,
    "petals": petals,
    "paper": paper,
}


@lru_cache(maxsize=256)
def sheet(name: str, size: int, scale: float = 1.0) -> Array:
    """A texture on ``[2 * size, 2 * size]`` pixels; a larger ``scale`` makes finer marks."""
    fine = max(1, 256 // size)
    steps = (np.arange(2 * size * fine, dtype=np.float32) + np.float32(0.5)) / (size * fine)
    steps = steps * np.float32(scale)
    field = _averaged(TEXTURES[name](steps[None, :], steps[:, None]), fine).astype(np.float32)
    field.setflags(write=False)
    return field


def _averaged(field: Array, fine: int) -> Array:
    """Means of ``fine`` by ``fine`` pixels; by slices, as np.mean adds in an order of its own."""
    total: Array = np.zeros(1, dtype=np.float32)
    rows = sum((field[k::fine] for k in range(fine)), total) / fine
    return sum((rows[:, k::fine] for k in range(fine)), total) / fine
