"""The published perceptual loss: how far apart VGG-19 sees two pictures.

Johnson, Alahi and Fei-Fei, ECCV 2016, in the form of pix2pixHD, which SPADE and LostGAN took over:
the first ReLU of each of five levels, deeper ones weighing more. The weights are a file that
torchvision offers (548 MB); where it is not there, :mod:`course_lib.nn.perceptual` is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.paths import data_dir

__all__ = ["VGG19", "vgg19_file", "vgg_distance"]

FILE = "vgg19-dcbb9e9d.pth"
CUTS = (2, 7, 12, 21, 30)  # after relu1_1, relu2_1, relu3_1, relu4_1, relu5_1
WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


def vgg19_file() -> Path:
    """Where the weights belong: ``vgg19/vgg19-dcbb9e9d.pth`` among the data sets."""
    return data_dir() / "vgg19" / FILE


class VGG19(nn.Module):
    """Five activations, frozen. Pictures come as they are: the authors do not shift their colours.

    Args:
        weights: the file's tensors; those of the classifier are not needed.

    Shapes: ``[B, 3, H, W]`` in [-1, 1] -> ``[B, 64, H, W]`` to ``[B, 512, H/16, W/16]``.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        from torchvision.models import vgg19

        with torch.device("meta"):  # whose weights are never drawn
            self.features = vgg19(weights=None).features[: CUTS[-1]]
        own = {f"features.{name}" for name in self.features.state_dict()}
        kept = {name: value for name, value in weights.items() if name in own}
        self.load_state_dict(kept, assign=True)
        self.eval().requires_grad_(False)
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # activations are kept

    def forward(self, pictures: Tensor) -> list[Tensor]:
        activations, x = [], pictures
        for number, layer in enumerate(self.features, 1):
            x = layer(x)
            if number in CUTS:
                activations.append(x)
        return activations


def vgg_distance(network: VGG19, painted: Tensor, real: Tensor) -> Tensor:
    """``sum_l w_l mean |f_l(painted) - f_l(real)|``; gradients reach ``painted`` alone."""
    with torch.no_grad():
        targets = network(real)
    pairs = zip(WEIGHTS, network(painted), targets, strict=True)
    return torch.stack([w * (mine - target).abs().mean() for w, mine, target in pairs]).sum()
