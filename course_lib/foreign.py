"""The only reader of other people's files: tensors and plain values come out, and nothing can run.

A pickle is a program. Here it is given a machine that can build lists, dictionaries, texts, numbers
and arrays, and knows no other word; there is no switch that teaches it more.
"""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.errors import CourseError, Problems

__all__ = ["fill", "read_pickle", "read_weights"]


class Refused(Exception):
    """A file asks for something that could run."""


# --- weights ---


def read_weights(path: Path) -> dict[str, Tensor]:
    """The named tensors of a ``.pth`` file, without the ``module.`` that DataParallel puts before.

    Of a whole training's state, as OP-GAN's authors released it, those of its generator, ``netG``.

    Raises:
        CourseError: no such file, or one that holds anything but named tensors.
    """
    weights = _read(path, "weights", _load_weights)
    if isinstance(weights, dict):
        weights = weights.get("netG", weights)
    if not isinstance(weights, dict):
        raise CourseError(
            f"this file holds a {type(weights).__name__}, no weights", where=str(path)
        )
    others = [str(name) for name, value in weights.items() if not isinstance(value, Tensor)]
    if others:
        raise CourseError(
            f"this file holds more than named tensors: {', '.join(others[:8])}", where=str(path)
        )
    wrapped = bool(weights) and all(name.startswith("module.") for name in weights)
    return {name.removeprefix("module.") if wrapped else name: w for name, w in weights.items()}


def _load_weights(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # whose words propose to switch the protection off
        asked = re.search(r"global:? (?:global )?(\w+(?:\.\w+)+)", str(error), re.IGNORECASE)
        if asked:
            raise Refused(asked[1]) from error
        raise EOFError("it is damaged, or was not written by torch") from error


def fill(module: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Puts the weights into a network: every name and every shape must fit.

    Only counters of batches may be missing, which files from before torch 0.4.1 do not have.

    Raises:
        CourseError: every tensor that is missing, one too many, or of another shape.
    """
    own = module.state_dict()
    with Problems(where) as problems:
        for name in sorted(own.keys() - weights.keys()):
            problems.check(name.endswith("num_batches_tracked"), f"{name} is missing")
        for name in sorted(weights.keys() - own.keys()):
            problems.add(f"{name} is one too many")
        for name in sorted(weights.keys() & own.keys()):
            shape, wanted = list(weights[name].shape), list(own[name].shape)
            problems.check(shape == wanted, f"{name} is {shape}, the network has {wanted}")
    module.load_state_dict({**own, **weights})


# --- pickles ---


def read_pickle(path: Path) -> Any:
    """Lists, dictionaries, texts, numbers and arrays from a pickle, also one made by Python 2.

    Texts of Python 2 are read as latin-1, the only encoding that takes all of them.

    Raises:
        CourseError: no such file, a damaged one, or one that holds code.
    """
    return _read(path, "pickle", _load_pickle)


def _load_pickle(path: Path) -> Any:
    with open(path, "rb") as file:
        return PlainUnpickler(file).load()


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2, arrays' contents among them."""
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"encoding {encoding}")
    return text.encode("latin1")


_ARRAYS = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUILDERS: dict[tuple[str, str], Any] = {
    **{(name, "_reconstruct"): np.ndarray((0,)).__reduce__()[0] for name in _ARRAYS},
    **{(name, "scalar"): np.float64(0).__reduce__()[0] for name in _ARRAYS},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
    ("_codecs", "encode"): _encode,
}


class PlainUnpickler(pickle.Unpickler):
    """Knows the words above and no other."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _BUILDERS:
            raise Refused(f"{module}.{name}")
        return _BUILDERS[module, name]


def _read(path: Path, what: str, load: Callable[[Path], Any]) -> Any:
    if not path.is_file():
        raise CourseError("there is no such file", where=str(path))
    try:
        return load(path)
    except Refused as error:
        raise CourseError(
            f"refused: it contains code ({error}), which would run when it is opened elsewhere",
            where=str(path),
            fix="do not open files from strangers; if it is yours, save tensors and plain values",
        ) from error
    except Exception as error:  # what a damaged file makes of the unpickler cannot be foreseen
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CourseError(f"this is no file of {what} ({reason})", where=str(path)) from error
