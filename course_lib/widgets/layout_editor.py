"""A layout as something to touch: named boxes that are drawn, dragged, renamed and reordered.

>>> editor = LayoutEditor(painter.classes, 64, 64)                         # doctest: +SKIP
>>> editor.layout = Layout.of(("tree", (0.1, 0.4, 0.3, 0.9)), units="fraction", format="xyxy")
>>> editor.observe(lambda _: show(painter.generate(editor.layout)), "value")
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import traitlets
from PIL import Image as PILImage
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image
from torchvision.utils import draw_bounding_boxes

from course_lib.errors import CourseError
from course_lib.painter import Picture
from course_lib.scene import ClassTable, Layout
from course_lib.widgets.front_end import FrontEnd, chips, static
from course_lib.widgets.panel import as_png, enlarged

__all__ = ["LayoutEditor"]


class LayoutEditor(FrontEnd):
    """Boxes on a picture, from the back to the front.

    Args:
        classes: what the boxes can be of.
        height, width: of the picture in pixels.
        most: how many boxes there may be.
        propose: a layout for a caption, of whatever things it names.

    Attributes:
        value: ``{"name": ..., "box": [left, top, right, bottom]}`` for each box, in fractions;
            ``"proposed"`` until a hand has moved it. Whatever else a box holds stays with it.
        selected: the place of the selected box in ``value``; -1 for none.
        backdrop: the PNG under the boxes; :meth:`show_under` sets it.
    """

    _esm, _css = static("shared.js", "layout_editor.js"), static("widgets.css")

    value: traitlets.List[Any] = traitlets.List().tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    backdrop = traitlets.CBytes().tag(sync=True)
    height, width = traitlets.Int().tag(sync=True), traitlets.Int().tag(sync=True)
    palette: traitlets.List[Any] = traitlets.List().tag(sync=True)
    most = traitlets.Int().tag(sync=True)
    can_propose = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        classes: ClassTable,
        height: int,
        width: int,
        *,
        most: int = 8,
        propose: Callable[[str], Layout] | None = None,
    ) -> None:
        self.classes, self._propose_layout = classes, propose
        size = {"height": height, "width": width, "most": most}
        super().__init__(**size, palette=chips(classes), can_propose=propose is not None)

    @property
    def boxes(self) -> Layout:
        """The layout as it is now, the last box in front; to set it starts from another."""
        return self.read(self.value)

    @boxes.setter
    def boxes(self, layout: Layout) -> None:
        self.value = self._written(layout)

    def read(self, value: Iterable[Mapping[str, Any]]) -> Layout:
        """The boxes of such a value as a layout in fractions."""
        pairs = [(each["name"], each["box"]) for each in value]
        return Layout.of(
            *pairs, units="fraction", format="xyxy", classes=self.classes, max_objects=self.most
        )

    def show_under(self, picture: Picture) -> None:
        """Puts a picture under the boxes: the one that was painted from them."""
        self.backdrop = as_png(picture.pil())

    def fault(self, value: Any) -> str:
        """What is wrong with these boxes; empty if nothing is."""
        try:
            self.read(value)
        except CourseError as error:
            return str(error)
        except (KeyError, TypeError, ValueError):
            return 'write [{"name": "tree", "box": [0.1, 0.4, 0.3, 0.9]}, ...]'
        return ""

    @traitlets.validate("value")
    def _check_value(self, proposal: Mapping[str, Any]) -> list[Any]:
        if wrong := self.fault(proposal["value"]):
            raise traitlets.TraitError(wrong)
        return proposal["value"]

    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any], bytes], str | None]]:
        return {"propose": self._propose}

    def propose(self, caption: str) -> str:
        """Boxes for what a caption names instead of those that are there; tells how many."""
        if self._propose_layout is None:
            raise CourseError("nobody proposes layouts here", where="layout editor")
        layout = self._propose_layout(caption)
        self.value = [{**box, "proposed": True} for box in self._written(layout)]
        return f"{len(layout)} boxes proposed"

    def _propose(self, content: Mapping[str, Any], _: bytes) -> str:
        return self.propose(str(content.get("caption")))

    def _written(self, layout: Layout) -> list[dict[str, Any]]:
        return [{"name": name, "box": [*box]} for name, box in layout]

    # --- where no front end runs ------------------------------------------------------------------

    def describe(self) -> str:
        """The boxes from the back to the front."""
        return repr(self.boxes)

    def still(self) -> PILImage.Image:
        """The boxes with their names, on the backdrop if there is one."""
        paper = PILImage.new("RGB", (self.width, self.height), "white")
        if self.backdrop:
            paper = PILImage.open(io.BytesIO(self.backdrop)).convert("RGB")
        paper = enlarged(paper)
        layout = self.boxes
        if not len(layout):
            return paper
        colours = [self.classes[name].colour for name in layout.names]
        scale = torch.tensor([paper.width, paper.height, paper.width, paper.height])
        drawn = draw_bounding_boxes(
            pil_to_tensor(paper), layout.fractions() * scale, [*layout.names], colours, width=3
        )
        return to_pil_image(drawn)
