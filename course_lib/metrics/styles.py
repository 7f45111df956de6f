"""Styles: how much do they change, and does a picture take the palette of the one it is told?

Storybook knows the answers: it draws one scene in any look. Ten looks of a page say how different
ten styles of its label map should be, and how sure the measure of palettes can be.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.data.storybook import CLASSES, Look, Storybook
from course_lib.data.storybook.palette import HOURS, PALETTES, SEASONS
from course_lib.errors import CourseError
from course_lib.metrics.score import Score, bootstrap, enough

__all__ = ["Looks", "own_palette", "style_spread"]

STUFF = len(CLASSES.stuff)


@dataclass(frozen=True)
class Looks:
    """Pages of Storybook, each in several looks, and another page in the same ones.

    Attributes:
        label_maps: of the pages that are to be painted, ``[N, H, W]``.
        pictures: these pages as Storybook draws them in each look, ``[N, S, 3, H, W]``.
        others: pages with another label map in the same looks, ``[N, S, 3, H, W]``.
        other_maps: ``[N, H, W]``.
    """

    label_maps: Tensor
    pictures: Tensor
    others: Tensor
    other_maps: Tensor

    @classmethod
    def of(cls, book: Storybook, pages: range, looks: int = 10) -> Looks:
        """The first half of ``pages``, and the second as the others; no look comes twice."""
        dice, every = random.Random(0), list(product(SEASONS, HOURS, PALETTES))
        half, drawn, maps = len(pages) // 2, [], []
        for page, other in zip(pages[:half], pages[half:], strict=False):
            chosen = [Look(*look, place) for place, look in enumerate(dice.sample(every, looks))]
            for scene in (book[page], book[other]):
                shown = [scene.redraw(look=look).image.as_subclass(Tensor) for look in chosen]
                drawn.append(torch.stack(shown).float() / 127.5 - 1)
                ids = scene.label_map.ids  # type: ignore[union-attr]  # every page has one
                maps.append(ids.as_subclass(Tensor))
        pictures, ids = torch.stack(drawn), torch.stack(maps)
        return cls(ids[::2], pictures[::2], pictures[1::2], ids[1::2])


def style_spread(painted: Tensor, real: Tensor) -> Score:
    """Mean ``|a - b|`` of two styles of a map, as a multiple of that of two looks.

    Args:
        painted: label maps in several styles, ``[N, S, 3, H, W]``.
        real: the same ones in looks of Storybook, of the same shape.
    """
    _check(painted, real)
    own, true = _spreads(painted), _spreads(real)
    unit = true.mean().item()

    def ratio(rows: Tensor) -> float:
        return rows.mean().item() / unit

    return Score(
        ratio(own),
        bootstrap(ratio, own),
        len(own),
        0.0,
        ratio(true[1::2]) / ratio(true[::2]),
        "mean absolute difference of two styles of a map, by that of looks; bootstrap over maps",
        floor_of="one style again and again",
        ceiling_of="looks of half of the maps by those of the other half",
    )


def own_palette(painted: Tensor, looks: Looks) -> Score:
    """Share of style pictures to which, of all pictures of a map, the one in its style is nearest.

    Near means: every kind of stuff that both show has much the same mean colour, and the kinds with
    most room in both count most.

    Args:
        painted: the maps of ``looks`` in the styles of its ``others``, ``[N, S, 3, H, W]``.
    """
    _check(painted, looks.others)
    own, true = (_nearest(pictures, looks) for pictures in (painted, looks.pictures))

    def share(rows: Tensor) -> float:
        return rows.mean().item()

    return Score(
        share(own),
        bootstrap(share, own),
        own.numel(),
        1 / painted.shape[1],
        share(true),
        f"style pictures nearest in palette to their own of {painted.shape[1]} pictures of a map",
        floor_of="chance",
        ceiling_of="Storybook's pictures of the map in the same looks",
    )


def _check(painted: Tensor, real: Tensor) -> None:
    if painted.shape != real.shape or painted.ndim != 5:
        raise CourseError(
            f"{list(painted.shape)} and {list(real.shape)}, not twice [N, S, 3, H, W]",
            where="painted",
        )
    enough(len(painted), 10, "a score of styles")


def _spreads(pictures: Tensor) -> Tensor:
    """Mean distance of two different styles, by map: ``[N]``."""
    count = pictures.shape[1]
    rows = [torch.cdist(each, each, p=1).sum() / each[0].numel() for each in pictures.flatten(2)]
    return torch.stack(rows) / (count * (count - 1))


def _nearest(painted: Tensor, looks: Looks) -> Tensor:
    """Whether a style picture's own picture is the nearest: ``[N, S]``, 0 or 1."""
    colours, room = palettes(painted, looks.label_maps)
    told, there = palettes(looks.others, looks.other_maps)
    weight = torch.minimum(room, there)  # [N, K]
    far = (told[:, :, None] - colours[:, None]).norm(dim=-1)  # [N, S told, S painted, K]
    distance = (far * weight[:, None, None]).sum(-1)
    return (distance.argmin(dim=2) == torch.arange(painted.shape[1])).float()


def palettes(pictures: Tensor, label_maps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean colours ``[N, S, K, 3]`` of the kinds of stuff of each picture, and their areas
    ``[N, K]`` as shares.
    """
    where = F.one_hot(label_maps.flatten(1), len(CLASSES))[..., :STUFF].float()  # [N, HW, K]
    sums = torch.einsum("nscp,npk->nskc", pictures.flatten(3), where)
    area = where.sum(1)
    return sums / area.clamp(min=1)[:, None, :, None], area / where.shape[1]
