"""DCGAN's two networks.

Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks, ICLR 2016 (arXiv:1511.06434), section 3 and figure 1. No pooling, no hidden
fully connected layer, batch norm in both networks, ReLU in G and LeakyReLU in D.
"""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["Discriminator", "Generator", "NormD", "initialise"]

NormD = Literal["batch", "spectral", "none"]


def widths(width: int, size: int) -> list[int]:
    """Channels from ``4 x 4`` up to ``size / 2``: halved at every doubling of the side.

    ``widths(128, 64) == [1024, 512, 256, 128]``, the row of figure 1.
    """
    doublings = int(math.log2(size // 4))
    return [width * 2**level for level in reversed(range(doublings))]


class Generator(nn.Module):
    """From noise to a picture: a 4 x 4 seed of many channels, doubled until it is a picture.

    Args:
        z_dim: length of the noise ``z``.
        width: channels of the last hidden map; every smaller map has twice those of the next.
        size: side of the picture in pixels, a power of two from 8.
        channels: 1 for grey, 3 for colour.

    Shapes: ``z`` ``[B, z_dim]`` -> picture ``[B, channels, size, size]`` in [-1, 1].
    """

    def __init__(
        self, z_dim: int = 100, width: int = 128, size: int = 64, channels: int = 3
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        maps = widths(width, size)
        layers = [up(z_dim, maps[0], stride=1, padding=0)]  # "project and reshape": [B, C, 4, 4]
        layers += [up(wide, narrow) for wide, narrow in zip(maps, maps[1:], strict=False)]
        self.hidden = nn.Sequential(*layers)  # [B, width, size/2, size/2]
        self.to_picture = nn.ConvTranspose2d(maps[-1], channels, 4, stride=2, padding=1)
        self.apply(initialise)

    def forward(self, z: Tensor) -> Tensor:
        seed = z[:, :, None, None]  # [B, z_dim, 1, 1]
        return self.to_picture(self.hidden(seed)).tanh()  # [B, channels, size, size]


def up(wide: int, narrow: int, stride: int = 2, padding: int = 1) -> nn.Sequential:
    """One step of G: twice the side, fewer channels, batch norm, ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(wide, narrow, 4, stride, padding, bias=False),
        nn.BatchNorm2d(narrow),
        nn.ReLU(inplace=True),
    )


class Discriminator(nn.Module):
    """From a picture to one number, the logit of "this is real": G's way back.

    Args:
        width: channels of the first hidden map.
        size: side of the picture in pixels.
        channels: 1 for grey, 3 for colour.
        norm: ``batch`` as published (not on the first layer); ``spectral`` divides every kernel,
            as a matrix ``[out, in * 4 * 4]``, by its largest singular value, which bounds the slope
            by a constant (Miyato et al. 2018); ``none`` for gradient penalties, which
            speak of one picture at a time and so must not mix the pictures of a batch.

    Shapes: picture ``[B, channels, size, size]`` -> logit ``[B]``.
    """

    def __init__(
        self, width: int = 128, size: int = 64, channels: int = 3, norm: NormD = "batch"
    ) -> None:
        super().__init__()
        maps = [channels, *reversed(widths(width, size))]
        pairs = zip(maps, maps[1:], strict=False)
        blocks = [down(a, b, norm, first=i == 0) for i, (a, b) in enumerate(pairs)]
        self.hidden = nn.Sequential(*blocks)  # [B, maps[-1], 4, 4]
        self.to_logit = nn.Conv2d(maps[-1], 1, 4)
        self.apply(initialise)
        if norm == "spectral":
            for layer in [m for m in self.modules() if isinstance(m, nn.Conv2d)]:
                spectral_norm(layer)

    def forward(self, picture: Tensor) -> Tensor:
        return self.to_logit(self.hidden(picture)).flatten()  # [B, 1, 1, 1] -> [B]


def down(narrow: int, wide: int, norm: NormD, first: bool) -> nn.Sequential:
    """One step of D: half the side, more channels, LeakyReLU of slope 0.2."""
    normed = norm == "batch" and not first
    layers: list[nn.Module] = [nn.Conv2d(narrow, wide, 4, 2, 1, bias=not normed)]
    layers += [nn.BatchNorm2d(wide)] if normed else []
    return nn.Sequential(*layers, nn.LeakyReLU(0.2, inplace=True))


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch norm's gain from N(1, 0.02) (section 4; gain: their code)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
