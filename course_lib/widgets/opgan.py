"""A sentence and boxes as something to touch: boxes are proposed, and then a hand moves them."""

from __future__ import annotations

import warnings
from typing import Any

from course_lib.errors import CourseError
from course_lib.opgan.painter import OPGANPainter
from course_lib.painter import Painter, Picture
from course_lib.postcard import Postcard
from course_lib.widgets.panel import Panel

__all__ = ["opgan_panel"]


def opgan_panel(
    painter: Painter, caption: str = "a large red house left of a white balloon", seed: int = 7
) -> Panel:
    """A caption, boxes for what it names, and the picture that is painted from both.

    Another caption proposes other boxes, until a hand has touched one: then they stay, and
    ``propose`` asks for new ones. The boxes lie on the picture.

    >>> panel = opgan_panel(course_lib.load("opgan"))                      # doctest: +SKIP
    >>> panel.set(caption="two birds above a boat", seed=3)
    >>> panel.controls["layout"].boxes

    Raises:
        CourseError: a painter that does not take captions with layouts.
    """
    if not isinstance(painter, OPGANPainter):
        what = f"this {painter.kind} takes no captions with layouts"
        raise CourseError(what, where="opgan_panel")
    return _CaptionAndBoxes(painter, caption, seed)


class _CaptionAndBoxes(Panel):
    def __init__(self, painter: OPGANPainter, caption: str, seed: int) -> None:
        import ipywidgets as ipw

        from course_lib.widgets.layout_editor import LayoutEditor

        side, most = painter.config.size, painter.config.max_objects
        self.painter = painter
        self.editor = LayoutEditor(painter.kinds, side, side, most=most, propose=painter.propose)
        self.editor.can_propose = False  # the panel's own caption is the one that counts
        controls = {
            "caption": ipw.Text(value=caption, continuous_update=False),
            "layout": self.editor,
            "seed": ipw.IntSlider(value=seed, min=0, max=999),
        }
        self.editor.propose(caption)
        # Before the panel listens: it then draws with the new boxes.
        controls["caption"].observe(lambda change: self._follow(change.new), "value")
        buttons = {"propose": lambda: self.editor.propose(self.controls["caption"].value)}
        super().__init__("OP-GAN, from a caption and boxes", self._paint, controls, self._recipe,
                         buttons)  # fmt: skip
        self.editor.observe(self.editor.answer, "value")  # after the panel has drawn

    def _follow(self, caption: str) -> None:
        """Proposes anew if nobody has moved a box."""
        if all(box.get("proposed") for box in self.editor.value):
            self.editor.propose(caption)

    def _inputs(self, caption: str, layout: list[Any], seed: int) -> dict[str, Any]:
        pairs = [(box["name"], list(box["box"])) for box in layout]
        return {"caption": caption, "layout": pairs, "seed": seed}

    def _paint(self, **values: Any) -> tuple[Picture, str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the panel shows the notes itself
            picture = self.painter.generate(**self._inputs(**values))
        boxes = repr(self.editor.read(values["layout"]))
        return picture, "; ".join([values["caption"], boxes, *picture.notes])

    def _recipe(self, **values: Any) -> Postcard:
        return Postcard.of(self.painter, **self._inputs(**values))

    def _redraw(self) -> None:
        super()._redraw()
        self.editor.show_under(self.picture)
