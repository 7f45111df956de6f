"""The layout of the LostGAN chapter: drag a box, re-roll a style, and the picture follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image as PILImage
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image
from torchvision.utils import draw_segmentation_masks

from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.lostgan.painter import Drawn, LostGANPainter
from course_lib.painter import Painter, Picture
from course_lib.postcard import Postcard
from course_lib.scene import Layout
from course_lib.widgets.panel import Panel, enlarged

__all__ = ["LayoutPanel", "lostgan_panel"]

MOST = 12  # boxes at once


def lostgan_panel(painter: Painter, layout: Layout | None = None, seed: int = 7) -> LayoutPanel:
    """Boxes to drag with the picture under them, and a style for each box.

    A box keeps its style wherever it is put. ``dice`` rolls the selected
    box's anew, or all that are not locked if none is selected; ``lock`` keeps a style from them;
    ``copy style`` and ``paste style`` let one object borrow another's. ``seed`` is that of what
    lies behind all boxes.

    >>> panel = lostgan_panel(course_lib.load("lostgan"))                  # doctest: +SKIP
    >>> panel.editor.boxes = Layout.of(("tree", (0.1, 0.4, 0.3, 0.9)), units="fraction",
    ...                                format="xyxy")                      # doctest: +SKIP
    >>> panel.roll(0).set(masks=True)                                      # doctest: +SKIP

    Args:
        layout: what to start from; else a page of Storybook where the painter knows its classes.

    Raises:
        CourseError: a painter that takes no styled layouts.
    """
    if not isinstance(painter, LostGANPainter):
        raise CourseError(f"this {painter.kind} takes no styled layouts", where="lostgan_panel")
    return LayoutPanel(painter, layout, seed)


class LayoutPanel(Panel):
    """See :func:`lostgan_panel`.

    Attributes:
        editor: the boxes; each is also told its ``style``, a seed or the style itself, and whether
            it is ``locked``.
    """

    picture: Drawn

    def __init__(self, painter: LostGANPainter, layout: Layout | None, seed: int) -> None:
        import ipywidgets as ipw

        from course_lib.widgets.layout_editor import LayoutEditor

        side = painter.sizes.size
        self.painter = painter
        self._copied: list[float] | None = None
        self._pages, self._page = Storybook(seed=1, size=side), 0  # an unseen book
        self.editor = LayoutEditor(painter.classes, side, side, most=MOST)
        self.editor.boxes = self._start() if layout is None else layout
        controls = {
            "layout": self.editor,
            "seed": ipw.IntSlider(value=seed, min=0, max=999, description="background"),
            "masks": ipw.Checkbox(description="masks"),
        }
        buttons = {
            "dice": self.roll,
            "lock": self.lock,
            "copy style": self.copy,
            "paste style": self.paste,
            "another page": self.turn,
        }
        super().__init__("LostGAN, from a layout", self._paint, controls, self._recipe, buttons)
        self.editor.observe(self.editor.answer, "value")  # after the panel has drawn

    # --- what hands and Python can do with styles ---

    def roll(self, number: int | None = None) -> LayoutPanel:
        """Another style for one box, the selected one, or all that are not locked."""
        number = self._selected(number)
        boxes = [dict(box) for box in self.editor.value]
        for place, box in enumerate(boxes):
            if place == number or (number is None and not box.get("locked")):
                box["style"] = self._unused() + place
        self.editor.value = boxes
        return self

    def lock(self, number: int | None = None) -> LayoutPanel:
        """Keeps the style of a box from the dice of all, or gives it back to them."""
        number = self._one(number)
        locked = self.editor.value[number].get("locked", False)
        style = styles_of(self.editor.value)[number]
        return self._change(number, locked=not locked, style=style)

    def copy(self, number: int | None = None) -> LayoutPanel:
        """Remembers the style of a box."""
        self._copied = self.picture.styles[self._one(number)].tolist()
        return self

    def paste(self, number: int | None = None) -> LayoutPanel:
        """Gives a box the style that was copied: another object's, perhaps of another class."""
        if self._copied is None:
            raise CourseError("no style was copied yet", where="paste style")
        return self._change(self._one(number), style=self._copied)

    def turn(self) -> LayoutPanel:
        """The layout of the next page of Storybook."""
        self._page += 1
        self.editor.boxes = self._start()
        return self

    def _start(self) -> Layout:
        if self.painter.classes.names != Storybook.classes.names:
            return Layout.empty()
        return self.painter.layout_of(self._pages[self._page])

    def _selected(self, number: int | None) -> int | None:
        if number is None and self.editor.selected in range(len(self.editor.value)):
            return self.editor.selected
        return number

    def _one(self, number: int | None) -> int:
        chosen, count = self._selected(number), len(self.editor.value)
        if chosen is None or chosen not in range(count):
            raise CourseError(
                f"there is no box {chosen}" if chosen is not None else "no box is selected",
                where="layout",
                fix="click into a box" if count else "draw a box",
            )
        return chosen

    def _change(self, number: int, **what: Any) -> LayoutPanel:
        boxes = [dict(box) for box in self.editor.value]
        boxes[number] |= what
        self.editor.value = boxes
        return self

    def _unused(self) -> int:
        """A seed that no box has."""
        seeds = [style for style in styles_of(self.editor.value) if isinstance(style, int)]
        return max([MOST, *seeds]) + 1

    # --- the picture ---

    def _inputs(self, layout: list[Mapping[str, Any]], seed: int) -> dict[str, Any]:
        styles = {
            number: torch.tensor(style) if isinstance(style, list) else style
            for number, style in enumerate(styles_of(layout))
        }
        pairs = [(box["name"], list(box["box"])) for box in layout]
        return {"layout": pairs, "styles": styles, "seed": seed}

    def _paint(self, layout: list[Any], seed: int, masks: bool) -> tuple[Picture, str]:
        return self.painter.generate(**self._inputs(layout, seed)), repr(self.editor.read(layout))

    def _recipe(self, layout: list[Any], seed: int, masks: bool) -> Postcard:
        return Postcard.of(self.painter, **self._inputs(layout, seed))

    def shown(self) -> PILImage.Image:
        picture = enlarged(self.picture.pil())
        masks = self.picture.steps["masks"]
        if not self._drawn["masks"] or not len(masks):
            return picture
        size = [picture.height, picture.width]
        large = torch.nn.functional.interpolate(masks[None], size=size, mode="nearest")[0] > 0.5
        colours = [self.painter.classes[name].colour for name in self.picture.layout.names]
        laid = draw_segmentation_masks(pil_to_tensor(picture), large, alpha=0.5, colors=colours)
        return to_pil_image(laid)

    def _redraw(self) -> None:
        super()._redraw()
        self.editor.show_under(self.picture)


def styles_of(layout: list[Mapping[str, Any]]) -> list[int | list[float]]:
    """Each box's style, or its seed: the first tree has 0 until dice roll, the second 1."""
    seen: Counter[str] = Counter()
    styles = []
    for box in layout:
        styles.append(box.get("style", seen[box["name"]]))
        seen[box["name"]] += 1
    return styles
