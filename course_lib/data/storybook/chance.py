"""Chance that is the same on every machine: SplitMix64, in plain integers.

numpy promises its generators' raw bits but not what is made of them, so the little that Storybook
needs is made here. The drawing keeps to ``+ - * /`` and ``sqrt``, which IEEE 754 fixes to the last
bit, as it does not fix ``sin`` and ``exp``: see :func:`wave`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Dice", "hashed", "wave"]

Array = NDArray[Any]  # 32-bit floats, everywhere in Storybook
Item = TypeVar("Item")

MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15


def _mixed(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


class Dice:
    """A stream of chance that depends on its keys alone."""

    def __init__(self, *keys: int) -> None:
        self.state = 0
        for key in keys:
            self.state = _mixed((self.state + STEP + key) & MASK)

    def unit(self) -> float:
        """Uniform in [0, 1)."""
        self.state = (self.state + STEP) & MASK
        return (_mixed(self.state) >> 11) / (1 << 53)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.unit()

    def chance(self, probability: float) -> bool:
        return self.unit() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, items: Sequence[Item]) -> Item:
        return items[int(self.unit() * len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        return [
            item for _, _, item in sorted((self.unit(), i, item) for i, item in enumerate(items))
        ]


def hashed(rows: int, columns: int, seed: int) -> Array:
    """Chance in [0, 1) on a lattice, ``[rows, columns]``; a larger one begins with the same."""
    place: Array = np.arange(rows, dtype=np.uint64)[:, None] << np.uint64(16)
    place = place + np.arange(1, columns + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        value = place * np.uint64(STEP) + np.uint64(_mixed(seed + 1))
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value ^= value >> np.uint64(31)
    return (value >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


def wave(turns: Any) -> Any:
    """Close to ``sin(2 pi turns)``, by parabolas: the same bits on every machine."""
    t = turns - np.floor(turns)
    y = 8 * (t - 0.5) * (np.abs(2 * t - 1) - 1)
    return y * (0.775 + 0.225 * np.abs(y))
