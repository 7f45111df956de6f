"""OP-GAN's discriminator of one stage: the picture as a whole, and what stands in each box.

Hinz, Heinrich, Wermter 2020, section 3.3. Its object pathway crops each box out of the picture,
looks at it with the name that is said to stand there, and lays what it saw back into the box.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from course_lib.nn.high_pass import high_passed
from course_lib.opgan.networks import SQUARE, Sizes, initialise, per_object, tiled
from course_lib.opgan.objects import Objects, lay, merge

__all__ = ["Discriminator", "Norm"]

Norm = Literal["batch", "spectral", "none"]


def down(
    wide: int, narrow: int, norm: Norm, *, kernel: int = 4, stride: int = 2, normed: bool = True
) -> list[nn.Module]:
    """A convolution, normalised, with a leaky ReLU.

    Spectral norm divides the kernel by its largest singular value, and needs no batch; so there is
    no batch norm, but a bias (not in 3 x 3 kernels: as in the version that tried it first).
    """
    biased = norm == "none" or (norm == "spectral" and kernel == 4)
    conv = nn.Conv2d(wide, narrow, kernel, stride, 1, bias=biased)
    leaky = nn.LeakyReLU(0.2)
    if norm == "spectral":
        nn.init.orthogonal_(conv.weight)
        return [spectral_norm(conv), leaky]
    return [conv, nn.BatchNorm2d(narrow), leaky] if normed and norm == "batch" else [conv, leaky]


class Head(nn.Module):
    """One answer: is the picture real; and, with a sentence, does it fit the sentence?

    Shapes: what was seen ``[B, C, 4, 4]``, sentence ``[B, text]`` -> logits ``[B]``.
    """

    def __init__(self, channels: int, text: int, norm: Norm) -> None:
        super().__init__()
        joint = down(channels + text, channels, norm, kernel=3, stride=1) if text else []
        self.joint = nn.Sequential(*joint)
        self.to_logit = nn.Conv2d(channels, 1, 4, stride=4)

    def forward(self, seen: Tensor, sentence: Tensor | None = None) -> Tensor:
        if sentence is not None:
            seen = torch.cat([seen, tiled(sentence, seen.shape[-1])], dim=1)
        return self.to_logit(self.joint(seen)).flatten()


class Discriminator(nn.Module):
    """Looks at a picture as a whole and at what stands in each box, and answers twice.

    Args:
        side: of the picture in pixels, a power of two from 32.
        norm: batch norm as published; spectral norm, which small batches do not disturb; or none.
        high_pass: how much fine detail is amplified in three more input channels
            (:func:`~course_lib.nn.high_pass.high_passed`); 0 for none, as published.

    Shapes: picture ``[B, 3, side, side]`` -> what was seen, ``[B, 8 width_d, 4, 4]``, for the two
    heads, ``conditional`` and ``unconditional``.
    """

    together: bool | None = None  # see per_object

    def __init__(
        self, side: int, sizes: Sizes | None = None, norm: Norm = "batch", high_pass: float = 0.0
    ) -> None:
        super().__init__()
        s, self.square, self.high_pass = sizes or Sizes(), max(side // 4, SQUARE), high_pass
        colours = 6 if high_pass else 3
        d, channels = s.width_d, colours + s.classes
        # 32 pixels, which the authors have not, are halved once less.
        kernel, stride = (4, 2) if side > 32 else (3, 1)
        self.encode = nn.Sequential(
            *down(colours, d, norm, normed=False),
            *down(d, 2 * d, norm, kernel=kernel, stride=stride),
        )
        crops = [channels, 2 * d] if side <= 64 else [channels, d, 2 * d]
        looks = [down(a, b, norm, stride=1) for a, b in pairwise(crops)]
        self.local = nn.Sequential(*(layer for look in looks for layer in look))
        self.final = nn.Sequential(*down(4 * d, 4 * d, norm), *down(4 * d, 8 * d, norm))
        wide = [8 * d * 2**k for k in range(int(math.log2(max(side, 64))) - 5)]
        deeper = [down(a, b, norm) for a, b in pairwise(wide)]
        back = [down(b, a, norm, kernel=3, stride=1) for a, b in pairwise(wide)]
        self.deepen = nn.Sequential(*(nn.Sequential(*block) for block in deeper + back[::-1]))
        self.conditional, self.unconditional = Head(8 * d, s.text, norm), Head(8 * d, 0, norm)
        self.apply(initialise)

    def forward(self, picture: Tensor, objects: Objects) -> Tensor:
        picture = high_passed(picture, self.high_pass) if self.high_pass else picture
        x = self.encode(picture)  # [B, 2 width, side / 4, side / 4]
        named = tiled(objects.labels.transpose(0, 1), self.square)  # [O, B, classes, s, s]
        crops = lay(picture.expand(len(named), *picture.shape), objects.crop, self.square)
        seen = per_object(self.local, torch.cat([crops, named], dim=2), self.together)
        canvas = merge(lay(seen, objects.paste, self.square))  # [B, 2 width, side / 4, side / 4]
        return self.deepen(self.final(torch.cat([x, canvas], dim=1)))
