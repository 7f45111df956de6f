"""Fine detail, amplified: a discriminator that is shown it sees texture from the first rounds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["high_passed"]


def high_passed(pictures: Tensor, strength: float, side: int = 3) -> Tensor:
    """The pictures, and beside them what a blur takes away, amplified: ``[B, 6, H, W]``.

    Texture is faint beside differences of colour; a discriminator takes long to find it alone.

    Args:
        strength: by how much it is amplified.
        side: of the square whose mean the blur is, in pixels, an odd number.
    """
    soft = F.avg_pool2d(pictures, side, stride=1, padding=side // 2, count_include_pad=False)
    return torch.cat([pictures, strength * (pictures - soft)], dim=1)
