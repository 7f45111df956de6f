"""OP-GAN's generator: a global pathway, and an object pathway at each stage.

Hinz, Heinrich, Wermter: Semantic Object Accuracy for Generative Text-to-Image Synthesis, TPAMI
2020 (arXiv:1910.13321), section 3, on AttnGAN (Xu et al., CVPR 2018, arXiv:1711.10485). Stage 1
paints from caption, noise and layout; every further stage reads the words once more and doubles
the side. At each stage, each object is painted by itself on a small square, laid into its box, and
joined to what the global pathway has painted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from course_lib.nn.upsample import as_one, pays
from course_lib.opgan.objects import Objects, lay, merge
from course_lib.text.recurrent import Heard

__all__ = [
    "SQUARE", "Generator", "Painted", "Sizes", "WordAttention", "initialise", "per_object",
    "spread", "tiled", "up_block",
]  # fmt: skip

SQUARE = 16  # side of the canvas on which stage 1 lays its objects
FEW = 16  # objects of a batch up to which a CPU does them together: up to 1.16 times as fast


@dataclass(frozen=True)
class Sizes:
    """The networks' sizes; the authors' names stand behind."""

    size: int = 256  # side of the last picture in pixels
    stages: int = 3  # each doubles the side, BRANCH_NUM; the first has 32 or 64 pixels, BASE_SIZE
    width: int = 48  # channels of a stage's map, GEN_FEAT_DIM
    width_d: int = 96  # channels of a discriminator's first map, DISC_FEAT_DIM
    text: int = 256  # length of a word's and of a sentence's code, EMBEDDING_DIM
    code: int = 100  # length of the caption's code c, TEXT_CONDITION_DIM
    noise: int = 100  # length of the noise z, GLOBAL_Z_DIM
    local_noise: int = 32  # of the noise that a picture's objects share, LOCAL_Z_DIM
    label: int = 100  # length of an object's code in the first stage, INIT_LABEL_DIM
    next_label: int = 128  # and in later stages, NEXT_LABEL_DIM
    unfold: int = 1  # places a side for which an object's code speaks; published: 1, all alike
    classes: int = 81  # things that can be asked for, and one for "no object", CLASSES_NUM
    residuals: int = 3  # residual blocks of a later stage, RESIDUAL_NUM

    @property
    def sides(self) -> list[int]:
        """Sides of the stages' pictures in pixels."""
        return [self.size >> left for left in reversed(range(self.stages))]


class Painted(NamedTuple):
    """What the generator paints, and how it came about."""

    pictures: list[Tensor]  # of each stage, [B, 3, s, s] in [-1, 1]
    attention: list[Tensor]  # of each later stage, [B, T, s, s]: how much each word is heard there
    mu: Tensor  # mean and log variance of the caption's code, [B, code]
    logvar: Tensor
    objects: list[Tensor]  # of each stage, the objects' canvas


# --- Blocks ---


class UpConv(nn.Conv2d):
    """Twice the side by repetition, then a 3 x 3 convolution; in one go where that is faster."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__(wide, narrow, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if pays(x):
            return as_one(self, x)
        return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))


def up_block(wide: int, narrow: int) -> nn.Sequential:
    """``[B, wide, s, s]`` -> ``[B, narrow, 2 s, 2 s]``; GLU gates one half by the other."""
    return nn.Sequential(UpConv(wide, 2 * narrow), nn.BatchNorm2d(2 * narrow), nn.GLU(1))


def label_net(length: int, out: int, side: int) -> nn.Sequential:
    """An object's class (and what it is told besides) as a code, of ``k x k`` places.

    Published with a ``side`` ``k`` of 1: then an object begins alike at every place, and its shape
    must come from the edge of its square, where convolutions see zeros.

    Shapes: ``[B, length]`` -> ``[B, out, k, k]``.
    """
    wide = out * side * side
    return nn.Sequential(
        nn.Linear(length, wide, bias=False), nn.BatchNorm1d(wide), nn.ReLU(),
        nn.Unflatten(1, (out, side, side)),
    )  # fmt: skip


def conv3x3(wide: int, narrow: int) -> nn.Conv2d:
    return nn.Conv2d(wide, narrow, 3, padding=1, bias=False)


class ResBlock(nn.Module):
    """``x + F(x)``, F being two 3 x 3 convolutions with a gate between."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            conv3x3(channels, 2 * channels), nn.BatchNorm2d(2 * channels), nn.GLU(1),
            conv3x3(channels, channels), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


