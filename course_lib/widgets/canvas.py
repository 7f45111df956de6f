"""A label map as something to paint: a brush, a bucket, and the classes as colours.

>>> canvas = Canvas(Storybook.classes, 64, 64)                             # doctest: +SKIP
>>> canvas.label_map = Storybook()[3].label_map   # start from a scene's map
>>> canvas.observe(lambda _: show(painter.generate(canvas.label_map)), "value")

Between Python and the browser a map travels as bytes, an id a pixel, several times in a stroke:
ipywidgets sends the next one when the last has been answered, so painting keeps the machine's pace.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import torch
import traitlets
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont
from torch import Tensor
from torchvision import tv_tensors

from course_lib.errors import CourseError
from course_lib.scene import ClassTable, LabelMap, load_image
from course_lib.widgets.front_end import FrontEnd, chips, received, static
from course_lib.widgets.panel import enlarged

__all__ = ["Canvas", "Scenes"]

MOST_CLASSES = 255  # an id is a byte, and one byte is for "unlabeled"
ENTRY = (128, 18)  # pixels across and down of a class in the legend


class Scenes(Protocol):
    """Anything with scenes to start from: a data set, a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...  # with a `label_map`


class Canvas(FrontEnd):
    """A label map under a brush.

    Args:
        classes: what can be painted.
        height, width: of the map in pixels; other maps are brought to that size.
        scenes: whose maps can be started from, by number.
        segment: turns a photo (``[3, H, W]``, uint8) into a label map of the same classes.

    Attributes:
        value: the map's ids as bytes, row by row; ``observe`` it to hear of changes.

    Raises:
        CourseError: a class table whose ids do not fit into a byte.
    """

    _esm, _css = static("shared.js", "canvas.js"), static("widgets.css")

    value = traitlets.CBytes().tag(sync=True)  # not `Bytes`: browsers send memoryviews
    height, width = traitlets.Int().tag(sync=True), traitlets.Int().tag(sync=True)
    palette: traitlets.List[Any] = traitlets.List().tag(sync=True)
    scenes = traitlets.Int().tag(sync=True)  # how many there are
    can_segment = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        classes: ClassTable,
        height: int,
        width: int,
        *,
        scenes: Scenes | None = None,
        segment: Callable[[Tensor], LabelMap] | None = None,
    ) -> None:
        if not 0 < len(classes) <= MOST_CLASSES:
            raise CourseError(
                f"{len(classes)} classes; 1 to {MOST_CLASSES} can be painted", where="canvas"
            )
        self.classes, self._scenes, self._segment = classes, scenes or (), segment
        super().__init__(
            value=bytes(height * width),
            height=height,
            width=width,
            palette=chips(classes),
            scenes=len(self._scenes),
            can_segment=segment is not None,
        )

    @property
    def label_map(self) -> LabelMap:
        """The map as it is now; to set it starts from another map."""
        return self.read(self.value)

    @label_map.setter
    def label_map(self, label_map: LabelMap) -> None:
        self.start_from(label_map)

    def read(self, value: bytes) -> LabelMap:
        """These bytes as a label map: ids ``[H, W]``, int64."""
        ids = np.frombuffer(value, np.uint8).reshape(self.height, self.width)
        return LabelMap(tv_tensors.Mask(torch.from_numpy(ids.astype(np.int64))), self.classes)

    def start_from(self, label_map: LabelMap) -> str:
        """Puts another map on the canvas, and says how it had to be resized, if it had.

        Raises:
            CourseError: a map of other classes.
        """
        if label_map.classes.names != self.classes.names:
            raise CourseError(
                f"the map has other classes than the canvas: {strangers(label_map, self.classes)}",
                where="label map",
                fix="take a map of the painter's own classes, or translate its ids",
            )
        resized = label_map.resize(self.height, self.width)
        self.value = resized.ids.as_subclass(Tensor).to(torch.uint8).numpy().tobytes()
        if label_map.canvas == resized.canvas:
            return ""
        height, width = label_map.canvas
        return f"resized from {width}x{height} to {self.width}x{self.height}"

    def fault(self, value: object) -> str:
        """What is wrong with these bytes as a map of this canvas; empty if nothing is."""
        pixels = self.height * self.width
        if not isinstance(value, bytes) or len(value) != pixels:
            return f"it must be {pixels} bytes, an id for each pixel"
        highest = max(value)
        fine = highest <= self.classes.unlabeled
        return "" if fine else f"id {highest} is in no class table of {len(self.classes)}"

    @traitlets.validate("value")
    def _check_value(self, proposal: Mapping[str, Any]) -> bytes:
        if wrong := self.fault(proposal["value"]):
            raise traitlets.TraitError(f"label map: {wrong}")
        return proposal["value"]

    # --- what the buttons ask for -----------------------------------------------------------------

    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any], bytes], str | None]]:
        return {"scene": self._scene, "load": self._load, "photo": self._photo, "save": self._save}

    def _scene(self, content: Mapping[str, Any], _: bytes) -> str:
        number = content.get("number")
        if not isinstance(number, int) or not 0 <= number < self.scenes:
            raise CourseError(f"{number!r}; there are scenes 0 to {self.scenes - 1}", where="scene")
        return self.start_from(self._scenes[number].label_map)

    def _load(self, content: Mapping[str, Any], data: bytes) -> str:
        with received(str(content.get("name")), data) as path:
            return self.start_from(LabelMap.load(path, self.classes))

    def _photo(self, content: Mapping[str, Any], data: bytes) -> str:
        if self._segment is None:
            raise CourseError("this canvas has no segmenter", where="photo")
        with received(str(content.get("name")), data) as path:
            return self.start_from(self._segment(load_image(path)))

    def _save(self, _: Mapping[str, Any], __: bytes) -> None:
        with TemporaryDirectory() as folder:
            data = self.label_map.save(Path(folder) / "label_map.png").read_bytes()
        self.send({"name": "label_map.png"}, buffers=[data])

    # --- where no front end runs ------------------------------------------------------------------

    def describe(self) -> str:
        """The classes that occur and how much of the map they have."""
        parts = [f"{name} {share(n, self.value)}" for name, n in self.label_map.names().items()]
        return f"label map of {', '.join(parts)}"

    def still(self) -> PILImage.Image:
        """The map in its colours, and below it the legend of the classes that occur."""
        names = self.label_map.names()
        picture = enlarged(PILImage.fromarray(self.label_map.coloured().permute(1, 2, 0).numpy()))
        columns, (across, down) = max(1, picture.width // ENTRY[0]), ENTRY
        height = picture.height + 4 + down * math.ceil(len(names) / columns)
        paper = PILImage.new("RGB", (picture.width, height), "white")
        paper.paste(picture)
        pen, font = ImageDraw.Draw(paper), ImageFont.load_default(14)
        for place, (name, count) in enumerate(names.items()):
            x, y = place % columns * across, picture.height + 2 + down * (place // columns)
            colour = self.classes[name].colour if name in self.classes else (0, 0, 0)
            pen.rectangle((x + 2, y + 3, x + 12, y + 13), colour, "black")
            pen.text((x + 17, y), f"{name} {share(count, self.value)}", "black", font)
        return paper


def share(count: int, of: bytes) -> str:
    return f"{count / len(of):.0%}"


def strangers(label_map: LabelMap, classes: ClassTable) -> str:
    """The first classes that occur in the map and that the table does not have."""
    missing = [name for name in label_map.names() if name not in classes]
    return ", ".join(missing[:5]) or "their ids differ"
