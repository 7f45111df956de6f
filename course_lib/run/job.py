"""What goes to a notebook's own process, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Image", "Job", "Result", "in_words"]


@dataclass(frozen=True)
class Job:
    """One notebook to be executed."""

    name: str
    notebook: str  # path
    folder: str  # where results go
    parameters: dict[str, Any]
    timeout: float  # seconds a cell may take
    cells: int  # code cells that will be executed


@dataclass(frozen=True)
class Image:
    """A picture that a cell showed."""

    file: str  # relative to the run's folder
    cell: int  # as in the prompt, [12]
    alt: str  # the picture in words


@dataclass
class Result:
    """How it went."""

    name: str
    status: str = "done"  # or "failed"
    seconds: float = 0.0
    peak_memory: int | None = None  # bytes of the largest process; None if not known
    cells: int = 0  # code cells executed
    failed_cell: int | None = None  # as in the prompt, [12]
    message: str = ""  # what went wrong
    images: list[Image] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where it failed, as the beginning of a sentence."""
        return "" if self.failed_cell is None else f"cell [{self.failed_cell}]: "


def in_words(memory: int | None) -> str:
    """Bytes as a person reads them."""
    return "unknown" if memory is None else f"{memory / 2**20:,.0f} MB"
