"""Which scenes a round sees, and by which chances they vary: functions of the seed alone.

So resuming needs no state, and it does not matter who reads the scenes.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["batch_indices", "chance_of"]


def batch_indices(count: int, batch_size: int, seed: int, round: int) -> Tensor:
    """The ``batch_size`` indices of ``round``: ``[B]``, int64.

    Every epoch goes through the ``count`` scenes in an order of its own; the few that do not fill a
    batch are left out, others in each epoch.
    """
    epoch, place = divmod(round, count // batch_size)
    return epoch_order(count, seed, epoch)[place * batch_size : (place + 1) * batch_size]


@lru_cache(maxsize=2)
def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of ``0 .. count - 1`` that depends on ``(seed, epoch)`` alone."""
    mixed = (seed * 1_000_003 + epoch * 7_919 + 1) % 2**63
    return torch.randperm(count, generator=torch.Generator().manual_seed(mixed))


def chance_of(seed: int, epoch: int, index: int) -> torch.Generator:
    """What augmentation draws from: it depends on ``(seed, epoch, index)`` alone.

    Neither the number of workers nor the round at which a run was resumed can change it.
    """
    digest = hashlib.blake2b(f"{seed} {epoch} {index}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
