"""Terms that several objectives add to their losses to keep a network smooth, or a code spread."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["kl_to_normal", "r1_penalty", "squared_gradient"]


def squared_gradient(discriminator: Callable[[Tensor], Tensor], pictures: Tensor) -> Tensor:
    """``|dD(x)/dx|^2`` of every picture: ``[B]``, differentiable, always in float32."""
    with torch.autocast(pictures.device.type, enabled=False):
        pictures = pictures.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(
            discriminator(pictures).sum(), pictures, create_graph=True
        )
    return gradient.square().sum(dim=(1, 2, 3))


def r1_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """``1/2 E |dD(x)/dx|^2`` on real pictures (Mescheder et al. 2018, eq. 9, with gamma = 1)."""
    return squared_gradient(discriminator, real).mean() / 2


def kl_to_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """``KL(N(mu, exp(logvar)) || N(0, 1))``, the mean over all numbers of a code."""
    return (mu.square() + logvar.exp() - logvar - 1).mean() / 2
