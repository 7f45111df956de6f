"""Locality of an edit: who moves one box should see that box change, and nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.metrics.score import Score, bootstrap, enough, shuffled

__all__ = ["locality"]


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
    enough(len(before), 20, "locality")
    if before.shape != after.shape or edited.shape != before[:, 0].shape:
        raise CourseError(
            f"before {list(before.shape)}, after {list(after.shape)}, edited {list(edited.shape)}",
            where="locality",
        )

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
