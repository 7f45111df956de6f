"""LostGAN's generator: every object gets a style and a mask, and both steer the norm layers.

Sun and Wu: Image Synthesis from Reconfigurable Layout and Style, ICCV 2019 (arXiv:1908.07500), and
Learning Layout and Style Reconfigurable GANs for Controllable Image Synthesis, TPAMI 2021
(arXiv:2003.11571), whose version 2 also mends the masks while it paints. The discriminator has a
file of its own.

Labels are counted from 1; 0 is nothing (or a data set's pseudo-object ``__image__``, which D never
sees). An object that is not there has its box outside the picture (:data:`NOWHERE`): its mask is
zero everywhere, so it cannot change a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.nn.spectral import spectral_norm
from course_lib.nn.upsample import upsample_conv

__all__ = [
    "ISLA", "NOWHERE", "Generator", "MaskRegression", "Painting", "Sizes", "inside_boxes",
    "masks_to_layout",
]  # fmt: skip

NOWHERE = (-0.6, -0.6, -0.1, -0.1)  # the box of an object that is not there

# Channels of the maps of 4, 8, ... pixels and of the last one, as multiples of the width, by size.
WIDTHS = {
    64: (16, 8, 4, 2, 1),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
}


@dataclass(frozen=True)
class Sizes:
    """What the generator is built from. The defaults are those of version 2 on COCO-Stuff."""

    version: Literal[1, 2] = 2
    size: int = 128  # side of the picture in pixels: 64, 128 or 256
    labels: int = 184  # classes, nothing included
    z_dim: int = 128  # length of the noise of an object, and of the picture's
    label_dim: int = 180  # length of a class's embedding
    width: int = 64  # channels of the last map
    mask_width: int = 256  # channels of the mask network
    mask_labels: int = 184  # classes whose masks version 2 mends; for COCO's sake 184 in all files
    mask_hidden: int = 100  # channels of the network that does so
    map_size: int = 64  # side of the masks
    parts: int = 1  # that an object's mask has, each with gains of its own; published: one
    in_front: bool = False  # what is small stands before what is large; published: a mixture
    grain: bool = False  # in every block a fixed grain, as much of it as each channel learns
    align_corners: bool = True  # how torch 1.0, with which the authors trained, sampled masks


class Painting(NamedTuple):
    """A batch of pictures and the masks that steered them."""

    pictures: Tensor  # [B, 3, size, size] in [-1, 1]
    masks: Tensor  # [B, O, map_size, map_size] in [0, 1]: as regressed
    refined: Tensor  # [B, O, h, w]: as version 2 used them in its last block; else `masks`


# --- From boxes to masks ---


def places_in(boxes: Tensor, side: int) -> Tensor:
    """Where each pixel lies within each box, from 0 to 1 across it: ``[B, O, side, side, 2]``.

    The pixels' own coordinates go from 0 to 1, both included.
    """
    line = torch.linspace(0, 1, side, device=boxes.device, dtype=boxes.dtype)
    corner, size = boxes[..., :2], (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-4)
    along = (line - corner[..., None]) / size[..., None]  # [B, O, 2, side]
    x, y = along[..., 0, None, :], along[..., 1, :, None]
    return torch.stack(torch.broadcast_tensors(x, y), dim=-1)


def masks_to_layout(boxes: Tensor, masks: Tensor, side: int, *, align_corners: bool) -> Tensor:
    """Lays each mask into its box, zero around it; bilinear.

    Shapes: boxes ``[B, O, 4]`` (corners, fractions), masks ``[B, O, h, w]`` ->
    ``[B, O, side, side]``.
    """
    with torch.autocast(boxes.device.type, enabled=False):
        grid = (2 * places_in(boxes, side) - 1).flatten(0, 1)  # [B * O, side, side, 2]
        each = masks.flatten(0, 1)[:, None].to(grid.dtype)  # [B * O, 1, h, w]
        laid = F.grid_sample(
            each, grid, mode="bilinear", padding_mode="zeros", align_corners=align_corners
        )
    return laid.view(*boxes.shape[:2], side, side)


def inside_boxes(boxes: Tensor, side: int) -> Tensor:
    """1 in each box, its edges included, and 0 around it: ``[B, O, side, side]``."""
    places = places_in(boxes, side)
    return ((places >= 0) & (places <= 1)).all(dim=-1).to(boxes.dtype)


def areas(boxes: Tensor) -> Tensor:
    """Shares of the picture, not less than a hundredth: ``[B, O, 4]`` -> ``[B, O, 1, 1]``."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1).clamp(min=0.01)[..., None, None]


