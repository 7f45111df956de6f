"""Storybook as a toy: season, hour, palette, and how many things."""

from __future__ import annotations

from typing import Any, get_args

from course_lib.data.storybook import Look
from course_lib.data.storybook.painter import StorybookPainter
from course_lib.data.storybook.palette import Hour, Palette, Season
from course_lib.painter import Picture
from course_lib.postcard import Postcard
from course_lib.widgets.panel import Panel

__all__ = ["storybook_panel"]


def storybook_panel(size: int = 128) -> Panel:
    """Five controls of one scene: the layout is the seed's and the number's, the look is yours.

    Args:
        size: side of the picture in pixels, 32 to 256.
    """
    import ipywidgets as ipw

    painter = StorybookPainter()

    def draw(season: Season, hour: Hour, palette: Palette, **layout: int) -> tuple[Picture, str]:
        scene = painter.scene(look=Look(season, hour, palette), size=size, **layout)
        return scene.picture, scene.captions[0]

    def postcard(**inputs: Any) -> Postcard:
        return Postcard.of(painter, size=size, **inputs)

    controls = {
        "season": ipw.Dropdown(options=get_args(Season), value="summer"),
        "hour": ipw.Dropdown(options=get_args(Hour)),
        "palette": ipw.Dropdown(options=get_args(Palette)),
        "things": ipw.IntSlider(value=3, min=0, max=6),
        "seed": ipw.IntSlider(value=0, min=0, max=999),
    }
    return Panel("Storybook", draw, controls, postcard)
