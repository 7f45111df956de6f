"""Ten scenes, one of which may be bad: in a file that a worker imports in no time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from course_lib.scene import SceneBatch

__all__ = ["Ten"]


@dataclass
class Ten:
    """Ten grey ramps; the scene ``bad`` is so in a way of its own, in a worker or anywhere."""

    bad: int = -1
    fault: str = ""

    name: ClassVar[str] = "ten"
    fingerprint: ClassVar[str] = "ten"

    def __len__(self) -> int:
        return 10

    def batch(self, indices: Tensor) -> SceneBatch:
        working = multiprocessing.parent_process() is not None
        if self.bad in indices.tolist():
            if self.fault == "killed" and working:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fault == "raises":
                raise ValueError("nothing here")
        if self.fault == "ctrl-c" and working:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        return SceneBatch(torch.linspace(-1, 1, 640).view(10, 1, 8, 8)[indices])
