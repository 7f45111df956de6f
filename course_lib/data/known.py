"""Opening a data set by its name: which of its files are the pictures, maps and annotations."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from torch import Tensor

from course_lib.data.coco import Coco
from course_lib.data.coco.json_files import coco_splits
from course_lib.data.digits import Mnist
from course_lib.data.fingerprint import fingerprint, of_folder
from course_lib.data.folder import existing, open_folder
from course_lib.data.manifest import manifest
from course_lib.data.on_disk import OnDisk, Size, sides
from course_lib.data.paired import PAIRED, Framing, Paired, in_spades_layout
from course_lib.data.published import PUBLISHED, open_published, published_splits
from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError, suggestion
from course_lib.paths import data_dir
from course_lib.scene import ClassTable, Scene, to_image

__all__ = [
    "Scenes",
    "framing_of",
    "open_data",
    "paired_of",
    "place_of",
    "prepared_place",
    "splits_of",
]


class Scenes(Protocol):
    """Anything that scenes can be taken from by number."""

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> ClassTable | None: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Scene: ...


NOTE = "prepared.json"  # in a prepared copy: what it was made from


@dataclass
class _Small(OnDisk):
    """Pictures that torchvision keeps in one file: MNIST, CIFAR-10."""

    name: str
    pictures: list[Tensor] = field(repr=False)  # each [3, H, W] or [1, H, W], uint8
    place: Path
    size: Size | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def where(self, index: int) -> Path:
        return self.place / f"number {index}"

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.name, self.size, len(self))

    def read(self, index: int) -> Scene:
        return Scene(to_image(self.pictures[index]))


def _small(name: str, place: Path, split: str, size: Size | None) -> _Small:
    if name == "mnist":
        images = Mnist(place, 32, "test" if split == "test" else "train").images
        return _Small(name, list(((images + 1) * 127.5).round().byte()), place, size)
    from torchvision.datasets import CIFAR10
    from torchvision.transforms.v2.functional import pil_to_tensor

    try:
        pictures = CIFAR10(place, train=split != "test", download=False)
    except RuntimeError as error:
        fix = f"course data fetch {name}"
        raise CourseError(f"not complete: {error}", where=str(place), fix=fix) from None
    return _Small(name, [pil_to_tensor(picture) for picture, _ in pictures], place, size)


def place_of(name: str) -> Path | None:
    """The folder of a data set, None for a name that is none."""
    known = {row.name: row for row in manifest() if row.how != "built in"}
    return known[name].place if name in known else None


def paired_of(name: str) -> Paired | None:
    """How the pictures and maps of a data set, or of your own folder, lie in two folders."""
    return PAIRED.get(name) or (None if place_of(name) else in_spades_layout(Path(name)))


def framing_of(name: str) -> Framing:
    """How SPADE's loader frames the pictures of a data set."""
    paired = paired_of(name)
    return paired.framing if paired else Framing()


def prepared_place(name: str, split: str | None, size: Size) -> Path:
    """Where :func:`~course_lib.data.verbs.prepare` puts its small copy."""
    own = Path(name).expanduser().resolve()  # two folders may have the same last name
    title = name if place_of(name) or name == "storybook" else f"{own.name}-{fingerprint(own)[:6]}"
    height, width = sides(size)
    measure = str(width) if width == height else f"{width}x{height}"
    parts = [title, *([split] if split else []), measure]
    return data_dir() / "prepared" / "-".join(parts)


def copy_note(place: Path) -> dict[str, object] | None:
    """What a prepared copy was made from; None where there is no complete copy."""
    try:
        note = json.loads((place / NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def fingerprint_of(name: str) -> str:
    """Of the files that a data set is made of."""
    if name == "storybook":
        return Storybook().fingerprint
    return of_folder(place_of(name) or existing(name))


def splits_of(name: str) -> list[str]:
    """The splits of a data set that are on this machine; none if it has no splits.

    Raises:
        CourseError: nothing of that name, or not on this machine yet.
    """
    if name == "storybook":
        return ["train", "val", "test"]
    place = place_of(name)
    if place is None and not Path(name).expanduser().exists() and "/" not in name:
        names = [row.name for row in manifest()]
        raise CourseError(f"{name!r} is no data set and no folder; {suggestion(name, names)}")
    if place is not None and not place.is_dir():
        raise CourseError(
            f"{name} is not on this machine", where=str(place), fix=f"course data fetch {name}"
        )
    if name in ("mnist", "cifar10"):
        return ["train", "test"]
    if place is not None and name in PUBLISHED:
        return published_splits(place)
    folder = place or existing(name)
    paired = paired_of(name)
    return paired.splits(folder) if paired else coco_splits(folder)


def open_data(
    name: str, split: str | None = None, size: Size | None = None, *, copies: bool = True
) -> Scenes:
    """The scenes of a data set, or of your own folder.

    Args:
        name: ``storybook``, a name of the manifest, or a path.
        split: which part; by default the first of those that are there.
        size: squares of this many pixels, or height and width.
        copies: read the prepared copy of that size, if there is one.

    Raises:
        CourseError: nothing of that name, not on this machine yet, not complete, or changed since
            its copy was made.
    """
    if name == "storybook":
        if isinstance(size, tuple):
            raise CourseError(f"Storybook's pages are squares, not {size}", where="size")
        return Storybook(size=size or 64)
    place, splits = place_of(name), splits_of(name)
    if split is not None and split not in splits:
        raise CourseError(f"{name} has no split {split!r}; {suggestion(split, splits)}")
    split = split or (splits[0] if splits else None)
    if copies and size is not None and (copy := prepared_place(name, split, size)).is_dir():
        _check_copy(copy, name, size)
        return Coco(copy)
    return _open(name, place, split, size)


def _check_copy(copy: Path, name: str, size: Size) -> None:
    if (copy_note(copy) or {}).get("made from") != fingerprint_of(name):
        raise CourseError(
            f"{name} has changed since its copy at {size} pixels was made",
            where=str(copy),
            fix=f"course data prepare {name} --size {copy.name.rpartition('-')[2]}",
        )


def _open(name: str, place: Path | None, split: str | None, size: Size | None) -> OnDisk:
    if split and (paired := paired_of(name)):
        return paired.open(place or existing(name), split, size)
    if place is not None and name in ("mnist", "cifar10"):
        return _small(name, place, split or "train", size)
    if place is not None and name in PUBLISHED and split:
        return open_published(name, place, split, size)
    return open_folder(place or name, split=split, size=size)
