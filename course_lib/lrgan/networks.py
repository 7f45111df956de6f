"""LR-GAN's networks: a picture is a background, and foregrounds laid over it one by one.

Yang, Kannan, Batra, Parikh: LR-GAN: Layered Recursive Generative Adversarial Networks for Image
Generation, ICLR 2017 (arXiv:1703.01560), section 3 and figure 2. At every step ``t`` an LSTM takes
noise ``z_t``; its state is painted as an appearance ``f_t`` and a mask ``m_t``, and turned into a
pose ``a_t``; with ``ST`` the spatial transformer, the canvas grows by

    x_t = ST(m_t, a_t) * ST(f_t, a_t) + (1 - ST(m_t, a_t)) * x_{t-1}

Only the last canvas is ever shown to D: nobody says what a layer is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.nn.paste import paste, pose_at

__all__ = [
    "Discriminator", "Foreground", "Generator", "Layer", "Painting", "PoseKind", "Sizes",
    "composite",
]  # fmt: skip

PoseKind = Literal["clamped", "bounded"]


@dataclass(frozen=True)
class Sizes:
    """How large the generator is. The defaults are the paper's for CIFAR-10."""

    z_dim: int = 100  # length of the noise of one layer, and of the LSTM's state
    width: int = 64  # the background's first map has 4 times as many channels, a foreground's 8
    least_width: int = 64  # maps above 8 x 8 never have fewer channels
    size: int = 32  # side of the picture, a power of two from 8
    channels: int = 3  # 1 for grey, 3 for colour
    layers: int = 2  # the background and layers - 1 foregrounds
    patch: int = 0  # side at which foregrounds are drawn, near that of objects; 0: as published
    background_side: int = 0  # a smooth field of so many colours a side; 0: the paper's network
    appearance_side: int = 0  # likewise for a foreground's appearance
    pose: PoseKind = "clamped"  # how a pose is kept within its limits
    scale: tuple[float, float] = (1.2, 2.4)  # 1 / share of the canvas' side that a foreground takes
    rotation: float = 0.1  # largest off-diagonal entry of a pose
    unit_codes: bool = False  # an LSTM's state is small; True: every code gets unit variance
    exact: bool = True  # False: masks send poses no gradient, as in the authors' kernel


class Foreground(NamedTuple):
    """One thing to be pasted: ``[B, C, h, w]``, ``[B, 1, h, w]`` and ``[B, 2, 3]``."""

    appearance: Tensor
    mask: Tensor
    pose: Tensor


class Layer(NamedTuple):
    """A foreground, how it lies on the canvas, and the canvas with it."""

    foreground: Foreground
    appearance: Tensor  # [B, C, H, W]
    mask: Tensor  # [B, 1, H, W]
    canvas: Tensor  # [B, C, H, W]


class Painting(NamedTuple):
    """A picture with all that it was made of."""

    background: Tensor  # [B, C, H, W]
    layers: tuple[Layer, ...]

    @property
    def picture(self) -> Tensor:
        """The last canvas: ``[B, C, H, W]`` in [-1, 1]."""
        return self.layers[-1].canvas if self.layers else self.background


def composite(background: Tensor, foregrounds: list[Foreground], *, exact: bool = True) -> Painting:
    """Lays foregrounds over the background in their order."""
    canvas, layers = background, []
    for foreground in foregrounds:
        pasted = paste(canvas, *foreground, mask_moves_pose=exact)
        canvas = pasted.canvas
        layers.append(Layer(foreground, pasted.appearance, pasted.mask, canvas))
    return Painting(background, tuple(layers))


# --- What paints ---


