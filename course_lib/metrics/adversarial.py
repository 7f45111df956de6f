"""Adversarial accuracy and divergence: what does a classifier learn from painted pictures?

Yang et al., LR-GAN, ICLR 2017, section 4.2. A classifier ``p_s(y | x)`` is trained on painted
pictures and another, ``p_r(y | x)``, on real ones; both see real pictures that neither has studied.
The first one's accuracy is the *adversarial accuracy*; ``E_x KL(p_s || p_r)`` is the *adversarial
divergence*. Pictures must be right and varied: a few perfect ones teach little.

Painted pictures need labels. The paper trains a generator for each class; a painter without
classes can be given the answers of a judge, and then the judge is part of the protocol.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.judges.study import block, study
from course_lib.metrics.score import Score, bootstrap, enough, fixed_chance

__all__ = ["adversarial_scores"]

Labelled = tuple[Tensor, Tensor]  # pictures [N, C, H, W] in [-1, 1] and labels [N]


def adversarial_scores(
    painted: Labelled, real: Labelled, unseen: Labelled, *, steps: int = 300, labels_by: str
) -> dict[str, Score]:
    """``accuracy`` and ``divergence`` with the same number of painted and real pictures.

    Args:
        painted, real: what the two classifiers study.
        unseen: real pictures on which both are measured.
        steps: of each classifier's training, 64 pictures a step.
        labels_by: who labelled the painted pictures, for the protocol.
    """
    count = min(len(painted[0]), len(real[0]))
    enough(count, 200, "adversarial accuracy")
    if painted[0].shape[1:] != real[0].shape[1:]:
        shapes = list(painted[0].shape[1:]), list(real[0].shape[1:])
        raise CourseError(f"painted pictures are {shapes[0]}, real ones {shapes[1]}")
    classes = int(max(labels.max() for _, labels in (painted, real, unseen))) + 1
    pictures, answers = painted[0][:count], painted[1][:count]
    guesses = answers[torch.randperm(count, generator=torch.Generator().manual_seed(0))]
    lessons = [(pictures, answers), (pictures, guesses), (real[0][:count], real[1][:count])]
    taught, misled, truly = (_taught(lesson, classes, steps, unseen[0]) for lesson in lessons)
    again = _taught(lessons[-1], classes, steps, unseen[0], seed=1)
    protocol = (
        f"classifiers of {steps} steps on {count:,} pictures each, measured on {len(unseen[0]):,} "
        f"real ones; painted pictures labelled by {labels_by}"
    )
    right = [_right(log, unseen[1]) for log in (taught, misled, truly)]
    apart = [_divergence(log, truly) for log in (taught, misled, again)]
    return {
        "accuracy": _score(right, protocol),
        "divergence": _score(apart, f"{protocol}; mean KL in nats, less is better"),
    }


def _score(parts: list[Tensor], protocol: str) -> Score:
    rows, floor, ceiling = parts

    def mean(values: Tensor) -> float:
        return values.mean().item()

    return Score(
        mean(rows),
        bootstrap(mean, rows),
        len(rows),
        mean(floor),
        mean(ceiling),
        protocol,
        floor_of="painted pictures with shuffled labels",
        ceiling_of="a classifier taught by real pictures",
    )


def _right(log_chances: Tensor, labels: Tensor) -> Tensor:
    return (log_chances.argmax(dim=1) == labels).float()


def _divergence(log_s: Tensor, log_r: Tensor) -> Tensor:
    """``KL(p_s || p_r)`` of each picture: ``[N]``."""
    return (log_s.exp() * (log_s - log_r)).sum(dim=1)


def _taught(lesson: Labelled, classes: int, steps: int, unseen: Tensor, seed: int = 0) -> Tensor:
    """``log p(y | x)`` of ``unseen`` by a classifier that studied a lesson: ``[N, classes]``."""
    pictures, labels = lesson
    with fixed_chance():
        torch.manual_seed(seed)
        network = _classifier(pictures.shape[1], classes)

        def loss(step: int) -> Tensor:
            which = torch.randint(len(pictures), (64,))
            return F.cross_entropy(network(pictures[which]).float(), labels[which])

        study(network, loss, steps, lr=3e-3)
    with torch.no_grad():
        logits = torch.cat([network(part).float() for part in unseen.split(250)])
    return logits.log_softmax(dim=1)


def _classifier(channels: int, classes: int) -> nn.Sequential:
    pool = nn.MaxPool2d(2)
    trunk = [block(channels, 24), pool, block(24, 48), pool, block(48, 96), nn.AdaptiveMaxPool2d(2)]
    return nn.Sequential(*trunk, nn.Flatten(), nn.Linear(96 * 4, classes))
