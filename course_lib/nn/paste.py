"""The spatial transformer, and the one with a mask: move a picture, and lay it over another.

Jaderberg et al., NeurIPS 2015 (arXiv:1506.02025); with a mask: Yang et al., LR-GAN, ICLR 2017
(arXiv:1703.01560), section 3.2. No compiled extension, and every gradient.

A *pose* ``[2, 3]`` says, for each point ``(x, y)`` of the canvas, which point of the picture is
shown there: ``(x', y') = pose @ (x, y, 1)``, both from -1 to 1 across their squares. So a pose of
scale 2 shows the picture at *half* its size, and a shift moves it the other way.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Pasted", "paste", "pose_at", "warp"]


class Pasted(NamedTuple):
    """A canvas after something was laid on it; ``appearance`` and ``mask`` as they lie there."""

    canvas: Tensor  # [B, C, H, W]
    appearance: Tensor  # [B, C, H, W]
    mask: Tensor  # [B, 1, H, W]


def pose_at(centre: Tensor, share: Tensor) -> Tensor:
    """The pose that shows a picture around ``centre``, at ``share`` of the canvas.

    Args:
        centre: ``[..., 2]``, x and y from -1 (left, top) to 1.
        share: ``[..., 2]``, of the canvas' width and height; above 0.

    Returns:
        ``[..., 2, 3]``: ``x' = (x - centre_x) / share_x``, and y likewise.
    """
    scale = 1 / share
    return torch.cat([torch.diag_embed(scale), (-scale * centre)[..., None]], dim=-1)


def warp(pictures: Tensor, pose: Tensor, size: tuple[int, int], *, align_corners: bool) -> Tensor:
    """Pictures where the pose puts them, zero around them; bilinear.

    Args:
        pictures: ``[B, C, h, w]``.
        pose: ``[B, 2, 3]``.
        size: height and width of the canvas.
        align_corners: whether -1 and 1 are the centres of the outermost pixels, or their edges.

    Returns:
        ``[B, C, H, W]``.
    """
    return _sample(pictures, _grid(pose, size, align_corners), align_corners)


def paste(
    canvas: Tensor, appearance: Tensor, mask: Tensor, pose: Tensor, *, mask_moves_pose: bool = True
) -> Pasted:
    """Lays an appearance over the canvas wherever its mask is: ``m * f + (1 - m) * canvas``.

    ``f`` and ``m`` are appearance and mask as the pose shows them, with corners aligned.

    Args:
        canvas: ``[B, C, H, W]``.
        appearance, mask: ``[B, C, h, w]`` and ``[B, 1, h, w]``.
        pose: ``[B, 2, 3]``.
        mask_moves_pose: with False the mask sends the pose no gradient, as in the authors' CUDA
            kernel: a pose then never learns that the mask lies at the wrong place.
    """
    grid = _grid(pose, (canvas.shape[-2], canvas.shape[-1]), align_corners=True)
    if mask_moves_pose:  # both are sampled in one go
        both = _sample(torch.cat([appearance, mask], dim=1), grid, align_corners=True)
        shown, cover = both[:, :-1], both[:, -1:]
    else:
        shown = _sample(appearance, grid, align_corners=True)
        cover = _sample(mask, grid.detach(), align_corners=True)
    return Pasted(cover * shown + (1 - cover) * canvas, shown, cover)


def _grid(pose: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    """Where each point of the canvas looks: ``[B, H, W, 2]``; never in half precision."""
    pose = pose.to(torch.promote_types(pose.dtype, torch.float32))
    with torch.autocast(pose.device.type, enabled=False):
        return F.affine_grid(pose, [len(pose), 1, *size], align_corners=align_corners)


def _sample(pictures: Tensor, grid: Tensor, align_corners: bool) -> Tensor:
    return F.grid_sample(
        pictures.to(grid.dtype),
        grid,
        mode="bilinear",
        padding_mode="zeros",
        align_corners=align_corners,
    )
