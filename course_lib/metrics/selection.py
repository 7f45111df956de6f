"""Which of a run's painters to keep: the one whose samples come closest to real pictures.

It chooses between states of one run, by few pictures, and so is no measurement to report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from course_lib.metrics.frechet import features_of, kid_of
from course_lib.objective import Objective
from course_lib.scene import Source

__all__ = ["closeness"]

REAL = 256  # pictures to compare with


def closeness(objective: Objective, source: Source) -> Callable[[Mapping[str, nn.Module]], float]:
    """What ``train(score=...)`` asks: minus the KID of the preview to real pictures.

    In the offline features of :mod:`course_lib.metrics.features`; 0 is the best that can be
    expected.

    Raises:
        CourseError: torchmetrics is not installed.
    """
    pictures = source.batch(torch.arange(min(REAL, len(source)))).images
    real = _features(pictures)
    kid_of(real, real)  # what is missing shows now, not after the first rounds

    def score(players: Mapping[str, nn.Module]) -> float:
        return -kid_of(_features(objective.preview(players).cpu()), real)

    return score


def _features(pictures: Tensor) -> Tensor:
    return features_of(pictures.expand(-1, 3, -1, -1), "course")[0]  # grey ones, too
