"""The studio: one scene is composed once, and every painter paints what it hears of it."""

from __future__ import annotations

import html
import random
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image as PILImage
from PIL import ImageChops, ImageDraw, ImageFont, ImageOps
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2.functional import pil_to_tensor

from course_lib.data.proposal import propose
from course_lib.data.stage import KINDS, ground_for, staged
from course_lib.data.storybook import CLASSES, Storybook, StoryScene
from course_lib.ensemble import HEARS, Told, five, not_installed
from course_lib.painter import Painter, Picture
from course_lib.postcard import Postcard, png_bytes
from course_lib.scene import LabelMap, Layout, Scene
from course_lib.widgets.panel import Panel, beside, link, said, spaced

__all__ = ["Studio"]

PAGE = 10  # of the studio's book: what one begins with
SIDE, LINE = 192, 18  # pixels: a painter's picture, a line of text


class Studio(Panel):
    """One scene, all painters: caption, boxes, label map, a style picture and a seed.

    Whatever is changed, each painter that hears it paints anew; all others keep their picture.
    ``caption to scene`` proposes boxes for what the caption names, and a label map for both;
    ``boxes to map`` draws a label map for the boxes. ``dice`` roll the seed, or, where a box is
    selected, the style of that thing.

    >>> studio = Studio()                                                  # doctest: +SKIP
    >>> studio.set(caption="a blue house on the sand")                     # doctest: +SKIP
    >>> studio.listening                                                   # doctest: +SKIP
    {'stackgan': 0.14, 'lrgan': 0.0, 'spade': 0.0, 'opgan': 0.09, 'lostgan': 0.0}

    Args:
        painters: by the name that they shall have here; None for one that is not installed. By
            default the five with the weights that ship.
        scene: what to begin with; by default a page of Storybook that no painter has seen.
        segment: turns a photo (``[3, H, W]``, uint8) into a label map of Storybook's classes.

    Attributes:
        pictures: the last picture of each painter, by its name.
        messages: what is wrong with what a painter was told last, by its name; its picture stays.
    """

    def __init__(
        self,
        painters: Mapping[str, Painter | None] | None = None,
        scene: Scene | None = None,
        *,
        segment: Callable[[Tensor], LabelMap] | None = None,
        seed: int = 7,
    ) -> None:
        import ipywidgets as ipw

        from course_lib.widgets.canvas import Canvas
        from course_lib.widgets.layout_editor import LayoutEditor
        from course_lib.widgets.picture_input import PictureInput

        self.painters = five() if painters is None else dict(painters)
        self.pictures: dict[str, Picture] = {}
        self.messages: dict[str, str] = {}
        self._before: dict[str, Picture] = {}  # the pictures before what is touched now was touched
        self._touched: frozenset[str] = frozenset()
        self._book, self._page = Storybook(seed=1), PAGE
        scene = scene or self._book[PAGE]
        self._ground = self._book.plan(PAGE)
        self.canvas = Canvas(CLASSES, *scene.canvas, segment=segment)
        self.editor = LayoutEditor(KINDS, *scene.canvas)
        controls = {
            "caption": ipw.Text(continuous_update=False),
            "layout": self.editor,
            "label_map": self.canvas,
            "style": PictureInput(label="style of a picture"),
            "seed": ipw.IntSlider(value=seed, min=0, max=999),
        }
        self._take(scene, controls["caption"])
        buttons = {
            "caption to scene": self.propose,
            "boxes to map": self.draw_map,
            "dice": self.roll,
            "another page": self.turn,
            "postcards": self._offer_postcards,
        }
        super().__init__("The studio", self._paint, controls, buttons=buttons)
        for control in (self.editor, self.canvas):  # after the panel has drawn
            control.observe(control.answer, "value")

    @property
    def widget(self) -> Any:
        """What a page shows."""
        return self.view

    @property
    def scene(self) -> Scene:
        """The scene as it was told last; its picture is the label map in its colours."""
        return self._told(**self._drawn).scene

    # --- what hands and Python can do -------------------------------------------------------------

    def tell(self, scene: Scene) -> Studio:
        """Another scene: its first caption, its layout of things, and its label map."""
        with self.at_once():
            self._take(scene, self.controls["caption"])
        return self

    def propose(self) -> Studio:
        """Boxes for what the caption names, and a label map for both, where Storybook knows how."""
        caption = self.controls["caption"].value
        self._ground = ground_for(caption, self._ground, self._book)
        with self.at_once():
            self.editor.boxes = propose(caption, KINDS, self.editor.most)
            self.draw_map()
        return self

    def draw_map(self) -> Studio:
        """The label map that Storybook draws for the boxes."""
        self.canvas.label_map = staged(self.editor.boxes, self._ground, self.canvas.height)
        return self

    def roll(self) -> Studio:
        """Another style for the selected thing; if none is selected, another seed for all."""
        boxes, chosen = [dict(box) for box in self.editor.value], self.editor.selected
        if chosen in range(len(boxes)):
            boxes[chosen]["style"] = random.randrange(1000, 2**31)
            self.editor.value = boxes
            return self
        return self.set(seed=random.randrange(1000))  # type: ignore[return-value]

    def turn(self) -> Studio:
        """The next page of Storybook."""
        self._page += 1
        return self.tell(self._book[self._page])

    def postcards(self) -> dict[str, Postcard]:
        """What each picture can be painted from, anywhere."""
        told = self._told(**self._drawn)
        return {
            name: Postcard.of(painter, **told.inputs(painter))
            for name, painter in self.painters.items()
            if painter is not None and name not in self.messages
        }

    # --- the scene --------------------------------------------------------------------------------

    def _take(self, scene: Scene, caption: Any) -> None:
        caption.value = next(iter(scene.captions), "")
        self.editor.boxes = scene.layout or Layout.empty()
        if scene.label_map is not None:
            self.canvas.label_map = scene.label_map
        if isinstance(scene, StoryScene):
            self._ground = scene.plan

    def _told(
        self, caption: str, layout: list[Any], label_map: bytes, style: bytes, seed: int
    ) -> Told:
        from course_lib.widgets.picture_input import read_picture

        ids = self.canvas.read(label_map)
        boxes = self.editor.read(layout).on(ids.canvas)
        image = tv_tensors.Image(ids.coloured())
        scene = Scene(image, captions=(caption,), layout=boxes, label_map=ids)
        styles = {place: box["style"] for place, box in enumerate(layout) if "style" in box}
        return Told(scene, seed, read_picture(style) if style else None, styles)

    # --- the pictures -----------------------------------------------------------------------------

    def _paint(self, **state: Any) -> tuple[Picture, str]:
        told = self._told(**state)
        touched = frozenset(n for n, value in state.items() if value != self._drawn.get(n))
        if (
            self._drawn and touched and touched != self._touched
        ):  # something else is being changed than before
            self._before, self._touched = dict(self.pictures), touched
        for name, painter in self.painters.items():
            if painter is None:
                self.messages[name] = not_installed(name)
            elif name in self.messages or touched & {*HEARS.get(painter.kind, ()), "seed"}:
                self._repaint(name, painter, told)
        row = pil_to_tensor(beside([*self._tiles().values()])) / 127.5 - 1
        return Picture(row), self._who_listens() or f"“{told.scene.captions[0]}”"

    def _repaint(self, name: str, painter: Painter, told: Told) -> None:
        """What one painter cannot paint is its own affair: the others go on."""
        try:
            self.pictures[name] = told.paint(painter)
            self.messages.pop(name, None)
        except Exception as error:
            self.messages[name] = said(error)

    @property
    def listening(self) -> dict[str, float]:
        """How much each picture changed, mean of pixels in [0, 1], by what was touched last."""
        pairs = ((name, self._before.get(name), new) for name, new in self.pictures.items())
        return {
            name: (new.image - old.image).abs().mean().item() / 2 for name, old, new in pairs if old
        }

    def _who_listens(self) -> str:
        if not self.listening:
            return ""
        touched = " and ".join(spaced(name) for name in sorted(self._touched))
        heard = ", ".join(f"{name} {value:.3f}" for name, value in self.listening.items() if value)
        deaf = ", ".join(name for name, value in self.listening.items() if not value)
        others = f", not by {deaf}" if deaf else ""
        return f"{touched} changed; heard by {heard or 'nobody'}{others}"

    def _tiles(self) -> dict[str, PILImage.Image]:
        """A square for each painter: its picture, or an empty one."""
        empty = PILImage.new("RGB", (SIDE, SIDE), "lightgrey")
        return {
            name: square(self.pictures[name]) if name in self.pictures else empty.copy()
            for name in self.painters
        }

    def shown(self) -> PILImage.Image:
        """The pictures with their painters' names and what these hear; below, what changed."""
        columns = [self._column(name, tile) for name, tile in self._tiles().items()]
        return beside(columns)

    def _column(self, name: str, tile: PILImage.Image) -> PILImage.Image:
        painter, found = self.painters[name], self.listening
        paper = PILImage.new("RGB", (SIDE, 2 * LINE + (1 + bool(found)) * (SIDE + LINE)), "white")
        pen, font = ImageDraw.Draw(paper), ImageFont.load_default(13)
        parts = ", ".join(map(spaced, HEARS.get(painter.kind, ()) if painter else ()))
        words = "not installed" if painter is None else f"hears {parts or 'nothing'}"
        pen.text((2, 2), name, "black", ImageFont.load_default(15))
        pen.text((2, 2 + LINE), words, "dimgrey", font)
        paper.paste(tile, (0, 2 * LINE))
        if name in found:
            change = ImageChops.difference(tile, square(self._before[name])).convert("L")
            pen.text((2, 2 * LINE + SIDE + 2), f"changed by {found[name]:.3f}", "black", font)
            paper.paste(ImageOps.invert(change), (0, 3 * LINE + SIDE))
        return paper

    def spread(self) -> PILImage.Image:
        """Map and boxes, and below them the pictures."""
        above, below = beside([self.canvas.still(), self.editor.still()]), self.shown()
        size = max(above.width, below.width), above.height + 8 + below.height
        paper = PILImage.new("RGB", size, "white")
        paper.paste(above)
        paper.paste(below, (0, above.height + 8))
        return paper

    # --- the front end ----------------------------------------------------------------------------

    def _arrange(self) -> Any:
        """Map and boxes beside the other controls; the row of pictures below."""
        import ipywidgets as ipw

        left, right = super()._arrange().children
        others = [control for control in left.children if control not in (self.canvas, self.editor)]
        self._image.layout.width, right.layout.width = "100%", "100%"
        above = [self.canvas, self.editor, ipw.VBox(others, layout={"min_width": "250px"})]
        return ipw.VBox([ipw.HBox(above, layout={"flex_flow": "row wrap"}), right])

    def _redraw(self) -> None:
        super()._redraw()
        self.editor.show_under(self.scene.picture)
        wrong = [f"{name}: {text}" for name, text in self.messages.items() if self.painters[name]]
        lines = "".join(f"<div>{html.escape(text)}</div>" for text in wrong)
        self._message.value = f'<div role="alert">{lines}</div>' if wrong else ""

    def _offer_postcards(self) -> None:
        links = [
            link(f"{name}.png", "image/png", png_bytes(self.pictures[name], card))
            for name, card in self.postcards().items()
        ]
        self._message.value = f"{' '.join(links)} carry what they were painted from"


def square(picture: Picture) -> PILImage.Image:
    """The picture as large as its place, small ones with hard pixel edges."""
    small = picture.pil().convert("RGB")
    how = PILImage.Resampling.NEAREST if small.width <= SIDE else PILImage.Resampling.BOX
    return small.resize((SIDE, SIDE), how)
