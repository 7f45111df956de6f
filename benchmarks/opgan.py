"""OP-GAN's objects: one after the other, as in the paper, and together as one batch.

    python -m benchmarks.opgan           # on a GPU if there is one
    python -m benchmarks.opgan cpu

Both forms run in turns in one process, forward and backward, and both give the same numbers
(`tests/opgan/test_networks.py`). On a CPU one thread's seconds are counted, on a GPU those until it
is done. What counts is the ratio; above 1, together is faster.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.opgan.discriminator import Discriminator
from course_lib.opgan.networks import Generator, Sizes
from course_lib.opgan.objects import Objects
from course_lib.text.recurrent import Heard

SMALL = Sizes(
    size=64, stages=2, width=16, width_d=24, text=64, code=32, noise=32, local_noise=16, label=32,
    next_label=32, classes=18, residuals=1,
)  # fmt: skip
# (what, sizes, scenes, objects in each)
CASES = [
    ("small, 16 scenes of 2", SMALL, 16, 2),
    ("small, 16 scenes of 4", SMALL, 16, 4),
    ("small, 4 scenes of 4", SMALL, 4, 4),
    ("64 px, 4 scenes of 3", Sizes(size=64, stages=1), 4, 3),
    ("128 px, 8 scenes of 10", Sizes(size=128, stages=2), 8, 10),
    ("published, 12 scenes of 3", Sizes(), 12, 3),
    ("published, 12 scenes of 10", Sizes(), 12, 10),
]
Work = Callable[[], Tensor]
ON_CPU = 4  # cases that a CPU can do in a minute


def layouts(sizes: Sizes, scenes: int, count: int, device: str) -> Objects:
    corner, side = 0.6 * torch.rand(scenes, count, 2), 0.2 + 0.2 * torch.rand(scenes, count, 2)
    ids = torch.randint(sizes.classes - 1, (scenes, count))
    told = Objects.of(torch.cat([corner, side], dim=2), ids, sizes.classes)
    return told.to(torch.zeros((), device=device))


def switched(network: nn.Module, together: bool) -> None:
    for module in network.modules():
        if hasattr(module, "together"):
            vars(module)["together"] = together


def painting(sizes: Sizes, scenes: int, objects: Objects, device: str) -> tuple[nn.Module, Work]:
    g = Generator(sizes).to(device)
    words = torch.randn(scenes, sizes.text, 12, device=device)
    heard = Heard(words, words.mean(2), torch.full((scenes,), 12))
    z = torch.randn(scenes, sizes.noise, device=device)
    local = torch.randn(scenes, sizes.local_noise, device=device)
    return g, lambda: sum(p.square().mean() for p in g(heard, objects, z, local).pictures)


def judging(sizes: Sizes, scenes: int, objects: Objects, device: str) -> tuple[nn.Module, Work]:
    d = Discriminator(sizes.size, sizes).to(device)
    pictures = torch.randn(scenes, 3, sizes.size, sizes.size, device=device)
    return d, lambda: d(pictures, objects).square().mean()


def seconds(work: Work, device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    work().backward()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def ratio(network: nn.Module, work: Work, device: str, repeats: int) -> float:
    """The loop's seconds by those of one batch, medians of turns."""
    times: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(repeats + 1):
        for together in times:
            switched(network, together)
            taken = seconds(work, device)
            times[together] += [taken] if turn else []  # the first turn warms up
    return statistics.median(times[False]) / statistics.median(times[True])


def main() -> None:
    device = sys.argv[1] if len(sys.argv) > 1 else "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)
    cases = CASES[:ON_CPU] if device == "cpu" else CASES
    print(f"{device}; the loop's time by that of one batch")
    for what, sizes, scenes, count in cases:
        objects = layouts(sizes, scenes, count, device)
        repeats = 9 if device == "cpu" else 15
        found = [
            ratio(*make(sizes, scenes, objects, device), device, repeats)
            for make in (painting, judging)
        ]
        print(f"{what:<28} generator {found[0]:5.2f}   last discriminator {found[1]:5.2f}")


if __name__ == "__main__":
    main()
