"""How judges learn and are kept: one short loop, and weights in half precision."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from course_lib.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

__all__ = ["block", "restore", "ship", "study"]

Network = TypeVar("Network", bound=nn.Module)


def block(narrow: int, wide: int) -> nn.Sequential:
    """A 3 x 3 convolution, normalised, with ReLU."""
    conv = nn.Conv2d(narrow, wide, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(wide), nn.ReLU(inplace=True))


def study(network: Network, loss: Callable[[int], Tensor], steps: int, lr: float) -> Network:
    """Lowers ``loss(step)`` for so many steps of AdamW; the rate rises, then falls to zero."""
    optimiser = torch.optim.AdamW(network.parameters(), lr, weight_decay=1e-2, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.1)
    network.train().to(memory_format=torch.channels_last)
    quick = torch.backends.cpu.get_cpu_capability() == "AVX512"  # half the time in bfloat16
    for step in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=quick):
            value = loss(step)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(f"  step {step} of {steps}: loss {value.item():.3f}", flush=True)
    return network.eval()


def _shipped(name: str) -> Path:
    return Path(str(resources.files("course_lib") / "weights" / f"{name}.safetensors"))


def ship(network: nn.Module, name: str, marks: dict[str, float]) -> dict[str, Any]:
    """Writes the weights that go with the course, in half precision, and prints the marks."""
    halves = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    write_checkpoint(_shipped(name), Checkpoint({"kind": name, "marks": marks}, halves))
    for mark, value in marks.items():
        print(f"{mark:32} {value:.3f}")
    return marks


def restore(kind: type[Network], name: str, path: Path | None = None) -> Network:
    """The network with its shipped weights, or those of ``path``, ready to look."""
    with torch.random.fork_rng(devices=[]):  # first weights take nothing from the caller's chance
        network = kind()
    tensors = read_checkpoint(path or _shipped(name)).tensors
    network.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    )
    return network.eval().requires_grad_(False)
