"""Inception features, in which papers give FID, KID and Inception score: fetched once, verified.

The network is TensorFlow's of 2015 and not torchvision's: 1,008 classes, and blocks that pool
otherwise. torch-fidelity and pytorch-fid read the same file.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.inception import Inception3, InceptionA, InceptionC, InceptionE

from course_lib.data.fetch import fetch
from course_lib.data.manifest import find
from course_lib.errors import CourseError
from course_lib.foreign import read_weights

__all__ = ["Inception", "inception_features", "inception_file"]

SIDE = 299  # pixels


def average(x: Tensor) -> Tensor:
    """Means of 3 x 3 pixels, at the border of those that there are."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def largest(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=1, padding=1)


class BlockA(InceptionA):
    def _forward(self, x: Tensor) -> list[Tensor]:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch1x1(x), five, three, self.branch_pool(average(x))]


class BlockC(InceptionC):
    def _forward(self, x: Tensor) -> list[Tensor]:
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return [self.branch1x1(x), once, twice, self.branch_pool(average(x))]


class BlockE(InceptionE):
    pool = staticmethod(average)

    def _forward(self, x: Tensor) -> list[Tensor]:
        one, two = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        once = torch.cat([self.branch3x3_2a(one), self.branch3x3_2b(one)], dim=1)
        twice = torch.cat([self.branch3x3dbl_3a(two), self.branch3x3dbl_3b(two)], dim=1)
        return [self.branch1x1(x), once, twice, self.branch_pool(self.pool(x))]


class LastBlock(BlockE):
    pool = staticmethod(largest)


class Inception(Inception3):
    """TensorFlow's Inception of 2015, of torchvision's parts and with their names.

    Shapes: pictures ``[B, 3, H, W]`` in [-1, 1] -> features ``[B, 2048]``, logits ``[B, 1008]``
    (without bias, as in Inception scores).
    """

    def __init__(self) -> None:
        super().__init__(num_classes=1008, aux_logits=False, init_weights=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = (
            BlockA(192, 32),
            BlockA(256, 64),
            BlockA(288, 64),
        )
        self.Mixed_6b, self.Mixed_6c = BlockC(768, 128), BlockC(768, 160)
        self.Mixed_6d, self.Mixed_6e = BlockC(768, 160), BlockC(768, 192)
        self.Mixed_7b, self.Mixed_7c = BlockE(1280), LastBlock(2048)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        grey = ((pictures + 1) * 127.5).round().clamp(0, 255)  # what a file would hold
        parts = list(self.children())[:-2]  # all but dropout and classifier
        features = nn.Sequential(*parts)((resized(grey) - 128) / 128).flatten(1)
        return features, features @ self.fc.weight.T


def resized(pictures: Tensor, side: int = SIDE) -> Tensor:
    """As TensorFlow 1 did it: bilinear, pixel ``i`` read at ``i * H / side``, not anti-aliased."""
    for dim, shape in ((2, (-1, 1)), (3, (1, -1))):
        last = pictures.shape[dim] - 1
        place = torch.arange(side, device=pictures.device) * ((last + 1) / side)
        low = place.long()
        share = (place - low).view(shape).to(pictures)
        one, other = (pictures.index_select(dim, k) for k in (low, (low + 1).clamp(max=last)))
        pictures = one + share * (other - one)
    return pictures


def inception_file() -> Path:
    """Where the weights lie, verified; gets them first (91 MB) if they are not there.

    Raises:
        CourseError: no connection, or what came or was put there is another file.
    """
    source = find("inception")
    fetch(source.name)
    return source.place / source.files[0].name


def inception_features(pictures: Tensor, batch_size: int = 32) -> tuple[Tensor, Tensor]:
    """Features ``[N, 2048]`` and logits ``[N, 1008]`` of pictures ``[N, 3, H, W]`` in [-1, 1]."""
    path, network = inception_file(), Inception().eval().to(pictures.device)
    try:
        network.load_state_dict(read_weights(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise CourseError(
            f"these are not Inception's weights ({reason})", where=str(path)
        ) from None
    with torch.no_grad():
        parts = [network(part) for part in pictures.split(batch_size)]
    features, logits = (torch.cat(part) for part in zip(*parts, strict=True))
    return features, logits