def per_object(block: nn.Sequential, x: Tensor, together: bool | None = None) -> Tensor:
    """``block`` for each object by itself: ``[O, B, ...]`` -> ``[O, B, ...]``.

    In the paper objects come one after the other, so that batch norm takes each object's statistics
    over the batch. Together, they are one batch of ``O B``, whose norms still do that: the result
    is the same, running averages included.

    Args:
        together: None takes what is faster: on a CPU, one batch for few objects, in turn for many
            (``benchmarks/opgan.py`` has the figures); on a GPU, always one batch.
    """
    if together is None:
        together = x.device.type != "cpu" or len(x) * x.shape[1] <= FEW
    norms = [layer for layer in block if isinstance(layer, _BatchNorm)]
    if not together or any(isinstance(norm, nn.SyncBatchNorm) for norm in norms):
        return torch.stack([block(one) for one in x])
    count, many = len(x), x.flatten(0, 1)  # [O B, ...]
    for layer in block:
        if isinstance(layer, _BatchNorm) and layer.training:
            many = norm_each(layer, many, count)
        else:
            many = layer(many)
    return many.unflatten(0, x.shape[:2])


def norm_each(norm: _BatchNorm, x: Tensor, count: int) -> Tensor:
    """Batch norm of ``count`` batches that lie one behind the other, as if one by one."""
    channels, momentum = norm.num_features, norm.momentum or 0.0
    means, variances, updates = norm.buffers()
    apart = x.unflatten(0, (count, -1)).transpose(0, 1).flatten(1, 2)  # [B, O C, ...]
    mean, var = x.new_zeros(2, count * channels, dtype=means.dtype)
    gain, bias = norm.weight.repeat(count), norm.bias.repeat(count)
    normed = F.batch_norm(apart, mean, var, gain, bias, training=True, momentum=1.0, eps=norm.eps)
    later = torch.arange(count - 1, -1, -1).to(mean)  # updates that come after each object's
    for running, seen in ((means, mean), (variances, var)):
        moved = momentum * (1 - momentum) ** later @ seen.view(count, channels)
        running.mul_((1 - momentum) ** count).add_(moved)
    updates += count
    return normed.unflatten(1, (count, channels)).transpose(0, 1).flatten(0, 1)


def told_of(objects: Objects, *codes: Tensor) -> Tensor:
    """Each object's class beside codes of the whole picture, ``[B, C]``: ``[O, B, sum]``."""
    labels = objects.labels.transpose(0, 1)  # [O, B, classes]
    first, *rest = (code.expand(len(labels), *code.shape) for code in codes)
    return torch.cat([first, labels, *rest], dim=2)


def tiled(codes: Tensor, side: int) -> Tensor:
    """The same code at every place: ``[..., C]`` -> ``[..., C, side, side]``."""
    return codes[..., None, None].expand(*codes.shape, side, side)


def spread(codes: Tensor, side: int) -> Tensor:
    """Small maps enlarged by repetition: ``[O, B, C, k, k]`` -> ``[O, B, C, side, side]``."""
    return F.interpolate(codes.flatten(0, 1), size=side, mode="nearest").unflatten(
        0, codes.shape[:2]
    )


# --- What the generator is told ---


