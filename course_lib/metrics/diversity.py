"""Diversity: do pictures differ from each other as much as real ones do?"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.metrics.features import FeatureNet
from course_lib.metrics.score import DRAWS, Score, enough

__all__ = ["diversity"]


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
