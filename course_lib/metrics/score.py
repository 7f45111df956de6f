"""A score is never a bare number: with it come interval, floor, ceiling and protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape

import torch
from torch import Tensor

from course_lib.data.storybook import CLASSES
from course_lib.errors import CourseError
from course_lib.scene import SceneBatch

__all__ = [
    "Score",
    "bootstrap",
    "condition",
    "enough",
    "fixed_chance",
    "matched",
    "score",
    "wilson",
]

DRAWS = 200  # of the bootstrap


@dataclass(frozen=True)
class Score:
    """A measured value, and what is needed to judge it.

    Attributes:
        value: the measure.
        interval: 95 % confidence interval of ``value``.
        n: how many samples it was measured on.
        floor: the same measure of something worthless.
        ceiling: the same measure of real pictures: more cannot be expected.
        protocol: how it was measured, in a sentence.
        floor_of, ceiling_of: what floor and ceiling were measured on.
    """

    value: float
    interval: tuple[float, float]
    n: int
    floor: float
    ceiling: float
    protocol: str
    floor_of: str = "shuffled conditions"
    ceiling_of: str = "real pictures"

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.value:.3g} [{low:.3g}, {high:.3g}] of {self.n:,}; "
            f"floor {self.floor:.3g} ({self.floor_of}), "
            f"ceiling {self.ceiling:.3g} ({self.ceiling_of}); {self.protocol}"
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        low, high = self.interval
        return (
            f"<b>{self.value:.3g}</b> <small>[{low:.3g}, {high:.3g}] of {self.n:,}</small> "
            f"&nbsp; floor {self.floor:.3g} <small>({escape(self.floor_of)})</small>, "
            f"ceiling {self.ceiling:.3g} <small>({escape(self.ceiling_of)})</small>"
            f"<br><small>{escape(self.protocol)}</small>"
        )


def enough(n: int, least: int, what: str) -> None:
    """Raises a :class:`CourseError` if ``n`` samples are too few to say anything."""
    if n < least:
        raise CourseError(
            f"{n} samples are too few, {what} needs at least {least}",
            where="n",
            fix="paint more pictures",
        )


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: ``hits`` of ``n`` independent samples."""
    z, share = 1.96, hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def bootstrap(statistic: Callable[[Tensor], float], rows: Tensor) -> tuple[float, float]:
    """95 % interval of ``statistic(rows)``, from samples of the rows ``[N, ...]`` put back."""
    dice = torch.Generator().manual_seed(0)
    draws = [torch.randint(len(rows), (len(rows),), generator=dice) for _ in range(DRAWS)]
    values = sorted(statistic(rows[draw.to(rows.device)]) for draw in draws)
    return values[round(0.025 * DRAWS)], values[round(0.975 * DRAWS) - 1]


def shuffled(n: int) -> Tensor:
    """An order of ``n`` conditions in which none is at its own place: one random cycle."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    return torch.empty_like(order).index_copy_(0, order, order.roll(1))


@contextmanager
def fixed_chance() -> Iterator[None]:
    """The same draws every time, and none taken from the caller's stream."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def score(
    statistic: Callable[[Tensor], float],
    rows: Tensor,
    floor: Tensor,
    ceiling: Tensor,
    protocol: str,
) -> Score:
    """The score of ``statistic``, which makes a value of a row for each picture.

    Args:
        rows: ``[N, ...]``, of the pictures and their conditions.
        floor: of the pictures and shuffled conditions.
        ceiling: of the conditions' real pictures.
    """
    interval = bootstrap(statistic, rows)
    ends = statistic(floor), statistic(ceiling)
    return Score(statistic(rows), interval, len(rows), *ends, protocol)


def matched(pictures: Tensor, scenes: SceneBatch, least: int = 50) -> Tensor:
    """Checks that each scene has a picture, and there are enough; returns the floor's order."""
    enough(len(pictures), least, "this score")
    if len(pictures) != len(scenes):
        raise CourseError(f"{len(pictures)} pictures for {len(scenes)} scenes", where="pictures")
    return shuffled(len(pictures))


def condition(scenes: SceneBatch, name: str) -> Tensor:
    """What the painter was told, ``"label_maps"`` for instance.

    Raises:
        CourseError: the scenes lack it, or have other classes than the judges know.
    """
    value: Tensor | None = getattr(scenes, name)
    if value is None:
        raise CourseError(f"these scenes have no {name}", where="scenes")
    if scenes.classes is not None and scenes.classes.names != CLASSES.names:
        raise CourseError("these scenes have classes of their own; the judges know Storybook's",
                          where="scenes")  # fmt: skip
    return value
