"""A checkpoint is one safetensors file with its JSON in the header: nothing in it can run code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from course_lib.errors import CourseError

__all__ = ["Checkpoint", "part", "read_checkpoint", "write_checkpoint"]

SCHEMA = 1


@dataclass(frozen=True)
class Checkpoint:
    """What is saved: a header of plain JSON values, and named tensors."""

    header: dict[str, Any]
    tensors: dict[str, Tensor]


def part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors under ``name/``, without that prefix."""
    return {
        key.removeprefix(f"{name}/"): value
        for key, value in tensors.items()
        if key.startswith(f"{name}/")
    }


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> Path:
    """Writes under a temporary name, flushes, renames: ``path`` is whole, or as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
    text = json.dumps({**checkpoint.header, "schema": SCHEMA, "torch": str(torch.__version__)})
    temporary = path.with_suffix(".part")
    try:
        with open(temporary, "wb") as file:
            file.write(save(tensors, {"course": text, "digest": digest(text, tensors)}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint and checks its digest.

    Raises:
        CourseError: no such file, not a checkpoint of the course, damaged, or of a later course.
    """
    if not path.is_file():
        raise CourseError("there is no such file", where=str(path))
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CourseError(
            f"this is not a readable safetensors file ({error})", where=str(path)
        ) from error
    if "course" not in notes:
        raise CourseError("this file was not written by the course", where=str(path))
    if notes.get("digest") != digest(notes["course"], tensors):
        raise CourseError("the file is damaged: its digest does not fit", where=str(path))
    header = json.loads(notes["course"])
    if header.get("schema", SCHEMA) > SCHEMA:
        raise CourseError(
            f"written by a later course (schema {header['schema']}, this one knows {SCHEMA})",
            where=str(path),
            fix="update the course",
        )
    return Checkpoint(header, tensors)


def digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the header's text and every tensor's name, type, shape and bytes."""
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        sha.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        sha.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return sha.hexdigest()
