"""What is where in a whole picture? The judge of label maps, boxes and looks.

One network with three answers, since they need the same eyes: the class of every pixel, boxes by
their centres (:mod:`~course_lib.judges.boxes`), and season and hour. Pixels have one class more
than Storybook, *unlabeled*, fed with what bad painters make: stuff and things of one flat colour,
noise, blots and mosaics.

``python -m course_lib.judges`` trains it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data.storybook import CLASSES
from course_lib.data.storybook.palette import HOURS, SEASONS
from course_lib.judges.boxes import Found, box_loss, find_boxes, recall
from course_lib.judges.pages import Pages, at_size
from course_lib.judges.spoil import blobs, clouds, gentle, noise, shuffled
from course_lib.judges.study import block, restore, study
from course_lib.judges.things import silhouettes

__all__ = ["NAME", "Reading", "SceneJudge", "confusion", "fit", "mean_iou", "report"]

NAME = "scene_judge"
UNLABELED = CLASSES.unlabeled
IGNORED = 255  # in targets: pixels where no answer is better than another
SMOOTH = (CLASSES.id("sky"), CLASSES.id("cloud"))  # smooth by nature: flat ones are no mistake


@dataclass(frozen=True)
class Reading:
    """What the judge sees in pictures.

    Attributes:
        label_maps: class ids ``[B, 64, 64]``.
        found: things and their boxes.
        seasons, hours: places in ``SEASONS`` and ``HOURS``, ``[B]``.
    """

    label_maps: Tensor
    found: Found
    seasons: Tensor
    hours: Tensor


class SceneJudge(nn.Module):
    """U-shaped network over 64 x 64 pictures.

    Shapes: pictures ``[B, 3, 64, 64]`` in [-1, 1] -> logits of classes ``[B, 28, 64, 64]``, of
    centres and the ways to a box's sides ``[B, 17 + 4, 32, 32]``, of looks ``[B, 4 + 3]``.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = [24, 48, 96, 128]
        self.down = nn.ModuleList(
            nn.Sequential(block(narrow, wide), block(wide, wide))
            for narrow, wide in zip([3, *widths], widths, strict=False)
        )
        self.across = nn.ModuleList(
            nn.Conv2d(wide, narrow, 1) for narrow, wide in zip(widths, widths[1:], strict=False)
        )
        self.up = nn.ModuleList(block(wide, wide) for wide in widths[:-1])
        self.fine = block(widths[0], widths[0])
        self.to_map = nn.Conv2d(widths[0], len(CLASSES) + 1, 1)
        last = nn.Conv2d(48, len(CLASSES.things) + 4, 1)
        rare = torch.full((len(CLASSES.things),), -4.0)  # few cells are centres
        last.bias = nn.Parameter(torch.cat([rare, torch.zeros(4)]))
        self.to_boxes = nn.Sequential(block(widths[1], 48), last)
        self.context = nn.Linear(widths[-1], widths[-1])  # every place hears of the whole picture
        self.to_looks = nn.Linear(sum(widths), len(SEASONS) + len(HOURS))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        levels, x = [], pictures
        for number, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if number else x)
            levels.append(x)  # sides 64, 32, 16, 8
        means = [level.mean(dim=(2, 3)) for level in levels]
        looks, x = self.to_looks(torch.cat(means, 1)), x + self.context(means[-1])[..., None, None]
        for number in (2, 1, 0):
            wider = F.interpolate(self.across[number](x), scale_factor=2, mode="nearest-exact")
            x = self.up[number](levels[number] + wider)
            if number == 1:
                boxes = self.to_boxes(x)
        return self.to_map(self.fine(x)), boxes, looks

    @torch.no_grad()
    def read(self, pictures: Tensor) -> Reading:
        """All that is seen in pictures ``[B, 3, H, W]`` of any size."""
        parts = [self(part) for part in at_size(pictures).split(64)]
        maps, boxes, looks = (torch.cat(answers) for answers in zip(*parts, strict=True))
        season, hour = looks.split([len(SEASONS), len(HOURS)], dim=1)
        return Reading(maps.argmax(1), find_boxes(boxes), season.argmax(1), hour.argmax(1))

    @classmethod
    def load(cls, path: Path | None = None) -> SceneJudge:
        """The judge with its shipped weights, or those of ``path``."""
        return restore(cls, NAME, path)


def confusion(read: Tensor, true: Tensor) -> Tensor:
    """How many pixels of each true class (rows) were read as which: ``[B, 28, 28]``."""
    size = UNLABELED + 1
    pairs = (true * size + read).flatten(1)  # [B, H * W]
    counts = torch.zeros(len(pairs), size * size, device=pairs.device)
    return counts.scatter_add_(1, pairs, torch.ones_like(pairs, dtype=counts.dtype)).view(
        -1, size, size
    )


def mean_iou(counts: Tensor) -> float:
    """Mean intersection over union of the classes that occur, from counts ``[28, 28]``."""
    both = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - both
    occurs = counts.sum(1) > 0
    return (both / union.clamp(min=1))[occurs].mean().item()


# --- Training ---


def flattened(pages: Pages, pictures: Tensor) -> Tensor:
    """Every thing and every kind of stuff in its mean colour."""
    one_hot = F.one_hot(pages.label_maps.long(), len(CLASSES)).flatten(1, 2).float()  # [B, HW, C]
    sums = pictures.flatten(2) @ one_hot  # [B, 3, C]
    means = sums / one_hot.sum(1)[:, None].clamp(min=1)
    stuff = (means @ one_hot.mT).view_as(pictures)
    return torch.where(pages.instances[:, None] > 0, silhouettes(pages, pictures), stuff)


