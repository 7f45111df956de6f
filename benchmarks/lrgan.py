"""LR-GAN's rewrites against their plain forms, alone and in a whole training round.

    python -m benchmarks.lrgan

Appearance and mask are sampled in one go rather than in two; the first transposed convolution, of
one pixel, is one matrix product. Both forms run in turns in one process, on one thread, and CPU
seconds are counted, so a busy machine disturbs little. What counts is the ratio; above 1, the
rewrite is faster. All forms are equal: `tests/nn/test_paste.py`, `tests/lrgan/test_networks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

import course_lib
from benchmarks.upsample_conv import ratio, with_gradients
from course_lib.lrgan import networks
from course_lib.lrgan.networks import Project
from course_lib.lrgan.objective import LRGANConfig, LRGANObjective
from course_lib.nn.paste import Pasted, paste, pose_at, warp
from course_lib.scene import SceneBatch


def plain_paste(
    canvas: Tensor, appearance: Tensor, mask: Tensor, pose: Tensor, *, mask_moves_pose: bool = True
) -> Pasted:
    """Two transformers, one for the appearance and one for the mask."""
    size = canvas.shape[-2], canvas.shape[-1]
    shown, cover = (warp(x, pose, size, align_corners=True) for x in (appearance, mask))
    return Pasted(cover * shown + (1 - cover) * canvas, shown, cover)


def plain_projection(self: Project, code: Tensor) -> Tensor:
    return F.conv_transpose2d(code[:, :, None, None], self.weight, self.bias)


@contextmanager
def plain_forms() -> Iterator[None]:
    with patch.object(networks, "paste", plain_paste), \
         patch.object(Project, "forward", plain_projection):  # fmt: skip
        yield


def pasting(side: int, batch: int) -> float:
    inputs = [torch.rand(batch, channels, side, side, requires_grad=True) for channels in (3, 3, 1)]
    pose = pose_at(torch.rand(batch, 2) - 0.5, 0.4 + 0.3 * torch.rand(batch, 2)).requires_grad_()
    slow, fast = (lambda f=f: f(*inputs, pose).canvas for f in (plain_paste, paste))
    return ratio(with_gradients(slow), with_gradients(fast), repeats=25)


def projecting(z_dim: int, channels: int, batch: int) -> float:
    layer, code = Project(z_dim, channels, bias=False), torch.randn(batch, z_dim)
    slow = with_gradients(lambda: plain_projection(layer, code))
    return ratio(slow, with_gradients(lambda: layer(code)), repeats=25)


class Gradients:
    """A ``step`` that takes gradients and moves nothing, so that every round is the same work."""

    round = 1  # one of the rounds without the lazy penalty

    def __init__(self, objective: LRGANObjective) -> None:
        self.objective = objective

    def __call__(self, player: str, loss: Tensor, **figures: Tensor) -> None:
        loss.backward(inputs=list(self.objective.players[player].module.parameters()))


def a_round(config: LRGANConfig) -> float:
    objective = LRGANObjective(config)
    pictures = torch.rand(config.batch_size, config.channels, config.size, config.size) * 2 - 1
    scenes, step = SceneBatch(pictures), Gradients(objective)

    def fast() -> None:
        objective.round(scenes, step)

    def slow() -> None:
        with plain_forms():
            objective.round(scenes, step)

    return ratio(slow, fast, repeats=7)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows: list[tuple[str, Callable[[], float]]] = [
        ("paste, 32 px, 32 pictures", lambda: pasting(32, 32)),
        ("paste, 64 px, 16 pictures", lambda: pasting(64, 16)),
        ("paste, 128 px, 4 pictures", lambda: pasting(128, 4)),
        ("first layer, 100 to 512 channels", lambda: projecting(100, 512, 16)),
        ("first layer, 48 to 96 channels", lambda: projecting(48, 96, 32)),
    ]
    for profile, changes in (("cpu", {}), ("paper", {"batch_size": 8})):
        config = course_lib.configure("lrgan", profile, changes)
        rows.append((f"a round, profile {profile}", lambda config=config: a_round(config)))  # type: ignore[misc]
    print(f"{'forward and backward':<36}{'ratio':>8}")
    for name, measure in rows:
        print(f"{name:<36}{measure():>7.2f}x", flush=True)


if __name__ == "__main__":
    main()
