"""What pictures go through before judges study them: gently, so that they stay what they are, or
so roughly that nothing is left of them but mush, which a judge must learn to refuse.

Every function takes pictures ``[B, 3, H, W]`` in [-1, 1] and returns as many of the same size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["SPOILERS", "gentle", "resample", "spoiled"]


def chance(pictures: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """A number for each picture: ``[B, 1, 1, 1]``."""
    return low + (high - low) * torch.rand(len(pictures), 1, 1, 1)


def resample(pictures: Tensor, size: int) -> Tensor:
    """Down to ``size`` pixels and up again: what is finer than that is lost."""
    shape = pictures.shape[-2:]
    small = F.interpolate(
        pictures, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return F.interpolate(small, size=shape, mode="bicubic", align_corners=False).clamp(-1, 1)


def gentle(pictures: Tensor) -> Tensor:
    """Other light, weaker or stronger texture, a little softer, a little noise."""
    smooth = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    pictures = smooth + chance(pictures, 0.55, 1.6) * (pictures - smooth)
    if torch.rand(()) < 0.25:
        side = pictures.shape[-1]
        pictures = resample(pictures, int(torch.randint(int(0.6 * side), side, ())))
    gain = chance(pictures, 0.88, 1.12) * (0.96 + 0.08 * torch.rand(len(pictures), 3, 1, 1))
    light = chance(pictures, -0.1, 0.1)
    grain = torch.randn_like(pictures) * chance(pictures, 0.0, 0.07)
    return (pictures * gain + light + grain).clamp(-1, 1)


def noise(pictures: Tensor) -> Tensor:
    """White noise, weak to strong, around the picture's mean colour."""
    mean = pictures.mean(dim=(2, 3), keepdim=True)
    return (mean + torch.randn_like(pictures) * chance(pictures, 0.1, 1.2)).clamp(-1, 1)


def flat(pictures: Tensor) -> Tensor:
    """One colour from edge to edge, or one fading into another."""
    one, other = (picture[..., :1, :1] for picture in (pictures, pictures.roll(1, 0).flip(2, 3)))
    middle = pictures[..., pictures.shape[-2] // 2, pictures.shape[-1] // 2][..., None, None]
    across = torch.linspace(0, 1, pictures.shape[-1]) * chance(pictures).round()
    end = torch.where(chance(pictures) < 0.5, one, other)
    return (middle + (end - middle) * across).expand_as(pictures)


def blobs(pictures: Tensor) -> Tensor:
    """Smooth patches in the picture's own colours."""
    count, _, high, wide = pictures.shape
    coarse = torch.randn(count, 1, 6, 6)
    smooth = F.interpolate(coarse, size=(high, wide), mode="bicubic", align_corners=False)
    share = torch.sigmoid(chance(pictures, 3, 12) * (smooth - chance(pictures, 0, 0.5)))
    middle = pictures[..., high // 2, wide // 2][..., None, None]
    return (1 - share) * pictures[..., :1, :1] + share * middle


def clouds(pictures: Tensor) -> Tensor:
    """Smooth patches of any colours, as an untrained painter has them."""
    cells = int(torch.randint(3, 13, ()))
    coarse = torch.randn(len(pictures), 3, cells, cells) * chance(pictures, 0.5, 2.0)
    return F.interpolate(
        coarse, size=pictures.shape[-2:], mode="bicubic", align_corners=False
    ).tanh()


def blurred(pictures: Tensor) -> Tensor:
    """Three to five pixels in all, spread over the picture."""
    return resample(pictures, int(torch.randint(3, 6, ())))


def shuffled(pictures: Tensor) -> Tensor:
    """Cut into 4 x 4 tiles, which change places."""
    count, channels, height, width = pictures.shape
    tiles = F.unfold(pictures, height // 4, stride=height // 4)  # [B, C * side * side, 16]
    order = torch.rand(count, 1, 16).argsort(dim=2).expand_as(tiles)
    moved = tiles.gather(2, order)
    return F.fold(moved, (height, width), height // 4, stride=height // 4)


def halved(pictures: Tensor) -> Tensor:
    """The upper half of one picture over the lower half of another, mirrored."""
    half = pictures.shape[-2] // 2
    return torch.cat([pictures[..., half:, :], pictures.roll(1, 0)[..., :half, :].flip(3)], dim=2)


def melted(pictures: Tensor) -> Tensor:
    """Bent out of all shape, as by a painter who has not learnt yet."""
    count, _, high, wide = pictures.shape
    bend = F.interpolate(
        torch.randn(count, 2, 6, 6), size=(high, wide), mode="bicubic", align_corners=False
    )
    straight = F.affine_grid(
        torch.eye(2, 3).expand(count, 2, 3), [count, 1, high, wide], align_corners=False
    )
    grid = straight + (chance(pictures, 0.3, 0.5) * bend).permute(0, 2, 3, 1)
    return F.grid_sample(
        pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


SPOILERS = (noise, flat, blobs, clouds, blurred, shuffled, halved, melted)


def spoiled(pictures: Tensor) -> Tensor:
    """As many pictures of nothing, of every kind."""
    parts = pictures[torch.randperm(len(pictures))].tensor_split(len(SPOILERS))
    return torch.cat([spoil(part) for spoil, part in zip(SPOILERS, parts, strict=True)])
