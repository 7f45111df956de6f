"""What stands in a box, in which colour, or nothing at all? The judge of things.

It looks at one box at a time, cut out with a margin, so it knows where a thing ought to be and
nothing of the rest. Its extra class, *none*, was fed with what bad painters make: bare ground,
boxes beside a thing, silhouettes of one colour, noise, blots, blur, shuffled and molten things.

``python -m course_lib.judges`` trains it again.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import box_iou, roi_align

from course_lib.data.storybook import CLASSES, COLOURS
from course_lib.judges.pages import Pages, at_size
from course_lib.judges.spoil import SPOILERS, gentle, spoiled
from course_lib.judges.study import block, restore, study

__all__ = ["NAME", "NONE", "ThingJudge", "cut_out", "fit", "report"]

NAME = "thing_judge"
CROP = 32  # side in pixels of what is cut out
MARGIN = 0.15  # of a box's sides, around it
FIRST = CLASSES.id(CLASSES.things[0])  # things are the last ids of the table
NONE = CLASSES.unlabeled  # read where there is no thing


def cut_out(pictures: Tensor, boxes: Tensor, present: Tensor) -> Tensor:
    """The boxes that are present, with a margin, each as a square.

    Shapes: pictures ``[B, 3, H, W]``, boxes ``[B, O, 4]`` (corners, fractions), present ``[B, O]``
    -> crops ``[N, 3, 32, 32]``, in the order of ``boxes[present]``.
    """
    pictures = at_size(pictures)
    picture = present.nonzero()[:, :1].float()  # the number of the picture of each box
    chosen = boxes[present]
    extra = MARGIN * (chosen[:, 2:] - chosen[:, :2])
    grown = torch.cat([chosen[:, :2] - extra, chosen[:, 2:] + extra], dim=1) * pictures.shape[-1]
    rois = torch.cat([picture.to(grown), grown], dim=1)
    return roi_align(pictures, rois, CROP, sampling_ratio=2, aligned=True)


class ThingJudge(nn.Module):
    """Convolutional classifier of crops into things and none, and into colours.

    Shapes: crops ``[N, 3, 32, 32]`` in [-1, 1] -> logits of things ``[N, 18]`` (none is the last)
    and of colours ``[N, 8]``.
    """

    def __init__(self) -> None:
        super().__init__()
        pool = nn.MaxPool2d(2)
        self.features = nn.Sequential(
            block(3, 24), pool, block(24, 48), block(48, 48), pool, block(48, 96), pool,
            block(96, 128),
        )  # fmt: skip
        self.thing = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(128 * 16, 18))
        self.colour = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, len(COLOURS))
        )

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(crops)  # [N, 128, 4, 4]
        return self.thing(features), self.colour(features)

    @torch.no_grad()
    def read(self, pictures: Tensor, boxes: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """What stands in each box.

        Shapes: as in :func:`cut_out`, at any size -> class ids ``[B, O]``, :data:`NONE` where
        there is no thing or no box, and places in ``COLOURS`` ``[B, O]``.
        """
        things = torch.full(present.shape, NONE, device=boxes.device)
        colours = torch.zeros_like(things)
        if present.any():
            parts = cut_out(pictures, boxes, present).split(500)
            answers = [[logits.argmax(dim=1) for logits in self(part)] for part in parts]
            things[present] = FIRST + torch.cat([thing for thing, _ in answers])
            colours[present] = torch.cat([colour for _, colour in answers])
        return things, colours

    @classmethod
    def load(cls, path: Path | None = None) -> ThingJudge:
        """The judge with its shipped weights, or those of ``path``."""
        return restore(cls, NAME, path)


# --- Training ---


def silhouettes(pages: Pages, pictures: Tensor) -> Tensor:
    """The pictures with every thing filled with its mean colour: flat shapes are no things."""
    filled, instances = pictures.clone(), pages.instances.long()
    for number in range(1, int(instances.max()) + 1):
        inside = (instances == number)[:, None].float()
        mean = (pictures * inside).sum((2, 3), keepdim=True) / inside.sum(
            (2, 3), keepdim=True
        ).clamp(1)
        filled = filled * (1 - inside) + mean * inside
    return filled


def strays(pages: Pages) -> Tensor:
    """As many boxes as there are things, of their sizes, but not around them: ``[B, O, 4]``."""
    boxes = pages.boxes
    size = boxes[..., 2:] - boxes[..., :2]
    corner = torch.rand_like(size) * (1 - size).clamp(min=0)
    return torch.cat([corner, corner + size], dim=-1)


def _stray(pages: Pages, boxes: Tensor) -> Tensor:
    """Which boxes hold hardly a part of any thing: ``[B, O]``."""
    rows = [bool(box_iou(box[None], real[known]).amax() < 0.2) if known.any() else True
            for real, known, row in zip(pages.boxes, pages.objects >= 0, boxes, strict=True)
            for box in row]  # fmt: skip
    return torch.tensor(rows).view(boxes.shape[:2]) & (pages.objects >= 0)


def jittered(boxes: Tensor) -> Tensor:
    """Boxes a little beside, larger or smaller than the true ones."""
    size = (boxes[..., 2:] - boxes[..., :2]).repeat(1, 1, 2)
    return boxes + size * (torch.rand_like(boxes) - 0.5) * 0.16


def crops_of(pages: Pages) -> tuple[Tensor, Tensor, Tensor]:
    """Crops to study, real things and none, with their things and colours (-1: none)."""
    present, pictures = pages.objects >= 0, pages.pictures
    real = gentle(cut_out(pictures, jittered(pages.boxes), present))
    things, colours = pages.objects[present] - FIRST, pages.colours[present]
    mirror = torch.rand(len(real), 1, 1, 1) < 0.5
    real = torch.where(mirror, real.flip(3), real)
    boxes = strays(pages)
    side = (pages.boxes[..., 2:] - pages.boxes[..., :2]).amax(dim=-1)
    shapes = cut_out(silhouettes(pages, pictures), pages.boxes, present & (side > 0.3))
    junk = [cut_out(pictures, boxes, _stray(pages, boxes)), shapes, spoiled(real)]
    none = gentle(torch.cat(junk))
    crops = torch.cat([real, none])
    labels = torch.cat([things, torch.full((len(none),), len(CLASSES.things))])
    return crops, labels, torch.cat([colours, torch.full((len(none),), -1)])


def fit(pages: Pages, steps: int = 600, batch_size: int = 40, seed: int = 0) -> ThingJudge:
    """Trains a judge on pages of Storybook."""
    torch.manual_seed(seed)
    judge = ThingJudge()

    def loss(step: int) -> Tensor:
        crops, things, colours = crops_of(pages.pick(torch.randint(len(pages), (batch_size,))))
        thing, colour = judge(crops.contiguous(memory_format=torch.channels_last))
        wrong = F.cross_entropy(thing, things, label_smoothing=0.02)
        return wrong + F.cross_entropy(colour, colours, ignore_index=-1)

    return study(judge, loss, steps, lr=4e-3)


def report(judge: ThingJudge, pages: Pages) -> dict[str, float]:
    """The judge's marks on pages it has not seen, and the share of mush it takes for things."""
    torch.manual_seed(1)
    present, pictures = pages.objects >= 0, pages.pictures
    things, colours = judge.read(pictures, pages.boxes, present)
    same, hue = things == pages.objects, colours == pages.colours
    marks = {
        "things read right": same[present].float().mean().item(),
        "colours read right": hue[present].float().mean().item(),
        "both read right": (same & hue)[present].float().mean().item(),
    }
    boxes = strays(pages)
    taken = judge.read(pictures, boxes, _stray(pages, boxes))[0] != NONE
    marks["accepted: bare ground"] = (taken.sum() / _stray(pages, boxes).sum()).item()
    large = present & ((pages.boxes[..., 2:] - pages.boxes[..., :2]).amax(dim=-1) > 0.3)
    taken = judge.read(silhouettes(pages, pictures), pages.boxes, large)[0] != NONE
    marks["accepted: flat silhouettes"] = (taken.sum() / large.sum()).item()
    crops = cut_out(pictures, pages.boxes, present)
    for spoil in SPOILERS:
        with torch.no_grad():
            taken = judge(spoil(crops))[0].argmax(dim=1) != len(CLASSES.things)
        marks[f"accepted: {spoil.__name__}"] = taken.float().mean().item()
    return marks
