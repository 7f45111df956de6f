"""LostGAN's discriminator: is the picture real, and is each object real and of its class?

One file serves both versions. The trunk looks at the whole picture; RoIAlign cuts the objects out
of its maps, small ones from a finer map than large ones, and a head of their own judges them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.lostgan.networks import conv3x3, initialise
from course_lib.nn.high_pass import high_passed
from course_lib.nn.regions import region_features
from course_lib.nn.spectral import spectral_norm

__all__ = ["PLANS", "Discriminator", "Plan", "high_passed"]

ROI = 8  # side of what is cut out


@dataclass(frozen=True)
class Plan:
    """A published network: channels as multiples of the width, and which blocks halve the side."""

    trunk: tuple[int, ...]
    halving: tuple[bool, ...]
    fine: int  # the trunk's block after which small objects are cut out
    between: tuple[int, ...]  # channels of the blocks from there to the objects' head
    head: int  # channels of the head
    routed: bool = True  # large objects, from half the picture on, come from the next block's map
    mean: bool = False  # over the picture's places, instead of a sum
    orthogonal: bool = False  # weights begin orthogonal; else as torch begins them


PLANS = {
    64: Plan(
        (1, 2, 4, 8, 16), (False, False, True, True, True), 3, (), 8,
        routed=False, mean=True, orthogonal=True,
    ),
    128: Plan((1, 2, 4, 8, 16, 16), (True,) * 5 + (False,), 2, (4, 8), 16),
    256: Plan((1, 2, 4, 8, 8, 16, 16), (True,) * 6 + (False,), 3, (8, 8), 16),
}  # fmt: skip


class ResBlock(nn.Module):
    """ReLU, convolution, ReLU, convolution, plus ``x``; the first block begins without ReLU.

    Shapes: ``[B, narrow, s, s]`` -> ``[B, wide, s, s]``, or half the side.
    """

    def __init__(self, narrow: int, wide: int, halve: bool, first: bool = False) -> None:
        super().__init__()
        self.halve, self.first = halve, first
        self.conv1, self.conv2 = conv3x3(narrow, wide), conv3x3(wide, wide)
        changes = narrow != wide or halve
        self.shortcut = spectral_norm(nn.Conv2d(narrow, wide, 1)) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv2(self.conv1(x if self.first else x.relu()).relu())
        if not self.halve:
            return hidden + self.shortcut(x)
        return F.avg_pool2d(hidden, 2) + self.shortcut(F.avg_pool2d(x, 2))


class Discriminator(nn.Module):
    """The picture's score, and one for every object (a projection discriminator, Miyato 2018).

    Args:
        size: side of the picture in pixels.
        width: channels of the first block.
        labels: classes, nothing included.
        plan: which of the published networks; None for that of ``size``.
        high_pass: how much fine detail is amplified in three more input channels
            (:func:`high_passed`); 0 for none, as published.

    Shapes: pictures ``[B, 3, H, W]``, boxes ``[B, O, 4]`` (corners, fractions), labels ``[B, O]``
    -> ``[B]``, and ``[N]`` for the objects whose label is not 0, in their order.
    """

    def __init__(
        self,
        size: int = 128,
        width: int = 64,
        labels: int = 184,
        plan: int | None = None,
        high_pass: float = 0.0,
    ) -> None:
        super().__init__()
        self.plan, self.high_pass = PLANS[plan or size], high_pass
        maps = [6 if high_pass else 3, *(width * multiple for multiple in self.plan.trunk)]
        pairs = zip(pairwise(maps), self.plan.halving, strict=True)
        self.trunk = nn.ModuleList(
            ResBlock(*pair, halve, first=level == 0) for level, (pair, halve) in enumerate(pairs)
        )
        self.to_score = spectral_norm(nn.Linear(maps[-1], 1))
        objects = [maps[self.plan.fine], *(width * multiple for multiple in self.plan.between)]
        self.between = nn.ModuleList(ResBlock(a, b, halve=False) for a, b in pairwise(objects))
        last = width * self.plan.head
        self.head = ResBlock(objects[-1], last, halve=True)
        self.to_object_score = spectral_norm(nn.Linear(last, 1))
        self.classes = spectral_norm(nn.Embedding(labels, last))
        if self.plan.orthogonal:
            initialise(self)

    def forward(self, pictures: Tensor, boxes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        x = high_passed(pictures, self.high_pass) if self.high_pass else pictures
        maps = []
        for block in self.trunk:
            x = block(x)
            maps.append(x)
        pooled = x.relu().mean(dim=(2, 3)) if self.plan.mean else x.relu().sum(dim=(2, 3))
        fine, coarse = maps[self.plan.fine - 1 : self.plan.fine + 1]
        objects = self.objects(fine, coarse, boxes, labels)
        return self.to_score(pooled).flatten(), objects

    def objects(self, fine: Tensor, coarse: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
        """The objects' scores: ``l(f) + sum(e_class * f)``, ``f`` from the finer or coarser map."""
        there = labels != 0
        number, kept = there.nonzero()[:, 0], boxes[there]
        regions = self.cut(fine, coarse, kept, number)
        features = self.head(regions).relu().sum(dim=(2, 3))  # [N, C]
        fit = (self.classes(labels[there]) * features).sum(dim=1)
        return self.to_object_score(features)[:, 0] + fit

    def cut(self, fine: Tensor, coarse: Tensor, boxes: Tensor, number: Tensor) -> Tensor:
        """Each object's part of the map for its size: ``[N, C, 8, 8]``."""
        for block in self.between[:-1]:
            fine = block(fine)
        if not self.plan.routed:
            return region_features(fine, boxes, number, ROI, aligned=False)
        fine, coarse = (self.between[-1](maps) for maps in (fine, coarse))
        small = (boxes[:, 2:] - boxes[:, :2] < 0.5).all(dim=1)
        both = [
            region_features(maps, boxes[some], number[some], ROI, aligned=False)
            for maps, some in ((fine, small), (coarse, ~small))
        ]
        order = torch.cat([small.nonzero(), (~small).nonzero()])[:, 0].argsort()
        return torch.cat(both)[order]
