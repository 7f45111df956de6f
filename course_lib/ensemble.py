"""The five painters together: one scene is told whole, and each of them hears its part of it.

>>> told = Told(Storybook(seed=1)[10], seed=7)                             # doctest: +SKIP
>>> pictures = {name: told.paint(painter) for name, painter in five().items() if painter}
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from course_lib.errors import CourseError
from course_lib.painter import Painter, Picture
from course_lib.registry import load, shipped_weights
from course_lib.scene import Layout, Scene

__all__ = ["HEARS", "Told", "five", "not_installed"]

# What each of them hears of a scene, besides a seed for all that is left open.
HEARS = {
    "stackgan": ("caption",),
    "lrgan": (),
    "spade": ("label_map", "style"),
    "opgan": ("caption", "layout"),
    "lostgan": ("layout", "label_map"),  # of the map only around which boxes its stuff lies
}


@dataclass(frozen=True)
class Told:
    """A scene as painters are told it.

    Attributes:
        scene: its first caption, its layout of things and its label map are told.
        seed: of all that these leave open.
        style: a picture whose style the painted one is to have, ``[3, H, W]``, uint8.
        styles: seeds for the styles of single things, by their places in the layout.
    """

    scene: Scene
    seed: int = 7
    style: Tensor | None = None
    styles: Mapping[int, int] = field(default_factory=dict)

    def inputs(self, painter: Painter) -> dict[str, Any]:
        """The arguments of ``painter.generate``, fit for a postcard: what it hears, and the seed.

        Raises:
            CourseError: none of the five; classes that it does not know.
        """
        if painter.kind not in _HEAR:
            known = ", ".join(_HEAR)
            raise CourseError(f"{painter.kind} is none of the five: {known}", where="painter")
        return {**_HEAR[painter.kind](painter, self), "seed": self.seed}

    def paint(self, painter: Painter) -> Picture:
        """The painter's picture of what it hears; its notes tell what it could not make use of."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return painter.generate(**self.inputs(painter))

    @property
    def caption(self) -> str:
        """The first one; empty if there is none."""
        return next(iter(self.scene.captions), "")

    @property
    def pairs(self) -> list[tuple[str, list[float]]]:
        """The things' names and corners, in fractions."""
        return [(name, [*box]) for name, box in self.scene.layout or Layout.empty()]


def _map_and_style(painter: Any, told: Told) -> dict[str, Any]:
    style = {} if told.style is None else {"style": painter.encode(told.style)}
    return {"label_map": painter.read(told.scene).ids.as_subclass(Tensor), **style}


def _layout_and_styles(painter: Any, told: Told) -> dict[str, Any]:
    """Boxes of stuff come before those of things. The seed of a thing's style is its own, so that
    it keeps its style wherever it is put, and whatever stuff there is.
    """
    layout = [(name, [*box]) for name, box in painter.layout_of(told.scene)]
    stuff = len(layout) - len(told.pairs)
    own = {place: told.seed + place for place in range(len(told.pairs))} | dict(told.styles)
    return {"layout": layout, "styles": {stuff + place: seed for place, seed in own.items()}}


_HEAR: dict[str, Callable[[Any, Told], dict[str, Any]]] = {
    "stackgan": lambda _, told: {"caption": told.caption},
    "lrgan": lambda _, told: {},
    "spade": _map_and_style,
    "opgan": lambda _, told: {"caption": told.caption, "layout": told.pairs},
    "lostgan": _layout_and_styles,
}


def five() -> dict[str, Painter | None]:
    """The five by name, with the weights that ship; None for one that has none here."""
    return {name: load(name) if shipped_weights(name).is_file() else None for name in HEARS}


def not_installed(name: str) -> str:
    """What is said in the place of a picture."""
    return f"{name} is not installed: no weights of it ship with the course; course train {name}"
