"""Assignment 04: spatially-adaptive normalisation."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from course_lib.grading.asking import Asked, Draw, parts, same
from course_lib.grading.check import visible
from course_lib.nn.by_label import LabelMaps, SoftMaps
from course_lib.spade.networks import SPADE

__all__ = ["layers", "one_hot", "right_modulation", "right_norm", "right_spade"]

CHAPTER = "chapter 04, section 4, The norm that gives it back"
Layer = tuple[Tensor, Tensor]


def layers(draw: Draw, planes: int, channels: int, side: int = 3) -> tuple[Layer, Layer, Layer]:
    """Weight and bias of the three convolutions, with 5 hidden channels."""

    def conv(wide: int, narrow: int) -> Layer:
        return draw.normal(narrow, wide, side, side) / side, draw.normal(narrow)

    return conv(planes, 5), conv(5, channels), conv(5, channels)


def one_hot(draw: Draw, count: int, planes: int, height: int, width: int) -> Tensor:
    return F.one_hot(draw.ids(planes, count, height, width), planes).permute(0, 3, 1, 2).float()


def right_norm(x: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, training=True, eps=1e-5)


def _block(planes: int, shared: Layer, gamma: Layer, beta: Layer) -> SPADE:
    block = SPADE(len(gamma[0]), planes, kernel=shared[0].shape[-1], hidden=len(shared[0]))
    named = {"mlp_shared": shared, "mlp_gamma": gamma, "mlp_beta": beta}
    block.load_state_dict(
        {name: value for name, value in block.state_dict().items() if "mlp" not in name}
        | {f"{name}.weight": layer[0] for name, layer in named.items()}
        | {f"{name}.bias": layer[1] for name, layer in named.items()}
    )
    return block


def right_modulation(planes: Tensor, *convs: Layer) -> tuple[Tensor, Tensor]:
    """The library's gamma, without its 1, and beta."""
    both = _block(planes.shape[1], *convs).plain_modulation(SoftMaps(planes)).detach()
    scale, beta = both.chunk(2, dim=1)
    return scale - 1, beta


def right_spade(x: Tensor, ids: Tensor, classes: int, *convs: Layer) -> Tensor:
    return _block(classes, *convs)(x, LabelMaps(ids, classes)).detach()


@visible("04.1", CHAPTER)
def the_norm(normalise: Asked, draw: Draw) -> None:
    """each channel has mean 0 and variance 1 over batch and pixels"""
    x = 3 * draw.normal(4, 2, 5, 6) + draw.normal(2, 1, 1)
    same(normalise(x), right_norm(x), "the normalised x")


@visible("04.2", CHAPTER)
def the_modulation(modulation: Asked, draw: Draw) -> None:
    """gamma and beta are two convolutions of one hidden map"""
    planes, convs = one_hot(draw, 2, 4, 6, 7), layers(draw, 4, 3)
    gamma, beta = parts(modulation(planes, *convs), 2, "gamma and beta")
    same(gamma, right_modulation(planes, *convs)[0], "gamma")
    same(beta, right_modulation(planes, *convs)[1], "beta")


@visible("04.3", CHAPTER)
def the_block(spade: Asked, draw: Draw) -> None:
    """(1 + gamma) norm(x) + beta, for maps of the size of x"""
    x, ids, convs = draw.normal(3, 2, 6, 6), draw.ids(4, 3, 6, 6), layers(draw, 4, 2)
    same(spade(x, ids, 4, *convs), right_spade(x, ids, 4, *convs), "the modulated x")
