"""DCGAN's public face: noise in, picture out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.dcgan.networks import Generator
from course_lib.dcgan.objective import DCGANConfig
from course_lib.errors import CourseError
from course_lib.painter import Painter, Picture, between, noise
from course_lib.storage.checkpoint import part

__all__ = ["DCGANPainter"]


class DCGANPainter(Painter):
    """Paints whatever its noise says; there is nothing else it listens to."""

    kind = "dcgan"

    def __init__(self, generator: Generator) -> None:
        self.generator = generator.eval()

    @classmethod
    def from_weights(cls, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> DCGANPainter:
        settings = DCGANConfig.from_json(config)
        generator = Generator(settings.z_dim, settings.width_g, settings.size, settings.channels)
        generator.load_state_dict(part(weights, "G"))
        return cls(generator)

    def generate(self, *, seed: int = 0, z: Tensor | None = None) -> Picture:
        """Paints one picture.

        Args:
            seed: of the noise; the same seed gives the same picture.
            z: the noise itself, ``[z_dim]``, instead of a seed.

        Raises:
            CourseError: a seed that is none, or noise of another length.
        """
        z = noise(seed, self.generator.z_dim) if z is None else z
        if z.shape != (self.generator.z_dim,):
            raise CourseError(
                f"the noise has shape {list(z.shape)}, this painter takes [{self.generator.z_dim}]",
                where="z",
            )
        return Picture(self.paint(z[None])[0], steps={"z": z})

    @torch.no_grad()
    def paint(self, z: Tensor) -> Tensor:
        """Many pictures at once: noise ``[N, z_dim]`` -> ``[N, C, H, W]`` in [-1, 1]."""
        return torch.cat([self.generator(part) for part in z.split(256)])

    def between(self, first: int, last: int, count: int = 8) -> Tensor:
        """The pictures on the way from one seed to another: ``[count, C, H, W]``."""
        a, b = noise(first, self.generator.z_dim), noise(last, self.generator.z_dim)
        shares = torch.linspace(0, 1, count).tolist()
        return self.paint(torch.stack([between(a, b, share) for share in shares]))
