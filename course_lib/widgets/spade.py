"""The canvas of the SPADE chapter: a label map under a brush, and the picture that follows it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.painter import Picture, between, noise
from course_lib.postcard import Postcard
from course_lib.scene import LabelMap
from course_lib.widgets.panel import Panel

if TYPE_CHECKING:
    from course_lib.spade.painter import SPADEPainter
    from course_lib.widgets.canvas import Scenes

__all__ = ["spade_panel"]


def spade_panel(
    painter: SPADEPainter,
    *,
    scenes: Scenes | None = None,
    segment: Callable[[Tensor], LabelMap] | None = None,
) -> Panel:
    """The canvas, and controls of the style where the painter has styles.

    The picture follows the brush while a stroke lasts. Its style is that of ``seed``, or of a
    picture of your own, and ``share`` takes it towards the style of another seed.

    >>> panel = spade_panel(course_lib.load("spade"))                      # doctest: +SKIP
    >>> panel.controls["label_map"].label_map = LabelMap.load("mine.png", painter.classes)
    >>> panel.set(seed=3, picture=Path("sunset.jpg").read_bytes())

    Args:
        painter: one that paints label maps: ``generate(label_map, style=..., seed=...)``.
        scenes: whose label maps can be started from; Storybook's where the painter knows them.
        segment: turns a photo (``[3, H, W]``, uint8) into a label map of the painter's classes:
            ``lambda photo: painter.read(open_segmenter("storybook").look(photo).label_map)``.

    Raises:
        CourseError: a painter that takes no label maps.
    """
    from course_lib.widgets.canvas import Canvas

    classes = getattr(painter, "classes", None)
    if classes is None:
        raise CourseError(f"this {painter.kind} takes no label maps", where="spade_panel")
    height, width = painter.canvas
    if scenes is None and classes.names == Storybook.classes.names:
        scenes = Storybook(seed=1, size=max(32, min(256, max(height, width))))  # an unseen book
    canvas = Canvas(classes, height, width, scenes=scenes, segment=segment)
    if scenes:
        canvas.label_map = scenes[0].label_map

    def inputs(label_map: bytes, **style: Any) -> dict[str, Any]:
        return {"label_map": canvas.read(label_map), **style_inputs(painter, **style)}

    def draw(**state: Any) -> tuple[Picture, str]:
        return painter.generate(**inputs(**state)), canvas.describe()

    def postcard(**state: Any) -> Postcard:
        given = inputs(**state)
        return Postcard.of(painter, **given | {"label_map": given["label_map"].ids})

    def roll() -> None:
        panel.set(seed=random.randrange(1000))

    controls = {"label_map": canvas} | style_controls(painter)
    buttons = {"dice": roll} if painter.z_dim else {}
    panel = Panel(f"{painter.kind}, from a label map", draw, controls, postcard, buttons)
    canvas.observe(canvas.answer, "value")  # after the panel has drawn
    return panel


def style_controls(painter: SPADEPainter) -> dict[str, Any]:
    """What the style can be set by: nothing, seeds alone, or seeds and a picture."""
    import ipywidgets as ipw

    from course_lib.widgets.picture_input import PictureInput

    if not painter.z_dim:
        return {}
    picture = {"picture": PictureInput(label="style of a picture")}
    return {
        "seed": ipw.IntSlider(value=7, min=0, max=999),
        **(picture if painter.encoder is not None else {}),
        "towards": ipw.IntSlider(value=8, min=0, max=999, description="towards"),
        "share": ipw.FloatSlider(value=0, min=0, max=1, step=0.05, description="how far"),
    }


def style_inputs(
    painter: SPADEPainter,
    seed: int = 7,
    picture: bytes = b"",
    towards: int = 0,
    share: float = 0,
) -> dict[str, Any]:
    """The arguments of ``generate`` that say the style; a seed alone where that says it all."""
    from course_lib.widgets.picture_input import read_picture

    if share == 0 and not picture:
        return {"seed": seed}
    style = painter.encode(read_picture(picture)) if picture else noise(seed, painter.z_dim)
    if share > 0:
        style = between(style, noise(towards, painter.z_dim), share)
    return {"seed": seed, "style": style}
