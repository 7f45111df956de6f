"""A caption as something to touch: other words, another seed, more or less of its noise."""

from __future__ import annotations

import warnings
from typing import Any

from course_lib.errors import CourseError
from course_lib.painter import Painter, Picture
from course_lib.postcard import Postcard
from course_lib.widgets.panel import Panel

__all__ = ["caption_panel"]


def caption_panel(painter: Painter, caption: str = "a large red house on the sand") -> Panel:
    """Three controls: a sentence, the seed, and how strong the conditioning augmentation is.

    Args:
        painter: one that paints sentences: ``generate(caption, seed=..., augment=...)``.
        caption: the sentence to begin with.

    Raises:
        CourseError: a painter that takes no sentences.
    """
    import ipywidgets as ipw

    if getattr(painter, "encoder", None) is None:
        raise CourseError(f"this {painter.kind} takes no sentences", where="caption_panel")

    def draw(caption: str, **controls: Any) -> tuple[Picture, str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the panel shows the notes itself
            picture = painter.generate(caption, **controls)
        return picture, "; ".join([caption, *picture.notes])

    def postcard(**inputs: Any) -> Postcard:
        return Postcard.of(painter, **inputs)

    controls = {
        "caption": ipw.Text(value=caption, continuous_update=False),
        "seed": ipw.IntSlider(value=7, min=0, max=999),
        "augment": ipw.FloatSlider(value=1, min=0, max=64, step=1, description="noise of caption"),
    }
    return Panel(f"{painter.kind}, from a sentence", draw, controls, postcard)