def mosaic(pictures: Tensor) -> Tensor:
    """Tiles of four pixels, shuffled."""
    fours = F.pixel_unshuffle(pictures, 4)
    order = torch.rand(len(fours), 1, fours.shape[2] * fours.shape[3]).argsort(dim=2)
    moved = fours.flatten(2).gather(2, order.expand(-1, fours.shape[1], -1))
    return F.pixel_shuffle(moved.view_as(fours), 4)


def rectangles(pictures: Tensor) -> Tensor:
    """One rectangle in each picture: ``[B, H, W]``, bool."""
    count, side = len(pictures), pictures.shape[-1]
    middle, half = torch.rand(2, count, 1), 0.1 + 0.4 * torch.rand(2, count, 1)
    place = torch.linspace(0, 1, side)
    rows, columns = (place - middle).abs() < half
    return rows[:, :, None] & columns[:, None, :]


def damaged(pages: Pages) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures half of which are spoiled in part, their target maps, and which objects are left."""
    pictures, ids = pages.pictures, pages.label_maps.long()
    kind = torch.rand(len(pages), 1, 1)
    some = (torch.rand(len(pages), len(CLASSES)) < 0.5).gather(1, ids.flatten(1)).view_as(ids)
    flat, rough = (kind < 0.2) & some, (kind > 0.8) & rectangles(pictures)
    spoil = (noise, blobs, clouds, mosaic, shuffled)[int(torch.randint(5, ()))]
    pictures = torch.where(flat[:, None], flattened(pages, pictures), pictures)
    pictures = torch.where(rough[:, None], spoil(pages.pictures), pictures)
    smooth = torch.isin(ids, torch.tensor(SMOOTH))
    targets = torch.where(flat & smooth, IGNORED, ids)
    targets = torch.where((flat & ~smooth) | rough, UNLABELED, targets)
    left = [((pages.instances == k + 1) & (targets < UNLABELED)).sum((1, 2))
            / (pages.instances == k + 1).sum((1, 2)).clamp(min=1) > 0.6
            for k in range(pages.objects.shape[1])]  # fmt: skip
    return pictures, targets, torch.stack(left, dim=1) & (pages.objects >= 0)


def mirrored(pages: Pages) -> Pages:
    """All pages from right to left."""
    boxes = pages.boxes.clone()
    boxes[..., [0, 2]] = 1 - pages.boxes[..., [2, 0]]
    maps = (pages.images.flip(3), pages.label_maps.flip(2), pages.instances.flip(2))
    return Pages(*maps, pages.objects, pages.colours, boxes, pages.looks)


def map_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy, and Dice so that small classes count as much as the sky."""
    known = (targets != IGNORED)[:, None]
    one_hot = F.one_hot(targets * known[:, 0], UNLABELED + 1).permute(0, 3, 1, 2) * known
    share = logits.softmax(dim=1) * known
    both, sizes = (share * one_hot).sum((0, 2, 3)), (share + one_hot).sum((0, 2, 3))
    dice = (2 * both / sizes.clamp(min=1))[one_hot.sum((0, 2, 3)) > 0]
    return F.cross_entropy(logits, targets, ignore_index=IGNORED) + 1 - dice.mean()


def fit(pages: Pages, steps: int = 5400, batch_size: int = 16, seed: int = 0) -> SceneJudge:
    """Trains a judge on pages of Storybook."""
    torch.manual_seed(seed)
    judge = SceneJudge()

    def loss(step: int) -> Tensor:
        picked = pages.pick(torch.randint(len(pages), (batch_size,)))
        picked = mirrored(picked) if step % 2 else picked
        pictures, targets, left = damaged(picked)
        maps, boxes, looks = judge(gentle(pictures).contiguous(memory_format=torch.channels_last))
        season, hour = looks.float().split([len(SEASONS), len(HOURS)], dim=1)
        return (
            map_loss(maps.float(), targets)
            + box_loss(boxes.float(), picked.objects, picked.boxes, left)
            + 0.2 * F.cross_entropy(season, picked.looks[:, 0])
            + 0.2 * F.cross_entropy(hour, picked.looks[:, 1])
        )

    return study(judge, loss, steps, lr=5e-3)


def report(judge: SceneJudge, pages: Pages) -> dict[str, float]:
    """The judge's marks on pages it has not seen, and the share of mush it takes for something."""
    torch.manual_seed(1)
    pictures, true, present = pages.pictures, pages.label_maps.long(), pages.objects >= 0
    seen = judge.read(pictures)
    counts, found = confusion(seen.label_maps, true).sum(0), seen.found
    there = Found(pages.objects, pages.boxes, present.float(), present)
    hits = recall(found, pages.objects, pages.boxes, present)[present]
    true_ones = recall(there, found.objects, found.boxes, found.present)[found.present]
    marks = {
        "mean IoU": mean_iou(counts),
        "pixels read right": (counts.diagonal().sum() / counts.sum()).item(),
        "boxes found (IoU .5)": hits.float().mean().item(),
        "boxes found that are true": true_ones.float().mean().item(),
        "seasons read right": (seen.seasons == pages.looks[:, 0]).float().mean().item(),
        "hours read right": (seen.hours == pages.looks[:, 1]).float().mean().item(),
    }
    rough = ~torch.isin(true, torch.tensor(SMOOTH))
    taken = judge.read(flattened(pages, pictures)).label_maps != UNLABELED
    marks["pixels accepted: flat colour"] = taken[rough].float().mean().item()
    for spoil in (noise, blobs, clouds, mosaic):
        taken = judge.read(spoil(pictures)).label_maps != UNLABELED
        marks[f"pixels accepted: {spoil.__name__}"] = taken.float().mean().item()
    return marks
