"""Assignment 01: the spectral norm by power iteration."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.grading.asking import Asked, Draw, parts, same
from course_lib.grading.check import visible
from course_lib.nn.spectral import SpectralNorm

__all__ = ["kernel", "one_step"]

CHAPTER = "chapter 01, section 7, Keeping it fair"


def one_step(weight: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The library's v and u after one step, and its normalised weight."""
    layer = SpectralNorm(weight, eps=1e-12)
    layer.u.copy_(u)
    normalised = layer(weight)
    return layer.v.clone(), layer.u.clone(), normalised


def kernel(draw: Draw, *more: int) -> Tensor:
    """A matrix, or a kernel of a convolution, which is never square."""
    rows = draw.whole(3, 8)
    return draw.normal(rows, rows + draw.whole(1, 4), *more)


@visible("01.1", CHAPTER)
def two_vectors(step: Asked, draw: Draw) -> None:
    """it returns v and then u, a number for each column and one for each row"""
    weight = kernel(draw)
    v, u = parts(step(weight, draw.normal(len(weight))), 2, "v and u")
    same(torch.as_tensor(v.shape), torch.as_tensor(weight.shape[1:]), "the shape of v")
    same(torch.as_tensor(u.shape), torch.as_tensor(weight.shape[:1]), "the shape of u")


@visible("01.1", CHAPTER)
def a_step(step: Asked, draw: Draw) -> None:
    """v = W^T u, u = W v, both divided by their length"""
    weight = kernel(draw)
    begin = draw.normal(len(weight))
    v, u = parts(step(weight, begin), 2, "v and u")
    same(v, one_step(weight, begin)[0], "v")
    same(u, one_step(weight, begin)[1], "u")


@visible("01.2", CHAPTER)
def a_number(sigma: Asked, draw: Draw) -> None:
    """sigma is u^T W v, one number"""
    weight = kernel(draw)
    u, v = draw.normal(len(weight)), draw.normal(weight.shape[1])
    same(sigma(weight, u, v), u @ weight @ v, "sigma")


@visible("01.2", "the hint about convolutions below question 01.2")
def of_a_kernel(sigma: Asked, draw: Draw) -> None:
    """a kernel [out, in, k, k] is read as a matrix [out, in k k]"""
    weight = kernel(draw, 3, 3)
    u, v = draw.normal(len(weight)), draw.normal(weight[0].numel())
    same(sigma(weight, u, v), u @ weight.flatten(1) @ v, "sigma")


@visible("01.3", CHAPTER)
def after_one_step(normalise: Asked, draw: Draw) -> None:
    """after one step it is W / sigma, beside the new u"""
    weight = kernel(draw)
    begin = draw.normal(len(weight))
    normalised, u = parts(normalise(weight, begin, 1), 2, "W / sigma and u")
    same(normalised, one_step(weight, begin)[2], "W / sigma")
    same(u, one_step(weight, begin)[1], "u")
