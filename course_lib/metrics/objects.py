"""Scores of painted objects: are they like real ones, and can one learn their classes by them?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.judges.study import block, study
from course_lib.metrics.frechet import Features, fid
from course_lib.metrics.score import Score, enough, fixed_chance, wilson
from course_lib.nn.regions import region_features
from course_lib.scene import SceneBatch

__all__ = ["classification_accuracy", "crops", "scene_fid"]

CROP = 32  # side in pixels of what a classifier learns from, as published


def crops(pictures: Tensor, scenes: SceneBatch, side: int) -> tuple[Tensor, Tensor]:
    """Every object as a square, and its class id: ``[N, 3, side, side]`` and ``[N]``."""
    boxes, objects, present = scenes.boxes, scenes.objects, scenes.present
    if boxes is None or objects is None or present is None or len(pictures) != len(scenes):
        raise CourseError(
            f"{len(pictures)} pictures need as many scenes with boxes", where="scenes"
        )
    number = present.nonzero()[:, 0]
    cut = region_features(pictures, boxes[present], number, side, aligned=True, samples=2)
    return cut, objects[present]


def scene_fid(pictures: Tensor, scenes: SceneBatch, features: Features = "course") -> Score:
    """SceneFID (Sylvain et al., 2021): the FID of all objects, cut out of pictures and scenes.

    As crops of 224 pixels in Inception's features, or of 64 in the course's: *course-SceneFID*.
    """
    side = 64 if features == "course" else 224
    (painted, _), (real, _) = crops(pictures, scenes, side), crops(scenes.images, scenes, side)
    score = fid(painted, real, features)
    return replace(score, protocol=score.protocol.replace("FID", "SceneFID, objects cut out,", 1))


class CropNet(nn.Sequential):
    """A small classifier of crops: ``[N, 3, 32, 32]`` -> ``[N, classes]``."""

    def __init__(self, classes: int) -> None:
        pool = nn.MaxPool2d(2)
        super().__init__(
            block(3, 24), pool, block(24, 48), pool, block(48, 96), pool,
            nn.Flatten(), nn.Linear(96 * 16, classes),
        )  # fmt: skip


def classification_accuracy(
    pictures: Tensor,
    scenes: SceneBatch,
    unseen: SceneBatch,
    *,
    network: Callable[[int], nn.Module] | None = None,
    steps: int = 300,
) -> Score:
    """Classification accuracy score (Ravuri and Vinyals, 2019): learnt on painted, tried on real.

    A classifier studies painted objects, cut out of ``pictures`` as 32 x 32 pixels, and is asked
    for the classes of real ones. More is better. The papers' classifier is a ResNet-101; the
    course's is small and its score is called *course-CAS*.

    Args:
        scenes: whose layouts were painted; the ceiling is learnt on their real objects.
        unseen: other scenes, whose objects are asked for.
        network: makes another classifier from a number of classes,
            ``torchvision.models.resnet101(num_classes=...)``.
    """
    (real, truth), own = crops(unseen.images, unseen, CROP), crops(pictures, scenes, CROP)
    enough(len(own[0]), 100, "the classification accuracy score, of painted objects,")
    enough(len(real), 100, "the classification accuracy score, of real objects,")
    classes = int(torch.cat([truth, own[1]]).max()) + 1
    ends = []
    for shown, kinds in (own, crops(scenes.images, scenes, CROP)):
        with fixed_chance():  # the same first weights and draws for both
            learnt = _learnt((network or CropNet)(classes), shown, kinds, steps)
        with torch.no_grad():
            said = torch.cat([learnt(part).argmax(dim=1) for part in real.split(250)])
        ends.append((said == truth).float().mean().item())
    name = "CAS, another classifier," if network else "course-CAS, a small classifier,"
    return Score(
        ends[0],
        wilson(ends[0] * len(real), len(real)),
        len(real),
        truth.bincount().max().item() / len(real),
        ends[1],
        f"{name} learnt on {len(own[0]):,} painted objects, right on real ones; Wilson",
        floor_of="the most frequent class",
        ceiling_of="learnt on real objects",
    )


def _learnt(network: nn.Module, shown: Tensor, kinds: Tensor, steps: int) -> nn.Module:
    def loss(step: int) -> Tensor:
        picked = torch.randint(len(shown), (64,))
        return F.cross_entropy(network(shown[picked]).float(), kinds[picked])

    return study(network, loss, steps, lr=2e-3)
