"""The contract between a wing and whoever uses it: load a painter, let it paint, keep the picture.

>>> import course_lib                                                     # doctest: +SKIP
>>> painter = course_lib.load("dcgan")
>>> painter.generate(seed=7)
"""

from __future__ import annotations

import inspect
import io
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
import torchvision
from PIL import Image as PILImage
from torch import Tensor

from course_lib.errors import CourseError, check_seed

__all__ = ["Painter", "Picture", "between", "check_listens", "grid", "noise"]


@dataclass(frozen=True)
class Picture:
    """What a painter hands over.

    Attributes:
        image: ``[3, H, W]`` (or ``[1, H, W]``) in [-1, 1].
        steps: the named intermediates that the painter can show, in the order of its work.
        notes: what the painter could not make use of: unknown words, a sentence that was cut.
    """

    image: Tensor
    steps: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def pil(self) -> PILImage.Image:
        """The picture as a Pillow image, 8 bits a channel."""
        levels = ((self.image.detach().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        pixels = levels.permute(1, 2, 0).numpy()  # [H, W, C]
        return PILImage.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)

    def save(self, path: str | Path) -> Path:
        """Writes the picture as PNG and returns where."""
        path = Path(path).with_suffix(".png")
        self.pil().save(path)
        return path

    def _repr_png_(self) -> bytes:
        """How a notebook shows a picture: small ones enlarged, with hard pixel edges."""
        picture = self.pil()
        factor = max(1, min(8, 560 // max(picture.size)))
        size = (picture.width * factor, picture.height * factor)
        buffer = io.BytesIO()
        picture.resize(size, PILImage.Resampling.NEAREST).save(buffer, "PNG")
        return buffer.getvalue()


class Painter(ABC):
    """A trained generator with its public face. One seed, one picture, on every device."""

    kind: ClassVar[str]
    tables: Mapping[str, Any] = {}  # what its objective's `tables()` gave: class table, vocabulary

    @classmethod
    @abstractmethod
    def from_weights(cls, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Painter:
        """Builds the painter from what its checkpoint carries."""

    @classmethod
    def from_official(cls, weights: Mapping[str, Tensor]) -> Painter:
        """The painter with the weights that the paper's authors released."""
        raise CourseError(f"{cls.kind} has no released weights")

    @abstractmethod
    def generate(self, *what: Any, **how: Any) -> Picture:
        """Paints one picture of ``what`` the painter listens to; every painter takes a ``seed``."""

    def sheets(self, seeds: Sequence[int], **how: Any) -> dict[str, Tensor]:
        """Grids by name: ``final``, and whatever else a painter can show of its pictures."""
        pictures = torch.stack([self.generate(**how, seed=seed).image for seed in seeds])
        return {"final": grid(pictures, math.ceil(math.sqrt(len(seeds))))}


def check_listens(painter: Painter, told: Mapping[str, Any]) -> None:
    """Sees that a painter takes all that it is ``told``.

    Raises:
        CourseError: a caption for a painter of label maps, and the like.
    """
    heard = inspect.signature(painter.generate).parameters
    for name in sorted(told.keys() - heard.keys()):
        raise CourseError(f"{painter.kind} listens to no {name.replace('_', ' ')}", where=name)


def noise(seed: int, *shape: int) -> Tensor:
    """Standard normal noise that depends on the seed and the shape alone, drawn on the CPU."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(check_seed(seed)))


def between(a: Tensor, b: Tensor, share: float) -> Tensor:
    """The noise at ``share`` of the way from ``a`` to ``b`` (``[z_dim]`` each), along the sphere.

    Noise of many dimensions has nearly always the length ``sqrt(z_dim)``; the straight way would
    leave that shell, and with it what the generator has seen.
    """
    angle = torch.arccos(torch.cosine_similarity(a, b, dim=0).clamp(-1, 1))
    if angle < 1e-3:  # the same noise twice
        return a.clone()
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)


def grid(pictures: Tensor, columns: int = 8) -> Tensor:
    """Lays ``[N, C, H, W]`` out in rows of ``columns``, 2 px of white apart: ``[3, H', W']``."""
    if pictures.ndim != 4 or not len(pictures):
        raise CourseError(f"pictures are {list(pictures.shape)}, not [N, C, H, W]", where="grid")
    return torchvision.utils.make_grid(pictures.cpu(), nrow=columns, padding=2, pad_value=1.0)
