"""MNIST-ONE and MNIST-TWO: one digit or two, anywhere on a canvas, and the true masks.

Yang et al.: LR-GAN, ICLR 2017, section 4.1: digits of random size at random places, black or white
on a random grey. The authors' files are gone and the script was never released, so canvases are
composed here, each a function of the seed and of its index. The digits are scikit-learn's or
MNIST's. ``clouds`` instead of ``grey`` makes it harder: coloured digits on a sky of soft colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.data.digits import Digits, Mnist
from course_lib.data.fingerprint import fingerprint
from course_lib.data.tables import table_of
from course_lib.errors import Problems, check_seed
from course_lib.scene import SceneBatch

__all__ = ["DIGIT_CLASSES", "SCENES", "Canvases", "DigitScenes", "Look", "compose", "tight"]

Look = Literal["grey", "clouds"]
LOOKS = get_args(Look)
NAMES = "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"
DIGIT_CLASSES = table_of(NAMES)
SIDES = {1: (0.44, 0.63), 2: (0.40, 0.50)}  # of a digit, as a share of the canvas
# Sources by name: how many digits, on what.
SCENES: dict[str, tuple[int, Look]] = {}
for _digits in ("digits", "mnist"):
    SCENES |= {f"{_digits}-one": (1, "grey"), f"{_digits}-one-clouds": (1, "clouds")}
    SCENES |= {f"{_digits}-two": (2, "grey"), f"{_digits}-two-clouds": (2, "clouds")}
TRIES = 16  # draws of places


@dataclass(frozen=True)
class Canvases:
    """Canvases with all that is known of them; ``O`` digits each.

    Attributes:
        images: ``[N, C, H, W]`` in [0, 1].
        masks: ``[N, O, H, W]`` in [0, 1]: how much of a pixel is covered by that digit's ink.
        boxes: ``[N, O, 4]``, the square each digit was pasted into: corners as fractions.
        backgrounds: ``[N, C, H, W]``, the canvases before anything was pasted.
        colours: ``[N, O, C, 1, 1]``, of each digit's ink.
    """

    images: Tensor
    masks: Tensor
    boxes: Tensor
    backgrounds: Tensor
    colours: Tensor


def tight(digits: Digits | Mnist) -> Tensor:
    """The ink of digits without their margin: ``[N, 1, h, w]`` in [0, 1]."""
    margin = 5 if digits.name == "mnist" else 3  # of 32 pixels
    cut = digits.images[..., margin : 32 - margin, margin : 32 - margin]
    return (cut + 1) / 2


class Arrangement(NamedTuple):
    """All that is random about canvases: little, however large they are.

    Attributes:
        boxes: ``[N, O, 4]``, as in :class:`Canvases`.
        coarse: ``[N, C, s, s]`` in [0, 1], backgrounds before they are enlarged.
        colours: ``[N, O, C, 1, 1]``, of the ink.
    """

    boxes: Tensor
    coarse: Tensor
    colours: Tensor

    def of(self, indices: Tensor) -> Arrangement:
        """That of some of the canvases."""
        return Arrangement(*(part[indices] for part in self))


def arrange(count: int, objects: int, look: Look, chance: torch.Generator) -> Arrangement:
    """Draws places, backgrounds and colours of ``count`` canvases."""
    boxes = _places(count, objects, chance)
    return Arrangement(boxes, *_LOOKS[look](count, objects, chance))


def compose(ink: Tensor, size: int, look: Look, chance: torch.Generator) -> Canvases:
    """Pastes ink on canvases, each picture its own.

    Args:
        ink: ``[N, O, h, w]`` in [0, 1], one or two digits for every canvas.
        size: side of a canvas in pixels.
        chance: where all random numbers are taken from.
    """
    return painted(ink, arrange(len(ink), ink.shape[1], look, chance), size)


def painted(ink: Tensor, arrangement: Arrangement, size: int) -> Canvases:
    """Canvases of ``size`` pixels with ink ``[N, O, h, w]``, arranged so."""
    boxes, coarse, colours = arrangement
    masks = _pasted(ink, boxes, size)
    background = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)
    background = canvas = background.clamp(0, 1)  # [N, C, H, W]
    for layer in range(ink.shape[1]):
        mask = masks[:, layer, None]  # [N, 1, H, W]
        canvas = (1 - mask) * canvas + mask * colours[:, layer]
    return Canvases(canvas, masks, boxes, background, colours)


def _places(count: int, objects: int, chance: torch.Generator) -> Tensor:
    """Squares inside the canvas; of several draws the one in which two overlap least."""
    low, high = SIDES[objects]
    side = low + (high - low) * torch.rand(count, objects, 1, 1, generator=chance)
    corner = torch.rand(count, objects, TRIES, 2, generator=chance) * (1 - side)
    near, far = corner.amax(dim=1), (corner + side).amin(dim=1)  # [N, TRIES, 2]
    overlap = (far - near).clamp(min=0).prod(dim=-1)  # [N, TRIES]
    best = overlap.argmin(dim=1)[:, None, None, None].expand(-1, objects, 1, 2)
    corner = corner.gather(2, best)[:, :, 0]  # [N, O, 2]
    return torch.cat([corner, corner + side[:, :, 0]], dim=-1)


def _pasted(ink: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Ink in its squares, drawn at twice the size and averaged: ``[N, O, size, size]``."""
    count, objects = ink.shape[:2]
    start, end = boxes.flatten(0, 1).split(2, dim=-1)  # [N * O, 2]
    scale = 1 / (end - start)
    shift = scale * (1 - (start + end))  # of the canvas' middle, in half sides of the square
    pose = torch.cat([torch.diag_embed(scale), shift[..., None]], dim=-1)  # [N * O, 2, 3]
    shape = [count * objects, 1, 2 * size, 2 * size]
    grid = F.affine_grid(pose, shape, align_corners=False)
    large = F.grid_sample(
        ink.flatten(0, 1)[:, None], grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return F.avg_pool2d(large, 2).view(count, objects, size, size)


def _grey(count: int, objects: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """An even grey; digits black or white: ``[N, 1, 1, 1]`` and ``[N, O, 1, 1, 1]``."""
    level = 0.25 + 0.5 * torch.rand(count, 1, 1, 1, generator=chance)
    white = torch.rand(count, objects, 1, 1, 1, generator=chance) < 0.5
    return level, white.float()


def _clouds(count: int, objects: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Soft colours; digits black, white or of a strong colour: ``[N, 3, 4, 4]``, ``[.., 3, 1, 1]``.

    Backgrounds are noise of 4 x 4 pixels, in half of the pictures without a hue.
    """
    coarse = torch.rand(count, 3, 4, 4, generator=chance)
    hueless = torch.rand(count, 1, 1, 1, generator=chance) < 0.5
    coarse = 0.25 + 0.5 * torch.where(hueless, coarse[:, :1], coarse)
    strong = (torch.rand(count, objects, 3, 1, 1, generator=chance) < 0.5).float()
    plain = torch.rand(count, objects, 1, 1, 1, generator=chance) < 0.5
    colour = torch.where(plain, strong[:, :, :1], strong)
    return coarse, 0.04 + 0.92 * colour


_LOOKS = {"grey": _grey, "clouds": _clouds}


class DigitScenes:
    """Canvases as a source of scenes: 100,000 of them, each painted when it is asked for.

    So many, because D learns a few thousand by heart, and then tells G nothing more about digits.

    Args:
        digits: whose digits are pasted, at 32 pixels.
        objects: digits on a canvas, 1 (MNIST-ONE) or 2 (MNIST-TWO).
        look: ``grey`` as published, one channel; ``clouds``, three.
        size: side of a canvas in pixels; the paper has 32 for one digit and 64 for two.
        seed: of everything that is random; so are the canvases a function of these arguments.
        count: how many canvases.
    """

    classes = DIGIT_CLASSES
    in_memory = True  # a batch is painted in two milliseconds; no worker could be faster

    def __init__(
        self,
        digits: Digits | Mnist,
        objects: int = 1,
        look: Look = "grey",
        *,
        size: int = 32,
        seed: int = 0,
        count: int = 100_000,
    ) -> None:
        with Problems("digit scenes") as problems:
            problems.check(objects in SIDES, f"{objects} digits on a canvas; 1 or 2 are possible")
            problems.check(size >= 16, f"size is {size}: digits need canvases of 16 pixels or more")
            problems.check(look in LOOKS, f"look is {look!r}: one of {', '.join(LOOKS)}")
        ending = "" if look == "grey" else f"-{look}"
        self.name = f"{digits.name}-{'one' if objects == 1 else 'two'}{ending}"
        self.channels = 1 if look == "grey" else 3
        chance = torch.Generator().manual_seed(check_seed(seed))
        self.which = torch.randint(len(digits), (count, objects), generator=chance)
        self.digits = digits.labels[self.which]  # [N, O]
        self._ink = tight(digits)[:, 0]  # [digits, h, w]
        self._arrangement = arrange(count, objects, look, chance)
        self._size = size

    @property
    def fingerprint(self) -> str:
        """Of the canvases and what stands on them."""
        first = self._arrangement.boxes[:100]
        return fingerprint(self.name, self._size, len(self), first.tolist())

    def __len__(self) -> int:
        return len(self.which)

    def canvases(self, indices: Tensor) -> Canvases:
        """The canvases with these indices, and all that is known of them."""
        return painted(self._ink[self.which[indices]], self._arrangement.of(indices), self._size)

    def masks(self, indices: Tensor) -> Tensor:
        """How much of each pixel is ink of each digit: ``[B, O, H, W]`` in [0, 1]."""
        return self.canvases(indices).masks

    def batch(self, indices: Tensor) -> SceneBatch:
        """The canvases with these indices; ``instances`` says where ink covers half a pixel."""
        made = self.canvases(indices)
        numbers = torch.arange(1, made.masks.shape[1] + 1)[:, None, None]
        digits = self.digits[indices]
        return SceneBatch(
            made.images * 2 - 1,
            labels=digits[:, 0] if digits.shape[1] == 1 else None,
            instances=((made.masks > 0.5) * numbers).amax(dim=1),
            objects=digits,
            boxes=made.boxes,
            present=torch.ones_like(digits, dtype=torch.bool),
            classes=self.classes,
        )
