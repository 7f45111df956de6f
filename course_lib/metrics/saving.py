"""How pictures are saved before they are scored: two conventions, one of them in published scores.

LostGAN's FID of 24.8 on COCO-Stuff is that of files which ``scipy.misc.imsave`` wrote: it stretched
every picture from its darkest to its lightest value. Saved plainly, the same pictures have 30.7.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["saved"]


def saved(pictures: Tensor, *, stretched: bool = False) -> Tensor:
    """Pictures as they come back from 8-bit files: ``[N, C, H, W]`` in [-1, 1], the same.

    Args:
        stretched: each picture's contrast first, so that it goes from 0 to 255.
    """
    pictures = pictures.clamp(-1, 1)
    if stretched:
        low, high = pictures.amin((1, 2, 3), keepdim=True), pictures.amax((1, 2, 3), keepdim=True)
        pictures = 2 * (pictures - low) / (high - low).clamp(min=1e-6) - 1
    return ((pictures + 1) * 127.5).round() / 127.5 - 1
