"""The networks of the authors' own PyTorch version (hanzhanggit/StackGAN-Pytorch).

They differ from ``networks.py`` in what a reader of the paper cannot know: noise comes before the
caption's code, Stage I ends in a convolution of its own, Stage II joins sketch and caption by one
more convolution and has two heads in D, and D hears ``mu``, the generator's own reading of the
caption, instead of the embedding. Attributes are called as in the released files, so that these
load as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from course_lib.nn.upsample import upsample_conv
from course_lib.stackgan.networks import CA, tile

__all__ = ["OfficialDiscriminator", "OfficialStageOne", "OfficialStageTwo"]


def conv3x3(wide: int, narrow: int) -> nn.Conv2d:
    return nn.Conv2d(wide, narrow, 3, padding=1, bias=False)


class UpBlock(nn.Sequential):
    """Twice the side, other channels."""

    def __init__(self, wide: int, narrow: int) -> None:
        up = nn.UpsamplingNearest2d(scale_factor=2)
        super().__init__(up, conv3x3(wide, narrow), nn.BatchNorm2d(narrow), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        layers: Any = self  # a Sequential's type forgets what is in it
        up, conv, norm, relu = layers
        return relu(norm(upsample_conv(up, conv, x)))


class ResidualBlock(nn.Module):
    """``relu(x + F(x))`` with two 3 x 3 convolutions in ``F``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            conv3x3(channels, channels), nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
            conv3x3(channels, channels), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.block(x)).relu()


class OfficialGenerator(nn.Module):
    """What both stages share: the caption's code, four doublings, and the picture."""

    def __init__(self, text_dim: int, embed_dim: int, channels: int) -> None:
        super().__init__()
        self.ca_net = CA(text_dim, embed_dim)
        self.upsample1 = UpBlock(channels, channels // 2)
        self.upsample2 = UpBlock(channels // 2, channels // 4)
        self.upsample3 = UpBlock(channels // 4, channels // 8)
        self.upsample4 = UpBlock(channels // 8, channels // 16)
        self.img = nn.Sequential(conv3x3(channels // 16, 3), nn.Tanh())

    def paint(self, x: Tensor) -> Tensor:
        """``[B, channels, H, W]`` -> picture ``[B, 3, 16 H, 16 W]`` in [-1, 1]."""
        return self.img(self.upsample4(self.upsample3(self.upsample2(self.upsample1(x)))))


class OfficialStageOne(OfficialGenerator):
    """Stage-I generator.

    Args:
        width: ``GF_DIM``; the 4 x 4 map has eight times as many channels.
        text_dim, embed_dim, z_dim: lengths of embedding, code and noise.

    Shapes: embedding ``[B, text_dim]``, z ``[B, z_dim]``, epsilon ``[B, embed_dim]`` -> picture
    ``[B, 3, 64, 64]``, mu and logvar ``[B, embed_dim]``.
    """

    def __init__(
        self, width: int = 128, text_dim: int = 1024, embed_dim: int = 128, z_dim: int = 100
    ) -> None:
        super().__init__(text_dim, embed_dim, 8 * width)
        self.width, self.z_dim, self.embed_dim = width, z_dim, embed_dim
        features = 8 * width * 4 * 4
        self.fc = nn.Sequential(
            nn.Linear(z_dim + embed_dim, features, bias=False),
            nn.BatchNorm1d(features),
            nn.ReLU(inplace=True),
        )

    def forward(
        self, embedding: Tensor, z: Tensor, epsilon: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        c, mu, logvar = self.ca_net(embedding, epsilon)
        x = self.fc(torch.cat([z, c], dim=1)).view(-1, 8 * self.width, 4, 4)
        return self.paint(x), mu, logvar


class OfficialStageTwo(OfficialGenerator):
    """Stage-II generator, with the Stage-I generator, which it never moves, inside.

    Args:
        stage_one: draws the sketch; its batch norms follow ``train()`` and ``eval()`` like all.
        width: ``GF_DIM``; text_dim, embed_dim: lengths of embedding and code.
        blocks: ``R_NUM``, residual blocks.

    Shapes: embedding ``[B, text_dim]``, z ``[B, z_dim]``, the noise of both stages' codes
    ``[B, embed_dim]`` -> picture ``[B, 3, 256, 256]``, mu, logvar and the sketch
    ``[B, 3, 64, 64]``.
    """

    def __init__(
        self,
        stage_one: OfficialStageOne,
        width: int = 128,
        text_dim: int = 1024,
        embed_dim: int = 128,
        blocks: int = 4,
    ) -> None:
        super().__init__(text_dim, embed_dim, 4 * width)
        self.STAGE1_G: OfficialStageOne = stage_one.requires_grad_(False)
        self.encoder = nn.Sequential(
            conv3x3(3, width), nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(4 * width), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.hr_joint = nn.Sequential(
            conv3x3(4 * width + embed_dim, 4 * width),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(inplace=True),
        )
        self.residual = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(blocks)))

    def forward(
        self,
        embedding: Tensor,
        z: Tensor,
        epsilon: Tensor | None = None,
        sketch_epsilon: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        sketch = self.STAGE1_G(embedding, z, sketch_epsilon)[0].detach()
        c, mu, logvar = self.ca_net(embedding, epsilon)
        x = self.encoder(sketch)  # [B, 4 width, 16, 16]
        x = self.hr_joint(torch.cat([x, tile(c, x.shape[-1])], dim=1))
        return self.paint(self.residual(x)), mu, logvar, sketch


class Head(nn.Module):
    """One answer of D: for the picture alone, or for picture and caption together.

    Shapes: what was seen ``[B, C, 4, 4]``, mu ``[B, embed_dim]`` -> probability ``[B]``.
    """

    def __init__(self, channels: int, embed_dim: int = 0) -> None:
        super().__init__()
        joint = [
            conv3x3(channels + embed_dim, channels),
            nn.BatchNorm2d(channels),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        decide = [nn.Conv2d(channels, 1, 4, stride=4), nn.Sigmoid()]
        self.outlogits = nn.Sequential(*(joint if embed_dim else []), *decide)

    def forward(self, seen: Tensor, mu: Tensor | None = None) -> Tensor:
        if mu is not None:
            seen = torch.cat([seen, tile(mu, seen.shape[-1])], dim=1)
        return self.outlogits(seen).flatten()


class OfficialDiscriminator(nn.Module):
    """Both stages' discriminator: ``encode_img`` looks, the heads answer.

    Args:
        width: ``DF_DIM``, channels of the first map.
        embed_dim: length of ``mu``.
        size: 64 for Stage I; 256 for Stage II, which also answers without a caption.

    Shapes: picture ``[B, 3, size, size]`` -> ``[B, 8 width, 4, 4]`` for the heads.
    """

    def __init__(self, width: int = 64, embed_dim: int = 128, size: int = 64) -> None:
        super().__init__()
        halvings = {64: 4, 256: 6}[size]
        maps = [width * 2**level for level in range(halvings)]
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False), leaky()]
        for narrow, wide in zip(maps, maps[1:], strict=False):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), leaky()]
        for wide in reversed(maps[4:]):  # Stage II: back to 8 width
            layers += [conv3x3(wide, wide // 2), nn.BatchNorm2d(wide // 2), leaky()]
        self.encode_img = nn.Sequential(*layers)
        self.get_cond_logits = Head(8 * width, embed_dim)
        self.get_uncond_logits = Head(8 * width) if size == 256 else None

    def forward(self, picture: Tensor) -> Tensor:
        return self.encode_img(picture)


def leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2, inplace=True)
