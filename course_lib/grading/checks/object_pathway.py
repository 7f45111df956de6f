"""Assignment 05: the object pathway, which crops, repaints and pastes."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.grading.asking import Asked, Draw, same
from course_lib.grading.check import visible
from course_lib.opgan.objects import Objects, lay, merge

__all__ = ["boxes_of", "right_merge", "right_pathway", "right_poses"]

CHAPTER = "chapter 05, section 4, The object pathway, taken apart"


def boxes_of(draw: Draw, count: int, objects: int) -> Tensor:
    """Boxes x, y, w, h inside of the picture, as fractions: [B, O, 4]."""
    size = draw.uniform(0.3, 0.7, count, objects, 2)
    return torch.cat([draw.uniform(0.0, 1.0, count, objects, 2) * (1 - size), size], dim=2)


def right_poses(boxes: Tensor) -> Objects:
    """The library's poses: ``crop`` and ``paste``."""
    return Objects.of(boxes, torch.zeros(boxes.shape[:2], dtype=torch.int64), 2)


def right_merge(laid: Tensor) -> Tensor:
    return merge(laid.transpose(0, 1))


def right_pathway(maps: Tensor, boxes: Tensor, gains: Tensor, side: int) -> Tensor:
    poses, count = right_poses(boxes), boxes.shape[1]
    seen = lay(maps.expand(count, *maps.shape), poses.crop, side)  # [O, B, C, side, side]
    painted = seen * gains.transpose(0, 1)[..., None, None]
    return merge(lay(painted, poses.paste, maps.shape[-1]))


@visible("05.1", CHAPTER)
def the_crop(pose: Asked, draw: Draw) -> None:
    """the pose shows the box on the whole square"""
    boxes = boxes_of(draw, 2, 3)
    same(pose(boxes), right_poses(boxes).crop, "the poses")


@visible("05.2", CHAPTER)
def the_paste(pose: Asked, draw: Draw) -> None:
    """the pose shows the whole square in the box"""
    boxes = boxes_of(draw, 2, 3)
    same(pose(boxes), right_poses(boxes).paste, "the poses", close=1e-3)


@visible("05.3", CHAPTER)
def the_canvas(function: Asked, draw: Draw) -> None:
    """later objects cover earlier ones, wherever they are not 0"""
    laid = draw.normal(2, 3, 1, 4, 4) * (draw.uniform(0.0, 1.0, 2, 3, 1, 4, 4) > 0.5)
    same(function(laid), right_merge(laid), "the canvas")


@visible("05.4", CHAPTER)
def the_whole(pathway: Asked, draw: Draw) -> None:
    """each box is cut out, repainted by its own gains, and pasted back"""
    inputs = draw.normal(2, 3, 8, 8), boxes_of(draw, 2, 2), draw.normal(2, 2, 3), 4
    same(pathway(*inputs), right_pathway(*inputs), "the canvas")
