"""The submission's side of the wall: loads the student's definitions and answers calls.

Nothing that is said here is believed: an answer is a value, and whether it is right is decided on
the other side. The same :func:`answer` serves instant checks, where there is no wall.
"""

from __future__ import annotations

import copy
import importlib.util
import os
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_lib.grading.values import receive, send

__all__ = ["answer", "in_words", "serve"]

MODULE = "submission"
LONGEST = 600  # letters of an error message


class Changed(Exception):
    """The function has changed an argument."""


def answer(
    function: Callable[..., Any], arguments: Sequence[Any], slope_of: int | None, along: Any
) -> Any:
    """What the function gives for copies of the arguments, or the slope of ``sum(along * it)``.

    Where it gives several values, the slope is that of the first.

    Args:
        slope_of: with respect to which argument; None asks for the value itself.
        along: the shape of the value, or None for ones.

    Raises:
        Changed: the function has changed an argument.
    """
    given = copy.deepcopy(list(arguments))
    if slope_of is not None:
        given[slope_of].requires_grad_()
    value = function(*given)
    for number, (before, after) in enumerate(zip(arguments, given, strict=True), 1):
        if isinstance(before, Tensor) and not torch.equal(before, after.detach()):
            raise Changed(f"it changes its argument number {number} in place; make a new tensor")
    if slope_of is None:
        return value
    value = value[0] if isinstance(value, (tuple, list)) else value
    whole = (value * along).sum() if along is not None else value.sum()
    if not whole.requires_grad:
        return torch.zeros_like(given[slope_of])
    (slope,) = torch.autograd.grad(whole, given[slope_of], allow_unused=True)
    return torch.zeros_like(given[slope_of]) if slope is None else slope


def in_words(error: BaseException, module: str = MODULE, arguments: Sequence[Any] = ()) -> str:
    """The error, the line of the submission that raised it, and what that line was given."""
    if isinstance(error, NotImplementedError):
        return "it is not written yet"
    if isinstance(error, Changed):
        return str(error)
    if isinstance(error, ImportError) and str(error.name).startswith("course_lib"):
        return "it imports course_lib, which is not there when marks are made; torch alone is"
    try:
        what = f"it raised {type(error).__name__}: {error}"
    except BaseException:  # somebody's __str__
        what = f"it raised {type(error).__name__}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [f"`{frame.line}`" for frame in frames if Path(frame.filename).stem == module]
    where = f", in the line {own[-1]}" if own else ""
    shapes = ", ".join(str(list(a.shape)) for a in arguments if isinstance(a, Tensor))
    return f"{what[:LONGEST]}{where}" + (f"; the tensors given are {shapes}" if shapes else "")


def load(source: str, name: str) -> Callable[..., Any]:
    """The function ``name`` of a module with this source, from which the course is hidden."""
    for ours in [name for name in sys.modules if name.partition(".")[0] == "course_lib"]:
        del sys.modules[ours]
    sys.modules["course_lib"] = None  # type: ignore[assignment]  # `import` then says: halted
    path = Path.cwd() / f"{MODULE}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(MODULE, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return getattr(module, name)


def serve(channel: socket.socket, source: str, name: str) -> None:
    """Answers calls of one function until it is killed; an error is an answer, too."""
    function = None
    while True:
        order = receive(channel)
        reply = {"nonce": order["nonce"]}
        try:
            if function is None:
                function = load(source, name)
            value = answer(function, order["arguments"], order["slope_of"], order["along"])
            send(channel, reply | {"value": value})
        except BaseException as error:  # SystemExit, too: only the grader ends a question
            send(channel, reply | {"error": in_words(error, MODULE, order["arguments"])})


def quiet() -> None:
    """Nobody reads what a submission prints."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
