"""Three ways to need less: fewer bits, activations computed twice, activations put elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import save_on_cpu
from torch.utils.checkpoint import checkpoint

from course_lib.objective import Objective, TrainConfig

__all__ = ["Buffers", "blocks", "in_precision", "networks", "squeezed"]

LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}  # what `precision` may say besides fp32


def networks(objective: Objective) -> list[nn.Module]:
    """The players' modules, and the frozen ones."""
    return [player.module for player in objective.players.values()] + [*objective.frozen.values()]


def in_precision(device: torch.device, precision: str) -> torch.autocast:
    """Inside its ``with`` block layers compute in ``precision``; weights stay float32."""
    low = LOW.get(precision)
    # No cache: D's weights change within the round, and G must play against the new ones.
    return torch.autocast(device.type, low, enabled=low is not None, cache_enabled=False)


@contextmanager
def squeezed(objective: Objective, config: TrainConfig) -> Iterator[None]:
    """Inside, blocks compute their activations again, or what is kept waits in main memory."""
    chosen = [block for network in networks(objective) for block in blocks(network)]
    for block in chosen if config.checkpointing else ():
        vars(block)["forward"] = recomputed(block)
    pinned = torch.cuda.is_available()
    try:
        with save_on_cpu(pin_memory=pinned) if config.offload else nullcontext():
            yield
    finally:
        for block in chosen:
            vars(block).pop("forward", None)


def blocks(network: nn.Module) -> Iterator[nn.Module]:
    """What is worth computing again as a whole: the outermost modules that have several layers."""
    for child in _layers(network):
        listing = isinstance(child, nn.ModuleList | nn.ModuleDict)
        if (listing or isinstance(child, nn.Sequential)) and any(map(_layers, _layers(child))):
            yield from blocks(child)
        elif _layers(child) and not listing:
            yield child


def _layers(module: nn.Module) -> list[nn.Module]:
    """Its children; a layer with spectral norm is still one layer."""
    return [child for name, child in module.named_children() if name != "parametrizations"]


def recomputed(block: nn.Module) -> Callable[..., Any]:
    """The block's forward pass, which keeps its inputs alone; for the backward pass it runs again.

    It then draws the same random numbers and meets the buffers of its first time: so batch norm
    counts each picture once, and spectral norm divides by the same number.
    """
    forward = block.forward

    def run(*inputs: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*inputs, **named)
        times = nullcontext(), AsItWas(block)
        return checkpoint(forward, *inputs, use_reentrant=False, context_fn=lambda: times, **named)

    return run


class Buffers:
    """What the buffers of a module hold now, to be put back later."""

    def __init__(self, module: nn.Module) -> None:
        self.held = [(buffer, buffer.clone()) for buffer in module.buffers()]

    @torch.no_grad()
    def put_back(self) -> None:
        for buffer, value in self.held:
            buffer.copy_(value)


class AsItWas:
    """Inside its ``with`` block the buffers of a module are what they were when it was made."""

    def __init__(self, block: nn.Module) -> None:
        self.block, self.before = block, Buffers(block)

    def __enter__(self) -> None:
        self.now = Buffers(self.block)
        self.before.put_back()

    def __exit__(self, *error: object) -> None:
        self.now.put_back()
