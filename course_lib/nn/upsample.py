"""Nearest upsampling and a 3 x 3 convolution as one transposed convolution: same result, less work.

After doubling by repetition, the nine taps of the kernel fall on only four different pixels. So
each output pixel needs four products a channel instead of nine, with sums of the taps that fall on
the same pixel as their weights: a transposed convolution of stride 2 with a 4 x 4 kernel does that.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["as_one", "doubling_kernel", "upsample_conv"]


def doubling_kernel(kernel: Tensor) -> Tensor:
    """The 4 x 4 kernel of a transposed convolution that does what doubling and ``kernel`` do.

    In one dimension, taps ``(a, b, c)`` see the doubled row ``x0 x0 x1 x1``. An even pixel reads
    ``a x[i-1] + (b + c) x[i]`` and an odd one ``(a + b) x[i] + c x[i+1]``, which is what the taps
    ``(c, b + c, a + b, a)`` spread from every ``x[i]``. In two dimensions these are the sums over
    the 2 x 2 windows of the flipped kernel with a border of zeros.

    Shapes: ``[out, in, 3, 3]`` -> ``[in, out, 4, 4]``, the order of ``conv_transpose2d``.
    """
    spread = kernel.flip(2, 3).transpose(0, 1)  # [in, out, 3, 3]
    return F.avg_pool2d(spread, 2, stride=1, padding=1, divisor_override=1)  # [in, out, 4, 4]


def upsample_conv(up: nn.UpsamplingNearest2d, conv: nn.Conv2d, x: Tensor) -> Tensor:
    """``conv(up(x))``, as one transposed convolution where that is faster and nobody is watching.

    Whoever puts hooks on the two layers, as a summary does, sees the two layers run: the short cut
    is taken only where it cannot be told from them.

    Args:
        up: doubles the side.
        conv: 3 x 3, stride 1, padding 1.
        x: ``[B, in, H, W]`` -> ``[B, out, 2 H, 2 W]``.
    """
    if not pays(x) or watched(up) or watched(conv):
        return conv(up(x))
    return as_one(conv, x)


def as_one(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Doubling and ``conv`` as one transposed convolution."""
    return F.conv_transpose2d(x, doubling_kernel(conv.weight), conv.bias, stride=2, padding=1)


def pays(x: Tensor) -> bool:
    """On a CPU, from about 512 pixels: summing a kernel costs the same for few pixels as for many.

    ``benchmarks/upsample_conv.py`` has the figures.
    """
    return x.device.type == "cpu" and len(x) * x.shape[-2] * x.shape[-1] >= 512


def watched(layer: nn.Module) -> bool:
    """Whether hooks wait for this layer to run, or for its gradients."""
    ahead = layer._forward_hooks or layer._forward_pre_hooks
    return bool(ahead or layer._backward_hooks or layer._backward_pre_hooks)
