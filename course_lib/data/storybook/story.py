"""A drawn scene that remembers its plan and its look, so that either can be changed alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from course_lib.data.storybook.captions import Sight, captions, sights
from course_lib.data.storybook.chance import Dice
from course_lib.data.storybook.draw import paint_scene
from course_lib.data.storybook.palette import Look
from course_lib.data.storybook.plan import CLASSES, ScenePlan, Thing
from course_lib.errors import CourseError
from course_lib.scene import LabelMap, Layout, Scene

__all__ = ["SIZES", "StoryScene", "check_size", "draw"]

SIZES = (32, 256)  # the smallest and the largest side of a picture, in pixels


@dataclass(frozen=True, eq=False, kw_only=True)
class StoryScene(Scene):
    """A scene of Storybook, with everything that it was made of.

    Attributes:
        plan: its layout: what stands where.
        look: season, hour, palette and texture.
        things: the plan's things that can be seen, in the order of ``layout`` and ``masks``.
        sights: class, colour, box and surroundings of each, as the captions tell them.
        caption_seed: the choice of words.
    """

    plan: ScenePlan
    look: Look
    things: tuple[Thing, ...]
    sights: tuple[Sight, ...]
    caption_seed: int = 0

    @property
    def ids(self) -> NDArray[np.int64]:
        """The label map's class ids: ``[H, W]``."""
        ids: NDArray[np.int64] = cast(LabelMap, self.label_map).ids.numpy()
        return ids

    @property
    def instances(self) -> NDArray[np.int64]:
        """0 for stuff, ``k + 1`` for object ``k``: ``[H, W]``."""
        instances = cast(LabelMap, self.label_map).instances
        return cast(Tensor, instances).numpy()

    def redraw(self, *, look: Look | None = None, layout: ScenePlan | None = None) -> StoryScene:
        """The same scene with another look, another layout, or both; nothing else changes."""
        return draw(layout or self.plan, look or self.look, self.canvas[0], self.caption_seed)


def check_size(size: object) -> int:
    """Pictures are square, from 32 to 256 pixels wide."""
    low, high = SIZES
    if not isinstance(size, int) or isinstance(size, bool) or not low <= size <= high:
        raise CourseError(
            f"{size!r} is no size; pictures are {low} to {high} pixels wide", where="size"
        )
    return size


def draw(plan: ScenePlan, look: Look, size: int = 64, caption_seed: int = 0) -> StoryScene:
    """Draws a plan in a look.

    Geometry is in fractions of the picture, so a plan is the same scene at every size.

    Args:
        size: height and width in pixels, 32 to 256.
        caption_seed: which of the many true things the captions say.
    """
    pixels, ids, drawn = paint_scene(plan, look, check_size(size))
    seen = [k for k in range(len(plan.things)) if (drawn == k + 1).any()]
    instances = np.zeros_like(drawn)
    for number, k in enumerate(seen, 1):
        instances[drawn == k + 1] = number
    masks = instances == np.arange(1, len(seen) + 1)[:, None, None]
    corners = [bounds(mask) for mask in masks]
    things = tuple(plan.things[k] for k in seen)
    fractions = [(a / size, b / size, c / size, d / size) for a, b, c, d in corners]
    seeing = sights(things, fractions, ids)
    boxes = torch.tensor(corners, dtype=torch.float32).reshape(-1, 4)
    return StoryScene(
        image=tv_tensors.Image(torch.from_numpy(pixels)),
        captions=captions(seeing, ids, look, Dice(caption_seed, 11)),
        layout=Layout(
            tuple(thing.name for thing in things),
            tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(size, size)),
        ),
        masks=tv_tensors.Mask(torch.from_numpy(masks)),
        label_map=LabelMap(
            tv_tensors.Mask(torch.from_numpy(ids)),
            CLASSES,
            tv_tensors.Mask(torch.from_numpy(instances)),
        ),
        plan=plan,
        look=look,
        things=things,
        sights=seeing,
        caption_seed=caption_seed,
    )


def bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The smallest box around a mask, as pixel corners (the last ones excluded)."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
