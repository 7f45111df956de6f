"""What a picture is made of, and how a batch of it travels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["SceneBatch", "Source"]


@dataclass(frozen=True)
class SceneBatch:
    """A batch of scenes on one device.

    Attributes:
        images: ``[B, C, H, W]``, floats in [-1, 1].
        labels: ``[B]`` class ids of whole pictures (the digit that was written), if there are any.
    """

    images: Tensor
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> SceneBatch:
        """The same batch on another device."""
        labels = None if self.labels is None else self.labels.to(device)
        return SceneBatch(self.images.to(device), labels)


class Source(Protocol):
    """Where scenes come from: any number of them, told apart by an index."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def __len__(self) -> int: ...

    def batch(self, indices: Tensor) -> SceneBatch:
        """The scenes with these indices (``[B]``, int64), in this order."""
