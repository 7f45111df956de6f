"""The picture in the making: its colours, and what each pixel belongs to."""

from __future__ import annotations

import numpy as np

from course_lib.data.storybook.chance import Array, Dice
from course_lib.data.storybook.palette import Light, Look
from course_lib.data.storybook.plan import CLASSES, ScenePlan
from course_lib.data.storybook.textures import sheet

__all__ = ["Canvas"]


class Canvas:
    """Pixels ``rgb`` (``[3, H, W]``, 0 to 1), class ``ids`` and object numbers (``[H, W]``).

    ``x`` (``[1, W]``) and ``y`` (``[H, 1]``) are the pixels' places as fractions of the picture.
    Object numbers count the plan's things from 1; 0 is stuff.
    """

    def __init__(self, plan: ScenePlan, look: Look, size: int) -> None:
        self.plan, self.look, self.size = plan, look, size
        self.light = Light(look)
        steps = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
        self.x, self.y = steps[None, :], steps[:, None]
        self.rgb: Array = np.empty((3, size, size), dtype=np.float32)
        self.ids = np.zeros((size, size), dtype=np.int64)
        self.instances = np.zeros((size, size), dtype=np.int64)

    def texture(self, name: str, key: int, scale: float = 1.0) -> Array:
        """A piece of a texture's sheet as large as the picture; the look says which."""
        dice = Dice(self.look.texture, key)
        left, top = (dice.whole(0, 31) * self.size // 32 for _ in range(2))
        return sheet(name, self.size, scale)[top : top + self.size, left : left + self.size]

    def window(self, x: float, base: float, reach: float, height: float) -> tuple[slice, slice]:
        """The pixels around something that stands at ``(x, base)``: rows and columns."""

        def pixel(value: float) -> int:
            return min(max(int(value * self.size), 0), self.size)

        rows = slice(pixel(base - height), pixel(base + 0.02) + 2)
        return rows, slice(pixel(x - reach), pixel(x + reach) + 2)

    def lay(self, rows: slice, columns: slice, cover: Array, colour: Array, name: str) -> None:
        """Paints over a window; what is covered by half or more belongs to the class ``name``."""
        part = self.rgb[:, rows, columns]
        part += cover * (colour - part)
        self.ids[rows, columns][cover >= 0.5] = CLASSES.id(name)
