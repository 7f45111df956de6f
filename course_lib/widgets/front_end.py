"""Widgets with a little JavaScript of their own, and what they have in common.

Their scripts lie beside this file in ``static/``, as plain text that a browser runs as it is. What
a button there asks for, Python does; what goes wrong is told in the widget's own status line. Where
no front end runs, a widget is a still picture and a sentence.
"""

from __future__ import annotations

import base64
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anywidget
import traitlets
from PIL import Image as PILImage

from course_lib.errors import CourseError, suggestion
from course_lib.scene import ClassTable
from course_lib.widgets.panel import as_png, said

__all__ = ["FrontEnd", "chips", "received", "static"]


def static(*names: str) -> str:
    """Files of ``static/``, one after the other: a front end gets the text of one module."""
    folder = Path(__file__).parent / "static"
    return "\n".join((folder / name).read_text("utf-8") for name in names)


@contextmanager
def received(name: str, data: bytes) -> Iterator[Path]:
    """A file that a browser has sent, for the readers of files; they tell of it by its own name."""
    with TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        path = Path(folder) / (Path(name).name or "file")
        path.write_bytes(data)
        try:
            yield path
        except CourseError as error:
            raise CourseError(error.what, where=path.name, fix=error.fix) from error
    for warning in noted:
        warnings.warn(str(warning.message).replace(str(path), path.name), stacklevel=3)


def chips(classes: ClassTable) -> list[dict[str, Any]]:
    """The classes as a front end shows them: in the order of their ids."""
    return [{"name": info.name, "colour": list(info.colour)} for info in classes]


class FrontEnd(anywidget.AnyWidget):
    """A widget whose buttons ask Python for something: ``{"do": name, ...}``, perhaps with a file.

    Attributes:
        message: what the status line says.
        stamp, painted: when the browser sent its last change, and the last that was answered
            (:meth:`answer`), in its milliseconds: the status line tells the difference.
    """

    message = traitlets.Unicode().tag(sync=True)
    stamp, painted = traitlets.Int().tag(sync=True), traitlets.Int().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._on_message)

    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any], bytes], str | None]]:
        """What buttons may ask for; each takes the message and the file, and tells a result."""
        return {}

    @abstractmethod
    def still(self) -> PILImage.Image | None:
        """What a notebook without a front end shows; None while there is nothing to see."""

    @abstractmethod
    def describe(self) -> str:
        """The same for those who cannot see it."""

    def answer(self, _: Any = None) -> None:
        """Tells the browser that its last change is to be seen."""
        self.painted = self.stamp

    def _on_message(self, _: Any, content: Mapping[str, Any], buffers: list[Any]) -> None:
        """Nobody would see what this raises, or its warnings; so the status line tells them."""
        self.message = ""
        try:
            with warnings.catch_warnings(record=True) as noted:
                warnings.simplefilter("always")
                told = self._do(content, bytes(buffers[0]) if buffers else b"")
            self.message = "; ".join(filter(None, [told, *(str(w.message) for w in noted)]))
        except Exception as error:
            self.message = said(error)

    def _do(self, content: Mapping[str, Any], data: bytes) -> str | None:
        actions, name = self.actions(), str(content.get("do"))
        if name not in actions:
            raise CourseError(f"there is no {name[:40]!r}; {suggestion(name, actions)}")
        return actions[name](content, data)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Itself for a front end that runs it, a still picture for others, else text."""
        text, still = self.describe(), self.still()
        view = {"application/vnd.jupyter.widget-view+json": self.get_view_spec()}
        image = {"image/png": base64.b64encode(as_png(still)).decode()} if still else {}
        return {**view, **image, "text/plain": text}, {"image/png": {"alt": text}}
