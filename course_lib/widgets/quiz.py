"""Instant answers to "your turn": right, not yet, or still to do; never an exception.

A wrong answer must not stop "Run All", and an exercise that nobody has done must not fail a
headless run. So :func:`your_turn` prints one line, the same on every machine.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["your_turn"]


def your_turn(answer: Any, expected: Any, *, hint: str = "") -> None:
    """Compares a learner's answer with the expected one, and prints what is wrong with it.

    ``your_turn(my_hinge(real, fake), hinge(real, fake), hint="the margin is 1")``

    Args:
        answer: what the learner's code returns; ``...`` or None mean "not done yet".
        expected: a number or tensor (1e-4 apart is close enough), or anything that ``==`` compares.
        hint: printed after a wrong answer.
    """
    if answer is None or answer is ...:
        print("Your turn: replace the `...` above, then run the cell again.")
    elif fault := difference(answer, expected):
        print(f"Not yet: {fault}." + (f" Hint: {hint}" if hint else ""))
    else:
        print("Right!")


def difference(answer: Any, expected: Any) -> str:
    """What is wrong with ``answer``, in words; empty if it is right."""
    if isinstance(expected, Tensor | float | int):
        return numeric_difference(answer, torch.as_tensor(expected).detach())
    if not isinstance(answer, type(expected)):
        return f"your answer is a {type(answer).__name__}, not a {type(expected).__name__}"
    return "" if answer == expected else f"your answer is {answer!r}"


def numeric_difference(answer: Any, wanted: Tensor) -> str:
    if not isinstance(answer, Tensor | float | int):
        return f"your answer is a {type(answer).__name__}, not a number or tensor"
    found, wanted = torch.as_tensor(answer).detach().cpu().double(), wanted.cpu().double()
    if found.shape != wanted.shape:
        return f"its shape is {list(found.shape)}, not {list(wanted.shape)}"
    if torch.allclose(found, wanted, rtol=1e-4, atol=1e-6):
        return ""
    return f"the largest difference is {(found - wanted).abs().max():.2g}"
