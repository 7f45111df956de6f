"""A layout as the networks take it: one-hot classes, and where to crop and where to paste.

Hinz, Heinrich, Wermter: Semantic Object Accuracy for Generative Text-to-Image Synthesis, TPAMI
2020 (arXiv:1910.13321), section 3. A box ``[x, y, w, h]`` (corner and size, fractions of the
picture) gives two affine maps, both *from* the place where something is drawn *to* the place that
is read there: the crop shows the box on a small square, the paste shows a small square in the box.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.nn.paste import pose_at, warp
from course_lib.objective import draw

__all__ = ["Objects", "crop_and_flip", "lay", "merge"]

ABSENT = -1.0  # all four numbers of an absent object's box, as in the authors' files


class Objects(NamedTuple):
    """The objects of a batch of layouts, padded to ``O``; an absent one lies outside everything.

    Attributes:
        labels: one-hot classes, the last class for absent ones, ``[B, O, C]``.
        crop: poses that show each box on a square, ``[B, O, 2, 3]``.
        paste: poses that show a square in each box, ``[B, O, 2, 3]``.
    """

    labels: Tensor
    crop: Tensor
    paste: Tensor

    @classmethod
    def of(cls, boxes: Tensor, ids: Tensor, classes: int) -> Objects:
        """From boxes ``[B, O, 4]`` (x, y, w, h; -1 for absent), and ids ``[B, O]`` (-1 likewise).

        Args:
            classes: number of classes, the one for absent objects among them.
        """
        corner, size = boxes[..., :2], boxes[..., 2:]
        centre = 2 * corner + size - 1  # from -1 to 1 across the picture
        crop = torch.cat([torch.diag_embed(size), centre[..., None]], dim=-1)
        # The authors' files say -1 for all of an absent box; both maps then look outside.
        labels = F.one_hot(torch.where(ids < 0, classes - 1, ids), classes)
        return cls(labels.to(boxes.dtype), crop, pose_at(centre, size))

    @classmethod
    def padded(
        cls, boxes: Tensor, ids: Tensor, present: Tensor, classes: int, most: int
    ) -> Objects:
        """From a batch of scenes: corners ``[B, O, 4]``, ids and presence ``[B, O]``.

        The ``most`` largest are kept, large ones first, so that small ones are laid over them.
        There are as many places as the fullest scene needs, one at least.
        """
        most = min(most, max(int(present.sum(dim=1).max()), 1))
        if not present.shape[1]:  # background only
            boxes, ids, present = (
                part.new_zeros(len(part), 1, *part.shape[2:]) for part in (boxes, ids, present)
            )
        corner, size = boxes[..., :2], boxes[..., 2:] - boxes[..., :2]
        order = (size.prod(dim=-1) * present).argsort(dim=1, descending=True, stable=True)
        order = order[:, :most]
        there = present.gather(1, order)
        sized = torch.cat([corner, size], dim=-1).gather(1, order[..., None].expand(-1, -1, 4))
        known = torch.where(there, ids.gather(1, order), -1)
        return cls.of(torch.where(there[..., None], sized, ABSENT), known, classes)

    @classmethod
    def nothing(cls, count: int, classes: int) -> Objects:
        """Layouts with nothing in them: object pathways then paint and see nothing."""
        nowhere = torch.full((count, 1, 4), ABSENT)
        return cls.of(nowhere, nowhere[..., 0].long(), classes)

    def to(self, like: Tensor) -> Objects:
        """The same on another device, in another precision."""
        return Objects(*(part.to(like) for part in self))

    @property
    def present(self) -> Tensor:
        """Which objects there are: ``[B, O]``, bool."""
        return self.labels[..., -1] == 0

    def renamed(self) -> Objects:
        """Every object's box, said to hold something else: the class ``k`` places further on.

        ``k`` is drawn anew for each object, so that all other classes are equally likely.
        """
        classes, device = self.labels.shape[-1] - 1, self.labels.device
        shift = draw(partial(torch.randint, 1, classes), *self.labels.shape[:2]).to(device)
        ids = (self.labels[..., :-1].argmax(-1) + shift) % classes
        labels = torch.where(self.present[..., None], F.one_hot(ids, classes + 1), self.labels)
        return Objects(labels.to(self.labels), self.crop, self.paste)

    def misplaced(self) -> Objects:
        """Everybody's classes in the boxes of another layout: those of the reversed batch."""
        return Objects(self.labels, self.crop.flip(0), self.paste.flip(0))


def lay(patches: Tensor, poses: Tensor, side: int) -> Tensor:
    """Each object's patch where its pose puts it: ``[O, B, C, h, w]`` -> ``[O, B, C, side, side]``.

    Args:
        poses: ``[B, O, 2, 3]``.
    """
    both = poses.transpose(0, 1).flatten(0, 1)  # [O B, 2, 3]
    laid = warp(patches.flatten(0, 1), both, (side, side), align_corners=False)
    return laid.unflatten(0, patches.shape[:2])


def merge(laid: Tensor) -> Tensor:
    """One canvas: later objects cover earlier ones wherever they are not 0.

    Shapes: ``[O, B, C, H, W]`` -> ``[B, C, H, W]``.
    """
    canvas = laid.new_zeros(laid.shape[1:])
    for one in laid:
        canvas = torch.where(one != 0, one, canvas)
    return canvas


def crop_and_flip(
    pictures: Tensor, boxes: Tensor, left: int, top: int, side: int, flip: bool
) -> tuple[Tensor, Tensor]:
    """The authors' augmentation: a square is cut out, its boxes follow, both are mirrored.

    A box that is cut at the left or at the top keeps its size, as in their program.

    Args:
        pictures: ``[..., H, W]``, square; boxes: ``[..., 4]``, x, y, w, h as fractions of it.
        left, top: the cut square's corner in pixels; side: its side.
    """
    whole = pictures.shape[-1]
    cut = pictures[..., top : top + side, left : left + side]
    corner = (boxes[..., :2] * whole - boxes.new_tensor([left, top])).clamp(min=0) / side
    size = torch.minimum((boxes[..., 2:] * whole / side).clamp(max=1), 0.999 - corner)
    if flip:
        cut = cut.flip(-1)
        corner = torch.stack([1 - corner[..., 0] - size[..., 0], corner[..., 1]], dim=-1)
    absent = (boxes == ABSENT).all(-1, keepdim=True)
    return cut, torch.where(absent, boxes, torch.cat([corner, size], dim=-1))
