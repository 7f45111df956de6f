"""The only reader of other people's weights: tensors come out, and nothing in a file can run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from course_lib.errors import CourseError

__all__ = ["read_weights"]


def read_weights(path: Path) -> dict[str, Tensor]:
    """The named tensors of a ``.pth`` file.

    Raises:
        CourseError: no such file, or one that holds anything but named tensors.
    """
    if not path.is_file():
        raise CourseError("there is no such file", where=str(path))
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged file makes of the unpickler cannot be foreseen
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CourseError(f"this is no file of weights ({reason})", where=str(path)) from error
    named = isinstance(weights, dict) and all(isinstance(v, Tensor) for v in weights.values())
    if not named:
        raise CourseError("this file holds more than named tensors", where=str(path))
    return dict(weights)
