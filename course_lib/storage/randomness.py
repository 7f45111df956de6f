"""The random numbers that a round may draw: torch's on each device, numpy's and Python's."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["present", "restore", "seed_all", "untouched"]


def seed_all(seed: int) -> None:
    """Begins every stream of random numbers anew."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # every device's


def present(device: torch.device) -> dict[str, Tensor]:
    """Where the streams stand, as tensors by name."""
    _, keys, *rest = np.random.get_state()
    plain = {"numpy": [np.asarray(keys).tolist(), *rest], "python": random.getstate()}
    states = {name: torch.tensor(list(json.dumps(v).encode())).byte() for name, v in plain.items()}
    states["cpu"] = torch.get_rng_state()
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def restore(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Takes every stream back to where it stood; one that is missing goes on as it is.

    A run may go on on another device, whose stream is then new; schema 1 knew torch's alone.
    """
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])
    if "numpy" in states:
        np.random.set_state(("MT19937", *_plain(states["numpy"])))
    if "python" in states:
        version, words, gauss = _plain(states["python"])
        random.setstate((version, tuple(words), gauss))


def _plain(state: Tensor) -> Any:
    return json.loads(bytes(state.tolist()))


@contextmanager
def untouched(device: torch.device) -> Iterator[None]:
    """Whatever is drawn inside, the next round draws what it would have drawn."""
    before = present(device)
    try:
        yield
    finally:
        restore(before, device)
