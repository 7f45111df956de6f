"""Scenes from loose files: a picture each, with a label map and captions where there are any."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torchvision import tv_tensors

from course_lib.data.fingerprint import fingerprint, of_files
from course_lib.data.on_disk import OnDisk, Size
from course_lib.data.pairs import load_pair
from course_lib.data.tables import Legend
from course_lib.scene import LabelMap, Scene, load_image
from course_lib.scene.pictures import open_picture

__all__ = ["Folder", "Page"]


@dataclass(frozen=True)
class Page:
    """One picture and the files that belong to it."""

    image: Path
    label_map: Path | None = None
    captions: tuple[str, ...] = ()
    instances: Path | None = None  # a picture that numbers the things of the label map

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(filter(None, (self.image, self.label_map, self.instances)))


class Folder(OnDisk):
    """Scenes from picture files, with label maps and captions where there are any.

    Args:
        legend: how to read the label maps.
    """

    def __init__(
        self,
        name: str,
        pages: list[Page],
        legend: Legend | None = None,
        *,
        size: Size | None = None,
    ) -> None:
        self.name, self.pages, self.legend, self.size = name, pages, legend, size
        self.classes = classes = legend.classes if legend else None
        captions = sum(len(page.captions) for page in pages)
        parts = [f"{len(pages):,} pictures"]
        parts += [f"label maps of {len(classes)} classes"] if classes else []
        parts += [f"{captions:,} captions"] if captions else []
        self.found = (" + ".join(parts),)

    def __len__(self) -> int:
        return len(self.pages)

    def where(self, index: int) -> Path:
        return self.pages[index].image

    def files(self) -> Iterable[Path]:
        return (file for page in self.pages for file in page.files)

    def belongings(self, index: int) -> tuple[Path, ...]:
        page = self.pages[index]
        sentences = page.image.with_suffix(".txt")
        return (*page.files, sentences) if sentences.is_file() else page.files

    @cached_property
    def fingerprint(self) -> str:
        """Captions belong to the scenes, too."""
        told = (page.captions for page in self.pages)
        return fingerprint(self.size, of_files(self.files()), *told)

    def read(self, index: int) -> Scene:
        page = self.pages[index]
        if page.label_map is None or self.legend is None:
            return Scene(load_image(page.image), page.captions)
        image, label_map = load_pair(page.image, page.label_map, self.legend)
        if page.instances is not None:
            label_map = with_instances(label_map, page.instances)
        return Scene(image, page.captions, label_map=label_map)


def with_instances(label_map: LabelMap, path: Path) -> LabelMap:
    """The map with the instances of a picture that numbers things, and repeats stuff's ids.

    So are SPADE's: a number may be that of some stuff, so the class decides which of them it is.
    """
    numbers = torch.from_numpy(np.array(open_picture(path)).astype(np.int64))
    things = [label_map.classes.id(name) for name in label_map.classes.things]
    is_thing = torch.isin(label_map.ids.as_subclass(torch.Tensor), torch.tensor(things))
    return replace(label_map, instances=tv_tensors.Mask(torch.where(is_thing, numbers + 1, 0)))
