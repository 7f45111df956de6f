"""Which painter of a run is kept: pictures like the data's come closer than others."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from course_lib.data.sources import open_source
from course_lib.metrics.selection import closeness


@pytest.fixture(scope="module")
def score() -> Any:
    """Of a painter whose preview is what it is given: ``score({"G": pictures})``."""

    def preview(players: Mapping[str, nn.Module]) -> Tensor:
        return torch.as_tensor(players["G"])

    game: Any = SimpleNamespace(preview=preview)
    return closeness(game, open_source("digits", 32))


def test_real_pictures_are_closest(score: Any) -> None:
    real = open_source("digits", 32).batch(torch.arange(300, 364)).images
    noise = torch.rand(real.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    near = score({"G": real})
    assert near > score({"G": (0.7 * real + 0.3 * noise)}) > score({"G": noise})
    assert near > -5  # 0 is the best that can be expected


def test_asking_twice_gives_the_same(score: Any) -> None:
    real = open_source("digits", 32).batch(torch.arange(300, 364)).images
    assert score({"G": real}) == score({"G": real})
