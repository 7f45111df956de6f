"""Reading pictures: upright, in 8-bit RGB, or an error that says what the file really is."""

from __future__ import annotations

import difflib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageOps, UnidentifiedImageError
from torchvision import tv_tensors

from course_lib.errors import CourseError

__all__ = ["MAX_PIXELS", "load_image", "open_picture", "to_image"]

MAX_PIXELS = 40_000_000  # a 48 KB file can hold 400 million; a camera has fewer than 40
SUPPORTED = "supported are PNG, JPEG, WebP, BMP and TIFF with one frame, in grey or RGB"


def load_image(
    path: str | Path, *, min_side: int = 8, max_pixels: int = MAX_PIXELS
) -> tv_tensors.Image:
    """A picture file as ``[3, H, W]``, uint8, upright.

    Grey is copied into three channels; 16 bits are scaled to 8; what is transparent becomes white.

    Raises:
        CourseError: no such file, damaged, not a picture, of a kind that we do not read, smaller
            than ``min_side`` or larger than ``max_pixels``.
    """
    picture = open_picture(path, max_pixels=max_pixels)
    if min(picture.size) < min_side:
        raise CourseError(
            f"{picture.width}x{picture.height} pixels; the smallest side allowed is {min_side}",
            where=str(path),
        )
    pixels = np.array(_to_rgb(picture, str(path)))  # [H, W, 3]
    return tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1).contiguous())


def open_picture(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> PILImage.Image:
    """The decoded file, turned upright by its EXIF orientation, in its own colour mode."""
    path = Path(path)
    _check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PILImage.DecompressionBombWarning)  # our limit is lower
            picture = PILImage.open(path)
            _check_kind(picture, path, max_pixels)
            picture.load()
    except (UnidentifiedImageError, PILImage.DecompressionBombError) as error:
        raise CourseError(_first_line(error, path), where=str(path), fix=SUPPORTED) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise CourseError(
            f"damaged or cut short: {_first_line(error, path)}",
            where=str(path),
            fix="delete it or download it again",
        ) from None
    ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _first_line(error: Exception, path: Path) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "this is no picture that can be read"
    if isinstance(error, PILImage.DecompressionBombError):
        return "too many pixels: " + str(error).split(",")[0]
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_file(path: Path) -> None:
    """Says what a file that is no picture really is."""
    if not path.is_file():
        parent = path.parent
        names = [entry.name for entry in parent.iterdir()] if parent.is_dir() else []
        near = difflib.get_close_matches(path.name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else ""
        raise CourseError("there is no such file", where=str(path), fix=hint)
    with path.open("rb") as stream:
        head = stream.read(512)
    text = head.lstrip().lower()
    kind = ""
    if not head:
        kind = "the file is empty"
    elif b"<svg" in text:
        kind = "this is an SVG drawing, not pixels"
    elif text.startswith((b"<!doctype html", b"<html")):
        kind = "this is an HTML page (a login or quota page?), not a picture"
    elif head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
        kind = "this is a HEIC photo"
    if kind:
        raise CourseError(kind, where=str(path), fix=SUPPORTED)


def _check_kind(picture: PILImage.Image, path: Path, max_pixels: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise CourseError(
            f"{width}x{height} pixels are {width * height / 1e6:.0f} million; "
            f"the limit is {max_pixels / 1e6:.0f} million",
            where=str(path),
            fix=f"shrink it, or pass max_pixels={width * height}",
        )
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # phones add a preview as a second frame
        raise CourseError(f"{picture.format} with {frames} frames", where=str(path), fix=SUPPORTED)


def _to_rgb(picture: PILImage.Image, where: str) -> PILImage.Image:
    mode = picture.mode
    if mode.startswith("I"):
        # Pillow's own conversion clips at 255: a 16-bit ramp would turn white.
        grey = np.array(picture).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise CourseError("more than 16 bits a pixel", where=where, fix=SUPPORTED)
        return PILImage.fromarray((grey / 257).round().astype(np.uint8)).convert("RGB")
    if mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        # A bare conversion would reveal the colours that hide under transparent pixels.
        layers = picture.convert("RGBA")
        white = PILImage.new("RGBA", layers.size, (255, 255, 255, 255))
        return PILImage.alpha_composite(white, layers).convert("RGB")
    if mode in ("RGB", "L", "P", "1", "YCbCr"):
        return picture.convert("RGB")
    raise CourseError(f"colour mode {mode}", where=where, fix=SUPPORTED)


def to_image(
    pixels: Any, *, values: tuple[float, float] = (0.0, 1.0), where: str = "image"
) -> tv_tensors.Image:
    """Pixels that somebody holds in memory as ``[3, H, W]``, uint8.

    Args:
        pixels: a Pillow image, or an array or tensor ``[3, H, W]``, ``[H, W, 3]`` or ``[H, W]``;
            bytes (0 to 255) or floats.
        values: which floats mean black and white, for instance ``(-1, 1)``.
    """
    if isinstance(pixels, PILImage.Image):
        pixels = np.array(_to_rgb(ImageOps.exif_transpose(pixels), where))
    tensor = torch.as_tensor(np.array(pixels) if not isinstance(pixels, torch.Tensor) else pixels)
    tensor = _channels_first(tensor.detach().cpu(), where)
    if tensor.is_floating_point():
        tensor = _bytes_of(tensor, values, where)
    elif tensor.dtype != torch.uint8:
        raise CourseError(
            f"pixels are {tensor.dtype}; they must be uint8 (0 to 255) or floats", where=where
        )
    if bool((tensor == tensor.flatten()[0]).all()):
        warnings.warn(f"{where}: every pixel has the same value", stacklevel=2)
    return tv_tensors.Image(tensor)


def _channels_first(tensor: torch.Tensor, where: str) -> torch.Tensor:
    if tensor.ndim == 2:
        tensor = tensor[None]
    elif tensor.ndim == 3 and tensor.shape[0] not in (1, 3) and tensor.shape[2] in (1, 3):
        tensor = tensor.permute(2, 0, 1)
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3) or tensor.numel() == 0:
        shape = list(tensor.shape)
        raise CourseError(f"shape {shape}; allowed are [3, H, W], [H, W, 3], [H, W]", where=where)
    return tensor.expand(3, -1, -1).contiguous()


def _bytes_of(tensor: torch.Tensor, values: tuple[float, float], where: str) -> torch.Tensor:
    black, white = values
    if not bool(tensor.isfinite().all()):
        raise CourseError("holds NaN or infinite values", where=where)
    low, high = float(tensor.min()), float(tensor.max())
    if low < black - 1e-4 or high > white + 1e-4:
        raise CourseError(
            f"values go from {low:.4g} to {high:.4g}, but {black:g} to {white:g} is expected",
            where=where,
            fix="pass values=(black, white), or uint8 pixels for 0 to 255",
        )
    return ((tensor - black) / (white - black) * 255).round().to(torch.uint8)
