"""A given memory: which batch fits into it, or how a given batch is made to fit."""

from __future__ import annotations

import contextlib
import gc
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, replace

import torch
from torch import nn

from course_lib.errors import CourseError, Problems
from course_lib.memory.need import estimate_memory, rehearse
from course_lib.memory.spare import networks
from course_lib.objective import Objective, TrainConfig, memory_bytes, share
from course_lib.scene import Source
from course_lib.storage.disk import as_size

__all__ = [
    "check_batch",
    "fit_batch_size",
    "free_memory",
    "is_out_of_memory",
    "plan_memory",
    "release",
    "smallest_batch",
    "too_little_memory",
]


def plan_memory(objective: Objective, source: Source, device: torch.device) -> TrainConfig:
    """The configuration with which training fits into ``config.memory``; says what it chose.

    Where no memory is given, a GPU's run just says what it will need.
    What changes no number comes first: activations are computed again (checkpointing). Then the
    batch is played in parts, then in half the precision; as the last resort activations wait in
    main memory (offload). A run that goes on rehearses the same rounds: so it has the same plan.

    Raises:
        CourseError: nothing makes it fit.
    """
    config = objective.config
    budget, scenes = memory_bytes(config.memory), config.batch_size // share()[1]
    if budget is None and device.type == "cpu":
        return config
    for network in networks(objective):
        network.to(device)
    for network in objective.frozen.values():
        network.requires_grad_(False)
    asis = estimate_memory(objective, source).at(scenes // config.accumulate)
    if budget is None or asis <= budget:
        print(f"memory: about {as_size(asis)} for {scenes} scenes a round", flush=True)
        return config
    for spared in _ways(config, device):
        need = estimate_memory(objective, source, spared)
        for parts in range(config.accumulate, scenes // smallest_batch(objective) + 1):
            if scenes % parts == 0 and need.at(scenes // parts) <= budget:
                chosen, now = replace(spared, accumulate=parts), need.at(scenes // parts)
                print(
                    f"memory: {as_size(asis)} as it is, {config.memory} allowed; with "
                    f"{_difference(config, chosen)} about {as_size(now)}",
                    flush=True,
                )
                return chosen
    raise CourseError(
        f"training needs {as_size(asis)} as it is, and at the least {as_size(need.at(1))}",
        where=f"memory={config.memory}",
        fix="more memory, or a smaller size or width",
    )


def _ways(config: TrainConfig, device: torch.device) -> Iterator[TrainConfig]:
    """How memory may be spared, the gentlest way first, each with those before it."""
    config = replace(config, checkpointing=True)
    yield config
    if config.precision == "fp32":
        old = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
        config = replace(config, precision="fp16" if old else "bf16")
        yield config
    if device.type != "cpu":
        yield replace(config, offload=True)


def _difference(before: TrainConfig, after: TrainConfig) -> str:
    """``accumulate=4, checkpointing=True``: what one would type to have the same."""
    old = asdict(before)
    return ", ".join(f"{name}={new}" for name, new in asdict(after).items() if new != old[name])


def fit_batch_size(objective: Objective, source: Source, memory: str = "") -> int:
    """The largest batch that fits, found by trying 1, 2, 4, ... pictures without training.

    Args:
        memory: what training may take, ``"4GB"``; default: what is free now.

    Raises:
        CourseError: not even the smallest batch fits.
    """
    device = next(networks(objective)[0].parameters()).device
    budget = memory_bytes(memory) or free_memory(device)
    fitting, size = 0, smallest_batch(objective)
    while size <= len(source) and _needed(objective, source, size) <= budget:
        fitting, size = size, 2 * size
    release(device)
    if not fitting:
        raise CourseError(f"{size} pictures do not fit into {as_size(budget)}", where="batch_size")
    return fitting


def _needed(objective: Objective, source: Source, size: int) -> float:
    try:
        return rehearse(objective, source, None, size)
    except Exception as error:
        if is_out_of_memory(error):
            return math.inf
        raise


def check_batch(objective: Objective) -> None:
    """Sees that every part of a batch, in every process, is one that can be played.

    Raises:
        CourseError: unequal parts, or single pictures where there is batch norm.
    """
    config, parts = objective.config, objective.config.accumulate * share()[1]
    size, least = config.batch_size // parts, smallest_batch(objective)
    with Problems(f"batch_size={config.batch_size}") as problems:
        problems.check(config.batch_size % parts == 0, f"it cannot be cut into {parts} equal parts")
        problems.check(
            size >= least,
            f"batch norm needs {least} pictures at a time or more, and gets {size}",
            f"batch_size={least * parts}, or another norm",
        )


def smallest_batch(objective: Objective) -> int:
    """Batch norm compares the pictures of a batch: it needs two."""
    layers = (layer for network in networks(objective) for layer in network.modules())
    return 2 if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in layers) else 1


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a GPU, or in main memory; where the system does not say, 4 GB."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 * 10**9


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was too small; the CPU and MPS say so in words only."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    told = isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    return told or isinstance(error, torch.OutOfMemoryError | MemoryError)


def too_little_memory(objective: Objective, source: Source, saved: int) -> CourseError:
    """Says what a round needs, what is free, and what fits, if a small round can be rehearsed.

    Args:
        saved: the round whose state is saved.
    """
    config, device = objective.config, next(networks(objective)[0].parameters()).device
    scenes, free = config.batch_size // share()[1], free_memory(device)
    now = scenes // config.accumulate
    what = f"too little memory for {now} scenes at a time on {device}"
    fix = f"batch_size={max(1, scenes // 2)}, or checkpointing=True, or memory=4GB"
    with contextlib.suppress(Exception):
        need = estimate_memory(objective, source)
        fitting = next(n for n in range(now - 1, 0, -1) if scenes % n == 0 and need.at(n) <= free)
        what += f": about {as_size(need.at(now))} are needed, {as_size(free)} are free"
        fix = (
            f"accumulate={scenes // fitting} plays the batch in parts of {fitting} "
            f"({as_size(need.at(fitting))}), and the run goes on; or checkpointing=True; or a new "
            "run with a smaller batch_size"
        )
    what += f". The state of round {saved} is saved"
    return CourseError(what, where=objective.kind, fix=fix)


def release(device: torch.device) -> None:
    """Gives back what nobody uses any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
