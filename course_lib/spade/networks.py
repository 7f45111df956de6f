"""SPADE's generator: a label map is painted, and every layer is told again what is where.

Park, Liu, Wang, Zhu: Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR 2019
(arXiv:1903.07291). A generator that sees the map only at its beginning forgets it: normalising a
sky takes away the one number that said "sky". SPADE normalises, too, and gives it back (eq. 1):

    y = gamma(m) * (x - mu) / sigma + beta(m)

where ``gamma`` and ``beta`` are pictures, painted from the label map ``m`` by two convolutions.
Maps come as ids (:class:`course_lib.nn.by_label.LabelMaps`) or as soft planes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.nn.by_label import LabelMaps, Maps, SoftMaps, two_convolutions
from course_lib.nn.spectral import spectral_norm
from course_lib.nn.upsample import watched

__all__ = [
    "SPADE", "Concatenated", "Encoder", "Generator", "Grain", "Norm", "SPADEBlock", "Sizes",
    "Upsampling", "norm_of", "normed",
]  # fmt: skip

Norm = Literal["syncbatch", "batch", "instance", "none"]
Upsampling = Literal["normal", "more", "most", "less"]
Grain = Callable[[int, int], Tensor]  # height and width -> white noise [B, 1, height, width]

DOUBLINGS = {"less": 3, "normal": 5, "more": 6, "most": 7}
ENCODED = 256  # side of the pictures that the published encoder looks at


@dataclass(frozen=True)
class Sizes:
    """How large generator and encoder are. The defaults are the paper's for COCO-Stuff."""

    planes: int = 184  # classes, "unlabelled" among them, and one plane of edges
    size: int = 256  # width of the picture in pixels
    aspect: float = 1.0  # width by height
    width: int = 64  # channels of the last block; the first has 16 times as many, or less: 8
    upsampling: Upsampling = "normal"  # 5, 6 or 7 doublings; less: 3, in four blocks
    z_dim: int = 0  # length of a style; 0 for a generator that paints each map in one way
    norm: Norm = "syncbatch"  # what SPADE normalises by
    kernel: int = 3  # of SPADE's convolutions
    hidden: int = 128  # channels between SPADE's two convolutions
    spectral: bool = True  # spectral norm on the blocks' convolutions
    grain: bool = False  # white noise in every block, as much of it as each channel learns
    concatenate: bool = False  # the baseline: the map beside the channels, and no SPADE

    @property
    def start(self) -> tuple[int, int]:
        """Height and width of the first map."""
        width = self.size // 2 ** DOUBLINGS[self.upsampling]
        return round(width / self.aspect), width

    @property
    def picture(self) -> tuple[int, int]:
        """Height and width of the picture."""
        height, width = (side * 2 ** DOUBLINGS[self.upsampling] for side in self.start)
        return height, width


# --- The norm (section 3, figure 3) ---


class SyncBatchNorm(nn.BatchNorm2d):
    """Batch norm that leaves its counter alone, as the published one does.

    Where several GPUs train together, torch's own, with statistics of all of them, takes its place.
    """

    def forward(self, x: Tensor) -> Tensor:
        how = self.training, self.momentum or 0.0, self.eps
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, *how)


def norm_of(kind: Norm, channels: int, affine: bool = False) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    return (nn.BatchNorm2d if kind == "batch" else SyncBatchNorm)(channels, affine=affine)


