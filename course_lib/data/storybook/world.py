"""Storybook: as many scenes as one wants, each a function of seed, index and size."""

from __future__ import annotations

import multiprocessing
import operator
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from course_lib.data.fingerprint import fingerprint
from course_lib.data.storybook.chance import Dice
from course_lib.data.storybook.compose import compose
from course_lib.data.storybook.palette import Look
from course_lib.data.storybook.plan import CLASSES, ScenePlan
from course_lib.data.storybook.story import StoryScene, check_size, draw
from course_lib.errors import CourseError, check_seed
from course_lib.scene import ClassTable, SceneBatch

__all__ = ["Storybook"]

SPLITS = {"train": (0.0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1.0)}
Split = Literal["train", "val", "test"]
MOST_THINGS = 6
EDITION = 1  # one more whenever a page is drawn or told differently from before


@dataclass(frozen=True)
class _Page:
    """A scene as the cache keeps it: small, and ready to be stacked."""

    pixels: NDArray[np.uint8]  # [3, H, W]
    maps: NDArray[np.uint8]  # [2, H, W]: class ids, instances
    objects: NDArray[np.int64]  # [O]
    boxes: NDArray[np.float32]  # [O, 4], fractions
    present: NDArray[np.bool_]  # [O]
    captions: tuple[str, ...]


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
        cache_mb: how much memory drawn pages may take, so that a second epoch costs nothing.
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
        cache_mb: int = 1024,
    ) -> None:
        self.seed, self.size, self.fixed_look = check_seed(seed), check_size(size), look
        fewest, most = things
        if not 0 <= fewest <= most <= MOST_THINGS:
            raise CourseError(
                f"{things}; allowed is 0 <= fewest <= most <= {MOST_THINGS}", where="things"
            )
        self.things, self.length = (fewest, most), length
        self._room = cache_mb * 2**20 // (5 * size * size + 2048)
        self._pages: dict[int, _Page] = {}

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[StoryScene]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> StoryScene:
        index = self._check(index)
        key = Dice(self.seed, index, 3).state
        return draw(self.plan(index), self.look(index), self.size, caption_seed=key)

    @property
    def fingerprint(self) -> str:
        """Of everything that its pages depend on."""
        book = (self.seed, self.size, self.things, self.fixed_look, self.length)
        return fingerprint(self.name, EDITION, *book)

    def look(self, index: int) -> Look:
        """The look of a page, without drawing it."""
        return self.fixed_look or Look.random(Dice(self.seed, index, 1))

    def plan(self, index: int) -> ScenePlan:
        """The layout of a page, without drawing it."""
        return compose(Dice(self.seed, index, 2), self.things, self.look(index).hour)

    def split(self, name: Split) -> range:
        """The pages of a split."""
        start, end = (round(share * self.length) for share in SPLITS[name])
        return range(start, end)

    def batch(self, indices: Tensor) -> SceneBatch:
        """The scenes with these indices (``[B]``), padded to the most things that one can have."""
        pages = [self._page(index) for index in torch.as_tensor(indices).tolist()]
        maps = _stacked([page.maps for page in pages]).long()
        return SceneBatch(
            images=_stacked([page.pixels for page in pages]).float() / 127.5 - 1,
            captions=tuple(page.captions for page in pages),
            label_maps=maps[:, 0],
            instances=maps[:, 1],
            objects=_stacked([page.objects for page in pages]),
            boxes=_stacked([page.boxes for page in pages]),
            present=_stacked([page.present for page in pages]),
            classes=self.classes,
        )

    def prepare(self, indices: Sequence[int], workers: int) -> None:
        """Draws pages into the cache ahead of time, in several processes."""
        missing = [i for i in indices if i not in self._pages][: self._room - len(self._pages)]
        context = multiprocessing.get_context("spawn")  # forking a process with threads may hang
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            drawn = pool.map(self._drawn, missing, chunksize=64)
            self._pages.update(zip(missing, drawn, strict=True))

    def __getstate__(self) -> dict[str, Any]:
        """Another process gets the book without its drawn pages."""
        return {**self.__dict__, "_pages": {}}

    def _check(self, index: int) -> int:
        try:
            whole = operator.index(index)
        except TypeError:
            whole = -1
        if not 0 <= whole < self.length:
            raise CourseError(
                f"no page {index!r}; there are pages 0 to {self.length - 1}", where=self.name
            )
        return whole

    def _page(self, index: int) -> _Page:
        page = self._pages.get(index) or self._drawn(index)
        if len(self._pages) < self._room:
            self._pages[index] = page
        return page

    def _drawn(self, index: int) -> _Page:
        scene, most = self[index], self.things[1]
        objects = np.zeros(most, dtype=np.int64)
        boxes = np.zeros((most, 4), dtype=np.float32)
        count = len(scene.things)
        if count:
            objects[:count] = [CLASSES.id(thing.name) for thing in scene.things]
            boxes[:count] = [sight.box for sight in scene.sights]
        maps = np.stack([scene.ids, scene.instances]).astype(np.uint8)
        present = np.arange(most) < count
        return _Page(scene.image.numpy(), maps, objects, boxes, present, scene.captions)


def _stacked(arrays: list[NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
