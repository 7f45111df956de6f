"""Diversity: do pictures differ from each other as much as real ones do?"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.metrics.features import FeatureNet
from course_lib.metrics.lpips import LPIPS
from course_lib.metrics.score import DRAWS, Score, bootstrap, enough

__all__ = ["diversity", "diversity_score"]


def diversity(pictures: Tensor, real: Tensor, network: FeatureNet | None = None) -> Score:
    """Mean distance of two pictures' features, as a multiple of that of two real pictures."""
    enough(len(pictures), 50, "diversity")
    enough(len(real), 50, "diversity, of real pictures,")
    eyes = network or FeatureNet.load()
    with torch.no_grad():
        painted, true = (torch.cat([eyes(p) for p in x.split(250)]) for x in (pictures, real))
    among = torch.cdist(true, true)
    unit = among.sum().item() / (len(true) * (len(true) - 1))
    own = torch.cdist(painted, painted)

    def mean(pick: Tensor) -> float:
        """Over pairs of different pictures; a picture drawn twice is no pair."""
        other = pick[:, None] != pick
        return (own[pick][:, pick][other].mean() / unit).item()

    dice = torch.Generator().manual_seed(0)
    n = len(painted)
    values = sorted(mean(torch.randint(n, (n,), generator=dice)) for _ in range(DRAWS))
    half = among[::2, ::2]
    return Score(
        mean(torch.arange(n)),
        (values[round(0.025 * DRAWS)], values[round(0.975 * DRAWS) - 1]),
        n,
        0.0,
        half.sum().item() / (len(half) * (len(half) - 1)) / unit,
        "mean pairwise distance of feature_net's 64 features, painted / real; bootstrap",
        floor_of="one picture again and again",
        ceiling_of="half of the real pictures",
    )


def diversity_score(
    one: Tensor,
    other: Tensor,
    real: tuple[Tensor, Tensor] | None = None,
    network: LPIPS | None = None,
) -> Score:
    """How far two pictures of the same layout are from each other: more is more diverse.

    Args:
        one, other: pictures of the same layouts with other styles, ``[N, 3, H, W]``.
        real: two real pictures of each layout, as Storybook can draw them; they set the ceiling.
        network: ``LPIPS.load()``, the papers' measure; None for distances of the course's own
            features: *course-DS*, to be compared with no paper's.
    """
    enough(len(one), 20, "the diversity score")
    if one.shape != other.shape:
        raise CourseError(f"{list(one.shape)} and {list(other.shape)}", where="diversity_score")
    name = "DS: LPIPS 0.1 (AlexNet)" if network else "course-DS: distance of 64 features"
    eyes = FeatureNet.load()

    @torch.no_grad()
    def distances(a: Tensor, b: Tensor) -> Tensor:
        pairs = zip(a.split(50), b.split(50), strict=True)
        if network is not None:
            return torch.cat([network(x, y) for x, y in pairs])
        return torch.cat([(eyes(x) - eyes(y)).norm(dim=1) for x, y in pairs])

    def mean(rows: Tensor) -> float:
        return rows.mean().item()

    own = distances(one, other)
    return Score(
        mean(own),
        bootstrap(mean, own),
        len(own),
        0.0,
        mean(distances(*real)) if real else float("nan"),
        f"{name} between two pictures of a layout; bootstrap over layouts",
        floor_of="the same picture twice",
        ceiling_of="two real pictures of a layout" if real else "unknown",
    )
