"""Which digit stands on this canvas, or none, and where is its ink? The judge of chapter 03.

Strict: *none* is a bare canvas, two digits at once, and whatever a bad painter of layers makes:
digits cut to pieces, molten into each other, bent, with holes, and blobs. A judge that knows bare
canvases only calls four of five scrambled digits a digit. Its second answer, the ink, is also
given for what is no digit, so that masks can be measured where reading fails.

Fitted on real digits only. ``python -m course_lib.judges.canvases`` trains it again (seven
minutes on one CPU core), on scikit-learn's digits, and MNIST's where they are.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data.digit_scenes import compose, tight
from course_lib.data.digits import Digits, Mnist, Split, find_mnist
from course_lib.judges import digits as plain
from course_lib.judges.study import block, restore, ship, study
from course_lib.paths import data_dir

__all__ = ["NAME", "NONE", "CanvasJudge", "fit", "report"]

NAME = "canvas_judge"
NONE = plain.NONE
SIZE = 32  # side in pixels at which the judge looks
INK = 24  # side in pixels at which digits are spoiled


class CanvasJudge(nn.Module):
    """A small U-Net that reads a canvas and finds its ink.

    Shapes: canvases ``[B, 1 or 3, H, W]`` in [-1, 1] -> logits ``[B, 11]`` of 0-9 and none, and
    logits ``[B, 1, 32, 32]`` of ink.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = block(3, 16)  # side 32
        self.middle = nn.Sequential(block(16, 40), block(40, 40))  # 16
        self.coarse = nn.Sequential(block(40, 80), block(80, 80))  # 8
        self.whole = nn.Sequential(block(80, 128), nn.AdaptiveMaxPool2d(2), nn.Flatten())
        self.to_digit = nn.Sequential(nn.Dropout(0.3), nn.Linear(512, NONE + 1))
        self.up_middle, self.up_fine = block(80 + 40, 40), block(40 + 16, 16)
        self.to_ink = nn.Conv2d(16, 1, 1)

    def forward(self, canvases: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(at_size(canvases))
        middle = self.middle(F.max_pool2d(fine, 2))
        coarse = self.coarse(F.max_pool2d(middle, 2))
        up = self.up_middle(torch.cat([twice(coarse), middle], dim=1))  # [B, 40, 16, 16]
        up = self.up_fine(torch.cat([twice(up), fine], dim=1))  # [B, 16, 32, 32]
        return self.to_digit(self.whole(coarse)), self.to_ink(up)

    @torch.no_grad()
    def look(self, canvases: Tensor) -> tuple[Tensor, Tensor]:
        """How sure it is of each answer ``[B, 11]``, and where there is ink ``[B, 32, 32]``."""
        answers = [self(part) for part in canvases.split(250)]
        chances = torch.cat([digit for digit, _ in answers]).softmax(dim=1)
        return chances, torch.cat([ink for _, ink in answers])[:, 0] > 0

    @classmethod
    def load(cls, path: Path | None = None) -> CanvasJudge:
        """The judge with its shipped weights, or those of ``path``."""
        return restore(cls, NAME, path)


def at_size(canvases: Tensor) -> Tensor:
    """Canvases as the judge sees them: ``[B, 3, 32, 32]``."""
    if canvases.shape[-1] != SIZE:
        canvases = F.interpolate(
            canvases, size=(SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True
        )
    return canvases.expand(-1, 3, -1, -1)


def twice(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2, mode="nearest")


# --- What is no digit, besides what chapter 01 knows; ink [N, 1, h, w] in [-1, 1] ---


def molten(ink: Tensor, others: Tensor) -> Tensor:
    """Half way between two digits, with sharp edges: what a generator paints between classes."""
    both = F.avg_pool2d(ink + others, 3, stride=1, padding=1) / 2
    return torch.tanh(6 * (both + 0.1 + 0.4 * torch.rand(len(ink), 1, 1, 1)))


def clots(ink: Tensor, others: Tensor) -> Tensor:
    """Two digits run together into one lump, every hole closed: a generator's first rounds."""
    both = torch.maximum(ink, others)
    for _ in range(2):
        both = F.avg_pool2d(both, 7, stride=1, padding=3)
    peak = both.amax(dim=(2, 3), keepdim=True)
    return torch.tanh(12 * (both - peak + 0.3 + 0.5 * torch.rand(len(ink), 1, 1, 1)))


def bent(ink: Tensor) -> Tensor:
    """Strokes that wander off."""
    return _warped(ink, 0.45)


def holed(ink: Tensor) -> Tensor:
    """A third of the digit is gone, at a random place."""
    side = ink.shape[-1]
    place = torch.linspace(-1, 1, side)
    centre = torch.rand(2, len(ink), 1, 1) - 0.5
    far = (place[:, None] - centre[0]) ** 2 + (place[None, :] - centre[1]) ** 2  # [N, h, w]
    return torch.where(far[:, None] < 0.35, -torch.ones_like(ink), ink)


def _warped(ink: Tensor, strength: float) -> Tensor:
    """Every point is taken from a smooth random distance away, in half sides."""
    count, _, height, width = ink.shape
    coarse = torch.randn(count, 2, 5, 5) * strength
    shift = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False)
    still = torch.eye(2, 3).expand(count, 2, 3)
    grid = F.affine_grid(still, list(ink.shape), align_corners=False) + shift.permute(0, 2, 3, 1)
    return F.grid_sample(
        ink + 1, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    ) - 1  # fmt: skip


def bare(ink: Tensor) -> Tensor:
    return -torch.ones_like(ink)


def junk(ink: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Every kind of spoiled ink by name, each made from all of these digits."""
    others = ink[plain.of_other_classes(labels)]
    alone = {spoil.__name__: spoil(ink) for spoil in (*plain.SPOILERS, bent, holed)}
    return alone | {mix.__name__: mix(ink, others) for mix in (*plain.MIXERS, molten, clots)}


# --- Canvases to study ---


def handwriting(split: Split) -> list[tuple[Tensor, Tensor]]:
    """Ink ``[N, 1, 24, 24]`` in [-1, 1] and labels, of every collection on this machine."""
    collections: list[Digits | Mnist] = [Digits(SIZE, split)]
    if root := find_mnist(data_dir()):
        collections.append(Mnist(root, SIZE, split))
    return [(_sized(tight(digits)) * 2 - 1, digits.labels) for digits in collections]


def _sized(ink: Tensor) -> Tensor:
    return F.interpolate(ink, size=(INK, INK), mode="bilinear", align_corners=False, antialias=True)


def canvases(ink: Tensor) -> tuple[Tensor, Tensor]:
    """Pastes ink in [-1, 1], ``[N, O, h, w]``, in turns on grey canvases and on clouds.

    In turns, so that what stands on a canvas says nothing of its background.

    Returns canvases ``[N, 3, 32, 32]`` in [-1, 1] and masks ``[N, O, 32, 32]``.
    """
    chance = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
    even, odd = ((part + 1) / 2 for part in (ink[::2], ink[1::2]))
    made = compose(even, SIZE, "grey", chance), compose(odd, SIZE, "clouds", chance)
    images = torch.empty(len(ink), 3, SIZE, SIZE)
    masks = torch.empty(*ink.shape[:2], SIZE, SIZE)
    for start, half in enumerate(made):
        images[start::2], masks[start::2] = half.images * 2 - 1, half.masks
    return images, masks


def lesson(ink: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One batch: digits as they are, as many spoiled, some bare canvases, some with two digits.

    Returns canvases ``[M, 3, 32, 32]``, answers ``[M]`` and ink ``[M, 1, 32, 32]``.
    """
    varied = _warped(plain.vary(ink), 0.03)
    written = torch.where(torch.rand(len(ink), 1, 1, 1) < 0.5, varied, ink)
    spoiled = torch.cat(list(junk(written, labels).values()))  # as soft as digits are
    few = len(ink) // 8
    picked = spoiled[torch.randperm(len(spoiled))[: len(ink)]]
    single = torch.cat([written, picked, bare(ink[:few])])
    pairs = torch.cat([ink[:few], ink[few : 2 * few]], dim=1)  # [few, 2, h, w]
    (one, one_masks), (two, two_masks) = canvases(single), canvases(pairs)
    images = torch.cat([one, two])
    soft = F.avg_pool2d(F.pad(images, [1] * 4, mode="replicate"), 3, stride=1)
    images = images + 0.7 * torch.rand(len(images), 1, 1, 1) * (soft - images)
    answers = torch.full((len(images),), NONE)
    answers[: len(labels)] = labels
    return images, answers, torch.cat([one_masks, two_masks.amax(dim=1, keepdim=True)])


def fit(steps: int = 2500, batch_size: int = 32, seed: int = 0) -> CanvasJudge:
    """Trains a judge; scikit-learn's digits and MNIST's come in turn."""
    torch.manual_seed(seed)
    judge, written = CanvasJudge(), handwriting("train")

    def loss(step: int) -> Tensor:
        ink, labels = written[step % len(written)]
        which = torch.randint(len(ink), (batch_size,))
        images, answers, masks = lesson(ink[which], labels[which])
        digit, found = judge(images.contiguous(memory_format=torch.channels_last))
        read = F.cross_entropy(digit.float(), answers)
        return read + F.binary_cross_entropy_with_logits(found.float(), masks)

    return study(judge, loss, steps, lr=4e-3)


# --- Its marks ---


def report(judge: CanvasJudge) -> dict[str, float]:
    """Marks on handwriting that was not studied; the last collection's where names repeat."""
    torch.manual_seed(1)
    marks: dict[str, float] = {}
    for name, written in zip(("digits", "mnist"), handwriting("test"), strict=False):
        ink, labels = (part[:1000] for part in written)
        images, masks = canvases(ink)
        chances, found = judge.look(images)
        true = masks[:, 0] > 0.5
        iou = (found & true).sum(dim=(1, 2)) / (found | true).sum(dim=(1, 2)).clamp(min=1)
        marks[f"{name}: accuracy"] = _share(chances.argmax(dim=1) == labels)
        marks[f"{name}: sure above 0.9"] = _share(chances[:, :NONE].amax(dim=1) > 0.9)
        marks[f"{name}: ink IoU"] = iou.mean().item()
        for kind, bad in ({"bare": bare(ink)} | junk(ink, labels)).items():
            chances, _ = judge.look(canvases(bad)[0])
            marks[f"{name}: {kind} taken"] = _share(chances[:, :NONE].amax(dim=1) > 0.9)
    return marks


def _share(flags: Tensor) -> float:
    return flags.float().mean().item()


if __name__ == "__main__":
    fitted = fit()
    ship(fitted, NAME, report(fitted))
