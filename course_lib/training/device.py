"""Where to compute."""

from __future__ import annotations

import torch

from course_lib.errors import CourseError

__all__ = ["pick_device"]


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` takes CUDA, else Apple's MPS, else the CPU; anything else must be there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
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
