"""Postcards: the line of JSON from which anybody paints the same picture again.

>>> card = Postcard.of(painter, seed=7)                                    # doctest: +SKIP
>>> save_png(painter.generate(seed=7), "seven.png", card)                  # doctest: +SKIP
>>> read_postcard("seven.png").repaint()                                   # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo
from torch import Tensor, nn

from course_lib import __version__
from course_lib.data.storybook.painter import StorybookPainter
from course_lib.errors import CourseError, Problems, check_seed, suggestion
from course_lib.painter import Painter, Picture

__all__ = ["Postcard", "png_bytes", "read_postcard", "save_png", "weights_digest"]

SCHEMA = 1
CHUNK = "postcard"  # the keyword of the text chunk in a PNG
MAX_TEXT = 2**20  # characters of a postcard
MAX_FILE = 2**26  # bytes of a PNG that is opened for its postcard


@dataclass(frozen=True)
class Postcard:
    """What a picture was painted from.

    Attributes:
        painter: its kind, ``dcgan``.
        weights: :func:`weights_digest` of the painter; empty for a painter without weights.
        seed: what ``generate`` was given as ``seed``,
        inputs: and its other arguments, as plain JSON values; a tensor is a list of numbers, and
            a number that names something, as in ``swap={1: 8}``, a text.
        course: the version of the course.
    """

    painter: str
    weights: str
    seed: int
    inputs: Mapping[str, Any] = field(default_factory=dict)
    course: str = __version__

    @classmethod
    def of(cls, painter: Painter, *, seed: int, **inputs: Any) -> Postcard:
        """The postcard of ``painter.generate(seed=seed, **inputs)``."""
        return cls(painter.kind, weights_digest(painter), check_seed(seed), _as_plain(inputs))

    def to_json(self) -> str:
        """One line of ASCII.

        Raises:
            CourseError: inputs that JSON cannot carry.
        """
        try:
            return json.dumps({"postcard": SCHEMA, **vars(self)})
        except (TypeError, ValueError) as error:
            raise CourseError(f"not for a postcard: {error}", where="postcard.inputs") from error

    @classmethod
    def from_json(cls, text: str) -> Postcard:
        """Reads what :meth:`to_json` wrote. Nothing in it can run code.

        Raises:
            CourseError: not a postcard, damaged, or of a later course; all problems at once.
        """
        values = _parse(text)
        kinds = {
            "painter": str,
            "weights": str,
            "seed": int,
            "inputs": dict,
            "course": str,
        }
        with Problems("postcard") as problems:
            for name, kind in kinds.items():
                found = repr(values.get(name))[:40]
                fine = isinstance(values.get(name), kind)
                problems.check(fine, f"{name} is {found}, it must be a {kind.__name__}")
            for name in sorted(values.keys() - kinds):
                problems.add(f"there is no {name[:40]!r}; {suggestion(name, kinds)}")
        check_seed(values["seed"], where="postcard.seed")
        return cls(**values)

    def repaint(self, painter: Painter | None = None) -> Picture:
        """The same picture again.

        Args:
            painter: with the same weights; None takes the one that ships with the course.

        Raises:
            CourseError: an unknown painter, other weights, or inputs that it does not take.
        """
        painter = painter or _shipped(self.painter)
        wanted = _signature(self.painter, self.weights)
        found = _signature(painter.kind, weights_digest(painter))
        if found != wanted:
            raise CourseError(
                f"painted by {wanted}, but here is {found}",
                where="postcard",
                fix="hand over the painter it came from: repaint(course_lib.load(…its file…))",
            )
        try:
            return painter.generate(seed=self.seed, **_as_tensors(self.inputs))
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CourseError(
                f"{self.painter} cannot paint from these inputs ({error})",
                where="postcard.inputs",
            ) from error


def weights_digest(painter: Painter) -> str:
    """SHA-256 over the painter's networks, the same on every device; empty if it has none."""
    sha = hashlib.sha256()
    networks = [(n, net) for n, net in sorted(vars(painter).items()) if isinstance(net, nn.Module)]
    for network, module in networks:
        for name, value in sorted(module.state_dict().items()):
            sha.update(f"{network}.{name}|{value.dtype}|{tuple(value.shape)}|".encode())
            sha.update(value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest() if networks else ""


def png_bytes(picture: Picture, postcard: Postcard) -> bytes:
    """The picture as PNG with its postcard in the metadata."""
    info, buffer = PngInfo(), io.BytesIO()
    info.add_text(CHUNK, postcard.to_json())
    picture.pil().save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def save_png(picture: Picture, path: str | Path, postcard: Postcard) -> Path:
    """Writes the picture as PNG with its postcard, and returns where."""
    path = Path(path).with_suffix(".png")
    path.write_bytes(png_bytes(picture, postcard))
    return path


def read_postcard(path: str | Path) -> Postcard:
    """The postcard in a PNG.

    Raises:
        CourseError: not a readable PNG, or one without a postcard, or with a damaged one.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE:
            raise ValueError(f"more than {MAX_FILE} bytes")
        with PILImage.open(path, formats=["PNG"]) as file:
            text = file.info.get(CHUNK)
    except (OSError, SyntaxError, ValueError, PILImage.DecompressionBombError) as error:
        raise CourseError(f"not a readable PNG ({error})", where=str(path)) from error
    if text is None:
        raise CourseError(
            "this picture carries no postcard",
            where=str(path),
            fix="take the file as it was saved: messengers and editors drop what PNGs carry",
        )
    return Postcard.from_json(text)


def _shipped(kind: str) -> Painter:
    """The painter of that kind as it comes with the course; never a file that a stranger names."""
    if kind == StorybookPainter.kind:
        return StorybookPainter()
    from course_lib.registry import WINGS, load

    if kind not in WINGS:
        known = suggestion(kind[:40], [*WINGS, StorybookPainter.kind])
        raise CourseError(f"{kind[:40]!r} is no painter; {known}", where="postcard.painter")
    return load(kind)


def _signature(kind: str, digest: str) -> str:
    return f"{kind} with the weights {digest[:16]}" if digest else kind


def _parse(text: str) -> dict[str, Any]:
    try:
        if len(text) > MAX_TEXT:
            raise ValueError(f"{len(text)} characters, the longest has {MAX_TEXT}")
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CourseError(f"this is not a postcard ({error})", where="postcard") from error
    schema = values.pop("postcard", None) if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise CourseError(
            f"this is not a postcard of this course (its version is {schema!r}, not {SCHEMA})",
            where="postcard",
            fix="if it comes from a later course, update yours",
        )
    return dict(values)


def _as_plain(value: Any) -> Any:
    """Tensors as lists, names as texts: what :func:`_as_tensors` takes back."""
    if isinstance(value, Mapping):
        return {str(name): _as_plain(inner) for name, inner in value.items()}
    return value.tolist() if isinstance(value, Tensor) else value


def _as_tensors(value: Any) -> Any:
    """Lists of numbers, however deep, are tensors; a text of digits that names something is a
    number; anything else stays what it is.
    """
    if isinstance(value, Mapping):
        return {
            int(name) if name.isdecimal() else name: _as_tensors(inner)
            for name, inner in value.items()
        }
    try:
        return torch.tensor(value) if isinstance(value, list) else value
    except (TypeError, ValueError):
        return value