class CA(nn.Module):
    """Conditioning augmentation: ``c = mu + exp(logvar / 2) * epsilon``, behind a gate.

    ``begin`` says where ``logvar`` begins: published at 0, a spread as wide as the captions'.

    Shapes: sentence ``[B, text]``, epsilon ``[B, code]`` -> c, mu, logvar, ``[B, code]`` each.
    """

    def __init__(self, text: int, code: int) -> None:
        super().__init__()
        self.fc = nn.Linear(text, 4 * code)

    def begin(self, logvar: float) -> None:
        code = len(self.fc.bias) // 4
        nn.init.constant_(self.fc.bias[code : 2 * code], 2 * logvar)  # its gate is half open

    def forward(self, sentence: Tensor, epsilon: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        mu, logvar = F.glu(self.fc(sentence), dim=1).chunk(2, dim=1)
        epsilon = torch.randn_like(mu) if epsilon is None else epsilon
        return mu + torch.exp(logvar / 2) * epsilon, mu, logvar


class LayoutEncoder(nn.Module):
    """What stands where, as a short code: objects' codes lie in their boxes, and are summed.

    Shapes: codes ``[O, B, label, k, k]``, poses ``[B, O, 2, 3]`` -> ``[B, 4 (label // 8)]``.
    """

    def __init__(self, label: int) -> None:
        super().__init__()
        half, quarter, eighth = label // 2, label // 4, label // 8
        self.length = 4 * eighth
        self.encode = nn.Sequential(
            nn.Conv2d(label, half, 3, 2, 1, bias=False), nn.LeakyReLU(0.2),
            nn.Conv2d(half, quarter, 3, 2, 1, bias=False),
            nn.BatchNorm2d(quarter), nn.LeakyReLU(0.2),
            nn.Conv2d(quarter, eighth, 3, 2, 1, bias=False),
            nn.BatchNorm2d(eighth), nn.LeakyReLU(0.2),
        )  # fmt: skip

    def forward(self, codes: Tensor, poses: Tensor) -> Tensor:
        canvas = lay(spread(codes, SQUARE), poses, SQUARE).sum(0)  # [B, label, 16, 16]
        return self.encode(canvas).flatten(1)  # [B, eighth, 2, 2] -> [B, length]


class WordAttention(nn.Module):
    """At each place, the words that matter there: ``c(x) = sum_t a(x, t) U e(t)``.

    ``a(x, t)`` is the softmax over words of ``h(x) . U e(t)``.

    Args:
        fault: mix the padding masks of a batch as the authors' program does: place ``q`` of
            picture ``b`` gets the mask of picture ``(b places + q) mod B``. Released weights were
            trained so; captions of one length, or a batch of one, know no difference.

    Shapes: map ``[B, width, s, s]``, words ``[B, text, T]``, padding ``[B, T]`` (True for none)
    -> context ``[B, width, s, s]``, attention ``[B, T, s, s]``.
    """

    def __init__(self, width: int, text: int, fault: bool = False) -> None:
        super().__init__()
        self.fault = fault
        self.conv_context = nn.Conv2d(text, width, 1, bias=False)

    def forward(self, h: Tensor, words: Tensor, padding: Tensor | None) -> tuple[Tensor, Tensor]:
        heard = self.conv_context(words[..., None])[..., 0]  # [B, width, T]
        scores = h.flatten(2).mT @ heard  # [B, s s, T]
        if padding is not None:
            places = scores.shape[1]
            rows = padding.repeat(places, 1).view_as(scores) if self.fault else padding[:, None]
            scores = scores.masked_fill(rows, -torch.inf)
        attention = scores.softmax(dim=2).mT  # [B, T, s s]
        side = h.shape[2:]
        return (heard @ attention).unflatten(2, side), attention.unflatten(2, side)


# --- The stages ---


class FirstStage(nn.Module):
    """Caption, noise and layout to the first map, ``[B, width, s, s]``."""

    together: bool | None = None  # see per_object

    def __init__(self, s: Sizes) -> None:
        super().__init__()
        self.bbox_net = LayoutEncoder(s.label)
        self.wide, base = s.width * s.sides[0] // 4, s.sides[0]
        length = s.code + s.noise + self.bbox_net.length
        features = 2 * self.wide * 4 * 4
        self.fc = nn.Sequential(
            nn.Linear(length, features, bias=False), nn.BatchNorm1d(features), nn.GLU(1)
        )
        self.label = label_net(s.code + s.classes + s.local_noise, s.label, s.unfold)
        self.local1 = up_block(s.label, self.wide // 2)
        self.local2 = up_block(self.wide // 2, self.wide // 4)
        self.upsample1 = up_block(self.wide, self.wide // 2)
        self.upsample2 = up_block(self.wide // 2, self.wide // 4)
        maps = [self.wide // 2 ** (1 + k) for k in range(int(math.log2(base // SQUARE)) + 1)]
        maps[1:] = [channels // 2 for channels in maps[1:]]  # two pathways are joined before
        self.upsample3, *rest = (up_block(*pair) for pair in pairwise(maps))
        self.upsample4 = rest[0] if rest else nn.Identity()

    def forward(
        self, c: Tensor, z: Tensor, local_noise: Tensor, objects: Objects
    ) -> tuple[Tensor, Tensor]:
        told = told_of(objects, c, local_noise)
        codes = per_object(self.label, told, self.together)  # [O, B, label, k, k]
        patches = per_object(self.local1, spread(codes, 4), self.together)
        patches = per_object(self.local2, patches, self.together)  # [O, B, wide / 4, 16, 16]
        canvas = merge(lay(patches, objects.paste, SQUARE))
        layout = self.bbox_net(codes, objects.paste)
        x = self.fc(torch.cat([c, z, layout], dim=1)).view(-1, self.wide, 4, 4)
        x = self.upsample2(self.upsample1(x))  # [B, wide / 4, 16, 16]
        x = self.upsample3(torch.cat([x, canvas], dim=1))
        return self.upsample4(x), canvas


class NextStage(nn.Module):
    """Reads the words again, and doubles the side: ``[B, width, s, s]`` -> ``[B, width, 2s, 2s]``.

    Each object is cut out of the map at a quarter of the side, repainted, and pasted back.
    """

    together: bool | None = None  # see per_object

    def __init__(self, s: Sizes, fault: bool) -> None:
        super().__init__()
        self.att = WordAttention(s.width, s.text, fault)
        self.residual = nn.Sequential(*(ResBlock(2 * s.width) for _ in range(s.residuals)))
        self.label = label_net(s.code + s.classes, s.next_label, s.unfold)
        self.local1 = up_block(s.width + s.next_label, 2 * s.width)
        self.local2 = up_block(2 * s.width, s.width)
        self.upsample = up_block(3 * s.width, s.width)

    def forward(
        self, h: Tensor, c: Tensor, heard: Heard, objects: Objects
    ) -> tuple[Tensor, Tensor, Tensor]:
        context, attention = self.att(h, heard.words, heard.padding)
        x = self.residual(torch.cat([h, context], dim=1))  # [B, 2 width, s, s]
        codes = per_object(self.label, told_of(objects, c), self.together)  # [O, B, C, k, k]
        side, many = h.shape[-1], h.expand(len(codes), *h.shape)
        seen = lay(many, objects.crop, side // 4)  # [O, B, width, s/4, s/4]
        patches = torch.cat([seen, spread(codes, side // 4)], dim=2)
        patches = per_object(self.local1, patches, self.together)
        patches = per_object(self.local2, patches, self.together)  # [O, B, width, s, s]
        canvas = merge(lay(patches, objects.paste, side))
        return self.upsample(torch.cat([x, canvas], dim=1)), attention, canvas


def to_picture(width: int) -> nn.Sequential:
    """``[B, width, s, s]`` -> ``[B, 3, s, s]`` in [-1, 1]."""
    return nn.Sequential(conv3x3(width, 3), nn.Tanh())


class Generator(nn.Module):
    """All stages. Parts are called as in the authors' files: ``h_net1``, ``img_net1``, ...

    Args:
        sizes: see :class:`Sizes`.
        fault: see :class:`WordAttention`.

    Shapes: words ``[B, text, T]`` and sentence ``[B, text]``, ``O`` objects, z ``[B, noise]``,
    local_noise ``[B, local_noise]``, epsilon ``[B, code]`` -> :class:`Painted`.
    """

    def __init__(self, sizes: Sizes | None = None, *, fault: bool = False) -> None:
        super().__init__()
        self.sizes = s = sizes or Sizes()
        self.ca_net = CA(s.text, s.code)
        self.h_net1 = FirstStage(s)
        self.img_net1 = to_picture(s.width)
        for number in range(2, s.stages + 1):
            self.add_module(f"h_net{number}", NextStage(s, fault))
            self.add_module(f"img_net{number}", to_picture(s.width))
        self.apply(initialise)

    def forward(
        self,
        heard: Heard,
        objects: Objects,
        z: Tensor,
        local_noise: Tensor,
        epsilon: Tensor | None = None,
    ) -> Painted:
        c, mu, logvar = self.ca_net(heard.sentence, epsilon)
        h, canvas = self.h_net1(c, z, local_noise, objects)
        pictures, attention, canvases = [self.img_net1(h)], [], [canvas]
        for number in range(2, self.sizes.stages + 1):
            stage, to_image = getattr(self, f"h_net{number}"), getattr(self, f"img_net{number}")
            h, looks, canvas = stage(h, c, heard, objects)
            pictures.append(to_image(h))
            attention.append(looks)
            canvases.append(canvas)
        return Painted(pictures, attention, mu, logvar, canvases)


def initialise(module: nn.Module) -> None:
    """Orthogonal weights; batch norm's gain from N(1, 0.02)."""
    if isinstance(module, (nn.Conv2d, nn.Linear)) and not hasattr(module, "parametrizations"):
        nn.init.orthogonal_(module.weight)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, _BatchNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
