"""RoIAlign with a guard: a box that is not finite kills the process inside torchvision's kernel."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import roi_align

from course_lib.errors import CourseError

__all__ = ["region_features"]


def region_features(
    maps: Tensor, boxes: Tensor, pictures: Tensor, side: int, *, aligned: bool, samples: int = 0
) -> Tensor:
    """What lies in each box, resampled to a square.

    Args:
        maps: ``[B, C, H, W]``, of pictures or features.
        boxes: ``[N, 4]``, corners (XYXY) as fractions of the picture.
        pictures: ``[N]``, the number of the picture of each box.
        side: of the squares.
        aligned: pixel centres as RoIAlign should read them; False for the half pixel's shift and
            the least size of 1 that Detectron had at first, and with it LostGAN.
        samples: points a cell and side; 0 for as many as the box has pixels there.

    Returns:
        ``[N, C, side, side]``, never in half precision.

    Raises:
        CourseError: boxes with NaN or infinite numbers, or numbers of pictures that there are not.
    """
    if not bool(boxes.isfinite().all()):
        raise CourseError("a box holds NaN or infinite values", where="boxes")
    if len(pictures) and not 0 <= int(pictures.min()) <= int(pictures.max()) < len(maps):
        raise CourseError(f"boxes of {len(maps)} pictures name others", where="boxes")
    height, width = maps.shape[-2:]
    scale = torch.tensor([width, height, width, height], device=boxes.device)
    kind = torch.promote_types(maps.dtype, torch.float32)
    corners = torch.cat([pictures[:, None].to(kind), boxes.to(kind) * scale], dim=1)  # [N, 5]
    with torch.autocast(maps.device.type, enabled=False):
        return roi_align(maps.to(kind), corners, side, 1.0, samples, aligned)
