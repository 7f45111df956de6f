"""StackGAN's four networks, layer by layer as in the published tables.

Zhang, Xu, Li, Zhang, Wang, Huang, Metaxas: StackGAN: Text to Photo-realistic Image Synthesis with
Stacked Generative Adversarial Networks, ICCV 2017 (arXiv:1612.03242), section 3. The paper leaves
many layers open; this is the version of pclubiitk's model zoo, whose tables list every one of them.
The authors' own PyTorch version differs in places and has a file of its own.

Two of its layers are odd, and stay for the tables' sake: the ReLU on the caption's mean and log
variance (so the noise is never smaller than 1), and the batch norm in front of the last tanh.
Every layer is a direct child of its network, since a summary prints one row a child.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.nn.upsample import upsample_conv

__all__ = ["CA", "Discriminator", "EmbedComp", "ResBlock", "StageOne", "StageTwo", "initialise"]


class CA(nn.Module):
    """Conditioning augmentation (section 3.2): a caption becomes a small cloud of codes.

    ``c = mu + exp(logvar / 2) * epsilon``, ``epsilon ~ N(0, I)``: few captions then cover the
    space of codes without holes, and one caption yields many pictures.

    Args:
        text_dim: length of a caption's embedding.
        embed_dim: length of the code ``c``.
        rectified: the published ReLU on mu *and* logvar; without it the noise can be small.
        logvar: where logvar starts out; -4 is a standard deviation of 0.14.

    Shapes: embedding ``[B, text_dim]``, epsilon ``[B, embed_dim]`` (drawn where not given) ->
    c, mu and logvar, ``[B, embed_dim]`` each.
    """

    def __init__(
        self, text_dim: int, embed_dim: int, rectified: bool = True, logvar: float = 0.0
    ) -> None:
        super().__init__()
        self.logvar = logvar
        self.linear = nn.Linear(text_dim, 2 * embed_dim)
        self.relu = nn.ReLU() if rectified else None

    def forward(
        self, embedding: Tensor, epsilon: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        statistics = self.linear(embedding)  # [B, 2 embed_dim]
        if self.relu is not None:
            statistics = self.relu(statistics)
        mu, logvar = statistics.chunk(2, dim=1)  # [B, embed_dim] each
        if epsilon is None:
            epsilon = torch.randn_like(mu)
        return mu + torch.exp(logvar / 2) * epsilon, mu, logvar


class ResBlock(nn.Module):
    """``relu(x + F(x))``, F being two 3 x 3 convolutions: details are added to what is there."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        change = self.relu(self.norm1(self.conv1(x)))
        return self.relu(x + self.norm2(self.conv2(change)))


