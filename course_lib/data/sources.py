"""Sources by name, as configurations and the command line ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, cast

import torch
from torch import Tensor

from course_lib.data.coco.layouts import CocoLayouts
from course_lib.data.coco.pickles import CocoPickles, ProposedPickles
from course_lib.data.digit_scenes import SCENES, DigitScenes
from course_lib.data.digits import Digits, Mnist, find_mnist
from course_lib.data.known import open_data, splits_of
from course_lib.data.on_disk import OnDisk, Size, framed
from course_lib.data.storybook import Storybook
from course_lib.data.storybook.world import Split
from course_lib.data.vary import Varied
from course_lib.data.visual_genome import VisualGenome
from course_lib.errors import CourseError
from course_lib.paths import data_dir
from course_lib.scene import ClassTable, SceneBatch, Source

__all__ = ["open_source"]

BOOKS = {"storybook": (0, 4), "storybook-alone": (1, 1)}  # the fewest and the most things
# Boxes alone: who reads them, from which data set's files.
LAYOUTS = {
    "coco-layouts": (CocoLayouts, "coco"),
    "visual-genome": (VisualGenome, "visual_genome"),
}
# COCO as OP-GAN's authors prepared it lies in one folder.
PICKLES = {"coco-pickles": CocoPickles, "coco-proposed": ProposedPickles}
ENOUGH = 20_000  # pages with one large thing, at 64 px: they stay in memory once they are drawn


def open_source(
    name: str,
    size: int,
    split: str = "train",
    *,
    flip: bool = False,
    crop_from: int | None = None,
    aspect: float = 1.0,
    groups: int = 0,
) -> Source:
    """The scenes of that name, ``size`` pixels wide.

    Args:
        name: ``digits``, ``mnist``, one or two of them on canvases (``mnist-one``, ``digits-two``,
            ``digits-one-clouds``, ...), ``storybook``, ``storybook-alone`` (one large thing a
            scene), a data set of the manifest, ``coco-layouts`` (things and stuff of COCO as boxes,
            filtered as LostGAN's authors did), ``visual-genome``, ``coco-pickles`` and
            ``coco-proposed`` (as OP-GAN's authors prepared it), or a folder.
        split: ``train``, ``val`` or ``test``; what has no splits is all for training.
        flip: mirror scenes by chance. Storybook and digits need none: a digit has a right way.
        crop_from: width in pixels of the larger pictures from which those are cut by chance.
        aspect: width by height; 2 makes pictures of Cityscapes half as high as they are wide.
        groups: batches are of scenes with equally many objects, so many and more being one group;
            0 for batches of any scenes.

    Raises:
        CourseError: an unknown name or split, or data that is not there yet.
    """
    if name in ("digits", "mnist"):
        return _handwriting(name, size, split)
    if name in SCENES:
        written = _handwriting(name.partition("-")[0], 32, split)
        return DigitScenes(written, *SCENES[name], size=size, seed=int(split == "test"))
    if name in BOOKS:
        book = Storybook(size=size, things=BOOKS[name])
        pages = book.split(cast(Split, _known_split("storybook", split)))
        whole = name == "storybook" and not groups
        part = Part(book, pages if whole else pages[: ENOUGH * 64 // size])
        return replace(part, groups=part.counts().clamp(max=groups)) if groups else part
    source = _on_disk(name, split, framed(crop_from or size, aspect))
    if groups:
        source.groups = source.counts().clamp(max=groups)
    return Varied(source, framed(size, aspect), flip) if flip or crop_from else source


def _on_disk(name: str, split: str, size: Size) -> OnDisk:
    if name in PICKLES:
        return PICKLES[name](data_dir() / "coco_pickles", split, size)
    if name not in LAYOUTS:
        return cast(OnDisk, open_data(name, _known_split(name, split), size))
    kind, files = LAYOUTS[name]
    own = _known_split(files, split) if splits_of(files) else split
    return kind(data_dir() / files, own or split, size=size)


def _handwriting(name: str, size: int, split: str) -> Digits | Mnist:
    half: Literal["train", "test"] = "test" if split == "test" else "train"
    if name == "digits":
        return Digits(size, half)
    root = data_dir()
    return Mnist(find_mnist(root) or root / "mnist", size, half)


def _known_split(name: str, split: str) -> str | None:
    """What the data set itself calls that split: ``train2017``, ``training``; None for all."""
    known = splits_of(name)
    found = next((own for own in known if own.startswith(split)), None)
    if found is None and (known or split != "train"):
        raise CourseError(
            f"{name} has no split {split!r}; it has {', '.join(known) or 'one part only, train'}",
            where="data",
        )
    return found


@dataclass(frozen=True)
class Part:
    """Some of a source's scenes, numbered from 0."""

    source: Storybook
    pages: range
    groups: Tensor | None = field(default=None, compare=False)

    def counts(self) -> Tensor:
        """How many things each page has, without drawing any: ``[N]``."""
        return torch.tensor([len(self.source.plan(page).things) for page in self.pages])

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def classes(self) -> ClassTable:
        return self.source.classes

    @property
    def fingerprint(self) -> str:
        return f"{self.source.fingerprint}-{self.pages.start}-{self.pages.stop}"

    def __len__(self) -> int:
        return len(self.pages)

    def batch(self, indices: Tensor) -> SceneBatch:
        """The scenes with these indices (``[B]``) of this part."""
        return self.source.batch(torch.as_tensor(indices) + self.pages.start)
