"""Noise as something to touch: another seed, the way between two seeds, one number of z."""

from __future__ import annotations

from typing import Any

from course_lib.errors import CourseError
from course_lib.painter import Painter, Picture, between, noise
from course_lib.postcard import Postcard
from course_lib.widgets.panel import Panel

__all__ = ["noise_panel"]


def noise_panel(painter: Painter) -> Panel:
    """Five controls of one ``z``: two seeds, how far between them, and one coordinate moved.

    Args:
        painter: one that paints from noise alone: ``generate(seed=..., z=[z_dim])``.

    Raises:
        CourseError: a painter that has no such noise.
    """
    import ipywidgets as ipw

    z_dim = getattr(getattr(painter, "generator", None), "z_dim", None)
    if not isinstance(z_dim, int):
        raise CourseError(f"{painter.kind} does not paint from noise alone", where="noise_panel")

    def inputs(seed: int, towards: int, share: float, number: int, moved: float) -> dict[str, Any]:
        """The arguments of ``generate``; a seed alone where that says it all."""
        if share == 0 and moved == 0:
            return {"seed": seed}
        z = between(noise(seed, z_dim), noise(towards, z_dim), share)
        z[number] += moved
        return {"seed": seed, "z": z}

    def draw(**state: Any) -> tuple[Picture, str]:
        way = f"{state['share']:.0%} of the way from seed {state['seed']} to {state['towards']}"
        return painter.generate(**inputs(**state)), way

    def postcard(**state: Any) -> Postcard:
        return Postcard.of(painter, **inputs(**state))

    controls = {
        "seed": ipw.IntSlider(value=0, min=0, max=999),
        "towards": ipw.IntSlider(value=1, min=0, max=999, description="towards seed"),
        "share": ipw.FloatSlider(value=0, min=0, max=1, step=0.05, description="how far"),
        "number": ipw.IntSlider(value=0, min=0, max=z_dim - 1, description="number of z"),
        "moved": ipw.FloatSlider(value=0, min=-4, max=4, step=0.25, description="moved by"),
    }
    return Panel(f"{painter.kind}, from noise", draw, controls, postcard)