def widths(first: int, least: int, size: int) -> list[int]:
    """Channels of the maps of 4, 8, ... ``size / 2`` pixels: ``first``, its half, its quarter, ...

    From the third on they are at least ``least``: ``widths(256, 64, 64) == [256, 128, 64, 64]``.
    """
    maps = [first, first // 2]
    while len(maps) < int(math.log2(size // 4)):
        maps.append(max(maps[-1] // 2, least))
    return maps[: int(math.log2(size // 4))]


class Project(nn.ConvTranspose2d):
    """The 4 x 4 seed: a transposed convolution of one pixel, which is one matrix product.

    Shapes: ``[B, in]`` -> ``[B, out, 4, 4]``.
    """

    def __init__(self, wide: int, narrow: int, bias: bool) -> None:
        super().__init__(wide, narrow, kernel_size=4, bias=bias)

    def forward(self, code: Tensor) -> Tensor:  # type: ignore[override]
        seed = (code @ self.weight.flatten(1)).view(-1, self.out_channels, 4, 4)
        return seed if self.bias is None else seed + self.bias[:, None, None]


class Maps(nn.Sequential):
    """From a code to feature maps that double: ``[B, z_dim]`` -> ``[B, maps[-1], s, s]``."""

    def __init__(self, z_dim: int, maps: list[int], bias: bool) -> None:
        layers: list[nn.Module] = [finished(Project(z_dim, maps[0], bias), maps[0])]
        for wide, narrow in zip(maps, maps[1:], strict=False):
            up = nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=bias)
            layers.append(finished(up, narrow))
        super().__init__(*layers)


def finished(up: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(up, nn.BatchNorm2d(channels), nn.ReLU())


def smoothed(wide: int, narrow: int, bias: bool, last: nn.Module) -> nn.Sequential:
    """Without doubling, whose four phases leave a chequered pattern: ``[B, wide, s, s]`` kept."""
    return nn.Sequential(nn.Conv2d(wide, narrow, 3, padding=1, bias=bias), last)


def varied(wide: int, narrow: int) -> list[nn.Module]:
    """Batch norm keeps codes apart from the first round on: else all inks turn white together."""
    return [nn.Linear(wide, narrow, bias=False), nn.BatchNorm1d(narrow), nn.ReLU()]


class ColourField(nn.Module):
    """A few colours and a smooth way between them: what cannot draw a digit must leave it alone.

    A small network names ``side * side`` colours, which are enlarged bicubically.

    Shapes: ``[B, z_dim]`` -> ``[B, channels, size, size]`` in [-1, 1].
    """

    enlarge: Tensor

    hidden = 128

    def __init__(self, sizes: Sizes, side: int, size: int) -> None:
        super().__init__()
        self.shape = (sizes.channels, side, side)
        self.to_colours = nn.Sequential(
            *varied(sizes.z_dim, self.hidden),
            *varied(self.hidden, self.hidden),
            nn.Linear(self.hidden, sizes.channels * side * side),
        )
        # bicubic interpolation of rows is a matrix, [size, side]
        rows = torch.eye(side)[None, :, :, None].expand(1, side, side, side)
        matrix = F.interpolate(rows, size=(size, side), mode="bicubic", align_corners=False)
        self.register_buffer("enlarge", matrix[0, :, :, 0].T.contiguous(), persistent=False)

    def forward(self, code: Tensor) -> Tensor:
        colours = self.to_colours(code).view(-1, *self.shape)  # [B, C, side, side]
        return (self.enlarge @ colours @ self.enlarge.T).tanh()  # [B, C, size, size]


def doubled(wide: int, narrow: int, bias: bool, last: nn.Module) -> nn.Sequential:
    """The paper's last step, of pictures and masks: ``[B, wide, s, s]`` -> ``[.., 2 s, 2 s]``."""
    up = nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=bias)
    return nn.Sequential(up, last)


# --- Where it goes ---


class ClampedPose(nn.Linear):
    """The paper's pose: six free numbers, cut off at the limits. It begins in the middle, large.

    Shapes: ``[B, z_dim]`` -> ``[B, 2, 3]``.
    """

    limits: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes.z_dim, 6)
        (near, far), turn = sizes.scale, sizes.rotation
        nn.init.zeros_(self.weight)
        with torch.no_grad():
            self.bias.copy_(torch.tensor([near, 0, 0, 0, near, 0]))
        low, high = [near, -turn, -1, -turn, near, -1], [far, turn, 1, turn, far, 1]
        self.register_buffer("limits", torch.tensor([low, high]), persistent=False)

    def forward(self, code: Tensor) -> Tensor:
        return super().forward(code).clamp(*self.limits).view(-1, 2, 3)


class BoundedPose(nn.Linear):
    """A pose without rotation that keeps the whole foreground inside and never stands at a limit.

    Where clamping sends no gradient, squashing still does.

    Shapes: ``[B, z_dim]`` -> ``[B, 2, 3]``.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes.z_dim, 4)
        self.scale = sizes.scale

    def forward(self, code: Tensor) -> Tensor:
        size, aspect, place = super().forward(code).float().split([1, 1, 2], dim=1)
        low, high = self.scale
        scale = low + (high - low) * size.sigmoid()  # [B, 1]
        stretch = (0.15 * aspect.tanh()).exp()
        share = torch.cat([1 / scale, 1 / (scale * stretch)], dim=1).clamp(max=1)  # [B, 2]
        return pose_at(place.tanh() * (1 - share), share)


POSES = {"clamped": ClampedPose, "bounded": BoundedPose}


class Context(nn.Module):
    """What a foreground is told: the LSTM's state, and the map that the layer before came from.

    The authors' network takes the background's map and the foregrounds' alike, so theirs runs only
    where both happen to have as many channels; here ``match`` makes up for a difference.

    Args:
        depths: channels of the background's last map and of the foreground's.
        side: of these maps.
    """

    def __init__(self, z_dim: int, depths: tuple[int, int], side: int) -> None:
        super().__init__()
        depth = depths[1]
        self.match = nn.Conv2d(*depths, 1, bias=False) if depths[0] != depth else nn.Identity()
        halvings = int(math.log2(side // 2))
        steps = [
            nn.Sequential(nn.AvgPool2d(4, 2, 1), nn.BatchNorm2d(depth), nn.LeakyReLU(0.2))
            for _ in range(halvings)
        ]
        self.shrink = nn.Sequential(*steps)  # [B, depth, 2, 2]
        self.to_code = _squeezed(depth * 4, z_dim)
        self.mix = _squeezed(2 * z_dim, z_dim)

    def forward(self, state: Tensor, before: Tensor, first: bool) -> Tensor:
        before = self.match(before) if first else before
        code = self.to_code(self.shrink(before).flatten(1))  # [B, z_dim]
        return self.mix(torch.cat([state, code], dim=1))


def _squeezed(wide: int, narrow: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(wide, narrow), nn.BatchNorm1d(narrow), nn.Tanh())


# --- A background, a foreground ---


class BackgroundPainter(nn.Module):
    """``z_0`` to a background, and to the map it was made from, which :class:`Context` may use."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        s = sizes
        self.depths = widths(4 * s.width, s.least_width, s.size)
        self.maps: nn.Module = nn.Identity()
        if s.background_side:
            self.to_picture: nn.Module = ColourField(s, s.background_side, s.size)
        else:
            self.maps = Maps(s.z_dim, self.depths, bias=True)
            self.to_picture = doubled(self.depths[-1], s.channels, True, nn.Tanh())

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.maps(z)
        return self.to_picture(maps), maps


class ForegroundPainter(nn.Module):
    """A code to an appearance, a mask and a pose, and to the map of the first two."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        s = sizes
        self.smooth = s.appearance_side > 0
        self.depths = widths(8 * s.width, s.least_width, 2 * s.patch or s.size)
        self.maps = Maps(s.z_dim, self.depths, bias=False)
        head = smoothed if s.patch else doubled
        self.to_mask = head(self.depths[-1], 1, True, nn.Sigmoid())
        self.to_pose = POSES[s.pose](s)
        self.to_appearance: nn.Module = (
            ColourField(s, s.appearance_side, s.patch or s.size)
            if self.smooth
            else head(self.depths[-1], s.channels, False, nn.Tanh())
        )

    def forward(self, code: Tensor) -> tuple[Foreground, Tensor]:
        maps = self.maps(code)  # [B, C, size / 2, size / 2], or [B, C, patch, patch]
        appearance = self.to_appearance(code if self.smooth else maps)
        return Foreground(appearance, self.to_mask(maps), self.to_pose(code)), maps


# --- The two players ---


class Generator(nn.Module):
    """A background from ``z_0``, then foreground after foreground from one and the same network.

    The LSTM is advanced at every step, also at the first; but the background is painted from the
    raw ``z_0`` (so that one layer alone is a DCGAN), which differs from the paper's text.

    Shapes: noise ``[B, layers, z_dim]`` -> :class:`Painting`.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.lstm = nn.LSTMCell(sizes.z_dim, sizes.z_dim)
        self.background = BackgroundPainter(sizes)
        self.foreground = ForegroundPainter(sizes)
        self.context: Context | None = None
        if sizes.layers > 2 and not (sizes.background_side or sizes.patch):
            depths = self.background.depths[-1], self.foreground.depths[-1]
            self.context = Context(sizes.z_dim, depths, sizes.size // 2)
        self.apply(initialise)

    def forward(self, z: Tensor) -> Painting:
        background, foregrounds = self.parts(z)
        return composite(background, foregrounds, exact=self.sizes.exact)

    def parts(self, z: Tensor) -> tuple[Tensor, list[Foreground]]:
        """The background and the foregrounds, not pasted yet."""
        state = self.lstm(z[:, 0])  # hidden and cell state, [B, z_dim] each
        background, before = self.background(z[:, 0])
        foregrounds = []
        for step in range(1, z.shape[1]):
            state = self.lstm(z[:, step], state)
            code = state[0]
            if self.context is not None:
                code = self.context(code, before, first=step == 1)
            if self.sizes.unit_codes:
                code = F.layer_norm(code, (self.sizes.z_dim,))
            foreground, before = self.foreground(code)
            foregrounds.append(foreground)
        return background, foregrounds


class Discriminator(nn.Module):
    """DCGAN's: half the side, twice the channels, down to 4 x 4, and one logit.

    Args:
        width: channels of the first map.
        batch_norm: in all but the first layer, as published. Without it a gradient penalty makes
            sense, and D also sees how much the pictures of a batch differ (:func:`spread`).

    Shapes: picture ``[B, channels, size, size]`` -> logit ``[B]``.
    """

    def __init__(self, width: int, size: int, channels: int, batch_norm: bool = True) -> None:
        super().__init__()
        self.batch_norm = batch_norm
        layers: list[nn.Module] = []
        narrow = channels
        for level in range(int(math.log2(size // 4))):
            wide = width * 2**level
            normed = [nn.BatchNorm2d(wide)] if batch_norm and level else []
            conv = nn.Conv2d(narrow, wide, 4, stride=2, padding=1, bias=not batch_norm)
            layers.append(nn.Sequential(conv, *normed, nn.LeakyReLU(0.2)))
            narrow = wide
        self.hidden = nn.Sequential(*layers)  # [B, narrow, 4, 4]
        self.compare = nn.Sequential() if batch_norm else compared(narrow)
        self.to_logit = nn.Conv2d(narrow, 1, 4, bias=not batch_norm)
        self.apply(initialise if batch_norm else keep_variance)

    def forward(self, picture: Tensor) -> Tensor:
        hidden = self.hidden(picture)
        hidden = hidden if self.batch_norm else torch.cat([hidden, spread(hidden)], dim=1)
        return self.to_logit(self.compare(hidden)).flatten()  # [B, 1, 1, 1] -> [B]


def compared(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels + 1, channels, 3, padding=1), nn.LeakyReLU(0.2))


def spread(maps: Tensor, group: int = 8) -> Tensor:
    """How much the maps of a group of pictures differ, as one more channel: ``[B, 1, H, W]``.

    Karras et al. 2018, section 3: a generator that paints the same again and again gives itself
    away.
    """
    count, _, height, width = maps.shape
    members = group if count % group == 0 else count
    groups = maps.float().view(members, -1, *maps.shape[1:])  # [members, groups, C, H, W]
    variance = (groups - groups.mean(dim=0)).square().mean(dim=0)  # torch's own takes a CPU longer
    deviation = (variance + 1e-8).sqrt().mean(dim=(1, 2, 3))  # [groups]
    return (
        deviation.to(maps.dtype).repeat(members)[:, None, None, None].expand(-1, 1, height, width)
    )


def initialise(module: nn.Module) -> None:
    """The weights torch began with in 2017: the authors draw none of their own.

    Transposed convolutions from U(-k, k), ``k = 1 / sqrt(in * 4 * 4)``. Convolutions and linear
    layers begin today as they did then.
    """
    if isinstance(module, nn.ConvTranspose2d):
        bound = 1 / math.sqrt(module.in_channels * module.kernel_size[0] ** 2)
        for weight in module.parameters():
            nn.init.uniform_(weight, -bound, bound)


def keep_variance(module: nn.Module) -> None:
    """He et al. 2015: without batch norm, torch's own weights make maps fainter layer by layer."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=0.2)
