"""LostGAN's ISLA norm: one map of gains an object and a sum, and one matrix product.

    python -m benchmarks.isla

Both forms run in turns in one process, on one thread, and CPU seconds are counted, so a busy
machine disturbs little. What counts is the ratio; above 1, the matrix product is faster.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.upsample_conv import ratio, with_gradients
from course_lib.lostgan.networks import ISLA

# (what, pictures, objects, channels, side)
LAYERS = [
    ("64 px, last block", 8, 8, 32, 64),
    ("64 px, third block", 8, 8, 64, 32),
    ("128 px, last block", 4, 8, 32, 128),
    ("Visual Genome, 64 px", 4, 31, 32, 64),
    ("first block", 8, 8, 256, 8),
]
CODE = 308  # length of an object's code, as published


def plain(norm: ISLA, x: Tensor, codes: Tensor, masks: Tensor) -> Tensor:
    """The equations as they stand, over ``[B, O, C, H, W]``."""
    masks = F.interpolate(masks, size=x.shape[-2:], mode="bilinear", align_corners=False)
    total = masks.sum(dim=1, keepdim=True) + 1e-6
    gamma, beta = (
        (layer(codes).view(len(x), -1, x.shape[1], 1, 1) * masks[:, :, None]).sum(dim=1) / total
        for layer in (norm.to_gamma, norm.to_beta)
    )
    return (1 + gamma) * norm.norm(x) + beta


def compare(count: int, objects: int, channels: int, side: int) -> tuple[float, float]:
    """How many times faster the matrix product is: forward, and forward and backward."""
    norm = ISLA(channels, CODE)
    x = torch.randn(count, channels, side, side, requires_grad=True)
    codes = torch.randn(count * objects, CODE, requires_grad=True)
    masks = torch.rand(count, objects, 64, 64, requires_grad=True)

    def as_sums() -> Tensor:
        return plain(norm, x, codes, masks)

    def as_product() -> Tensor:
        return norm(x, codes, masks)

    forward = ratio(torch.no_grad()(as_sums), torch.no_grad()(as_product), 5)
    return forward, ratio(with_gradients(as_sums), with_gradients(as_product), 5)


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'layer':<32}{'forward':>9}{'and back':>10}")
    for name, *layer in LAYERS:
        forward, both = compare(*layer)
        print(f"{name:<32}{forward:>8.1f}x{both:>9.1f}x", flush=True)


if __name__ == "__main__":
    main()
