"""Which scenes a round sees, and by which chances they vary: functions of the seed alone.

So resuming needs no state, and it does not matter who reads the scenes.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["batch_indices", "chance_of", "epoch_length"]


def batch_indices(scenes: int | Tensor, batch_size: int, seed: int, round: int) -> Tensor:
    """The ``batch_size`` indices of ``round``: ``[B]``, int64.

    Every epoch goes through the scenes in an order of its own; the few that do not fill a batch are
    left out, others in each epoch.

    Args:
        scenes: how many there are; or the group of each, ``[N]``: batches are then of one group.
    """
    epoch, place = divmod(round, epoch_length(scenes, batch_size))
    if isinstance(scenes, Tensor):
        return grouped_order(scenes, batch_size, seed, epoch)[place]
    return epoch_order(scenes, seed, epoch)[place * batch_size : (place + 1) * batch_size]


def epoch_length(scenes: int | Tensor, batch_size: int) -> int:
    """How many whole batches an epoch has."""
    sizes = torch.tensor(scenes) if isinstance(scenes, int) else scenes.bincount()
    return int((sizes // batch_size).sum())


@lru_cache(maxsize=2)
def grouped_order(groups: Tensor, batch_size: int, seed: int, epoch: int) -> Tensor:
    """An epoch's batches, each of one group, the groups in any order: ``[batches, B]``."""
    order = epoch_order(len(groups), seed, epoch)
    members = [order[groups[order] == group] for group in groups.unique()]
    whole = [some[: len(some) // batch_size * batch_size] for some in members]
    batches = torch.cat(whole).view(-1, batch_size)
    return batches[epoch_order(len(batches), seed, epoch)]


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
