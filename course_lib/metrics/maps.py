"""Segmentation consistency: does the judge of maps read the label map back?"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from course_lib.judges.pages import SIZE
from course_lib.judges.scenes import SceneJudge, confusion, mean_iou
from course_lib.metrics.score import Score, condition, matched, score
from course_lib.scene import SceneBatch

__all__ = ["map_iou", "pixel_accuracy"]


def map_iou(pictures: Tensor, scenes: SceneBatch, judge: SceneJudge | None = None) -> Score:
    """Mean IoU of the classes that occur, between the map read and the map asked for."""
    return _agreement(mean_iou, "mean IoU of label maps", pictures, scenes, judge)


def pixel_accuracy(pictures: Tensor, scenes: SceneBatch, judge: SceneJudge | None = None) -> Score:
    """Share of pixels at which the class asked for is read."""

    def accuracy(counts: Tensor) -> float:
        return (counts.diagonal().sum() / counts.sum()).item()

    return _agreement(accuracy, "pixels of the class asked for", pictures, scenes, judge)


def _agreement(
    statistic: Callable[[Tensor], float],
    what: str,
    pictures: Tensor,
    scenes: SceneBatch,
    judge: SceneJudge | None,
) -> Score:
    wanted, reader = condition(scenes, "label_maps"), judge or SceneJudge.load()
    maps = F.interpolate(wanted[:, None].float(), size=(SIZE, SIZE), mode="nearest-exact")
    maps = maps[:, 0].long()
    order, seen = matched(pictures, scenes), reader.read(pictures).label_maps
    return score(
        lambda rows: statistic(rows.sum(0)),
        confusion(seen, maps),
        confusion(seen, maps[order]),
        confusion(reader.read(scenes.images).label_maps, maps),
        protocol=f"{what}, read by scene_judge at {SIZE} px; bootstrap over pictures",
    )
