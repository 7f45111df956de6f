"""A small network whose activations say how alike two pictures look: for losses, never for scores.

VGG's plan in small (Simonyan and Zisserman, 2015): plain 3 x 3 convolutions and ReLU, which is
what perceptual losses lean on (Johnson, Alahi and Fei-Fei, 2016). It was trained on Storybook, so
it needs no download, and it shares neither weights nor task with the judges.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

__all__ = ["PerceptualNet", "perceptual_distance"]

WIDTHS = (16, 32, 64, 96)


class PerceptualNet(nn.Module):
    """Four levels of activations, each at half the side of the one before.

    Shapes: pictures ``[B, 3, H, W]`` in [-1, 1] -> ``[B, 16, H, W]``, ``[B, 32, H/2, W/2]``,
    ``[B, 64, H/4, W/4]``, ``[B, 96, H/8, W/8]``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(narrow, wide, 3, padding=1), nn.ReLU(),
                nn.Conv2d(wide, wide, 3, padding=1), nn.ReLU(),
            )
            for narrow, wide in zip((3, *WIDTHS), WIDTHS, strict=False)
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> list[Tensor]:
        activations, x = [], pictures
        for number, level in enumerate(self.levels):
            x = level(F.max_pool2d(x, 2) if number else x)
            activations.append(x)
        return activations

    @classmethod
    def load(cls, path: Path | None = None) -> PerceptualNet:
        """The network with its shipped weights, frozen: gradients reach the pictures alone."""
        shipped = Path(str(resources.files("course_lib") / "weights" / "perceptual.safetensors"))
        with torch.random.fork_rng(devices=[]):  # an objective's own first weights stay the same
            network = cls()
        tensors = load_file(path or shipped)
        network.load_state_dict({name: value.float() for name, value in tensors.items()})
        return network.eval().requires_grad_(False)


def perceptual_distance(network: PerceptualNet, painted: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of activations, every level weighing the same: a scalar.

    Each level is measured in units of the real picture's mean activation there.
    """
    total = painted.new_zeros(())
    with torch.no_grad():
        targets = network(real)
    for mine, target in zip(network(painted), targets, strict=True):
        total = total + (mine - target).abs().mean() / target.abs().mean().clamp(min=1e-6)
    return total / len(targets)
