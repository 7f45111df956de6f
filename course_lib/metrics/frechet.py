"""How far are painted pictures from real ones, as crowds of features? FID, KID, Inception score.

The mathematics is torchmetrics'. ``features="course"`` are those of
:class:`~course_lib.metrics.features.FeatureNet`: they need no download, and scores in them are
called *course-FID*, since no paper's can be compared with them. ``"inception"`` are the papers'.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from course_lib.errors import CourseError, suggestion
from course_lib.judges.canvases import CanvasJudge
from course_lib.judges.spoil import shuffled
from course_lib.metrics.features import NAME, THINGS, FeatureNet
from course_lib.metrics.inception import inception_features
from course_lib.metrics.score import Score, enough, fixed_chance

__all__ = ["fid", "inception_score", "kid"]

Features = Literal["course", "inception"]
Readers = Literal["course", "digits", "inception"]  # who names what is on a picture
READERS = {
    "course": "course-IS (the largest thing",
    "digits": "digits-IS (canvas_judge's digits or none",
    "inception": "IS (Inception",
}
SUBSET = 100  # pictures in each of KID's subsets


class Ready(nn.Module):
    """Hands on features that were computed before: torchmetrics wants a network."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def features_of(pictures: Tensor, kind: Features) -> tuple[Tensor, Tensor]:
    """Features and logits of pictures ``[N, 3, H, W]``: ``[N, 64]`` and ``[N, 18]`` of ours."""
    if kind == "inception":
        return inception_features(pictures)
    if kind != "course":
        raise CourseError(f"unknown {kind!r}; {suggestion(kind, ('course', 'inception'))}",
                          where="features")  # fmt: skip
    network = FeatureNet.load()
    with torch.no_grad():
        features = torch.cat([network(part) for part in pictures.split(250)])
        start = sum(network.answer_sizes[:3])
        return features, network.to_answers(features)[:, start : start + THINGS + 1]


def tiles_shuffled(pictures: Tensor) -> Tensor:
    """The same pictures, each cut into 16 tiles that change places: worthless, colours and all."""
    with fixed_chance():
        return shuffled(pictures)


@contextmanager
def _quietly() -> Iterator[None]:
    """By a chance of its own, without warnings of memory and of a deviation that nobody reads."""
    with warnings.catch_warnings(), fixed_chance():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _metric(name: str, num_features: int, **options: int) -> Any:
    """A metric of torchmetrics, for features that are ready."""
    try:
        from torchmetrics.image import fid, inception, kid
    except ImportError:
        raise CourseError(f"{name} needs torchmetrics", fix="pip install torchmetrics") from None
    kinds = {
        "FID": fid.FrechetInceptionDistance,
        "KID": kid.KernelInceptionDistance,
        "the Inception score": inception.InceptionScore,
    }
    return kinds[name](Ready(num_features), **options)


def fid_of(painted: Tensor, real: Tensor) -> float:
    """Fréchet distance of two Gaussians with the features' means and covariances."""
    with _quietly():
        metric = _metric("FID", painted.shape[1])
        metric.set_dtype(torch.float64)
        metric.update(real.double(), real=True)
        metric.update(painted.double(), real=False)
        return metric.compute().item()


def kid_of(painted: Tensor, real: Tensor) -> float:
    """Squared maximum mean discrepancy of the features, with a cubic kernel, without bias."""
    size = min(SUBSET, len(painted), len(real))
    with _quietly():
        metric = _metric("KID", painted.shape[1], subsets=20, subset_size=size)
        metric.update(real, real=True)
        metric.update(painted, real=False)
        return metric.compute()[0].item()


def inception_score_of(logits: Tensor) -> float:
    """exp of the mean KL divergence of a picture's classes from the classes of all."""
    with _quietly():
        metric = _metric("the Inception score", logits.shape[1], splits=1)
        metric.update(logits)
        return metric.compute()[0].item()


def fid(pictures: Tensor, real: Tensor, features: Features = "course") -> Score:
    """Fréchet inception distance (Heusel et al., 2017): less is better.

    Its value falls with the number of pictures, so compare scores of the same ``n`` only. Half of
    the real pictures are what is compared with, the other half gives the ceiling.
    """
    return _distance("FID", fid_of, pictures, real, features, 256 if features == "course" else 2048)


def kid(pictures: Tensor, real: Tensor, features: Features = "course") -> Score:
    """Kernel inception distance (Bińkowski et al., 2018): less is better; also for few pictures."""
    return _distance("KID", kid_of, pictures, real, features, 100)


def _distance(
    name: str,
    distance: Callable[[Tensor, Tensor], float],
    pictures: Tensor,
    real: Tensor,
    kind: Features,
    least: int,
) -> Score:
    n = min(len(pictures), len(real) // 2)  # the same for value, floor and ceiling
    enough(len(pictures), least, f"{name} in {kind} features")
    enough(len(real), 2 * least, f"{name} in {kind} features, of real pictures,")
    parts = (pictures[:n], real[::2][:n], real[1::2][:n], tiles_shuffled(real[1::2][:n]))
    painted, reference, other, spoilt = (features_of(part, kind)[0] for part in parts)
    value = distance(painted, reference)
    draws = 30 if kind == "course" else 5  # each takes a minute with 2,048 features
    source = f"{NAME}, {painted.shape[1]}" if kind == "course" else "Inception, 2048"
    return Score(
        value,
        _interval(lambda rows: distance(rows, reference), painted, value, draws),
        n,
        distance(spoilt, reference),
        distance(other, reference),
        f"{'course-' if kind == 'course' else ''}{name} ({source} features) against {n:,} real "
        "pictures; less is better; centred bootstrap over painted pictures",
        floor_of="real pictures, their tiles shuffled",
        ceiling_of="other real pictures",
    )


def answers_of(pictures: Tensor, reader: Readers) -> Tensor:
    """Logits of what is on the pictures: ``[N, classes]``."""
    if reader == "digits":
        return CanvasJudge.load().look(pictures)[0].clamp(min=1e-8).log()
    return features_of(pictures, reader)[1]


def inception_score(pictures: Tensor, real: Tensor, features: Readers = "course") -> Score:
    """Inception score (Salimans et al., 2016): more is better, the number of classes at most.

    Ours has 18 classes of Storybook's things; ``"digits"`` has 11, for chapter 03's canvases.
    """
    enough(len(pictures), 100, "the Inception score")
    shown, true = answers_of(pictures, features), answers_of(real, features)
    value = inception_score_of(shown)
    return Score(
        value,
        _interval(inception_score_of, shown, value, 40),
        len(pictures),
        inception_score_of(answers_of(tiles_shuffled(pictures), features)),
        inception_score_of(true),
        f"{READERS[features]}, "
        f"{shown.shape[1]} classes), one split; more is better; centred bootstrap over pictures",
        floor_of="the same pictures, their tiles shuffled",
    )


def _interval(
    statistic: Callable[[Tensor], float], rows: Tensor, value: float, draws: int
) -> tuple[float, float]:
    """The bootstrap's spread around the value; its mean is off, as doubled rows come closer."""
    dice = torch.Generator().manual_seed(0)
    picks = (torch.randint(len(rows), (len(rows),), generator=dice) for _ in range(draws))
    values = torch.tensor([statistic(rows[pick]) for pick in picks])
    reach = 1.96 * values.std().item()
    return value - reach, value + reach
