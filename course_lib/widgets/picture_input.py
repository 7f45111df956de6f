"""A picture of one's own as a control of a panel."""

from __future__ import annotations

import traitlets
from PIL import Image as PILImage
from torch import Tensor

from course_lib.scene import load_image
from course_lib.widgets.front_end import FrontEnd, received, static
from course_lib.widgets.panel import enlarged

__all__ = ["PictureInput", "read_picture"]


class PictureInput(FrontEnd):
    """A button that asks for a picture file.

    Attributes:
        value: the file's bytes, empty without one. The browser sends a PNG of 256 pixels at most.
        label: the words on the button.
    """

    _esm, _css = static("shared.js", "picture_input.js"), static("widgets.css")

    value = traitlets.CBytes().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def fault(self, value: object) -> str:
        return "" if isinstance(value, bytes) else "it must be the bytes of a picture file"

    def describe(self) -> str:
        return f"{self.label}: {'chosen' if self.value else 'none'}"

    def still(self) -> PILImage.Image | None:
        if not self.value:
            return None
        return enlarged(PILImage.fromarray(read_picture(self.value).permute(1, 2, 0).numpy()))


def read_picture(data: bytes) -> Tensor:
    """The file as ``[3, H, W]``, uint8.

    Raises:
        CourseError: no picture that the course reads.
    """
    with received("picture", data) as path:
        return load_image(path)
