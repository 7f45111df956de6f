"""Where to compute."""

from __future__ import annotations

import torch

from course_lib.errors import CourseError

__all__ = ["pick_device"]


def pick_device(name: str = "auto", place: int | None = None) -> torch.device:
    """``auto`` takes CUDA, else Apple's MPS, else the CPU; anything else must be there.

    Args:
        name: auto, cpu, cuda, cuda:1, mps.
        place: which of this machine's processes this is, if several share a training: it gets the
            GPU of that number. A single GPU cannot be shared.
    """
    if name == "auto":
        alone = place is None and torch.backends.mps.is_available()
        name = "cuda" if torch.cuda.is_available() else "mps" if alone else "cpu"
    if place is not None and name not in ("cpu", "cuda"):
        raise CourseError(
            f"several processes cannot share {name!r}", where="device", fix="device=cuda, or cpu"
        )
    if place is not None and name == "cuda":
        name = f"cuda:{place}"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise CourseError(
            f"cannot compute on {name!r} ({str(error).splitlines()[0]})",
            where="device",
            fix="device=auto takes what is there; `course doctor` says what that is",
        ) from error
    return device
