"""Recall of things: is what the layout asks for in its box, and does a detector find it there?"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.judges.boxes import recall
from course_lib.judges.scenes import SceneJudge
from course_lib.judges.things import ThingJudge
from course_lib.metrics.score import Score, condition, score
from course_lib.scene import SceneBatch

__all__ = ["box_recall", "thing_recall"]


def share(rows: Tensor) -> float:
    """Hits by chances, from rows of both ``[N, 2]``."""
    hits, chances = rows.sum(0).tolist()
    return hits / max(chances, 1)


def thing_recall(
    pictures: Tensor,
    scenes: SceneBatch,
    colours: Tensor | None = None,
    judge: ThingJudge | None = None,
) -> Score:
    """Share of boxes in which the judge of things reads the class asked for (and its colour).

    Args:
        colours: places in Storybook's ``COLOURS``, ``[N, O]``, if colours were asked for.
    """
    objects, boxes, present = (condition(scenes, n) for n in ("objects", "boxes", "present"))
    reader = judge or ThingJudge.load()

    def measure(shown: Tensor, order: Tensor) -> Tensor:
        things, hues = reader.read(shown, boxes[order], present[order])
        right = things == objects[order]
        if colours is not None:
            right &= hues == colours[order]
        hits = right & present[order]
        return torch.stack([hits.sum(1), present[order].sum(1)], dim=1).double()

    what = "class" if colours is None else "class and colour"
    protocol = f"boxes in which thing_judge reads the {what} asked for; bootstrap over pictures"
    return score(measure, share, pictures, scenes.images, protocol=protocol)


def box_recall(pictures: Tensor, scenes: SceneBatch, judge: SceneJudge | None = None) -> Score:
    """Share of the layout's boxes that a detector finds: the class asked for, at an IoU of 0.5."""
    objects, boxes, present = (condition(scenes, n) for n in ("objects", "boxes", "present"))
    reader = judge or SceneJudge.load()

    def measure(shown: Tensor, order: Tensor) -> Tensor:
        hits = recall(reader.boxes(shown), objects[order], boxes[order], present[order])
        return torch.stack([hits.sum(1), present[order].sum(1)], dim=1).double()

    protocol = "boxes found by scene_judge at IoU 0.5 with their class; bootstrap over pictures"
    return score(measure, share, pictures, scenes.images, protocol=protocol)
