"""Assignment 02: conditioning augmentation."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Normal, kl_divergence

from course_lib.grading.asking import Asked, Draw, alike, parts, same
from course_lib.grading.check import visible
from course_lib.stackgan.networks import CA

__all__ = ["augmented", "cloud_layer", "divergence"]

CHAPTER = "chapter 02, section 4, One sentence, a cloud of codes"


def cloud_layer(draw: Draw) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Embeddings, the layer's weight and bias, and noise, all of odd sizes."""
    count, text, code = draw.whole(2, 4), draw.whole(5, 9), draw.whole(2, 4)
    layer = 0.3 * draw.normal(2 * code, text), draw.normal(2 * code)
    return draw.normal(count, text), *layer, draw.normal(count, code)


def augmented(
    embedding: Tensor, weight: Tensor, bias: Tensor, epsilon: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The library's code, mean and log variance with these weights."""
    layer = CA(weight.shape[1], epsilon.shape[1], rectified=False)
    layer.load_state_dict({"linear.weight": weight, "linear.bias": bias})
    code, mu, logvar = layer(embedding, epsilon)
    return code.detach(), mu.detach(), logvar.detach()


def divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """As torch has it."""
    return kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).mean()


@visible("02.1", CHAPTER)
def three_tensors(condition: Asked, draw: Draw) -> None:
    """c, mu and logvar are as in the equation, mu from the first half of the layer's outputs"""
    inputs = cloud_layer(draw)
    came = parts(condition(*inputs), 3, "c, mu and logvar")
    for name, one, right in zip(("c", "mu", "logvar"), came, augmented(*inputs), strict=True):
        same(one, right, name)


@visible("02.2", CHAPTER)
def many_codes(codes: Asked, draw: Draw) -> None:
    """each call draws `count` codes for each caption, around its mu"""
    mu, logvar = draw.normal(3, 5), draw.normal(3, 5) - 4
    came = codes(mu, logvar, 4000)
    alike(came, mu.expand(4000, -1, -1), "codes")
    same(came.mean(dim=0), mu, "the mean of 4,000 codes", close=0.1)


@visible("02.2", CHAPTER)
def as_wide_as_sigma(codes: Asked, draw: Draw) -> None:
    """the codes of a caption are as wide as its sigma"""
    mu, logvar = draw.normal(2, 3), draw.uniform(-4, 2, 2, 3)
    came = codes(mu, logvar, 4000)
    alike(came, mu.expand(4000, -1, -1), "codes")
    spread = came.std(dim=0) / (logvar / 2).exp()
    same(spread, 0 * spread + 1, "their standard deviation, divided by sigma,", close=0.1)


@visible("02.3", CHAPTER)
def as_torch_has_it(kl: Asked, draw: Draw) -> None:
    """the divergence is torch's, as a mean over all numbers"""
    mu, logvar = draw.normal(3, 5), draw.normal(3, 5)
    same(kl(mu, logvar), divergence(mu, logvar), "the divergence")
