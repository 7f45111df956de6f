"""Multiplications and megabytes as the published layer tables count them.

The tables were printed by an older tool than today's torchinfo, with rules of its own:

* multiplications of *one* sample; biases are free; a batch norm counts its gains once, whatever
  the size of the map; a module with layers inside counts their weights once more;
* the input is the *first* tensor alone, with the whole batch; activations are those of one sample,
  twice (forward and backward), of layers that have parameters; a megabyte has 2^20 bytes.

So its "estimated total" adds a batch to a single sample. The figures are worth having in order to
know that a network is the published one, not as estimates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["PublishedCounts", "published_counts"]

MEGABYTE = 2**20
FLOAT = 4  # bytes


@dataclass(frozen=True)
class PublishedCounts:
    """The last lines of a published table."""

    mult_adds: int  # of one sample
    input_mb: float
    passes_mb: float  # forward and backward
    params_mb: float

    @property
    def total_mb(self) -> float:
        return self.input_mb + self.passes_mb + self.params_mb


def published_counts(
    network: nn.Module, *shapes: tuple[int, ...], batch: int = 64
) -> PublishedCounts:
    """Counts what ``network`` does with inputs of these shapes (without the batch)."""
    mult_adds = activations = 0

    def count(layer: nn.Module, inputs: object, output: Tensor) -> None:
        nonlocal mult_adds, activations
        weights = sum(p.numel() for name, p in layer.named_parameters() if name.endswith("weight"))
        places = math.prod(output.shape[2:]) if isinstance(layer, nn.Conv2d) else 1
        mult_adds += weights * places
        if weights and not list(layer.children()):
            activations += output.numel()

    watches = [layer.register_forward_hook(count) for layer in list(network.modules())[1:]]
    training = network.training
    with torch.no_grad():
        network.eval()(*(torch.zeros(1, *shape) for shape in shapes))
    network.train(training)
    for watch in watches:
        watch.remove()
    return PublishedCounts(
        mult_adds,
        batch * math.prod(shapes[0]) * FLOAT / MEGABYTE,
        2 * activations * FLOAT / MEGABYTE,
        sum(p.numel() for p in network.parameters()) * FLOAT / MEGABYTE,
    )
