"""Assignment 03: the spatial transformer with a mask."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.grading.asking import Asked, Draw, same
from course_lib.grading.check import visible
from course_lib.nn.paste import paste, warp

__all__ = ["poses_of", "right_grid", "right_paste", "right_sample"]

CHAPTER = "chapter 03, section 4, Where it goes: a spatial transformer"


def poses_of(draw: Draw, count: int) -> Tensor:
    """Poses that shrink, shift, turn and shear: [count, 2, 3]."""
    return torch.eye(2, 3) * draw.uniform(1.0, 2.0, 1) + 0.4 * draw.normal(count, 2, 3)


def right_grid(poses: Tensor, height: int, width: int) -> Tensor:
    return F.affine_grid(poses, [len(poses), 1, height, width], align_corners=True)


def right_sample(pictures: Tensor, points: Tensor) -> Tensor:
    return F.grid_sample(
        pictures, points, mode="bilinear", padding_mode="zeros", align_corners=True
    )


def right_paste(canvas: Tensor, appearance: Tensor, mask: Tensor, poses: Tensor) -> Tensor:
    return paste(canvas, appearance, mask, poses).canvas


@visible("03.1", CHAPTER)
def the_grid(grid: Asked, draw: Draw) -> None:
    """every pixel of the canvas asks for the point that the pose says"""
    poses = poses_of(draw, 2)
    same(grid(poses, 4, 6), right_grid(poses, 4, 6), "the points")


@visible("03.2", CHAPTER)
def straight_up(sample: Asked, draw: Draw) -> None:
    """points on pixels' centres give these pixels"""
    pictures = draw.normal(2, 3, 4, 5)
    points = right_grid(torch.eye(2, 3).expand(2, 2, 3), 4, 5)
    same(sample(pictures, points), pictures, "the pictures, looked at straight")


@visible("03.2", CHAPTER)
def between(sample: Asked, draw: Draw) -> None:
    """points between pixels mix them, and points outside give 0"""
    pictures, poses = draw.normal(2, 3, 4, 5), poses_of(draw, 2)
    right = warp(pictures, poses, (6, 7), align_corners=True)
    same(sample(pictures, right_grid(poses, 6, 7)), right, "the samples")


@visible("03.3", "chapter 03, section 3, The idea: lay one thing over another")
def the_paste(function: Asked, draw: Draw) -> None:
    """m f + (1 - m) x, with f and m where the pose puts them"""
    canvas, appearance = draw.normal(2, 3, 6, 7), draw.normal(2, 3, 4, 5)
    mask, poses = draw.uniform(0.0, 1.0, 2, 1, 4, 5), poses_of(draw, 2)
    things = canvas, appearance, mask, poses
    same(function(*things), right_paste(*things), "the new canvas")