class MaskRegression(nn.Module):
    """From the code of an object to its soft mask, which is then laid into its box.

    Version 1 has batch norm, version 2 instance norm, which looks at each object alone.

    Shapes: codes ``[B * O, code]``, boxes ``[B, O, 4]`` -> ``[B, O * parts, map_size, map_size]``.
    """

    def __init__(self, code: int, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        wide = sizes.mask_width

        def block() -> nn.Sequential:
            norm = nn.BatchNorm2d(wide) if sizes.version == 1 else nn.InstanceNorm2d(wide)
            return nn.Sequential(conv3x3(wide, wide), norm, nn.ReLU())

        self.fc = spectral_norm(nn.Linear(code, wide * 16))
        self.conv1, self.conv2 = block(), block()
        last = spectral_norm(nn.Conv2d(wide, sizes.parts, 1))
        self.conv3 = nn.Sequential(*block(), last, Shares())

    def forward(self, codes: Tensor, boxes: Tensor) -> Tensor:
        parts = self.regressed(codes).reshape(len(boxes), -1, 16, 16)  # [B, O * parts, 16, 16]
        boxes = boxes.repeat_interleave(self.sizes.parts, dim=1)
        return masks_to_layout(
            boxes, parts, self.sizes.map_size, align_corners=self.sizes.align_corners
        )

    def regressed(self, codes: Tensor) -> Tensor:
        """The masks before they are laid into boxes: ``[B * O, parts, 16, 16]``.

        Of objects that are not there, too: in training, version 1's batch norm has seen them.
        """
        x = self.conv1(self.fc(codes).view(len(codes), -1, 4, 4))
        return self.conv3(resized(self.conv2(resized(x, 8)), 16))


class Shares(nn.Module):
    """What each part has of a pixel, and the rest has what is left: of one part, its sigmoid."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, torch.zeros_like(x[:, :1])], dim=1).softmax(dim=1)[:, :-1]


def resized(maps: Tensor, side: int) -> Tensor:
    """Bilinear, corners not aligned: ``[B, C, h, w]`` -> ``[B, C, side, side]``."""
    if maps.shape[-1] == side:
        return maps
    return F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)


def conv3x3(wide: int, narrow: int) -> nn.Conv2d:
    return spectral_norm(nn.Conv2d(wide, narrow, 3, padding=1))


# --- What masks and styles do ---


class ISLA(nn.Module):
    """Instance-sensitive and layout-aware norm (section 3.3): each object has its own gain.

    ``y = gamma * BN(x) + beta``; at a pixel, ``gamma`` and ``beta`` are the means of those of the
    objects there, weighted by their masks ``m``:

        gamma = 1 + sum_o m_o W_gamma w_o / sum_o m_o        beta = sum_o m_o W_beta w_o / sum_o m_o

    The sums over objects are one matrix product, ``[2 C, O] @ [O, H W]``; nothing of the size
    ``[B, O, C, H, W]`` is ever made. Where objects have parts, each part counts as an object.

    Shapes: x ``[B, C, H, W]``, codes ``[B * O, code]``, masks ``[B, O, h, w]`` -> ``[B, C, H, W]``.
    """

    def __init__(self, channels: int, code: int, parts: int = 1) -> None:
        super().__init__()
        self.to_gamma = spectral_norm(nn.Linear(code, parts * channels))
        self.to_beta = spectral_norm(nn.Linear(code, parts * channels))
        self.norm = nn.BatchNorm2d(channels, affine=False)

    def forward(self, x: Tensor, codes: Tensor, masks: Tensor) -> Tensor:
        count, _, height, width = x.shape
        if masks.shape[-2:] != x.shape[-2:]:
            masks = F.interpolate(masks, size=(height, width), mode="bilinear", align_corners=False)
        gains = (to(codes).view(count, masks.shape[1], -1) for to in (self.to_gamma, self.to_beta))
        each = torch.cat([*gains], dim=2).transpose(1, 2)  # [B, 2 C, O]
        shares = masks / (masks.sum(dim=1, keepdim=True) + 1e-6)  # [B, O, H, W]
        mixed = torch.bmm(each, shares.flatten(2))  # [B, 2 C, H W]
        gamma, beta = mixed.view(count, -1, height, width).chunk(2, dim=1)
        return (1 + gamma) * self.norm(x) + beta


class Grain(nn.Module):
    """Adds white noise that is the same for all pictures, as a sheet of paper has its grain.

    Grass is noise: a network without a source of it bends its first map into a pattern. Each
    channel has a weight; the gains after it say where grain shows.

    Shapes: ``[B, C, s, s]`` -> the same.
    """

    noise: Tensor

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), 0.1))
        noise = torch.randn(size, size, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", noise, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        side = x.shape[-1]
        return x + (self.weight[:, None, None] * self.noise[:side, :side]).to(x.dtype)


class Block(nn.Module):
    """One doubling: ISLA, ReLU, twice the side, convolution, ISLA, ReLU, convolution, plus ``x``.

    Shapes: x ``[B, wide, s, s]``, codes ``[B * O, code]``, masks ``[B, O, h, w]`` ->
    ``[B, narrow, 2 s, 2 s]``.
    """

    def __init__(self, wide: int, narrow: int, code: int, sizes: Sizes) -> None:
        super().__init__()
        self.norm1, self.norm2 = (ISLA(each, code, sizes.parts) for each in (wide, narrow))
        self.conv1, self.conv2 = conv3x3(wide, narrow), conv3x3(narrow, narrow)
        self.shortcut = spectral_norm(nn.Conv2d(wide, narrow, 1))
        self.up = nn.UpsamplingNearest2d(scale_factor=2)
        self.grain = Grain(narrow, sizes.size) if sizes.grain else nn.Identity()

    def forward(self, x: Tensor, codes: Tensor, masks: Tensor) -> Tensor:
        hidden = upsample_conv(self.up, self.conv1, self.norm1(x, codes, masks).relu())
        hidden = self.conv2(self.norm2(self.grain(hidden), codes, masks).relu())
        return hidden + self.up(self.shortcut(x))  # a 1 x 1 convolution may come before doubling


# --- Version 2: masks that are mended on the way ---


class Pyramid(nn.Module):
    """Pyramid pooling: means over 1, 4, 9 and 36 parts of the map beside what each pixel knows.

    Shapes: ``[B, wide, s, s]`` -> ``[B, narrow, s, s]``.
    """

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(parts),
                nn.Conv2d(wide, narrow, 1, bias=False),
                nn.BatchNorm2d(narrow),
                nn.ReLU(),
            )
            for parts in (1, 2, 3, 6)
        )
        self.bottleneck = nn.Sequential(
            nn.Conv2d(wide + 4 * narrow, narrow, 3, padding=1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.Dropout2d(0.1),
        )

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[-2], x.shape[-1])
        pooled = [
            F.interpolate(stage(x), size=size, mode="bilinear", align_corners=True)
            for stage in self.stages
        ]
        return self.bottleneck(torch.cat([*pooled, x], dim=1))


class MaskRefinement(nn.Module):
    """After a block: where does its output show each class? Masks give way to that in part.

    ``m' = (1 - a) m + a s``, with ``s = sigmoid(map of the object's class)`` within its box, and
    ``a`` one number a class. ``m`` is always the regressed mask, not the one mended before.

    Shapes: features ``[B, wide, s, s]``, labels ``[B, O]``, boxes ``[B, O, 4]``, masks
    ``[B, O, h, w]`` -> ``[B, O, s, s]``.
    """

    def __init__(self, wide: int, sizes: Sizes, pyramid: bool) -> None:
        super().__init__()
        hidden, classes = sizes.mask_hidden, sizes.mask_labels
        plain = [nn.Conv2d(wide, hidden, 3, padding=1), nn.BatchNorm2d(hidden), nn.ReLU()]
        look = [Pyramid(wide, hidden)] if pyramid else plain
        self.to_maps = nn.Sequential(*look, nn.Conv2d(hidden, classes, 1))
        self.alpha = nn.Parameter(torch.zeros(1, classes, 1))
        self.box_side = 128 if sizes.size == 256 else 64  # at which boxes are drawn

    def forward(self, features: Tensor, labels: Tensor, boxes: Tensor, masks: Tensor) -> Tensor:
        side = features.shape[-1]
        maps = self.to_maps(features)  # [B, classes, s, s]
        own = maps.gather(1, labels[..., None, None].expand(-1, -1, side, side))  # [B, O, s, s]
        within = inside_boxes(boxes, self.box_side)
        within = F.interpolate(within, size=(side, side), mode="nearest")  # [B, O, s, s]
        alpha = self.alpha[0, labels].sigmoid()[..., None]  # [B, O, 1, 1]
        return (1 - alpha) * resized(masks, side) + alpha * own.sigmoid() * within


# --- The whole ---


class Generator(nn.Module):
    """A layout and a style for each object in, a picture out.

    Shapes: noise of the objects ``[B, O, z_dim]`` and of the picture ``[B, z_dim]``, boxes
    ``[B, O, 4]`` (corners, fractions), labels ``[B, O]`` -> :class:`Painting`.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        maps = [sizes.width * multiple for multiple in WIDTHS[sizes.size]]
        code = sizes.z_dim + sizes.label_dim
        self.embedding = nn.Embedding(sizes.labels, sizes.label_dim)
        self.masks = MaskRegression(code, sizes)
        self.fc = spectral_norm(nn.Linear(sizes.z_dim, 16 * maps[0]))
        self.blocks = nn.ModuleList(Block(a, b, code, sizes) for a, b in pairwise(maps))
        heads = maps[1:-1] if sizes.version == 2 else []  # after every block but the last
        self.refinements = nn.ModuleList(
            # The pyramid is in the last head of the 128-pixel network alone.
            MaskRefinement(wide, sizes, pyramid=sizes.size == 128 and level == 3)
            for level, wide in enumerate(heads)
        )
        self.final = nn.Sequential(
            nn.BatchNorm2d(maps[-1]), nn.ReLU(), conv3x3(maps[-1], 3), nn.Tanh()
        )
        initialise(self)

    def codes(self, z: Tensor, labels: Tensor) -> Tensor:
        """The style mapping: noise and the class's embedding side by side, ``[B * O, code]``."""
        return torch.cat([z, self.embedding(labels)], dim=2).flatten(0, 1)

    def forward(self, z: Tensor, z_image: Tensor, boxes: Tensor, labels: Tensor) -> Painting:
        codes = self.codes(z, labels)
        masks = refined = self.masks(codes, boxes)
        if self.sizes.in_front:
            refined = masks / areas(boxes).repeat_interleave(self.sizes.parts, dim=1)
        x = self.fc(z_image).view(len(z), -1, 4, 4)
        for level, block in enumerate(self.blocks):
            x = block(x, codes, refined)  # [B, C, 2 s, 2 s]
            if level < len(self.refinements):
                refined = self.refinements[level](x, labels, boxes, masks)
        masks = masks.unflatten(1, (-1, self.sizes.parts)).sum(dim=2)  # [B, O, h, w]
        return Painting(self.final(x), masks, refined if self.sizes.version == 2 else masks)


def initialise(network: nn.Module) -> None:
    """Orthogonal wherever there is a matrix, embeddings and alphas included; biases at zero."""
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            nn.init.orthogonal_(parameter)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
