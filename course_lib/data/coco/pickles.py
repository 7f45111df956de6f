"""COCO as AttnGAN's and OP-GAN's authors prepared it: captions as numbers, boxes in pickles.

::

    captions.pickle                     captions of both splits as numbers of words, and the words
    train/filenames.pickle, test/...    the pictures' names; five captions each
    train/bboxes_large.pickle           x, y, width, height as fractions, ten of each picture, -1
    train/labels_large.pickle           for none; or the three of bboxes.pickle, labels.pickle
    test/bboxes_generated.pickle        boxes that Obj-GAN proposed for each of the five captions
    train/train2014, test/val2014       the pictures
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.data.coco.classes import COCO_CLASSES
from course_lib.data.on_disk import OnDisk, Size
from course_lib.errors import Problems
from course_lib.foreign import read_pickle
from course_lib.scene import ClassTable, Layout, Scene, load_image

__all__ = ["CocoPickles", "ProposedPickles"]

CAPTIONS = 5  # of a picture
PICTURES = {"train": "train2014", "test": "val2014"}


class CocoPickles(OnDisk):
    """Pictures with captions and real boxes, the largest first.

    Raises:
        CourseError: files that are missing, hold code, or do not fit together.
    """

    name = "coco-pickles"
    classes: ClassTable = COCO_CLASSES
    only = ""  # the split that there is, if there is one only

    def __init__(self, folder: str | Path, split: str = "train", size: Size | None = None) -> None:
        self.size, split = size, self.only or split
        self.folder = Path(folder) / split
        self.pictures = self.folder / PICTURES.get(split, split)
        train, test, words, _ = read_pickle(Path(folder) / "captions.pickle")
        self.names: list[str] = read_pickle(self.folder / "filenames.pickle")
        self.told = [" ".join(words[int(n)] for n in row) for row in (train, test)[split == "test"]]
        self.boxes, self.labels = self._boxes()
        coded = [c for c in COCO_CLASSES if "coco80" in c.source_ids]
        self.things = {c.source_ids["coco80"]: c.name for c in coded}
        count, told, boxes = len(self.names), len(self.told), list(self.boxes.shape)
        wanted = [len(self), *self.labels.shape[1:], 4]
        with Problems(str(self.folder)) as problems:
            problems.check(told == CAPTIONS * count, f"captions: {told} for {count} pictures")
            problems.check(boxes == wanted, f"boxes: {boxes} for {count} pictures")
            problems.check(len(self.labels) == len(self), f"labels: {len(self.labels)} likewise")

    def _boxes(self) -> tuple[Tensor, Tensor]:
        """``[N, O, 4]`` and ``[N, O]``."""
        large = "_large" if (self.folder / "bboxes_large.pickle").is_file() else ""
        boxes, labels = (self._array(f"{name}{large}") for name in ("bboxes", "labels"))
        return boxes, labels.flatten(1)

    def _array(self, name: str) -> Tensor:
        return torch.from_numpy(np.array(read_pickle(self.folder / f"{name}.pickle"), np.float32))

    def __len__(self) -> int:
        return len(self.names)

    def counts(self) -> Tensor:
        return (self.labels >= 0).sum(dim=1)

    def where(self, index: int) -> Path:
        return self.pictures / f"{self.names[index]}.jpg"

    def captions(self, index: int) -> tuple[str, ...]:
        return tuple(self.told[CAPTIONS * index : CAPTIONS * (index + 1)])

    def read(self, index: int) -> Scene:
        image = load_image(self.where(index))
        there = self.labels[index] >= 0
        named = [self.things[int(label)] for label in self.labels[index][there]]
        layout = Layout.of(
            *zip(named, self.boxes[index][there].tolist(), strict=True),
            units="fraction", format="xywh", classes=self.classes, clip=True,
        )  # fmt: skip
        canvas = (image.shape[-2], image.shape[-1])
        return Scene(image, self.captions(index), layout.on(canvas))


class ProposedPickles(CocoPickles):
    """Every caption of the test pictures, each with the boxes that Obj-GAN proposed for it.

    The authors' program drew a caption and a set of boxes apart, so that a layout may belong to
    another caption; here they stay together.
    """

    name, only = "coco-proposed", "test"

    def _boxes(self) -> tuple[Tensor, Tensor]:
        boxes, labels = (self._array(f"{name}_generated") for name in ("bboxes", "labels"))
        return boxes.flatten(0, 1), labels.flatten(0, 1)

    def __len__(self) -> int:
        return CAPTIONS * len(self.names)

    def where(self, index: int) -> Path:
        return super().where(index // CAPTIONS)

    def captions(self, index: int) -> tuple[str, ...]:
        return (self.told[index],)
