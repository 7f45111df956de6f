"""What crosses the wall between the grader and a submission: numbers, texts and tensors.

A message is JSON, in which tensors stand as numbers of a safetensors block that follows it. Nothing
that arrives can run code, and nothing larger than :data:`LARGEST` is read. What is neither number,
text, tensor nor a collection of these arrives as :class:`Foreign`: its type's name alone.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.torch as st
import torch
from torch import Tensor

__all__ = ["LARGEST", "Closed", "Foreign", "Garbled", "TooLate", "receive", "send"]

LARGEST = 64 * 2**20  # bytes of one message
_HEAD = struct.Struct(">QQ")  # bytes of JSON, bytes of tensors


class Closed(Exception):
    """The other side is gone."""


class TooLate(Exception):
    """Nothing whole has come within the time."""


class Garbled(Exception):
    """What came is no message."""


@dataclass(frozen=True)
class Foreign:
    """A value that cannot cross; ``kind`` says of which type it was."""

    kind: str


def send(channel: socket.socket, message: Any) -> None:
    """Writes one message, tensors included."""
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_pack(message, tensors)).encode()
    block = st.save(tensors) if tensors else b""
    channel.sendall(_HEAD.pack(len(text), len(block)) + text + block)


def receive(channel: socket.socket, deadline: float | None = None) -> Any:
    """Reads one message.

    Args:
        deadline: as ``time.monotonic()`` counts; None waits for ever.

    Raises:
        Closed, TooLate, Garbled: as they say.
    """
    text, block = _HEAD.unpack(_read(channel, _HEAD.size, deadline))
    if text + block > LARGEST:
        raise Garbled(f"an answer of {(text + block) / 1e6:.0f} MB")
    head, body = _read(channel, text, deadline), _read(channel, block, deadline)
    try:
        return _unpack(json.loads(head), st.load(body) if body else {})
    except Exception as error:  # whatever a hostile sender has found
        raise Garbled(f"{type(error).__name__} in an answer") from None


def _read(channel: socket.socket, count: int, deadline: float | None) -> bytes:
    found = bytearray()
    while len(found) < count:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TooLate
        channel.settimeout(left)
        try:
            part = channel.recv(min(count - len(found), 2**20))
        except TimeoutError:
            raise TooLate from None
        except OSError:
            part = b""
        if not part:
            raise Closed
        found += part
    return bytes(found)


def _pack(value: Any, tensors: dict[str, Tensor]) -> list[Any]:
    if value is None or isinstance(value, (bool, int, float, str)):
        return ["plain", value]
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return [kind, [_pack(part, tensors) for part in value]]
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return ["dict", {name: _pack(part, tensors) for name, part in value.items()}]
    if isinstance(value, Tensor) and value.layout is torch.strided and not value.is_complex():
        return ["tensor", _store(value, tensors)]
    if isinstance(value, np.ndarray) and value.dtype.kind in "bif":
        return ["array", _store(torch.from_numpy(np.ascontiguousarray(value)), tensors)]
    return ["foreign", value.kind if isinstance(value, Foreign) else type(value).__name__]


def _store(value: Tensor, tensors: dict[str, Tensor]) -> str:
    name = str(len(tensors))
    tensors[name] = value.detach().cpu().contiguous().clone()
    return name


def _unpack(packed: list[Any], tensors: dict[str, Tensor]) -> Any:
    kind, value = packed
    match kind:
        case "list":
            return [_unpack(part, tensors) for part in value]
        case "tuple":
            return tuple(_unpack(part, tensors) for part in value)
        case "dict":
            return {name: _unpack(part, tensors) for name, part in value.items()}
        case "tensor":
            return tensors[value]
        case "array":
            return tensors[value].numpy()
        case "foreign":
            return Foreign(str(value))
    return value if isinstance(value, (bool, int, float, str)) else None
