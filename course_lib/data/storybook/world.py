"""Storybook: as many scenes as one wants, each a function of seed, index and size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from course_lib.data.storybook.chance import Dice
from course_lib.data.storybook.compose import compose
from course_lib.data.storybook.palette import Look
from course_lib.data.storybook.plan import CLASSES, ScenePlan
from course_lib.data.storybook.story import StoryScene, check_size, draw
from course_lib.errors import CourseError, check_seed
from course_lib.scene import ClassTable, Scene, SceneBatch, collate

__all__ = ["Storybook"]

SPLITS = {"train": (0.0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1.0)}


class Storybook:
    """The world of the course.

    >>> world = Storybook(seed=0, size=64)
    >>> world[5].captions[0]                                              # doctest: +SKIP
    'a red house on the grass under a cloudy sky'

    Args:
        seed: another seed, another book.
        size: height and width of the pictures, 32 to 256; the scenes are the same at every size.
        things: the fewest and the most things in a scene; ``(1, 1)`` gives one large thing alone.
        look: draw every scene in this look instead of its own.
        length: a nominal number of pages. The first 80 % are for training, then 10 % for validation
            and 10 % for tests (:meth:`split`).
        cache_mb: how much memory drawn scenes may take, so that a second epoch costs nothing.
    """

    name = "storybook"
    classes: ClassTable = CLASSES

    def __init__(
        self,
        seed: int = 0,
        size: int = 64,
        *,
        things: tuple[int, int] = (0, 4),
        look: Look | None = None,
        length: int = 100_000,
        cache_mb: int = 512,
    ) -> None:
        self.seed, self.size, self.fixed_look = check_seed(seed), check_size(size), look
        fewest, most = things
        if not 0 <= fewest <= most <= 6:
            raise CourseError(f"{things}; allowed is 0 <= fewest <= most <= 6", where="things")
        self.things, self.length = (fewest, most), length
        self._room = cache_mb * 2**20 // (size * size * (3 + 8 + 8 + most))
        self._cache: dict[int, StoryScene] = {}

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[StoryScene]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> StoryScene:
        if not isinstance(index, int) or not 0 <= index < self.length:
            raise CourseError(
                f"page {index!r}; there are pages 0 to {self.length - 1}", where=self.name
            )
        scene = self._cache.get(index)
        if scene is None:
            scene = draw(self.plan(index), self.look(index), self.size, self._key(index))
            if len(self._cache) < self._room:
                self._cache[index] = scene
        return scene

    def look(self, index: int) -> Look:
        """The look of a page, without drawing it."""
        return self.fixed_look or Look.random(Dice(self.seed, index, 1))

    def plan(self, index: int) -> ScenePlan:
        """The layout of a page, without drawing it."""
        return compose(Dice(self.seed, index, 2), self.things, self.look(index).hour)

    def split(self, name: Literal["train", "val", "test"]) -> range:
        """The pages of a split."""
        start, end = (round(share * self.length) for share in SPLITS[name])
        return range(start, end)

    def batch(self, indices: Tensor) -> SceneBatch:
        """The scenes with these indices (``[B]``), padded to the most things that a scene can have."""
        scenes: list[Scene] = [self[int(index)] for index in torch.as_tensor(indices)]
        return collate(scenes, self.classes, max_objects=self.things[1])

    def _key(self, index: int) -> int:
        return Dice(self.seed, index, 3).state
