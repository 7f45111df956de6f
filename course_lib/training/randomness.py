"""The random numbers that a round may draw: torch's on each device, numpy's and Python's."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

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
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    _, keys, place, has_gauss, gauss = np.random.get_state(legacy=True)
    states["numpy"] = torch.from_numpy(np.asarray(keys, dtype=np.int64))
    states["numpy_place"] = torch.tensor([place, has_gauss, gauss], dtype=torch.float64)
    version, words, gauss_next = random.getstate()
    text = json.dumps([version, words, gauss_next]).encode()
    states["python"] = torch.tensor(list(text), dtype=torch.uint8)
    return states


def restore(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Takes every stream back to where it stood; one that is missing goes on as it is.

    A run may go on on another device: then that device's stream is new.
    """
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])
    if "numpy" in states:  # schema 1 knew torch's streams alone
        keys = states["numpy"].numpy().astype(np.uint32)
        place, has_gauss, gauss = states["numpy_place"].tolist()
        np.random.set_state(("MT19937", keys, int(place), int(has_gauss), gauss))
    if "python" in states:
        version, words, gauss_next = json.loads(bytes(states["python"].tolist()))
        random.setstate((version, tuple(words), gauss_next))


@contextmanager
def untouched(device: torch.device) -> Iterator[None]:
    """Whatever is drawn inside, the next round draws what it would have drawn."""
    before = present(device)
    try:
        yield
    finally:
        restore(before, device)
