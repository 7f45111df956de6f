"""LPIPS: how different two pictures look to people, as a network that was fitted to them says.

Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018 (arXiv:1801.03924), version 0.1 with AlexNet: the
measure of diversity in LostGAN's and other papers. Two files are needed, fetched once: AlexNet's
weights, and five rows of weights, one a level.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data.fetch import fetch
from course_lib.data.manifest import find
from course_lib.errors import CourseError
from course_lib.foreign import read_weights

__all__ = ["LPIPS"]

CUTS = (2, 5, 8, 10, 12)  # after AlexNet's five ReLUs
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of pictures in [-1, 1]


class LPIPS(nn.Module):
    """``sum_l mean_hw w_l . (f_l(a) - f_l(b))^2``, each pixel's features of length 1.

    Args:
        alexnet: tensors of torchvision's file; those of its classifier are not needed.
        rows: tensors of the published linear layers, ``lin0.model.1.weight`` and so on.

    Shapes: pictures ``[B, 3, H, W]`` in [-1, 1], twice -> ``[B]``.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, alexnet: Mapping[str, Tensor], rows: Mapping[str, Tensor]) -> None:
        super().__init__()
        from torchvision.models import alexnet as network

        with torch.device("meta"):  # whose weights are never drawn
            self.features = network(weights=None).features[: CUTS[-1]]
        own = [f"features.{name}" for name in self.features.state_dict()]
        names = [f"lin{level}.model.1.weight" for level in range(len(CUTS))]
        missing = [n for n in own if n not in alexnet] + [n for n in names if n not in rows]
        if missing:
            raise CourseError(f"{', '.join(missing)} are missing", where="LPIPS' weights")
        self.load_state_dict({name: alexnet[name] for name in own}, assign=True)
        self.rows = [rows[name].float() for name in names]  # each [1, C, 1, 1]
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None], persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        levels = zip(self.rows, self.levels(one), self.levels(other), strict=True)
        parts = [((a - b).square() * row).sum(1).mean((1, 2)) for row, a, b in levels]
        return torch.stack(parts).sum(0)

    def levels(self, pictures: Tensor) -> list[Tensor]:
        """Five levels of features, of length 1 at every pixel."""
        x, found = (pictures - self.shift) / self.scale, []
        for number, layer in enumerate(self.features, 1):
            x = layer(x)
            if number in CUTS:
                found.append(F.normalize(x, dim=1, eps=1e-10))
        return found

    @classmethod
    def load(cls) -> LPIPS:
        """The published network; gets its files first (233 MB) if they are not there.

        Raises:
            CourseError: no connection, or what came or was put there is another file.
        """
        source = find("lpips")
        fetch(source.name)
        return cls(*(read_weights(source.place / file.name) for file in source.files))
