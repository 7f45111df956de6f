"""Augmentation: a scene is mirrored and cropped by chance, another way in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from course_lib.data.on_disk import OnDisk, Size, sides
from course_lib.errors import CourseError
from course_lib.scene import ClassTable, Scene, SceneBatch, collate

__all__ = ["Varied"]


@dataclass(frozen=True)
class Varied:
    """Scenes of ``source``, varied by chances that the caller brings.

    The same chance gives the same picture, whoever reads it and when.

    Attributes:
        source: scenes in files, opened at the size from which squares are cut.
        size: side of the squares in pixels, or height and width; ``source.size`` cuts nothing away.
        flip: whether every other scene is mirrored, and its captions' left and right exchanged.
    """

    source: OnDisk
    size: Size
    flip: bool = True

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def fingerprint(self) -> str:
        return f"{self.source.fingerprint}-{self.size}{'-flip' * self.flip}"

    @property
    def classes(self) -> ClassTable | None:
        return self.source.classes

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: Tensor) -> SceneBatch:
        """The scenes with these indices (``[B]``), cut from the middle and not mirrored."""
        top, left = (margin // 2 for margin in self._margins())
        scenes = [self.cut(self.source[int(index)], top, left) for index in indices]
        return collate(scenes, self.classes)

    def varied(self, indices: Tensor, chances: Sequence[torch.Generator]) -> SceneBatch:
        """The scenes with these indices (``[B]``), each varied by its own chance."""
        pairs = zip(indices, chances, strict=True)
        return collate([self.vary(int(index), chance) for index, chance in pairs], self.classes)

    def vary(self, index: int, chance: torch.Generator) -> Scene:
        """One scene; all numbers are drawn, used or not, so that options do not change others."""
        top, left = (int(torch.randint(m + 1, (), generator=chance)) for m in self._margins())
        mirrored = bool(torch.rand((), generator=chance) < 0.5)
        scene = self.cut(self.source[index], top, left)
        return scene.flip() if self.flip and mirrored else scene

    def cut(self, scene: Scene, top: int, left: int) -> Scene:
        """The part whose corner is ``(top, left)``."""
        if not any(self._margins()):
            return scene
        if scene.layout is not None:
            raise CourseError("scenes with objects are not cropped: boxes would leave the picture",
                              where=self.name, fix="crop_from=None")  # fmt: skip
        corner = (top, left, *sides(self.size))
        return scene.transform(lambda parts: {k: F.crop(v, *corner) for k, v in parts.items()})

    def _margins(self) -> tuple[int, int]:
        """How much higher and wider than a part the whole is."""
        (height, width), (rows, columns) = sides(self.source.size or self.size), sides(self.size)
        return height - rows, width - columns
