"""Flowers and birds with sentences, laid out as StackGAN's authors and others have them.

::

    jpg/image_06734.jpg   CUB_200_2011/images/001.Albatross/..._18.jpg   the pictures, .jpg
    setid.mat             CUB_200_2011/train_test_split.txt              the data set's own splits
    text_c10/..., text/...                            sentences: a .txt with the picture's name
    train/filenames.pickle, test/filenames.pickle     StackGAN's splits, which go first
    train/char-CNN-RNN-embeddings.pickle              for each picture ten embeddings of 1,024

How deep these lie does not matter. Birds are cut out around the box of each bird.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from course_lib.data.fingerprint import fingerprint, of_files
from course_lib.data.folder import walk
from course_lib.data.on_disk import OnDisk, Size
from course_lib.errors import CourseError, Problems
from course_lib.foreign import read_pickle
from course_lib.scene import Scene, load_image

__all__ = ["PUBLISHED", "Captioned", "open_published", "published_splits"]

PUBLISHED = ("flowers102", "cub200")
EMBEDDINGS = "char-CNN-RNN-embeddings.pickle"
FLOWERS = {"train": "trnid", "val": "valid", "test": "tstid"}  # in setid.mat
Box = tuple[float, float, float, float]  # x, y, width, height in pixels


@dataclass(frozen=True)
class Entry:
    """One picture, what is said of it, and where its bird is."""

    image: Path
    captions: tuple[str, ...]
    embeddings: Tensor | None = None  # [K, 1024]
    box: Box | None = None


class Captioned(OnDisk):
    """Pictures with sentences, with their embeddings, or with both."""

    def __init__(
        self, name: str, entries: Sequence[Entry], missing: int, size: Size | None
    ) -> None:
        self.name, self.entries, self.size = name, entries, size
        told = sum(len(entry.captions) for entry in entries)
        read = sum(len(e.embeddings) for e in entries if e.embeddings is not None)
        parts = [f"{len(entries):,} pictures", f"{told:,} captions", f"{read:,} embeddings"]
        lost = [f"{missing:,} pictures of this split are not here"] if missing else []
        self.found = (" + ".join(part for part in parts if part[:2] != "0 "), *lost)

    def __len__(self) -> int:
        return len(self.entries)

    def where(self, index: int) -> Path:
        return self.entries[index].image

    @cached_property
    def fingerprint(self) -> str:
        """Sentences and embeddings belong to the scenes, too."""
        told = (entry.captions for entry in self.entries)
        read = (float(e.embeddings.sum()) for e in self.entries if e.embeddings is not None)
        return fingerprint(self.size, of_files(self.files()), *told, *read)

    def read(self, index: int) -> Scene:
        entry = self.entries[index]
        image = load_image(entry.image)
        if entry.box is not None:
            image = around(image, entry.box)
        return Scene(image, entry.captions, embeddings=entry.embeddings)


def around(image: Tensor, box: Box) -> Tensor:
    """The square around the box's centre, 1.5 times its longer side, clipped at the edges."""
    x, y, width, height = box
    reach = int(max(width, height) * 0.75)
    across, down = int(x + width / 2), int(y + height / 2)
    top, left = max(0, down - reach), max(0, across - reach)
    bottom = min(image.shape[-2], down + reach)
    right = min(image.shape[-1], across + reach)
    return F.crop(image, top, left, bottom - top, right - left)


def published_splits(place: Path) -> list[str]:
    """The splits whose files are there."""
    files = _Files(place)
    return [split for split in FLOWERS if files.keys(split) is not None]


def open_published(name: str, place: Path, split: str | None, size: Size | None) -> Captioned:
    """One split of flowers or birds.

    Raises:
        CourseError: no picture of the split, or pickles that do not fit together.
    """
    files = _Files(place)
    keys = files.keys(split or "train") or ()
    embeddings = files.embeddings(split or "train", len(keys))
    entries = [
        Entry(files.pictures[key], files.captions(key), text, files.boxes.get(key))
        for key, text in zip(keys, embeddings, strict=True)
        if key in files.pictures
    ]
    if not entries:
        raise CourseError(
            f"none of the {len(keys):,} pictures of {split or 'train'!r} is here, "
            f"but {len(files.pictures):,} others",
            where=str(place),
            fix=f"course data fetch {name}",
        )
    return Captioned(f"{name} {split}", entries, len(keys) - len(entries), size)


class _Files:
    """What lies in the folder; a picture is known by its name without folder and ending."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.all = list(walk(place, Problems(str(place))))
        self.pictures = {path.stem: path for path in self.all if path.suffix.lower() == ".jpg"}
        self.texts = {path.stem: path for path in self.all if path.suffix == ".txt"}
        self.names: dict[str, str] = {}  # of birds, by number
        if listed := self._find("images.txt"):
            self.names = {n: Path(path).stem for n, path in map(str.split, _lines(listed))}
        rows = [line.split() for line in _lines(self._find("bounding_boxes.txt"))]
        self.boxes: dict[str, Box] = {
            self.names[number]: (float(x), float(y), float(w), float(h))
            for number, x, y, w, h in rows
        }

    def captions(self, key: str) -> tuple[str, ...]:
        return tuple(line.strip() for line in _lines(self.texts.get(key)) if line.strip())

    def keys(self, split: str) -> list[str] | None:
        """The names of a split's pictures; None where nothing says them."""
        if self._find("filenames.pickle"):  # then the data set's own splits do not count
            listed = self._find(f"{split}/filenames.pickle")
            names = read_pickle(listed) if listed else None
            return names and [str(name).rpartition("/")[2] for name in names]
        if numbers := self._find("setid.mat"):
            from scipy.io import loadmat

            return [f"image_{number:05}" for number in loadmat(numbers)[FLOWERS[split]].ravel()]
        if (chosen := self._find("train_test_split.txt")) and split != "val":
            pairs = [line.split() for line in _lines(chosen)]
            return [self.names[n] for n, train in pairs if (train == "1") is (split == "train")]
        return None

    def embeddings(self, split: str, count: int) -> Sequence[Tensor | None]:
        """The published embeddings of each picture, ``[K, 1024]``, where there are any."""
        path = self._find(f"{split}/{EMBEDDINGS}")
        if path is None or self._find(f"{split}/filenames.pickle") is None:
            return [None] * count
        rows = [np.asarray(row, np.float32) for row in read_pickle(path)]
        with Problems(str(path)) as problems:
            problems.check(len(rows) == count, f"embeddings of {len(rows)} pictures, not {count}")
            odd = {row.shape for row in rows if row.ndim != 2}
            problems.check(not odd, f"shapes {sorted(odd)}, each must be [sentences, numbers]")
        return [torch.from_numpy(row) for row in rows]

    def _find(self, end: str) -> Path | None:
        return next((path for path in self.all if path.as_posix().endswith(f"/{end}")), None)


def _lines(path: Path | None) -> list[str]:
    return path.read_text("utf-8", errors="replace").splitlines() if path else []
