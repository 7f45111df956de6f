"""First weights, as pix2pix's family of programs draws them."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

__all__ = ["Init", "initialise"]

Init = Literal["xavier", "xavier_uniform", "normal", "kaiming", "orthogonal", "none"]


def initialise(network: nn.Module, init: Init, gain: float) -> None:
    """The first weights of every layer but those with spectral norm, which keep torch's own.

    So it was in the published trainings: their program meant to draw these too, but on a GPU it
    drew weights that the norm had already put aside. What the norm divides away makes no
    difference to a layer's output, but a great one to how far a step of Adam turns it.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if init != "none":
                nn.init.zeros_(layer.bias) if layer.bias is not None else None
            if not is_parametrized(layer):
                _draw(layer.weight, init, gain)
        elif isinstance(layer, nn.BatchNorm2d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, gain)


def _draw(weight: Tensor, init: Init, gain: float) -> None:
    if init == "xavier":
        nn.init.xavier_normal_(weight, gain)
    elif init == "xavier_uniform":
        nn.init.xavier_uniform_(weight)
    elif init == "normal":
        nn.init.normal_(weight, 0.0, gain)
    elif init == "kaiming":
        nn.init.kaiming_normal_(weight)
    elif init == "orthogonal":
        nn.init.orthogonal_(weight, gain)
