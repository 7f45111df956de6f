"""Spectral norm with the power iteration's vectors as the authors' files have them.

Miyato et al.: Spectral Normalization for GANs, ICLR 2018 (arXiv:1802.05957), algorithm 1. torch's
parametrization estimates ``u`` before ``v`` and draws both anew until they have settled; released
networks were trained with ``v`` before ``u``, one step whenever the layer runs in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["SpectralNorm", "our_names", "spectral_norm"]

Layer = TypeVar("Layer", bound=nn.Module)


class SpectralNorm(nn.Module):
    """``W / sigma(W)``, the largest singular value being estimated by ``u^T W v``.

    In training every look at the layer's weight is one step ``v <- W^T u / |.|, u <- W v / |.|``.

    Shapes: ``[out, ...]``, the same.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, eps: float) -> None:
        super().__init__()
        rows, columns = weight.flatten(1).shape
        self.eps = eps
        self.register_buffer("u", self._unit(weight.new_empty(rows).normal_()))
        self.register_buffer("v", self._unit(weight.new_empty(columns).normal_()))

    def _unit(self, vector: Tensor) -> Tensor:
        return F.normalize(vector, dim=0, eps=self.eps)

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1)  # [out, in * kernel]
            if self.training:
                with torch.no_grad():
                    self.v.copy_(self._unit(matrix.T @ self.u))
                    self.u.copy_(self._unit(matrix @ self.v))
            # New tensors, since the next step writes over u and v before gradients are taken; and
            # of length 1 also in an averaged network, where means of unit vectors are shorter.
            sigma = self._unit(self.u) @ (matrix @ self._unit(self.v))
            return weight / sigma


def spectral_norm(layer: Layer, eps: float = 1e-12) -> Layer:
    """The layer, whose weight is divided by its spectral norm from now on."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    # The first weight is not looked at: that would be a step of the power iteration already.
    parametrize.register_parametrization(layer, "weight", SpectralNorm(weight, eps), unsafe=True)
    return layer


def our_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A released file's tensors, ``weight_orig``, ``weight_u`` and ``weight_v`` under our names."""
    inner = {"weight_orig": "original", "weight_u": "0.u", "weight_v": "0.v"}
    found = {}
    for name, value in weights.items():
        last = name.rpartition(".")[2]
        layer = name.removesuffix(last)  # with its dot, or empty
        found[f"{layer}parametrizations.weight.{inner[last]}" if last in inner else name] = value
    return found
