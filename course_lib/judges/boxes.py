"""Boxes by their centres: a thing is a peak of its class's heat, which knows how far its sides are.

The idea is CenterNet's (Zhou, Wang and Krähenbühl, "Objects as Points", 2019): no anchors, no
proposals, only peaks among their neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import batched_nms, box_iou, generalized_box_iou_loss

from course_lib.data.storybook import CLASSES

__all__ = ["Found", "box_loss", "find_boxes", "recall"]

FIRST = CLASSES.id(CLASSES.things[0])
THINGS = len(CLASSES.things)
MOST = 12  # boxes looked for in a picture
SURE = 0.3  # heat from which a peak counts


@dataclass(frozen=True)
class Found:
    """Things found in pictures; ``K`` places, not all of them used.

    Attributes:
        objects: class ids ``[B, K]``.
        boxes: corners as fractions ``[B, K, 4]``.
        sureness: ``[B, K]``, 0 to 1.
        present: which places are used ``[B, K]``.
    """

    objects: Tensor
    boxes: Tensor
    sureness: Tensor
    present: Tensor


def cells(side: int) -> tuple[Tensor, Tensor]:
    """The middles of a grid's cells, as fractions: x ``[1, side]`` and y ``[side, 1]``."""
    place = (torch.arange(side) + 0.5) / side
    return place[None, :], place[:, None]


def to_corners(ways: Tensor) -> Tensor:
    """Boxes of all cells from the ways to their sides (logits, left, top, right, bottom).

    Shapes: ``[B, 4, S, S]`` -> corners as fractions ``[B, S, S, 4]``.
    """
    x, y = (place.to(ways) for place in cells(ways.shape[-1]))
    left, top, right, bottom = F.softplus(ways - 2).unbind(dim=1)
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=-1)


def find_boxes(answer: Tensor) -> Found:
    """Peaks of heat and their boxes: ``[B, 17 + 4, S, S]`` -> at most twelve things a picture."""
    heat, ways = torch.sigmoid(answer[:, :THINGS]), answer[:, THINGS:]
    strongest, kind = heat.max(dim=1)  # [B, S, S]: one thing a cell
    peak = strongest == F.max_pool2d(strongest, 3, stride=1, padding=1)
    sureness, cell = (strongest * peak).flatten(1).topk(MOST)
    boxes = to_corners(ways).flatten(1, 2).gather(1, cell[..., None].expand(-1, -1, 4))
    objects = FIRST + kind.flatten(1).gather(1, cell)
    boxes, present = boxes.clamp(0, 1), torch.zeros_like(objects, dtype=torch.bool)
    group = objects + 100 * torch.arange(len(objects), device=objects.device)[:, None]
    once = batched_nms(boxes.flatten(0, 1), sureness.flatten(), group.flatten(), 0.5)
    present.view(-1)[once] = True  # of two boxes around one thing, the surer one
    return Found(objects, boxes, sureness, present & (sureness > SURE))


def box_loss(answer: Tensor, objects: Tensor, boxes: Tensor, present: Tensor) -> Tensor:
    """Focal loss of the heat and generalised IoU of the boxes at the centres, both a thing.

    Shapes: answer ``[B, 17 + 4, S, S]``, objects and present ``[B, O]``, boxes ``[B, O, 4]``.
    """
    heat, ways = answer[:, :THINGS], answer[:, THINGS:]
    spots = _spots(boxes, answer.shape[-1]) * present[..., None, None]  # [B, O, S, S]
    target = torch.zeros_like(heat)
    kinds = (objects - FIRST).clamp(min=0)[..., None, None].expand_as(spots)
    target = target.scatter_reduce(1, kinds, spots, "amax")
    hit = torch.sigmoid(heat)
    focal = torch.where(
        target == 1,
        (1 - hit) ** 2 * F.logsigmoid(heat),
        (1 - target) ** 4 * hit**2 * F.logsigmoid(-heat),
    )
    count = present.sum().clamp(min=1)
    picture, thing, row, column = (spots > 0.6).nonzero(as_tuple=True)
    corners = to_corners(ways)[picture, row, column]
    sides = generalized_box_iou_loss(corners, boxes[picture, thing], reduction="sum")
    return 0.5 * (sides / max(len(picture), 1) - focal.sum() / count)


def _spots(boxes: Tensor, side: int) -> Tensor:
    """A spot of heat around the middle of each box, exactly 1 in one cell: ``[B, O, S, S]``."""
    x, y = cells(side)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    middle = ((middle * side).floor().clamp(max=side - 1) + 0.5) / side  # on a cell
    width = (0.14 * (boxes[..., 2:] - boxes[..., :2])).clamp(min=0.7 / side)
    a = (x - middle[..., :1, None]) / width[..., :1, None]
    b = (y - middle[..., 1:, None]) / width[..., 1:, None]
    return torch.exp(-(a * a + b * b) / 2)


def recall(
    found: Found, objects: Tensor, boxes: Tensor, present: Tensor, overlap: float = 0.5
) -> Tensor:
    """Which objects were found: the right class at an IoU of ``overlap``: ``[B, O]``, bool."""
    hits = torch.zeros_like(present)
    for number in range(len(objects)):
        close = box_iou(boxes[number], found.boxes[number]) >= overlap  # [O, K]
        same = objects[number][:, None] == found.objects[number]
        hits[number] = (close & same & found.present[number]).any(dim=1)
    return hits & present
