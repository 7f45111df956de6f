"""A label map: which class every pixel belongs to, as ids, never as a one-hot tensor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from course_lib.errors import CourseError, Problems
from course_lib.scene.classes import ClassTable, check_whole
from course_lib.scene.pictures import MAX_PIXELS, open_picture

__all__ = ["LabelMap"]


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Class ids of all pixels, and which object each belongs to.

    Attributes:
        ids: ``[H, W]``, int64; ``classes.unlabeled`` where nobody labelled.
        classes: the table that the ids belong to.
        instances: ``[H, W]``, int64, if known: 0 for stuff, ``k`` for object number ``k`` from 1.

    Raises:
        CourseError: an id that the table does not have, with the count and place of its pixels.
    """

    ids: tv_tensors.Mask
    classes: ClassTable
    instances: tv_tensors.Mask | None = None

    def __post_init__(self) -> None:
        self.check()

    @classmethod
    def of(
        cls,
        ids: Any,
        classes: ClassTable,
        *,
        unlabeled: int | None = None,
        binary: bool = False,
        instances: Any = None,
        where: str = "label map",
    ) -> LabelMap:
        """A label map from an array of ids ``[H, W]``.

        Args:
            unlabeled: the number that stands for "not labelled" in ``ids``, often 255.
            binary: read 255 as class 1, for a black-and-white mask of two classes.
        """
        tensor = check_whole(torch.as_tensor(ids), where)
        if binary:
            tensor = torch.where(tensor == 255, 1, tensor)
        if unlabeled is not None:
            tensor = torch.where(tensor == unlabeled, classes.unlabeled, tensor)
        objects = None if instances is None else check_whole(torch.as_tensor(instances), where)
        check_ids(tensor, classes, where)
        _warn_of_oddities(tensor, classes, where)
        return cls(_mask(tensor), classes, None if objects is None else _mask(objects))

    @classmethod
    def load(
        cls,
        path: str | Path,
        classes: ClassTable,
        *,
        numbering: str | None = None,
        unlabeled: int | None = None,
        binary: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> LabelMap:
        """A label map from a lossless picture: ids in grey or as a palette, or the table's colours.

        In colours, black means unlabeled, unless it is the colour of a class.

        Args:
            numbering: the file's ids are a data set's own (:meth:`ClassTable.from_source`).
            unlabeled, binary: as in :meth:`of`.
        """
        where = str(path)
        if Path(path).suffix.lower() in (".jpg", ".jpeg"):
            raise CourseError(
                "JPEG blurs neighbouring class ids into ones that nobody drew",
                where=where,
                fix="export the map again, as PNG",
            )
        picture = open_picture(path, max_pixels=max_pixels)
        if picture.format == "JPEG":
            raise CourseError("a JPEG with another name; maps must be PNG", where=where)
        tensor = _ids_of(picture, classes, where)
        if numbering is not None and not _is_coloured(picture):
            void = () if unlabeled is None else (unlabeled,)
            return cls.of(classes.from_source(tensor, numbering, void=void, where=where), classes)
        return cls.of(tensor, classes, unlabeled=unlabeled, binary=binary, where=where)

    def check(self, where: str = "label map") -> None:
        """Raises a :class:`CourseError` unless every id is in the table and all sizes agree."""
        check_ids(self.ids, self.classes, where)
        if self.instances is not None and self.instances.shape != self.ids.shape:
            raise CourseError(
                f"ids are {list(self.ids.shape)}, instances {list(self.instances.shape)}",
                where=where,
            )

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.ids.shape[0], self.ids.shape[1]

    def names(self) -> dict[str, int]:
        """The classes that occur, with their number of pixels, the largest first."""
        values, counts = self.ids.as_subclass(Tensor).unique(return_counts=True)
        pairs = zip(values.tolist(), counts.tolist(), strict=True)
        return {self.classes.name(i): n for i, n in sorted(pairs, key=lambda pair: -pair[1])}

    def mask(self, name: str) -> tv_tensors.Mask:
        """Where a class is: ``[H, W]``, bool."""
        return tv_tensors.Mask(self.ids.as_subclass(Tensor) == self.classes.id(name))

    def resize(self, height: int, width: int) -> LabelMap:
        """The map at another size, by nearest neighbour: blending ids would invent classes."""

        def nearest(mask: tv_tensors.Mask) -> tv_tensors.Mask:
            resized = F.resize(mask, [height, width], interpolation=InterpolationMode.NEAREST)
            return tv_tensors.Mask(resized)

        instances = None if self.instances is None else nearest(self.instances)
        return replace(self, ids=nearest(self.ids), instances=instances)

    def edge(self) -> Tensor:
        """The borders between objects, or between classes without instances: bool ``[1, H, W]``."""
        pairs = self.ids.as_subclass(Tensor)
        if self.instances is not None:
            objects = self.instances.as_subclass(Tensor)
            pairs = pairs * (int(objects.max()) + 1) + objects
        edge = torch.zeros_like(pairs, dtype=torch.bool)
        across = pairs[:, 1:] != pairs[:, :-1]
        down = pairs[1:] != pairs[:-1]
        edge[:, 1:] |= across
        edge[:, :-1] |= across
        edge[1:] |= down
        edge[:-1] |= down
        return edge[None]

    def coloured(self) -> tv_tensors.Image:
        """The map in the table's colours: ``[3, H, W]``, uint8."""
        colours = self.classes.palette()[self.ids.as_subclass(Tensor).cpu()]  # [H, W, 3]
        return tv_tensors.Image(colours.permute(2, 0, 1).contiguous())

    def save(self, path: str | Path) -> Path:
        """Writes a PNG with a palette, which is both seen in colour and read back as ids."""
        path = Path(path).with_suffix(".png")
        picture = PILImage.fromarray(self.ids.as_subclass(Tensor).to(torch.uint8).cpu().numpy())
        picture.putpalette(self.classes.palette().flatten().tolist())
        picture.save(path)
        return path


def _mask(values: Tensor) -> tv_tensors.Mask:
    return tv_tensors.Mask(values.contiguous())


def check_ids(ids: Tensor, classes: ClassTable, where: str) -> None:
    """Every id must be in the table; the message says how many are not, and where."""
    ids = check_whole(ids.as_subclass(Tensor), where)
    if ids.ndim != 2 or ids.numel() == 0:
        raise CourseError(f"shape {list(ids.shape)}; a label map is [H, W]", where=where)
    counts = _counts(ids)
    unknown = [value for value in counts if not 0 <= value <= classes.unlabeled]
    with Problems(where) as problems:
        for value in unknown[:5]:
            y, x = (ids == value).nonzero()[0].tolist()
            problems.add(
                f"id {value} at {counts[value]} pixels ({counts[value] / ids.numel():.0%}), "
                f"first at (x={x}, y={y}); ids are 0..{len(classes) - 1}",
                _mend(value, set(counts)),
            )
        problems.check(len(unknown) <= 5, f"{len(unknown)} ids in all are not in the table")
        blended = _only_between(ids, [v for v in unknown if v > 0]) if unknown else []
        problems.check(
            not blended,
            f"{len(blended)} ids appear only on borders",
            "was this resized with interpolation? use nearest neighbour",
        )


def _mend(value: int, present: set[int]) -> str:
    if present == {0, 255}:
        return "ids {0, 255}: pass binary=True to read 255 as class 1, or number classes.txt so"
    if value == 255:
        return "if 255 means unlabeled, pass unlabeled=255, or add '255 unlabeled' to classes.txt"
    if value < 0:
        return "was an unsigned id shifted by one? shift ids through ClassTable.from_source"
    return ""


def _counts(ids: Tensor) -> dict[int, int]:
    values, counts = ids.unique(return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _only_between(ids: Tensor, candidates: list[int]) -> list[int]:
    """Ids whose every pixel has both a lower and a higher id beside it: the mark of blending."""
    window = ids.float()[None, None]
    high = torch.nn.functional.max_pool2d(window, 3, stride=1, padding=1)[0, 0]
    low = -torch.nn.functional.max_pool2d(-window, 3, stride=1, padding=1)[0, 0]
    between = (low < ids) & (ids < high)
    return [value for value in candidates if bool(between[ids == value].all())]


def _warn_of_oddities(ids: Tensor, classes: ClassTable, where: str) -> None:
    counts = _counts(ids)
    if len(counts) == 1:
        only = classes.name(next(iter(counts)))
        warnings.warn(f"{where} holds one class only ({only!r})", stacklevel=4)
    blended = [v for v in _only_between(ids, list(counts)) if counts[v] > 2]
    if blended:
        names = ", ".join(repr(classes.name(value)) for value in blended)
        warnings.warn(
            f"{where}: {names} appear only on borders: was this resized with interpolation?",
            stacklevel=4,
        )


def _is_coloured(picture: PILImage.Image) -> bool:
    return picture.mode not in ("L", "P", "1") and not picture.mode.startswith("I")


def _ids_of(picture: PILImage.Image, classes: ClassTable, where: str) -> Tensor:
    if not _is_coloured(picture):
        # A palette picture is read by its index: converting to grey would read its colours.
        return torch.from_numpy(np.array(picture).astype(np.int64))
    pixels = np.array(picture.convert("RGBA")).astype(np.int64)
    if picture.mode not in ("RGB", "RGBA") or pixels[..., 3].min() < 255:
        raise CourseError(
            f"colour mode {picture.mode}",
            where=where,
            fix="save it as PNG in grey, with a palette, or in the table's colours",
        )
    keys = (pixels[..., 0] << 16) + (pixels[..., 1] << 8) + pixels[..., 2]
    known = {0: classes.unlabeled}  # black, unless a class has it
    known |= {(r << 16) + (g << 8) + b: i for i, (r, g, b) in _colours(classes).items()}
    values, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    _check_colours(dict(zip(values.tolist(), counts.tolist(), strict=True)), known, where)
    mapped = np.array([known[value] for value in values.tolist()], dtype=np.int64)
    return torch.from_numpy(mapped[inverse.reshape(keys.shape)])


def _colours(classes: ClassTable) -> Mapping[int, tuple[int, int, int]]:
    return {info.id: info.colour for info in classes}


def _check_colours(found: dict[int, int], known: dict[int, int], where: str) -> None:
    unknown = sorted((n, value) for value, n in found.items() if value not in known)[::-1]
    if unknown:
        first = ", ".join(
            f"({value >> 16}, {value >> 8 & 255}, {value & 255}) at {n} pixels"
            for n, value in unknown[:5]
        )
        raise CourseError(
            f"{len(unknown)} colours are not in the class table: {first}",
            where=where,
            fix="draw with the table's colours without smoothing, or save ids in grey",
        )
