"""Cases recorded from the authors' implementations: found by the environment, read by one class.

``COURSE_PARITY`` names a folder. Every JSON below it that has a ``kind`` is a case; its numbers lie
beside it, ``.safetensors`` or ``.npz``. What a case holds is said by ``kind`` and ``config``, never
by its name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

FOLDER = os.environ.get("COURSE_PARITY", "")
NO_CASES = "no recorded cases: COURSE_PARITY names no folder"


@dataclass(frozen=True)
class Case:
    """One recorded run: its notes and its numbers."""

    path: Path
    notes: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return self.notes["kind"]

    @property
    def wing(self) -> str:
        return self.kind.partition(".")[0]

    @cached_property
    def numbers(self) -> dict[str, Tensor]:
        """Every array by name; what has a fraction, as float64."""
        if self.path.with_suffix(".npz").exists():
            with np.load(self.path.with_suffix(".npz"), allow_pickle=False) as arrays:
                found = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        else:
            found = load_file(self.path.with_suffix(".safetensors"))
        return {name: x.double() if x.is_floating_point() else x for name, x in found.items()}

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The arrays whose names begin with ``prefix``, without it."""
        return {
            name.removeprefix(prefix): value
            for name, value in self.numbers.items()
            if name.startswith(prefix)
        }

    def compare(
        self, found: Mapping[str, Tensor], rtol: float, atol: float, *prefixes: str
    ) -> None:
        """Every recorded number whose name begins so must be among ``found``, and equal."""
        names = [name for name in self.numbers if name.startswith(prefixes)]
        assert names, f"{self.path}: nothing was recorded under {prefixes}"
        for name in names:
            assert name in found, f"{self.path}: {name} was recorded, and is not compared"
            torch.testing.assert_close(
                found[name].detach().double(),
                self.numbers[name].double(),
                rtol=rtol,
                atol=atol,
                msg=lambda message, name=name: f"{name}: {message}",
            )


def find() -> list[Case]:
    """Every case below the folder, sorted by place."""
    if not FOLDER:
        return []
    notes = {
        path: json.loads(path.read_text("utf-8")) for path in sorted(Path(FOLDER).rglob("*.json"))
    }
    return [Case(path, said) for path, said in notes.items() if "kind" in said]
