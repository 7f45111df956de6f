"""SPADE's discriminator, pix2pixHD's: is this patch of a picture real, given its label map?

Park et al. 2019, appendix A. Two of the same kind look at two resolutions. Two departures, off by
default, show them fine texture enlarged.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.nn.by_label import LabelMaps, Maps
from course_lib.nn.high_pass import high_passed
from course_lib.nn.spectral import spectral_norm
from course_lib.nn.upsample import watched
from course_lib.spade.networks import Norm, normed

__all__ = ["Discriminator", "Seen"]


class Seen(NamedTuple):
    """What D sees in pictures: all layers at every scale, the logits last; and in the grain."""

    scales: list[list[Tensor]]
    grain: Tensor | None  # logits of the discriminator of grain, where there is one

    def halves(self) -> tuple[Seen, Seen]:
        """Of the first half of the pictures and of the second."""
        first, second = ([[x.chunk(2)[i] for x in s] for s in self.scales] for i in (0, 1))
        grain = (None, None) if self.grain is None else self.grain.chunk(2)
        return Seen(first, grain[0]), Seen(second, grain[1])

    @property
    def logits(self) -> list[Tensor]:
        return [scale[-1] for scale in self.scales]


class PatchDiscriminator(nn.Module):
    """One logit for each patch of a picture, given its label map.

    Args:
        planes, colours: channels of the map and of the picture.
        layers: before the logits; all but the last halve the side.

    Shapes: -> ``layers + 1`` tensors; the last is ``[B, 1, h, w]``.
    """

    def __init__(
        self, planes: int, colours: int, width: int, layers: int, norm: Norm, spectral: bool
    ) -> None:
        super().__init__()
        self.planes = planes
        first = nn.Conv2d(planes + colours, width, 4, stride=2, padding=2)
        stages = [nn.Sequential(first, nn.LeakyReLU(0.2))]
        for level in range(1, layers):
            narrow, wide = (width * min(2**i, 512 // width or 1) for i in (level - 1, level))
            stride = 1 if level == layers - 1 else 2
            conv = nn.Conv2d(narrow, wide, 4, stride, padding=2, bias=norm == "none")
            stages.append(nn.Sequential(*normed(conv, norm, spectral), nn.LeakyReLU(0.2)))
        last = nn.Conv2d(wide if layers > 1 else width, 1, 4, stride=1, padding=2)
        self.layers = nn.ModuleList([*stages, nn.Sequential(last)])

    def forward(self, maps: Maps, pictures: Tensor) -> list[Tensor]:
        found = [self.first(maps, pictures)]
        for layer in list(self.layers)[1:]:
            found.append(layer(found[-1]))
        return found

    def first(self, maps: Maps, pictures: Tensor) -> Tensor:
        """The first layer: what it makes of a map is computed once for real picture and fake."""
        layer: Any = self.layers[0]
        return layer[1](conditioned(layer[0], self.planes, maps, pictures))


def conditioned(conv: nn.Conv2d, planes: int, maps: Maps, pictures: Tensor) -> Tensor:
    """``conv([maps, pictures])``, where ``pictures`` may be several batches for the same maps."""
    weight, how = conv.weight, {"stride": conv.stride[0], "padding": conv.padding[0]}
    if watched(conv):
        plain = maps.plain() if isinstance(maps, LabelMaps) else maps
        copies = plain.planes.repeat(len(pictures) // len(maps), 1, 1, 1)
        return conv(torch.cat([copies, pictures], dim=1))
    of_maps = maps.convolve(weight[:, :planes], None, **how)  # type: ignore[arg-type]
    of_pictures = F.conv2d(pictures, weight[:, planes:], conv.bias, **how)  # type: ignore[arg-type]
    return of_pictures + of_maps.repeat(len(pictures) // len(maps), 1, 1, 1)


class GrainDiscriminator(nn.Module):
    """Looks at patches of 10 pixels, and at nothing but what is left when they are blurred.

    Shapes: -> logits ``[B, 1, H / 2, W / 2]``.
    """

    def __init__(self, planes: int, width: int, gain: float) -> None:
        super().__init__()
        self.planes, self.gain = planes, gain
        self.first = spectral_norm(nn.Conv2d(planes + 6, width, 3, padding=1))
        self.rest = nn.Sequential(
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, padding=1)),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, maps: Maps, pictures: Tensor) -> Tensor:
        amplified = high_passed(pictures, self.gain, side=3)
        return self.rest(conditioned(self.first, self.planes, maps, amplified))


class Discriminator(nn.Module):
    """Patch discriminators at several scales: each sees half the resolution of the one before.

    Args:
        relief: gain of three more channels, the picture less its means over 9 x 9 pixels; 0 for
            none, as published. Differences of texture are a tenth of those of colour, and a D that
            has to dig for them is long blind to them.
        grain: gain of what a further discriminator sees, the picture less its blurred self; 0 for
            none, as published.
    """

    def __init__(
        self,
        planes: int,
        width: int = 64,
        scales: int = 2,
        layers: int = 4,
        norm: Norm = "instance",
        spectral: bool = True,
        relief: float = 0.0,
        grain: float = 0.0,
    ) -> None:
        super().__init__()
        self.relief = relief
        colours = 6 if relief else 3
        self.scales = nn.ModuleList(
            PatchDiscriminator(planes, colours, width, layers, norm, spectral)
            for _ in range(scales)
        )
        self.grain = GrainDiscriminator(planes, width, grain) if grain else None

    def forward(self, maps: Maps, pictures: Tensor) -> Seen:
        """What is seen in ``pictures`` ``[n B, 3, H, W]`` of maps ``[B, H, W]``."""
        maps = maps.at(*pictures.shape[-2:])
        grain = self.grain(maps, pictures) if self.grain else None
        if self.relief:
            pictures = high_passed(pictures, self.relief, side=9)
        found = []
        for scale in self.scales:
            found.append(scale(maps, pictures))
            maps = maps.halved
            pictures = F.avg_pool2d(pictures, 3, stride=2, padding=1, count_include_pad=False)
        return Seen(found, grain)
