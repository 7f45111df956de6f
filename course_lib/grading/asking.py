"""How a test asks a student's function, wherever that runs, and compares what comes back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.grading.serve import answer, in_words
from course_lib.grading.values import Foreign

__all__ = ["Asked", "Draw", "Local", "Wrong", "alike", "kind_of", "parts", "same"]


class Wrong(AssertionError):
    """An answer is not right; the message says what came and what should have come."""


class Asked(ABC):
    """A student's function, as a test sees it."""

    def __call__(self, *arguments: Any) -> Any:
        """The function's value.

        Raises:
            Wrong: it raised something, took too long, or changed an argument.
        """
        return self.ask(arguments, None, None)

    def slope(self, *arguments: Any, of: int, along: Tensor | None = None) -> Any:
        """The gradient of ``sum(along * value)`` with respect to argument number ``of``, from 0."""
        return self.ask(arguments, of, along)

    @abstractmethod
    def ask(self, arguments: Sequence[Any], slope_of: int | None, along: Any) -> Any:
        """The value, or the slope with respect to an argument, wherever the function runs."""


class Local(Asked):
    """The function itself, in this process: for instant checks."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def ask(self, arguments: Sequence[Any], slope_of: int | None, along: Any) -> Any:
        try:
            return answer(self.function, arguments, slope_of, along)
        except Exception as error:
            code = getattr(self.function, "__code__", None)
            cell = Path(code.co_filename).stem if code else ""
            raise Wrong(in_words(error, cell, arguments)) from None


class Draw:
    """Fresh inputs: the same seed draws the same, and every run has another seed."""

    def __init__(self, seed: int) -> None:
        self.dice = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        return torch.randn(shape, generator=self.dice)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.dice)

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return int(torch.randint(low, high + 1, (), generator=self.dice))

    def ids(self, classes: int, *shape: int) -> Tensor:
        """Whole numbers below ``classes``."""
        return torch.randint(classes, shape, generator=self.dice)


def alike(came: Any, right: Tensor, what: str = "the value") -> None:
    """Compares type, shape and kind of numbers; strictly, nothing is broadcast.

    Raises:
        Wrong: what came, and what is right.
    """
    if not isinstance(came, Tensor):
        raise Wrong(f"{what} should be a tensor; {kind_of(came)} came")
    if came.shape != right.shape:
        raise Wrong(f"{what} should have shape {list(right.shape)}; {list(came.shape)} came")
    if came.dtype != right.dtype:
        raise Wrong(f"{what} should be of {right.dtype}; {came.dtype} came")
    if not bool(came.detach().isfinite().all()):
        raise Wrong(f"{what} holds NaN or infinite numbers")


def same(came: Any, right: Tensor | float, what: str = "the value", close: float = 1e-4) -> None:
    """Compares values as well.

    Args:
        close: largest difference, as a share of the largest right value (or of 1).

    Raises:
        Wrong: what came, and what is right.
    """
    if not isinstance(right, Tensor):
        right = torch.tensor(float(right))
        came = torch.tensor(float(came)) if type(came) in (int, float) else came
    alike(came, right, what)
    came, right = came.detach().cpu().double(), right.detach().double()
    off = (came - right).abs()
    if came.numel() and float(off.max()) > close * max(1.0, float(right.abs().max())):
        raise Wrong(_largest(off, came, right, what))


def _largest(off: Tensor, came: Tensor, right: Tensor, what: str) -> str:
    place = [int(i) for i in np.unravel_index(int(off.argmax()), off.shape)]
    at = f" at {place}" if place else ""
    one, other = float(came.flatten()[off.argmax()]), float(right.flatten()[off.argmax()])
    share = float((off > off.max() / 100).double().mean())
    wide = f"; {share:.0%} of the numbers are off" if place else ""
    return f"{what}{at} is {one:.4g}, it should be {other:.4g}{wide}"


def kind_of(value: Any) -> str:
    """A value in two words."""
    if value is None:
        return "None (is there a `return`?)"
    if isinstance(value, Foreign):
        return f"something of the type {value.kind}"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (Tensor, np.ndarray)):
        kind = "tensor" if isinstance(value, Tensor) else "numpy array"
        return f"one {kind} {list(value.shape)}"
    if isinstance(value, float):
        return f"the Python number {value:.4g}"
    return f"a dict with {', '.join(value)}" if isinstance(value, dict) else repr(value)[:80]


def parts(came: Any, count: int, names: str) -> tuple[Any, ...]:
    """The values that a function returns together.

    Raises:
        Wrong: it returns something else.
    """
    if not isinstance(came, (tuple, list)) or len(came) != count:
        raise Wrong(f"it should return {names}; {kind_of(came)} came")
    return tuple(came)
