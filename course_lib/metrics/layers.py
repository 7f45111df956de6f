"""Layers: is each of them one thing, and the background bare? For digits on canvases.

A picture that a judge can read says nothing of its layers: a background may hold the digit, and a
mask may cover everything. So each layer is looked at alone, and on another picture's background.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.data.digit_scenes import Canvases
from course_lib.errors import CourseError
from course_lib.judges.canvases import NONE, CanvasJudge
from course_lib.metrics.score import Score, bootstrap, enough

__all__ = ["Layered", "layer_scores"]

PROTOCOLS = {
    "readable": "share of pictures whose every layer, alone on its background, is one digit "
    "to canvas_judge, more than {sure:.0%} sure",
    "balance": "1 - total variation between the digits read in painted and in real layers",
    "bare": "share of backgrounds, without any layer, that canvas_judge calls none, and in which "
    "it finds ink on less than 2 %",  # two digits at once would be none, too
    "area": "share of pictures whose every mask, cut at a half, covers 3 to 50 %",
    "mask IoU": "mean IoU of all masks together, cut at a half, with the ink canvas_judge finds",
    "swapped": "of the pictures whose every layer is a digit, the share in which all stay these "
    "digits on another picture's background",
    "all": "share of pictures with readable layers, bare background, mask IoU above 0.6 and "
    "masks that share less than a tenth of the smaller",
}


class _Layer(Protocol):
    @property
    def appearance(self) -> Tensor: ...

    @property
    def mask(self) -> Tensor: ...


class _Painting(Protocol):
    @property
    def background(self) -> Tensor: ...

    @property
    def layers(self) -> Sequence[_Layer]: ...


class Layered(NamedTuple):
    """Pictures as layers, in [-1, 1]; ``T`` things on each."""

    backgrounds: Tensor  # [N, C, H, W]
    appearances: Tensor  # [N, T, C, H, W]
    covers: Tensor  # [N, T, 1, H, W] in [0, 1]

    @classmethod
    def of(cls, painting: _Painting) -> Layered:
        """What a painter of layers painted."""
        appearances = torch.stack([layer.appearance for layer in painting.layers], dim=1)
        covers = torch.stack([layer.mask for layer in painting.layers], dim=1)
        return cls(painting.background, appearances, covers)

    @classmethod
    def real(cls, canvases: Canvases) -> Layered:
        """Composed canvases, whose layers are known."""
        covers = canvases.masks[:, :, None]
        colours = canvases.colours.expand(*canvases.colours.shape[:3], *covers.shape[-2:])
        return cls(canvases.backgrounds * 2 - 1, colours * 2 - 1, covers)

    def with_layers(self, *layers: int, backgrounds: Tensor | None = None) -> Tensor:
        """The pictures with these layers only, on their or other backgrounds: ``[N, C, H, W]``."""
        canvas = self.backgrounds if backgrounds is None else backgrounds
        for layer in layers:
            cover = self.covers[:, layer]
            canvas = cover * self.appearances[:, layer] + (1 - cover) * canvas
        return canvas

    @property
    def pictures(self) -> Tensor:
        return self.with_layers(*range(self.covers.shape[1]))

    def failed(self) -> Layered:
        """How layers fail: the background holds everything, and bare masks cover everything."""
        bare = self.backgrounds[:, None].expand_as(self.appearances)  # plain ink would be all ink
        return Layered(self.pictures, bare, torch.ones_like(self.covers))


def layer_scores(
    painted: Layered, real: Layered, judge: CanvasJudge | None = None, *, sure: float = 0.9
) -> dict[str, Score]:
    """Every score of :data:`PROTOCOLS` by name; more is better.

    Args:
        real: canvases of test digits, from which the ceiling is measured.
        sure: above which probability a digit counts as read.
    """
    enough(len(painted.covers), 50, "layer scores")
    if painted.covers.shape[1] != real.covers.shape[1]:
        counts = painted.covers.shape[1], real.covers.shape[1]
        raise CourseError(f"{counts[0]} painted layers, but {counts[1]} real ones", where="real")
    eyes = judge or CanvasJudge.load()
    rows, ceiling, floor = (_rows(x, eyes, sure) for x in (painted, real, real.failed()))
    digits = {"painted": rows.pop("digits"), "real": ceiling.pop("digits")}
    floor.pop("digits")
    scores = {name: _score(name, rows, floor, ceiling, sure) for name in rows}
    return scores | {"balance": _balance(**digits)}


def _score(
    name: str,
    rows: Mapping[str, Tensor],
    floor: Mapping[str, Tensor],
    ceiling: Mapping[str, Tensor],
    sure: float,
) -> Score:
    return Score(
        _mean(rows[name]),
        bootstrap(_mean, rows[name]),
        len(rows[name]),
        _mean(floor[name]),
        _mean(ceiling[name]),
        PROTOCOLS[name].format(sure=sure),
        floor_of="everything in the background, masks over everything",
    )


def _mean(rows: Tensor) -> float:
    return rows.float().mean().item()


def _rows(layered: Layered, judge: CanvasJudge, sure: float) -> dict[str, Tensor]:
    """A number for each picture and score, and the digits of its layers ``[N, T]``."""
    count = range(layered.covers.shape[1])
    chances = torch.stack([judge.look(layered.with_layers(t))[0] for t in count], dim=1)
    digits = chances.argmax(dim=2)  # [N, T]
    read = (chances[..., :NONE].amax(dim=2) > sure).all(dim=1)
    answers, ink = judge.look(layered.backgrounds)
    bare = (answers.argmax(dim=1) == NONE) & (ink.float().mean(dim=(1, 2)) < 0.02)
    elsewhere = layered.backgrounds.roll(1, dims=0)
    moved = [judge.look(layered.with_layers(t, backgrounds=elsewhere))[0] for t in count]
    still = (torch.stack([chance.argmax(dim=1) for chance in moved], dim=1) == digits).all(dim=1)
    known = (digits != NONE).all(dim=1)
    masks = layered.covers[:, :, 0] > 0.5  # [N, T, H, W]
    share = masks.float().mean(dim=(2, 3))
    iou = _iou(masks.any(dim=1), judge.look(layered.pictures)[1])
    return {
        "digits": digits,
        "readable": read,
        "bare": bare,
        "area": ((share >= 0.03) & (share <= 0.5)).all(dim=1),
        "mask IoU": iou,
        "swapped": still[known] if known.any() else torch.zeros(1),
        "all": read & bare & (iou > 0.6) & (_overlap(masks) < 0.1),
    }


def _iou(masks: Tensor, ink: Tensor) -> Tensor:
    """Of masks ``[N, H, W]`` with the judge's ink, at the judge's size: ``[N]``."""
    if masks.shape != ink.shape:
        size = ink.shape[-2], ink.shape[-1]
        masks = F.adaptive_avg_pool2d(masks[:, None].float(), size)[:, 0] > 0.5
    both, either = (masks & ink).sum(dim=(1, 2)), (masks | ink).sum(dim=(1, 2))
    return both / either.clamp(min=1)


def _overlap(masks: Tensor) -> Tensor:
    """How much of the smallest mask others cover, too: ``[N]``; 0 where there is one mask."""
    shared = (masks.sum(dim=1) > 1).sum(dim=(1, 2))
    return shared / masks.sum(dim=(2, 3)).amin(dim=1).clamp(min=1)


def _balance(painted: Tensor, real: Tensor) -> Score:
    """How evenly the classes occur; what was not read does not count."""

    def shares(digits: Tensor) -> Tensor:
        counts = digits[digits != NONE].bincount(minlength=NONE).float()
        return counts / counts.sum().clamp(min=1)

    def alike(digits: Tensor) -> float:
        return 1 - (shares(digits) - shares(real)).abs().sum().item() / 2

    return Score(
        alike(painted),
        bootstrap(alike, painted),
        len(painted),
        alike(torch.zeros_like(painted)),
        alike(real[: len(real) // 2]),
        PROTOCOLS["balance"],
        floor_of="zeros alone",
        ceiling_of="half of the real pictures",
    )