class Generator(nn.Module):
    """What both generators share: the caption's code, and the way up from a map to a picture."""

    def __init__(self, ca: CA) -> None:
        super().__init__()
        self.ca = ca
        self.relu = nn.ReLU(inplace=True)

    def add_ups(self, channels: int, count: int, norm_last: bool) -> None:
        """``count`` doublings of the side, each halving the channels, the last one to colours."""
        maps = [channels // 2**level for level in range(count)] + [3]
        self.levels = range(1, count + 1)
        for level, (wide, narrow) in zip(self.levels, pairwise(maps), strict=True):
            normed = norm_last or level < count
            self.add_module(f"up{level}", nn.UpsamplingNearest2d(scale_factor=2))
            self.add_module(f"conv{level}", nn.Conv2d(wide, narrow, 3, padding=1))
            self.add_module(f"norm{level}", nn.BatchNorm2d(narrow) if normed else None)
        self.tanh = nn.Tanh()

    def paint(self, x: Tensor, under: Tensor | float = 0.0) -> Tensor:
        """From the small map ``[B, C, H, W]`` to the picture in [-1, 1].

        Args:
            under: what the picture is painted on, before the tanh.
        """
        for level in self.levels:
            up, conv, norm = (getattr(self, f"{part}{level}") for part in ("up", "conv", "norm"))
            x = upsample_conv(up, conv, x)  # [B, C/2, 2H, 2W]
            x = norm(x) if norm is not None else x
            x = self.relu(x) if level < self.levels[-1] else self.tanh(x + under)
        return x


class StageOne(Generator):
    """Stage-I generator: from caption and noise to a sketch of shapes and colours.

    Args:
        text_dim: length of a caption's embedding.
        embed_dim: length of the caption's code ``c``.
        z_dim: length of the noise ``z``.
        width: channels of the first, 4 x 4 map; None for the published ``8 (embed_dim + z_dim)``.
        size: side of the picture in pixels, a power of two from 8.
        rectified, logvar: see :class:`CA`.
        norm_last: the published batch norm in front of the tanh.

    Shapes: embedding ``[B, text_dim]``, z ``[B, z_dim]``, epsilon ``[B, embed_dim]`` -> picture
    ``[B, 3, size, size]`` in [-1, 1], mu and logvar ``[B, embed_dim]``.
    """

    def __init__(
        self,
        text_dim: int = 1024,
        embed_dim: int = 128,
        z_dim: int = 100,
        width: int | None = None,
        size: int = 64,
        *,
        rectified: bool = True,
        logvar: float = 0.0,
        norm_last: bool = True,
    ) -> None:
        super().__init__(CA(text_dim, embed_dim, rectified, logvar))
        self.width = width or 8 * (embed_dim + z_dim)
        self.linear = nn.Linear(embed_dim + z_dim, 16 * self.width)
        self.norm = nn.BatchNorm1d(16 * self.width)
        self.add_ups(self.width, int(math.log2(size // 4)), norm_last)
        self.apply(initialise)

    def forward(
        self, embedding: Tensor, z: Tensor, epsilon: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        c, mu, logvar = self.ca(embedding, epsilon)
        x = self.relu(self.norm(self.linear(torch.cat([c, z], dim=1))))  # [B, 16 width]
        return self.paint(x.view(-1, self.width, 4, 4)), mu, logvar


class StageTwo(Generator):
    """Stage-II generator: reads the caption again, mends the sketch and adds detail.

    Args:
        text_dim: length of a caption's embedding.
        embed_dim: length of the caption's code ``c``, drawn anew.
        width: channels of the encoded sketch.
        size: side of the picture in pixels; the sketch has a side of ``sketch``, both powers of 2.
        sketch: side of the Stage-I picture.
        rectified, logvar: see :class:`CA`.
        norm_last: the published batch norm in front of the tanh.
        residual: paint on the enlarged sketch, beginning with nothing, instead of painting anew:
            ``tanh(artanh(sketch) + F(sketch, c))``. Published: no.

    Shapes: embedding ``[B, text_dim]``, sketch ``[B, 3, sketch, sketch]``, epsilon
    ``[B, embed_dim]`` -> picture ``[B, 3, size, size]`` in [-1, 1], mu and logvar.
    """

    def __init__(
        self,
        text_dim: int = 1024,
        embed_dim: int = 128,
        width: int = 512,
        size: int = 256,
        sketch: int = 64,
        *,
        rectified: bool = True,
        logvar: float = 0.0,
        norm_last: bool = True,
        residual: bool = False,
    ) -> None:
        super().__init__(CA(text_dim, embed_dim, rectified, logvar))
        self.size, self.residual = size, residual
        self.encode1 = nn.Conv2d(3, width // 4, 4, stride=2, padding=1)
        self.encode_norm1 = nn.BatchNorm2d(width // 4)
        self.encode2 = nn.Conv2d(width // 4, width, 4, stride=2, padding=1)
        self.encode_norm2 = nn.BatchNorm2d(width)
        self.leaky = nn.LeakyReLU(0.2, inplace=True)
        self.block1 = ResBlock(width + embed_dim)
        self.block2 = ResBlock(width + embed_dim)
        self.add_ups(width + embed_dim, int(math.log2(4 * size // sketch)), norm_last)
        self.apply(initialise)
        if residual:
            self.silence()

    def forward(
        self, embedding: Tensor, sketch: Tensor, epsilon: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        c, mu, logvar = self.ca(embedding, epsilon)
        x = self.leaky(self.encode_norm1(self.encode1(sketch)))  # [B, width/4, sketch/2, sketch/2]
        x = self.leaky(self.encode_norm2(self.encode2(x)))  # [B, width, sketch/4, sketch/4]
        x = torch.cat([x, tile(c, x.shape[-1])], dim=1)  # [B, width + embed_dim, ...]
        under = enlarged(sketch, self.size) if self.residual else 0.0
        return self.paint(self.block2(self.block1(x)), under), mu, logvar

    def silence(self) -> None:
        """The last layer begins with nothing to say."""
        last = self.levels[-1]
        layer = getattr(self, f"norm{last}") or getattr(self, f"conv{last}")
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)


class EmbedComp(nn.Module):
    """Compresses a caption's embedding and lays it under every place of D's 4 x 4 map.

    Shapes: ``[B, text_dim]`` -> ``[B, embed_dim, 4, 4]``.
    """

    def __init__(self, text_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(text_dim, embed_dim)

    def forward(self, embedding: Tensor) -> Tensor:
        return tile(self.linear(embedding), 4)


class Discriminator(nn.Module):
    """Is this picture real, *and* is it what the caption says? One plan for both stages.

    Args:
        text_dim: length of a caption's embedding.
        embed_dim: length to which D compresses it.
        width: channels of the 4 x 4 map; half at every doubling of the side on the way there.
        size: side of the picture in pixels, 64 in Stage I and 256 in Stage II.
        norm: batch norm as published; without it, D's answer on one picture depends on that
            picture alone, which gradient penalties need.

    Shapes: picture ``[B, 3, size, size]``, embedding ``[B, text_dim]`` -> probability ``[B]``.
    """

    def __init__(
        self,
        text_dim: int = 1024,
        embed_dim: int = 128,
        width: int = 512,
        size: int = 64,
        *,
        norm: bool = True,
    ) -> None:
        super().__init__()
        count = int(math.log2(size // 4))
        maps = [3] + [width // 2**level for level in reversed(range(count))]
        self.levels = range(1, count + 1)
        for level, (narrow, wide) in zip(self.levels, pairwise(maps), strict=True):
            normed = norm and level > 1
            self.add_module(f"conv{level}", nn.Conv2d(narrow, wide, 4, stride=2, padding=1))
            self.add_module(f"norm{level}", nn.BatchNorm2d(wide) if normed else None)
        self.leaky = nn.LeakyReLU(0.2, inplace=True)
        self.compress = EmbedComp(text_dim, embed_dim)
        self.joint = nn.Conv2d(width + embed_dim, width, 1)
        self.joint_norm = nn.BatchNorm2d(width) if norm else None
        self.to_logit = nn.Conv2d(width, 1, 4, stride=4)
        self.sigmoid = nn.Sigmoid()
        self.apply(initialise)

    def forward(self, picture: Tensor, embedding: Tensor) -> Tensor:
        logit = self.compare(self.look(picture), embedding)  # [B, 1, 1, 1]
        return self.sigmoid(logit).flatten()

    def logits(self, picture: Tensor, embedding: Tensor) -> Tensor:
        """The same without the sigmoid, for a loss that is exact also where D is sure: ``[B]``."""
        return self.compare(self.look(picture), embedding).flatten()

    def look(self, picture: Tensor) -> Tensor:
        """What D sees, before it hears a caption: ``[B, width, 4, 4]``."""
        x = picture
        for level in self.levels:
            conv, norm = getattr(self, f"conv{level}"), getattr(self, f"norm{level}")
            x = conv(x)  # [B, C, H/2, W/2]
            x = self.leaky(norm(x) if norm is not None else x)
        return x

    def compare(self, seen: Tensor, embedding: Tensor) -> Tensor:
        """The logit for what was seen together with a caption: ``[B, 1, 1, 1]``."""
        joint = torch.cat([seen, self.compress(embedding)], dim=1)  # [B, width + embed_dim, 4, 4]
        x = self.joint(joint)
        return self.to_logit(self.leaky(self.joint_norm(x) if self.joint_norm is not None else x))


def tile(code: Tensor, side: int) -> Tensor:
    """The same code at every place: ``[B, C]`` -> ``[B, C, side, side]``."""
    return code[:, :, None, None].expand(-1, -1, side, side)


def enlarged(sketch: Tensor, size: int) -> Tensor:
    """The sketch with a side of ``size`` pixels, as it is before a tanh: ``artanh(sketch)``."""
    large = F.interpolate(sketch.float(), size=size, mode="bilinear", align_corners=False)
    return torch.atanh(large.clamp(-0.98, 0.98))  # beyond, the tanh hardly lets go of a colour


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch norm's gain from N(1, 0.02), as in DCGAN."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if isinstance(module, (nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)):
        nn.init.zeros_(module.bias)
    if isinstance(module, CA):  # comes after its own layers
        nn.init.constant_(module.linear.bias[len(module.linear.bias) // 2 :], module.logvar)
