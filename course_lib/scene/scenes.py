"""One scene: a picture together with everything that describes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from course_lib.errors import Problems
from course_lib.painter import Picture
from course_lib.scene.label_map import LabelMap
from course_lib.scene.layout import Layout

__all__ = ["Scene"]


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and its descriptions, as far as they are known.

    Attributes:
        image: ``[3, H, W]``, uint8.
        captions: sentences that are true of the picture.
        embeddings: published embeddings of its sentences, ``[K, 1024]``.
        layout: class names and boxes in pixels of this picture.
        masks: ``[N, H, W]``, bool: the visible part of each object of the layout.
        label_map: the class of every pixel.

    Raises:
        CourseError: sizes or numbers of objects that do not agree, all at once.
    """

    image: tv_tensors.Image
    captions: tuple[str, ...] = ()
    layout: Layout | None = None
    masks: tv_tensors.Mask | None = None
    label_map: LabelMap | None = None
    embeddings: Tensor | None = None

    def __post_init__(self) -> None:
        with Problems("scene") as problems:
            shape, canvas = list(self.image.shape), self.canvas
            problems.check(
                len(shape) == 3 and shape[0] == 3 and self.image.dtype == torch.uint8,
                f"the image is {shape} {self.image.dtype}, it must be [3, H, W] torch.uint8",
            )
            sizes = {
                "layout": None if self.layout is None else self.layout.canvas,
                "masks": None if self.masks is None else tuple(self.masks.shape[-2:]),
                "label map": None if self.label_map is None else self.label_map.canvas,
            }
            for name, size in sizes.items():
                fine = size is None or size == canvas
                problems.check(fine, f"the image is {canvas} (height, width), the {name} {size}")
            if self.layout is not None and self.masks is not None:
                objects, masks = len(self.layout), len(self.masks)
                problems.check(objects == masks, f"{objects} objects but {masks} masks")

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of the picture in pixels."""
        return self.image.shape[-2], self.image.shape[-1]

    @property
    def picture(self) -> Picture:
        """The image as painters hand it over: to be shown, saved, compared."""
        return Picture(self.image.as_subclass(Tensor) / 127.5 - 1)

    def transform(self, change: Callable[[Any], Any]) -> Scene:
        """Picture, boxes, masks and maps through one ``torchvision.transforms.v2`` transform.

        Captions stay as they are: use :meth:`flip` for mirroring, which also mends their words.
        """
        parts = {
            "image": self.image,
            "boxes": None if self.layout is None else self.layout.boxes,
            "masks": self.masks,
            "ids": None if self.label_map is None else self.label_map.ids,
            "instances": None if self.label_map is None else self.label_map.instances,
        }
        new = change({name: part for name, part in parts.items() if part is not None})
        label_map = self.label_map and replace(
            self.label_map, ids=new["ids"], instances=new.get("instances")
        )
        return replace(
            self,
            image=new["image"],
            layout=None if self.layout is None else Layout(self.layout.names, new["boxes"]),
            masks=new.get("masks"),
            label_map=label_map,
        )

    def resize(self, height: int, width: int) -> Scene:
        """The scene at another size; masks and maps by nearest neighbour."""
        size = [height, width]
        return self.transform(lambda parts: {k: F.resize(v, size) for k, v in parts.items()})

    def flip(self) -> Scene:
        """The scene mirrored; "left" and "right" change places in the captions."""
        scene = self.transform(lambda parts: {k: F.horizontal_flip(v) for k, v in parts.items()})
        return replace(scene, captions=tuple(mirrored(caption) for caption in self.captions))


def mirrored(caption: str) -> str:
    """The sentence that is true of the mirrored picture."""
    other = {"left": "right", "right": "left"}
    return re.sub(r"\b(left|right)\b", lambda match: other[match[0]], caption)