class SPADE(nn.Module):
    """Spatially-adaptive denormalisation (eq. 1).

    Shapes: ``x`` ``[B, C, H, W]`` and maps of any size -> ``[B, C, H, W]``.
    """

    def __init__(
        self, channels: int, planes: int, norm: Norm = "syncbatch", kernel: int = 3,
        hidden: int = 128,
    ) -> None:  # fmt: skip
        super().__init__()
        self.param_free_norm = norm_of(norm, channels)
        self.mlp_shared = nn.Conv2d(planes, hidden, kernel, padding=kernel // 2)
        self.mlp_gamma = nn.Conv2d(hidden, channels, kernel, padding=kernel // 2)
        self.mlp_beta = nn.Conv2d(hidden, channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, maps: Maps) -> Tensor:
        return self.denormalise(self.param_free_norm(x), maps.at(*x.shape[-2:]))

    def denormalise(self, normalised: Tensor, maps: Maps) -> Tensor:
        """``(1 + gamma) * normalised + beta``; maps of one scene serve a whole batch of styles."""
        modulation = maps.once(self, lambda: self.modulation(maps))
        scale, shift = modulation.to(normalised.dtype).chunk(2, dim=1)
        return torch.addcmul(shift, normalised, scale)

    def modulation(self, maps: Maps) -> Tensor:
        """``1 + gamma`` and ``beta``: ``[B, 2 C, H, W]``, both convolutions as one."""
        if isinstance(maps, SoftMaps) or watched(self.mlp_shared):
            return self.plain_modulation(maps)
        weight = torch.cat([self.mlp_gamma.weight, self.mlp_beta.weight])
        bias = torch.cat([1 + _bias(self.mlp_gamma), _bias(self.mlp_beta)])
        return two_convolutions(maps, self.mlp_shared, weight, bias)

    def plain_modulation(self, maps: Maps) -> Tensor:
        """The same as published: three convolutions, with all planes."""
        planes = (maps.plain() if isinstance(maps, LabelMaps) else maps).planes
        hidden = self.mlp_shared(planes.to(self.mlp_shared.weight.dtype)).relu()
        return torch.cat([1 + self.mlp_gamma(hidden), self.mlp_beta(hidden)], dim=1)


def _bias(layer: nn.Module) -> Tensor:
    return layer.bias  # type: ignore[return-value]


class Concatenated(nn.Module):
    """The baseline: one gamma and beta for each channel, and the map beside the channels.

    Shapes: ``x`` ``[B, C, H, W]`` -> ``[B, C + planes, H, W]``.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.param_free_norm = norm_of(norm, channels)
        self.gamma = nn.Parameter(torch.ones(channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor, maps: Maps) -> Tensor:
        return self.denormalise(self.param_free_norm(x), maps.at(*x.shape[-2:]))

    def denormalise(self, normalised: Tensor, maps: Maps) -> Tensor:
        planes = (maps.plain() if isinstance(maps, LabelMaps) else maps).planes.to(normalised.dtype)
        scaled = torch.addcmul(self.beta, normalised, self.gamma)
        return torch.cat([scaled, planes.expand(len(scaled), -1, -1, -1)], dim=1)


class GrainWeight(nn.Module):
    """Adds white noise, the same map to all channels, weighed by each.

    Grass is noise: a network without a source of it bends its first map into a pattern.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(channels))

    def forward(self, x: Tensor, grain: Grain) -> Tensor:
        noise = grain(*x.shape[-2:]).to(x.device)
        return x + (self.weight[:, None, None] * noise).to(x.dtype)


class SPADEBlock(nn.Module):
    """A residual block of two convolutions, each after SPADE and a leaky ReLU (figure 4).

    Where the number of channels changes, the shortcut is a third convolution after a third SPADE,
    without activation. It normalises the same ``x`` as the first does, with the same statistics.

    Shapes: ``[B, narrow, H, W]`` -> ``[B, wide, H, W]``.
    """

    def __init__(self, before: int, after: int, sizes: Sizes) -> None:
        super().__init__()
        middle = min(before, after)
        self.learned = before != after
        spectral = spectral_norm if sizes.spectral else _as_it_is
        more = sizes.planes if sizes.concatenate else 0
        self.conv_0 = spectral(nn.Conv2d(before + more, middle, 3, padding=1))
        self.conv_1 = spectral(nn.Conv2d(middle + more, after, 3, padding=1))
        self.norm_0, self.norm_1 = told_norm(before, sizes), told_norm(middle, sizes)
        if self.learned:
            self.conv_s = spectral(nn.Conv2d(before + more, after, 1, bias=False))
            self.norm_s = told_norm(before, sizes)
        if sizes.grain:
            self.grain_0, self.grain_1 = GrainWeight(before), GrainWeight(middle)

    def forward(self, x: Tensor, maps: Maps, grain: Grain | None = None) -> Tensor:
        maps = maps.at(*x.shape[-2:])
        x = self.grain_0(x, grain) if grain else x
        normalised, for_shortcut = self.normalised(x)
        dx = self.conv_0(leaky(self.norm_0.denormalise(normalised, maps)))
        dx = self.grain_1(dx, grain) if grain else dx
        dx = self.conv_1(leaky(self.norm_1(dx, maps)))
        shortcut = self.conv_s(self.norm_s.denormalise(for_shortcut, maps)) if self.learned else x
        return shortcut + dx

    def normalised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` as the first norm and the shortcut's have it; in training they are the same."""
        first: Any = self.norm_0.param_free_norm
        if not self.learned:
            return first(x), x
        other = self.norm_s.param_free_norm
        if not self.training:
            return first(x), other(x)
        before = [buffer.clone() for buffer in first.buffers()]
        both = first(x)
        for mine, follows, was in zip(first.buffers(), other.buffers(), before, strict=True):
            kept = 1 - first.momentum if mine.is_floating_point() else 1  # counters just go on
            follows.copy_(kept * follows + (mine - kept * was))
        return both, both


def told_norm(channels: int, sizes: Sizes) -> SPADE | Concatenated:
    """A norm that is told the label map."""
    if sizes.concatenate:
        return Concatenated(channels, sizes.norm)
    return SPADE(channels, sizes.planes, sizes.norm, sizes.kernel, sizes.hidden)


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def _as_it_is(layer: nn.Conv2d) -> nn.Conv2d:
    return layer


# --- The generator (figure 5; table in the appendix) ---


class Generator(nn.Module):
    """Blocks at sides that double, from a style or from the map itself.

    Shapes: maps ``[B, H, W]``, style ``[B, z_dim]`` -> pictures ``[B, 3, H', W']`` in [-1, 1].
    Maps of a single scene with ``B`` styles give ``B`` pictures of it.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        widths, self.doubles = plan(sizes)
        wide = widths[0][0]
        self.stem = (
            nn.Linear(sizes.z_dim, wide * math.prod(sizes.start))
            if sizes.z_dim
            else nn.Conv2d(sizes.planes, wide, 3, padding=1)
        )
        self.blocks = nn.ModuleList(SPADEBlock(*pair, sizes) for pair in widths)
        self.to_picture = nn.Conv2d(widths[-1][1], 3, 3, padding=1)

    def forward(self, maps: Maps, z: Tensor | None = None, grain: Grain | None = None) -> Tensor:
        x = self.start(maps, z)
        for double, block in zip(self.doubles, self.blocks, strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest") if double else x
            x = block(x, maps, grain if self.sizes.grain else None)
        return self.to_picture(leaky(x)).tanh()

    def start(self, maps: Maps, z: Tensor | None) -> Tensor:
        """The first map: ``[B, C, *sizes.start]``, 16 (less: 8) widths of channels."""
        if z is not None:
            return self.stem(z).view(len(z), -1, *self.sizes.start)
        small = maps.at(*self.sizes.start)
        if isinstance(small, LabelMaps) and watched(self.stem):
            return self.stem(small.plain().planes)
        return small.convolve(self.stem.weight, _bias(self.stem), padding=1)


def plan(sizes: Sizes) -> tuple[list[tuple[int, int]], list[bool]]:
    """Channels before and after each block, and whether the side doubles before it.

    ``head``, two in the middle, four that halve the channels; for ``most`` a fifth. ``less`` is for
    small pictures, which need few channels where they are smallest.
    """
    w = sizes.width
    if sizes.upsampling == "less":
        return [(8 * w, 4 * w), (4 * w, 4 * w), (4 * w, 2 * w), (2 * w, w)], [False, *[True] * 3]
    widths = [(16 * w, 16 * w)] * 3 + [(2 * w << i, w << i) for i in (3, 2, 1, 0)]
    doubles = [False, True, sizes.upsampling in ("more", "most"), True, True, True, True]
    if sizes.upsampling == "most":
        return [*widths, (w, w // 2)], [*doubles, True]
    return widths, doubles


# --- The encoder (figure 14): a style from a picture ---


class Encoder(nn.Module):
    """Convolutions of stride 2 down to 4 x 4, then mean and log variance of a style.

    The published one looks at 256 pixels a side, whatever it is given, and works only where
    pictures have at least as many; for smaller pictures ours has fewer layers.

    Shapes: pictures ``[B, 3, H, W]`` -> two ``[B, z_dim]``.
    """

    def __init__(self, side: int, width: int, z_dim: int, norm: Norm, spectral: bool) -> None:
        super().__init__()
        self.side = side
        count = int(math.log2(side // 4))
        widths = [3, *(width * min(2**level, 8) for level in range(count))]
        self.layers = nn.ModuleList(
            normed(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=norm == "none"), norm, spectral)
            for a, b in zip(widths, widths[1:], strict=False)
        )
        self.fc_mu, self.fc_var = (nn.Linear(widths[-1] * 16, z_dim) for _ in range(2))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x, size = pictures, (self.side, self.side)
        if x.shape[-2:] != size:
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        for layer in self.layers:
            x = leaky(layer(x))
        x = x.flatten(1)  # [B, 16 * channels]
        return self.fc_mu(x), self.fc_var(x)


def normed(conv: nn.Conv2d, norm: Norm, spectral: bool) -> nn.Sequential:
    """A convolution with spectral norm, and the norm after it."""
    layers = [spectral_norm(conv) if spectral else conv]
    after = [] if norm == "none" else [norm_of(norm, conv.out_channels, affine=True)]
    return nn.Sequential(*layers, *after)
