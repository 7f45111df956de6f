"""DiffAugment: the same gentle distortions for real and fake pictures, differentiable.

Zhao et al.: Differentiable Augmentation for Data-Efficient GAN Training, NeurIPS 2020
(arXiv:2006.10738). With few pictures D learns them by heart. Distorting the real ones alone would
teach G to paint distortions; distorting both, with gradients passing through, teaches D to look at
what survives the distortion.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.objective import draw

__all__ = ["Augmentation", "diff_augment"]

Augmentation = Literal["brightness", "translation", "cutout"]
AUGMENTATIONS = get_args(Augmentation)


def diff_augment(pictures: Tensor, policy: tuple[Augmentation, ...]) -> Tensor:
    """Distorts every picture in its own way: ``[B, C, H, W]`` -> ``[B, C, H, W]``."""
    for name in policy:
        pictures = _DISTORTIONS[name](pictures)
    return pictures


def brightness(pictures: Tensor) -> Tensor:
    """Adds up to a quarter of the range, the same to a whole picture."""
    return pictures + (draw(torch.rand, len(pictures), 1, 1, 1, device=pictures.device) - 0.5)


def translation(pictures: Tensor, share: float = 0.125) -> Tensor:
    """Shifts by up to ``share`` of the side; what comes in from outside repeats the edge."""
    count, _, height, width = pictures.shape
    reach = round(height * share)
    padded = F.pad(pictures, [reach] * 4, mode="replicate")
    shift = partial(torch.randint, 0, 2 * reach + 1)
    down = draw(shift, count, 1, device=pictures.device)
    right = draw(shift, count, 1, device=pictures.device)
    rows = (down + torch.arange(height, device=pictures.device))[:, :, None]  # [B, H, 1]
    columns = (right + torch.arange(width, device=pictures.device))[:, None, :]  # [B, 1, W]
    which = torch.arange(count, device=pictures.device)[:, None, None]  # [B, 1, 1]
    return padded.permute(0, 2, 3, 1)[which, rows, columns].permute(0, 3, 1, 2)  # [B, C, H, W]


def cutout(pictures: Tensor, share: float = 0.5) -> Tensor:
    """Blanks a square of ``share`` of the side at a random place."""
    count, _, height, width = pictures.shape
    half = height * share / 2
    y, x = (draw(torch.rand, count, 1, device=pictures.device) for _ in range(2))
    far_y = (torch.arange(height, device=pictures.device) - y * height).abs() > half  # [B, H]
    far_x = (torch.arange(width, device=pictures.device) - x * width).abs() > half  # [B, W]
    keep = far_y[:, None, :, None] | far_x[:, None, None, :]  # [B, 1, H, W]
    return pictures * keep


_DISTORTIONS = {"brightness": brightness, "translation": translation, "cutout": cutout}
