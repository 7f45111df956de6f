"""A checkpoint is one safetensors file with its JSON in the header: nothing in it can run code.

The header says what the file is (``kind``, ``schema``, the ``versions`` that wrote it) and holds
whatever the writer put there. A SHA-256 over header and tensors is checked on reading: what is read
is exactly what was saved, or it is refused.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from course_lib import __version__
from course_lib.errors import CourseError
from course_lib.storage.disk import check_regular, whole_file

__all__ = ["Checkpoint", "painter_in", "part", "read_checkpoint", "write_checkpoint"]

SCHEMA = 2


@dataclass(frozen=True)
class Checkpoint:
    """What is saved: a header of plain JSON values, and named tensors."""

    header: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def size(self) -> int:
        """Bytes on disk, nearly."""
        return sum(value.nbytes for value in self.tensors.values()) + len(json.dumps(self.header))


def part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors under ``name/``, without that prefix."""
    return {
        key.removeprefix(f"{name}/"): value
        for key, value in tensors.items()
        if key.startswith(f"{name}/")
    }


def painter_in(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What one paints with, of the state of a training: its players, averages where there are.
    The tensors of a painter are that already.
    """
    averages = part(tensors, "average").items()
    smooth = {key.replace("/module.", "/"): v for key, v in averages if "/module." in key}
    return part(tensors, "player") | part(tensors, "frozen") | smooth or dict(tensors)


# --- out ---


def write_checkpoint(path: Path, checkpoint: Checkpoint, *, keep: Path | None = None) -> Path:
    """Writes ``path`` whole, or leaves it as it was; what it replaces becomes ``keep``, if given.

    Raises:
        CourseError: a tensor that is not finite, or a disk that is full, read-only or broken.
    """
    _check_finite(checkpoint.tensors, path)
    tensors = _apart({k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()})
    text = json.dumps({**checkpoint.header, "schema": SCHEMA, "versions": versions()})
    with whole_file(path, keep=keep) as temporary:
        save_file(tensors, temporary, {"course": text, "digest": digest(text, tensors)})
    return path


def versions() -> dict[str, str]:
    """What wrote a file: the course, torch and Python."""
    return {
        "course": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def _check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuses weights, statistics and moments that would spoil every later round.

    A figure of the history may be infinite: it is looked at, and never computed with.
    """
    bad = [
        name
        for name, value in tensors.items()
        if not name.startswith("history/") and not value.isfinite().all()
    ]
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise CourseError(
            f"not saved, because {bad[0]}{more} holds NaN or infinity; "
            "whatever was saved before is unchanged",
            where=str(path),
            fix="go on from the last checkpoint with a smaller learning rate",
        )


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same values, each in memory of its own: safetensors refuses tied weights."""
    seen: set[int] = set()
    for name, value in tensors.items():
        place = value.untyped_storage().data_ptr()
        tensors[name] = value.clone() if place in seen else value
        seen.add(place)
    return tensors


def digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the header's text and every tensor's name, type, shape and bytes."""
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        sha.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        if value.numel():
            sha.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


# --- in ---


def read_checkpoint(path: Path, *, kind: str | None = None) -> Checkpoint:
    """Reads a checkpoint, checks its digest, and brings an old one up to date.

    Args:
        kind: what it must be, ``"dcgan"``; None for whatever it is.

    Raises:
        CourseError: no such file, not a checkpoint of the course, damaged, of a later course, or
            of another kind.
    """
    check_regular(path)
    if not path.is_file():
        raise CourseError("there is no such file", where=str(path))
    notes, tensors = _open(path)
    if "course" not in notes:
        raise CourseError(
            "this is a safetensors file of another program, not a checkpoint of the course",
            where=str(path),
        )
    if notes.get("digest") != digest(notes["course"], tensors):
        raise CourseError("the file is damaged: its digest does not fit", where=str(path))
    checkpoint = _up_to_date(Checkpoint(json.loads(notes["course"]), tensors), path)
    found = checkpoint.header.get("kind")
    if kind not in (None, found):
        size = checkpoint.header.get("config", {}).get("size")
        at = f" of {size} px" if size else ""
        raise CourseError(
            f"this is a {found} checkpoint{at}, you asked for {kind}",
            where=str(path),
            fix=f"a file that a run of {kind} wrote",
        )
    return checkpoint


def _open(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, tensors
    except Exception as error:  # what a damaged file makes of the reader cannot be foreseen
        reason = _what_it_is(path) or f"it is cut off or damaged: {error}"
        raise CourseError(
            f"this is not a readable safetensors file: {reason}", where=str(path)
        ) from error


def _what_it_is(path: Path) -> str:
    """What a file is that is no safetensors file, from its first bytes; empty if nobody knows."""
    try:
        with open(path, "rb") as file:
            start = file.read(512)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if not start:
        return "it is empty"
    if start.lstrip()[:1] == b"<":
        return "it is a web page, perhaps of a login or an exceeded quota"
    if start.startswith(b"PK\x03\x04"):
        return "it is a zip file, perhaps weights of another program (.pth)"
    if start.startswith(b"\x80"):
        return "it is a pickle, perhaps weights of another program"
    return ""


def _up_to_date(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """The same checkpoint as the present schema would hold it."""
    schema = checkpoint.header.get("schema", 1)
    if schema > SCHEMA:
        by = checkpoint.header.get("versions", {}).get("course", "a later one")
        raise CourseError(
            f"written by a later course (schema {schema}, version {by}); this one, "
            f"{__version__}, knows schema {SCHEMA}",
            where=str(path),
            fix="update the course",
        )
    for step in range(schema, SCHEMA):
        checkpoint = MIGRATIONS[step](checkpoint)
    return checkpoint


def _from_1(checkpoint: Checkpoint) -> Checkpoint:
    """Schema 1 noted torch's version alone, and the history as text instead of tensors."""
    header, tensors = dict(checkpoint.header), dict(checkpoint.tensors)
    header |= {"schema": 2, "versions": {"torch": header.pop("torch", "")}}
    if history := header.pop("history", None):
        tensors["history/rounds"] = torch.tensor(history["rounds"], dtype=torch.int64)
        for name, values in history["figures"].items():
            tensors[f"history/figures/{name}"] = torch.tensor(values, dtype=torch.float64)
    return Checkpoint(header, tensors)


MIGRATIONS: dict[int, Callable[[Checkpoint], Checkpoint]] = {1: _from_1}
