"""A painter of label maps for tests: every class in its colour, tinted by a style of three."""

from __future__ import annotations

import torch

from course_lib.data.storybook import Storybook
from course_lib.painter import Painter, Picture, noise
from course_lib.scene import LabelMap


class ColourPainter(Painter):
    """What a pixel becomes depends on its class and the style alone."""

    kind = "colours"
    classes = Storybook.classes

    def __init__(self, side: int = 64, z_dim: int = 3, encoder: object = "mean colour") -> None:
        self.canvas, self.z_dim, self.encoder = (side, side), z_dim, encoder
        self.calls = 0

    @classmethod
    def from_weights(cls, config, weights):
        return cls()

    def encode(self, picture):
        return picture.float().mean((1, 2)) / 64 - 2

    def generate(self, label_map, *, style=None, seed=7):
        self.calls += 1
        if isinstance(label_map, torch.Tensor):
            label_map = LabelMap.of(label_map, self.classes)
        if style is None:
            style = noise(seed, self.z_dim) if self.z_dim else torch.zeros(3)
        image = label_map.coloured() / 255 + 0.2 * style[:, None, None]
        return Picture((image * 2 - 1).clamp(-1, 1))
