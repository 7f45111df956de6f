"""Recall of things: is what the layout asks for in its box, and does a detector find it there?"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.judges.boxes import Found, recall
from course_lib.judges.scenes import SceneJudge
from course_lib.judges.things import ThingJudge
from course_lib.metrics.score import Score, condition, matched, score
from course_lib.scene import SceneBatch

__all__ = ["box_recall", "thing_recall"]


def share(rows: Tensor) -> float:
    """Hits by chances, from rows of both ``[N, 2]``."""
    hits, chances = rows.sum(0).tolist()
    return hits / max(chances, 1)


def counted(hits: Tensor, chances: Tensor) -> Tensor:
    """Hits and chances of each picture, from ``[N, O]`` of both: ``[N, 2]``."""
    return torch.stack([hits.sum(1), chances.sum(1)], dim=1).double()


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

    def rows(shown: Tensor, order: Tensor) -> Tensor:
        things, hues = reader.read(shown, boxes[order], present[order])
        right = things == objects[order]
        if colours is not None:
            right &= hues == colours[order]
        return counted(right & present[order], present[order])

    order, own = matched(pictures, scenes), torch.arange(len(pictures))
    what = "class" if colours is None else "class and colour"
    protocol = f"boxes in which thing_judge reads the {what} asked for; bootstrap over pictures"
    three = rows(pictures, own), rows(pictures, order), rows(scenes.images, own)
    return score(share, *three, protocol)


def box_recall(pictures: Tensor, scenes: SceneBatch, judge: SceneJudge | None = None) -> Score:
    """Share of the layout's boxes that a detector finds: the class asked for, at an IoU of 0.5."""
    objects, boxes, present = (condition(scenes, n) for n in ("objects", "boxes", "present"))
    reader = judge or SceneJudge.load()

    def rows(found: Found, order: Tensor) -> Tensor:
        hits = recall(found, objects[order], boxes[order], present[order])
        return counted(hits, present[order])

    order, own = matched(pictures, scenes), torch.arange(len(pictures))
    seen, real = reader.read(pictures).found, reader.read(scenes.images).found
    protocol = "boxes found by scene_judge at IoU 0.5 with their class; bootstrap over pictures"
    return score(share, rows(seen, own), rows(seen, order), rows(real, own), protocol)
