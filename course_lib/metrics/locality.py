"""Locality of an edit: who moves one box should see that box change, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.metrics.score import Score, bootstrap, enough, shuffled
from course_lib.scene import Layout, Scene

__all__ = ["Edits", "change", "edits", "locality", "within"]

OTHER = 1_000_000  # seeds of new styles begin here, those of pictures at 0


class Edits(NamedTuple):
    """Pictures before and after one edit each, and where it was."""

    before: Tensor  # [N, 3, H, W] in [-1, 1]
    after: Tensor  # the same
    edited: Tensor  # [N, H, W], bool: the object's box, and the new one if it was moved


class _Editor(Protocol):
    def layout_of(self, scene: Scene) -> Layout: ...
    def generate(self, layout: Any = None, *, seed: int = 7) -> Any: ...
    def repaint(self, picture: Any, *, move: Any = None, styles: Any = None) -> Any: ...


def edits(painter: _Editor, scenes: Iterable[Scene], kind: Literal["move", "restyle"]) -> Edits:
    """Each scene's layout painted, and again with one of its things moved or in another style.

    The thing, its new place (the farthest of four chances) and its new style are the number's, so
    two painters get the same edits. Scenes without things are left out.
    """
    found = []
    for number, scene in enumerate(scenes):
        layout, things = painter.layout_of(scene), set((scene.layout or Layout.empty()).names)
        places = [place for place, name in enumerate(layout.names) if name in things]
        if not places:
            continue
        dice = torch.Generator().manual_seed(number)
        which = places[int(torch.randint(len(places), (), generator=dice))]
        before = painter.generate(layout, seed=number)
        box = layout.fractions()[which]
        new = _elsewhere(box, dice) if kind == "move" else box
        how = (
            {"move": {which: new.tolist()}}
            if kind == "move"
            else {"styles": {which: OTHER + number}}
        )
        after = painter.repaint(before, **how)
        side = before.image.shape[-1]
        found.append((before.image, after.image, within(box, side) | within(new, side)))
    return Edits(*map(torch.stack, zip(*found, strict=True)))


def _elsewhere(box: Tensor, dice: torch.Generator) -> Tensor:
    """A box ``[4]`` of the same size at another place in the picture."""
    size = box[2:] - box[:2]
    corners = torch.rand(4, 2, generator=dice) * (1 - size).clamp(min=0)  # [4, 2]
    corner = corners[(corners - box[:2]).norm(dim=1).argmax()]
    return torch.cat([corner, (corner + size).clamp(max=1)])


def within(box: Tensor, side: int) -> Tensor:
    """The pixels whose middles lie in a box: ``[side, side]``, bool."""
    middle = (torch.arange(side) + 0.5) / side
    columns, rows = ((middle >= box[k]) & (middle < box[k + 2]) for k in (0, 1))
    return rows[:, None] & columns


def change(made: Edits) -> dict[str, Score]:
    """How much pictures change where they were edited, and how much around it.

    The mean absolute change of values in [0, 1], of each picture ``inside`` and ``outside`` its
    region. A good edit has much of the first and little of the second.
    """
    _check(*made)
    by_pixel = (made.before - made.after).abs().mean(dim=1) / 2  # [N, H, W]

    def rows(where: Tensor) -> Tensor:
        return (by_pixel * where).sum((1, 2)) / where.sum((1, 2)).clamp(min=1)

    def score(where: Tensor, elsewhere: Tensor, best: float, ceiling_of: str) -> Score:
        own = rows(where)
        protocol = "mean absolute change of pixels in [0, 1], bootstrap over edits"
        ends = rows(elsewhere).mean().item(), best
        interval = bootstrap(lambda some: some.mean().item(), own)
        return Score(
            own.mean().item(), interval, len(own), *ends, protocol, "shuffled regions", ceiling_of
        )

    region, other = made.edited, made.edited[shuffled(len(made.edited))]
    return {
        "inside": score(region, other, 1.0, "black to white"),
        "outside": score(~region, ~other, 0.0, "nothing else changed"),
    }


def locality(
    before: Tensor, after: Tensor, edited: Tensor, real: tuple[Tensor, Tensor] | None = None
) -> Score:
    """Share of all change that lies inside the edited region.

    Args:
        before, after: the same pictures before and after the edit, ``[N, 3, H, W]``.
        edited: the region of each edit, ``[N, H, W]``, bool: for a box that was moved, the old
            and the new place.
        real: real pictures before and after the same edit; without them the ceiling is 1.
    """
    _check(before, after, edited)

    def rows(one: Tensor, other: Tensor, where: Tensor) -> Tensor:
        change = (one - other).abs().mean(dim=1)
        return torch.stack([(change * where).sum((1, 2)), change.sum((1, 2))], dim=1).double()

    def share(part: Tensor) -> float:
        within, all_change = part.sum(0).tolist()
        return within / all_change if all_change else 0.0

    own = rows(before, after, edited)
    return Score(
        share(own),
        bootstrap(share, own),
        len(before),
        share(rows(before, after, edited[shuffled(len(before))])),
        share(rows(*real, edited)) if real else 1.0,
        "absolute change of pixels inside the edited region by all change; bootstrap over edits",
        floor_of="shuffled regions",
        ceiling_of="real pictures, edited" if real else "nothing else changed",
    )


def _check(before: Tensor, after: Tensor, edited: Tensor) -> None:
    enough(len(before), 20, "locality")
    if before.shape != after.shape or edited.shape != before[:, 0].shape:
        raise CourseError(
            f"before {list(before.shape)}, after {list(after.shape)}, edited {list(edited.shape)}",
            where="locality",
        )
