"""Storybook's pages as judges study them: pictures with all that is known of them, as tensors."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.data.storybook import CLASSES, COLOURS, Storybook, StoryScene
from course_lib.data.storybook.palette import HOURS, PALETTES, SEASONS

__all__ = ["SIZE", "Pages", "at_size", "draw_pages", "page_colours", "study_pages"]

SIZE = 64  # side in pixels at which judges look
MOST = 6  # objects of a page
COLOUR_NAMES = tuple(COLOURS)


@dataclass(frozen=True)
class Pages:
    """Pages of Storybook, all at :data:`SIZE` pixels; ``O`` objects at most.

    Attributes:
        images: ``[N, 3, H, W]``, uint8.
        label_maps, instances: ``[N, H, W]``, uint8, as in a :class:`SceneBatch`.
        objects, colours: ``[N, O]``, class ids and places in ``COLOURS``; -1 where there is none.
        boxes: ``[N, O, 4]``, corners as fractions.
        looks: ``[N, 3]``, places in ``SEASONS``, ``HOURS`` and ``PALETTES``.
    """

    images: Tensor
    label_maps: Tensor
    instances: Tensor
    objects: Tensor
    colours: Tensor
    boxes: Tensor
    looks: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def pick(self, indices: Tensor) -> Pages:
        return Pages(*(getattr(self, field.name)[indices] for field in fields(self)))

    @property
    def pictures(self) -> Tensor:
        """The images as networks take them: floats in [-1, 1]."""
        return self.images.float() / 127.5 - 1


def at_size(pictures: Tensor, size: int = SIZE) -> Tensor:
    """Pictures ``[B, 3, H, W]`` as judges see them: ``[B, 3, size, size]``."""
    if pictures.shape[-2:] == (size, size):
        return pictures
    return F.interpolate(
        pictures, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )


def page_colours(scene: StoryScene) -> Tensor:
    """The colours of a scene's objects, as places in ``COLOURS``: ``[O]``, padded with -1."""
    names = [COLOUR_NAMES.index(thing.colour) for thing in scene.things]
    return torch.tensor(names + [-1] * (MOST - len(names)))


def _page(scene: StoryScene) -> Pages:
    objects, boxes = torch.full((MOST,), -1), torch.zeros(MOST, 4)
    for number, sight in enumerate(scene.sights):
        objects[number], boxes[number] = CLASSES.id(sight.name), torch.tensor(sight.box)
    look = scene.look
    looks = (SEASONS.index(look.season), HOURS.index(look.hour), PALETTES.index(look.palette))
    small = at_size(torch.as_tensor(scene.image)[None].float())[0]
    ids, instances = torch.from_numpy(scene.ids), torch.from_numpy(scene.instances)
    maps = torch.stack([ids, instances])[None].float()
    maps = F.interpolate(maps, size=(SIZE, SIZE), mode="nearest-exact")[0]
    return Pages(
        images=small.round().clamp(0, 255).to(torch.uint8),
        label_maps=maps[0].to(torch.uint8),
        instances=maps[1].to(torch.uint8),
        objects=objects,
        colours=page_colours(scene),
        boxes=boxes,
        looks=torch.tensor(looks),
    )


def draw_pages(world: Storybook, indices: Sequence[int]) -> Pages:
    """The pages of these indices, drawn at the world's size and seen at the judges'."""
    drawn = [_page(world[index]) for index in indices]
    return Pages(*(torch.stack([getattr(p, f.name) for p in drawn]) for f in fields(Pages)))


def study_pages(count: int, seed: int, workers: int = 2) -> Pages:
    """Pages to learn from: most at 64 pixels, some smaller and larger, with up to six things."""
    shares = [(64, (0, 4), 0.7), (64, (4, 6), 0.14), (32, (0, 4), 0.08), (128, (0, 4), 0.08)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, torch.set_num_threads, (1,)) as pool:
        waiting = []
        for number, (size, things, share) in enumerate(shares):
            world = Storybook(seed=seed, size=size, things=things, cache_mb=1)
            start, amount = number * count, round(share * count)
            step = partial(draw_pages, world)
            chunks = [
                range(i, min(i + 100, start + amount)) for i in range(start, start + amount, 100)
            ]
            waiting.append(pool.map(step, chunks))
        parts = [pages for group in waiting for pages in group]
    return Pages(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Pages)))
