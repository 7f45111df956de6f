"""How much memory a round takes: counted while small ones are rehearsed.

Some of it is taken for as long as training lasts: weights, Adam's two moments for each of them, and
averages. The rest comes and goes with a round: gradients, and the activations that the backward
pass needs, which grow with the batch::

    bytes(batch) = standing + batch * per_scene
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from course_lib.memory.spare import Buffers, in_precision, networks, squeezed
from course_lib.objective import Objective, TrainConfig
from course_lib.scene import Source

__all__ = ["Need", "Tally", "estimate_memory", "peak_memory", "rehearse"]

MARGIN = 1.1  # an operation needs room to work in, and a GPU's memory is handed out in blocks


@dataclass(frozen=True)
class Need:
    """The bytes that training takes, as a straight line over the size of the batch."""

    standing: float
    per_scene: float

    def at(self, scenes: int) -> int:
        """Bytes with so many scenes at a time."""
        return round(self.standing + scenes * self.per_scene)


def estimate_memory(
    objective: Objective, source: Source, config: TrainConfig | None = None
) -> Need:
    """What training needs, from two rehearsed rounds; the objective is left as it was.

    Args:
        config: how memory is spared (precision, checkpointing, offload); default: the objective's.
    """
    few, more = (rehearse(objective, source, config, count) for count in (4, 8))
    per_scene = (more - few) / 4
    return Need(few - 4 * per_scene, per_scene)


def rehearse(objective: Objective, source: Source, config: TrainConfig | None, count: int) -> int:
    """Plays a round of ``count`` scenes in which nobody moves; returns the bytes that it took."""
    config = config or objective.config
    device = next(networks(objective)[0].parameters()).device
    scenes = source.batch(torch.arange(count) % len(source)).to(device)
    before = [Buffers(network) for network in networks(objective)]
    tally = Tally(networks(objective), device)
    try:
        with squeezed(objective, config), in_precision(device, config.precision), tally:
            objective.round(scenes, Rehearsal(objective))
    finally:
        for network, buffers in zip(networks(objective), before, strict=True):
            buffers.put_back()  # what batch norm and spectral norm have noted
            network.zero_grad(set_to_none=True)
    return round(MARGIN * (standing_bytes(objective) + tally.peak))


def standing_bytes(objective: Objective) -> int:
    """Weights, Adam's two moments and averages of the players; weights of the frozen."""
    total = sum(map(_bytes, objective.frozen.values()))
    for player in objective.players.values():
        copies = 4 if player.averaged and objective.config.ema else 3
        total += copies * _bytes(player.module)
    return total


def _bytes(module: nn.Module) -> int:
    return sum(value.nbytes for value in module.state_dict().values())


class Rehearsal:
    """A ``step`` that computes gradients, and stops there."""

    round = 0  # has every penalty that comes seldom

    def __init__(self, objective: Objective) -> None:
        self.players = objective.players

    def __call__(self, player: str, loss: Tensor, **figures: Tensor) -> None:
        with torch.autocast(loss.device.type, enabled=False):
            loss.backward(inputs=list(self.players[player].module.parameters()))


class Tally(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive at the same time, operation by operation.

    On every device alike it sees what the forward and the backward pass make, gradients too; not
    what one operation needs while it runs.
    """

    def __init__(self, standing: Iterable[nn.Module], device: torch.device) -> None:
        super().__init__()
        self.kind, self.now, self.peak = device.type, 0, 0
        values = [value for m in standing for value in (*m.parameters(), *m.buffers())]
        self._alive = {value.untyped_storage()._cdata for value in values}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor) and value.device.type == self.kind:
                self._note(value.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self._alive:
            return
        self._alive.add(storage._cdata)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())

    def _forget(self, which: int, size: int) -> None:
        self._alive.discard(which)
        self.now -= size


def peak_memory(device: torch.device) -> int:
    """The most bytes that were taken so far; 0 where the system does not say.

    On a GPU by all tensors since its statistics were last reset. Else by the whole process since it
    began: Python, torch and the scenes in memory included.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
