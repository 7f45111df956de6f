"""COCO-Stuff as sg2im and LostGAN read it: boxes around things and stuff alike, few and large."""

from __future__ import annotations

from pathlib import Path

from course_lib.data.coco.json_files import Row
from course_lib.data.coco.read import Coco
from course_lib.data.on_disk import Size
from course_lib.errors import CourseError

__all__ = ["CocoLayouts"]


class CocoLayouts(Coco):
    """Pictures with a few large objects, filtered as published and in that order.

    1. Pictures without any stuff annotation go, or that ``instances`` does not list.
    2. So do crowds, "other", and objects whose box covers 2 % of the picture or less.
    3. Pictures that now have fewer than 3 objects or more than 8 go.

    Counting objects before the small ones have gone would keep other pictures. Things come first,
    then stuff, in the files' order. There are no masks.
    """

    name = "coco-layouts"
    least = 0.02  # of the picture
    fewest, most = 3, 8  # objects

    def __init__(
        self, folder: str | Path, split: str | None = None, *, size: Size | None = None
    ) -> None:
        super().__init__(folder, split, size=size)
        if not {"instances", "stuff"} <= self.parts.keys():
            what = f"layouts need both instances_ and stuff_{self.split}.json"
            raise CourseError(what, where=str(folder))
        listed = self.parts["instances"].imgs.keys()
        before = [key for key in self.order if key in listed and self._rows("stuff", key)]
        self.order = [key for key in before if self.fewest <= len(self._shown(key)) <= self.most]
        kept = f"{len(self.order):,} of {len(before):,} pictures with stuff"
        self.found = (*self.found, f"{kept} have {self.fewest} to {self.most} large objects")

    def _shown(self, key: int) -> list[Row]:
        image = self.images[key]
        area = image["width"] * image["height"]
        return [
            {name: value for name, value in row.items() if name != "segmentation"}
            for row in self._things(key)[0] + self._rows("stuff", key)
            if row["category_id"] in self._names
            and row["bbox"][2] * row["bbox"][3] / area > self.least
        ]
