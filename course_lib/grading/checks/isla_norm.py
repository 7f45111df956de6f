"""Assignment 06: instance-sensitive and layout-aware normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.grading.asking import Asked, Draw, same
from course_lib.grading.check import visible
from course_lib.lostgan.networks import ISLA

__all__ = ["right_isla", "right_mix", "right_shares", "soft_masks"]

CHAPTER = "chapter 06, section 4, Every object has its say: ISLA norm"


class Part(nn.Module):
    """Takes some numbers of a code: a style is given, not computed."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.which = slice(first, last)

    def forward(self, codes: Tensor) -> Tensor:
        return codes[:, self.which]


def soft_masks(draw: Draw, count: int, objects: int, side: int) -> Tensor:
    """Masks from 0 to 1 that leave some pixels to nobody: [B, O, side, side]."""
    masks = draw.uniform(0.0, 1.0, count, objects, side, side)
    return masks * (draw.uniform(0.0, 1.0, count, objects, side, side) > 0.5)


def right_shares(masks: Tensor) -> Tensor:
    return masks / (masks.sum(dim=1, keepdim=True) + 1e-6)


def right_mix(each: Tensor, masks: Tensor) -> Tensor:
    return torch.einsum("boc,bohw->bchw", each, right_shares(masks))


def right_isla(x: Tensor, gammas: Tensor, betas: Tensor, masks: Tensor) -> Tensor:
    """The library's block, whose linear layers are replaced by these gammas and betas."""
    channels = x.shape[1]
    block = ISLA(channels, 2 * channels)
    block.to_gamma, block.to_beta = Part(0, channels), Part(channels, 2 * channels)  # type: ignore[assignment]
    return block(x, torch.cat([gammas, betas], dim=2).flatten(0, 1), masks)


@visible("06.1", CHAPTER)
def the_shares(shares: Asked, draw: Draw) -> None:
    """at each pixel the masks are divided by their sum"""
    masks = soft_masks(draw, 2, 3, 5)
    same(shares(masks), right_shares(masks), "the shares")


@visible("06.2", CHAPTER)
def the_mixture(mix: Asked, draw: Draw) -> None:
    """a pixel gets the mean of the numbers of the objects there, weighted by their masks"""
    each, masks = draw.normal(2, 3, 4), soft_masks(draw, 2, 3, 5)
    same(mix(each, masks), right_mix(each, masks), "the mixture")


@visible("06.3", CHAPTER)
def the_block(isla: Asked, draw: Draw) -> None:
    """(1 + gamma) norm(x) + beta, for masks of the size of x"""
    x, masks = draw.normal(3, 4, 6, 6), soft_masks(draw, 3, 2, 6)
    inputs = x, draw.normal(3, 2, 4), draw.normal(3, 2, 4), masks
    same(isla(*inputs), right_isla(*inputs), "the modulated x")
