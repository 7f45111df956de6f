"""Nearest upsampling and 3 x 3 convolution: as two layers, and as one transposed convolution.

    python -m benchmarks.upsample_conv

Both forms run in turns in one process, on one thread, and CPU seconds are counted, so a busy
machine disturbs little. What counts is the ratio; above 1, one transposed convolution is faster.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.nn.upsample import as_one

# (what, channels in, channels out, side before, pictures)
LAYERS = [
    ("small Stage I, first", 192, 96, 4, 16),
    ("small Stage I, second", 96, 48, 8, 16),
    ("small Stage I, third", 48, 24, 16, 16),
    ("small Stage I, to colours", 24, 3, 32, 16),
    ("published Stage I, first", 1824, 912, 4, 4),
    ("published Stage I, second", 912, 456, 8, 4),
    ("published Stage I, third", 456, 228, 16, 4),
    ("published Stage I, to colours", 228, 3, 32, 4),
    ("published Stage II, third", 160, 80, 64, 1),
    ("64 to 32 channels at 32 px", 64, 32, 32, 8),
]


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(wide: int, narrow: int, side: int, count: int, repeats: int = 9) -> tuple[float, float]:
    """How many times faster one transposed convolution is: forward, and forward and backward."""
    up, conv = nn.UpsamplingNearest2d(scale_factor=2), nn.Conv2d(wide, narrow, 3, padding=1)
    x = torch.randn(count, wide, side, side, requires_grad=True)

    def two_layers() -> Tensor:
        return conv(up(x))

    def one_layer() -> Tensor:
        return as_one(conv, x)

    forward = ratio(torch.no_grad()(two_layers), torch.no_grad()(one_layer), repeats)
    return forward, ratio(with_gradients(two_layers), with_gradients(one_layer), repeats)


def with_gradients(form: Callable[[], Tensor]) -> Callable[[], object]:
    return lambda: form().square().mean().backward()


def ratio(slow: Callable[[], object], fast: Callable[[], object], repeats: int) -> float:
    """The median over turns of ``slow``'s time by ``fast``'s."""
    slow(), fast()  # first calls choose their algorithms
    return statistics.median(cpu_seconds(slow) / cpu_seconds(fast) for _ in range(repeats))


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'layer':<32}{'forward':>9}{'and back':>10}")
    for name, *layer in LAYERS:
        forward, both = compare(*layer)
        print(f"{name:<32}{forward:>8.2f}x{both:>9.2f}x")


if __name__ == "__main__":
    main()
