"""Panels: a few controls and the picture that they make, by hand or from Python.

>>> panel = storybook_panel()                                              # doctest: +SKIP
>>> panel.set(season="winter", hour="night")                               # doctest: +SKIP
>>> panel.picture.save("winter.png")                                       # doctest: +SKIP

A panel draws when it is made and whenever a value changes, with a front end or without. It never
waits for one and never redirects output: ``interact`` and ``with Output()`` do, and now and then
hang a headless run. What is saved in a notebook is a still picture with the same information.
"""

from __future__ import annotations

import base64
import html
import io
import math
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from course_lib.errors import CourseError, Problems, suggestion
from course_lib.painter import Picture
from course_lib.postcard import Postcard, png_bytes

__all__ = ["Panel"]

SIDE = 384  # pixels: small pictures are enlarged to about this, by a whole factor


class Panel:
    """Controls, a picture with a caption, and a line for what went wrong.

    Args:
        title: what the panel is about, for those who cannot see it.
        draw: takes the controls' values by name, returns a picture and its caption.
        controls: ipywidgets by name, or anywidgets with a trait ``value``, in the order in which
            they are shown. One without a description is described by its name.
        postcard: takes the same values, returns the postcard of that picture.
        buttons: what a click does, by the words on the button.

    Attributes:
        picture, caption: the last ones that could be drawn.
        view: the widget that is shown.
    """

    picture: Picture
    caption: str

    def __init__(
        self,
        title: str,
        draw: Callable[..., tuple[Picture, str]],
        controls: Mapping[str, Any],
        postcard: Callable[..., Postcard] | None = None,
        buttons: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        self.title, self.controls = title, dict(controls)
        self._draw, self._postcard, self._buttons = draw, postcard, dict(buttons or {})
        self._drawn: dict[str, Any] = {}  # the state that the picture shows
        self._is_being_set = False
        self.view = self._arrange()
        self._redraw()
        for control in self.controls.values():
            control.observe(self._on_change, "value")

    @property
    def state(self) -> dict[str, Any]:
        """The controls' values by name."""
        return {name: control.value for name, control in self.controls.items()}

    def set(self, **values: Any) -> Panel:
        """Moves controls as a hand would, and draws once.

        Raises:
            CourseError: names and values that the controls do not have, all at once, and nothing
                is moved; or what the drawing says, and the last picture stays.
        """
        with Problems("panel") as problems:
            for name, value in values.items():
                if name not in self.controls:
                    problems.add(f"there is no {name!r}; {suggestion(name, self.controls)}")
                elif wrong := fault(self.controls[name], value):
                    problems.add(f"{name} is {repr(value)[:40]}; {wrong}")
        with self.at_once():
            for name, value in values.items():
                self.controls[name].value = value
        return self

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Many controls are moved, and the panel draws once, when all are; it raises what drawing
        raises.
        """
        self._is_being_set = True
        try:
            yield
        finally:
            self._is_being_set = False
        try:
            self._redraw()
        except Exception as error:
            self._show_error(error)
            raise

    def postcard(self) -> Postcard:
        """What the picture can be painted from, anywhere."""
        if self._postcard is None:
            raise CourseError("this panel's picture is not the work of one painter", where="panel")
        return self._postcard(**self._drawn)

    def describe(self) -> str:
        """The picture and the controls in a sentence."""
        short = {name: v for name, v in self._drawn.items() if isinstance(v, str | int | float)}
        values = ", ".join(
            f"{spaced(name)} {value:.3g}" if isinstance(value, float) else f"{spaced(name)} {value}"
            for name, value in short.items()
        )
        return f"{self.title}: {self.caption} ({values})"

    def shown(self) -> PILImage.Image:
        """The picture as the panel shows it."""
        return enlarged(self.picture.pil())

    def still(self) -> PILImage.Image:
        """What is shown, beside controls that are pictures; below, the sentence about it all."""
        picture = self.spread()
        lines = textwrap.wrap(self.describe(), picture.width // 8)
        paper = PILImage.new("RGB", (picture.width, picture.height + 18 * len(lines) + 8), "white")
        paper.paste(picture)
        pen, font = ImageDraw.Draw(paper), ImageFont.load_default(14)
        for number, line in enumerate(lines):
            pen.text((2, picture.height + 4 + 18 * number), line, "black", font)
        return paper

    def spread(self) -> PILImage.Image:
        """Controls that are pictures, and the picture, without words."""
        stills = [c.still() for c in self.controls.values() if hasattr(c, "still")]
        return beside([*filter(None, stills), self.shown()])

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Live widgets for a front end that has them, a still picture for others, else text."""
        text = self.describe()
        data = {
            "application/vnd.jupyter.widget-view+json": self.view.get_view_spec(),
            "image/png": base64.b64encode(as_png(self.still())).decode(),
            "text/plain": text,
        }
        return data, {"image/png": {"alt": text}}

    def _arrange(self) -> Any:
        """Controls on the left; picture, caption and message on the right."""
        import ipywidgets as ipw

        self._image = ipw.Image(format="png", layout={"width": f"{SIDE}px"})
        self._caption, self._message = ipw.HTML(), ipw.HTML()
        for name, control in self.controls.items():
            if control.has_trait("description"):  # an anywidget has none, and brings its own words
                control.description = control.description or spaced(name)
                if control.has_trait("tooltip"):  # ipywidgets 8 shows "null" where there is none
                    control.tooltip = control.tooltip or control.description
        left = list(self.controls.values())
        for words, action in self._buttons.items():
            left.append(ipw.Button(description=words))
            left[-1].on_click(lambda _, action=action: self.attempt(action))
        if self._postcard:
            left.append(ipw.Button(description="postcard", tooltip="save it with its recipe"))
            left[-1].on_click(lambda _: self.attempt(self._offer_postcard))
        right = [self._image, self._caption, self._message]
        for widget in left:
            widget.layout.width = widget.layout.width or "auto"
        sides = [
            ipw.VBox(left, layout={"min_width": "250px"}),
            ipw.VBox(right, layout={"width": f"{SIDE + 10}px"}),
        ]
        # Where there is no room beside the controls, the picture goes above them, not far below.
        return ipw.HBox(sides, layout={"flex_flow": "row wrap-reverse"})

    def _on_change(self, _: Any) -> None:
        if not self._is_being_set:
            self.attempt(self._redraw)

    def attempt(self, action: Callable[[], object]) -> None:
        """What a callback raises would be seen by nobody, so it is shown."""
        try:
            action()
        except Exception as error:
            self._show_error(error)

    def _redraw(self) -> None:
        state = self.state
        self.picture, self.caption = self._draw(**state)
        self._drawn = state
        self._image.value = as_png(self.shown())
        self._caption.value = html.escape(self.caption)
        self._message.value = ""

    def _show_error(self, error: Exception) -> None:
        text = html.escape(said(error))
        self._message.value = f'<div role="alert" style="white-space: pre-wrap">{text}</div>'

    def _offer_postcard(self) -> None:
        card = self.postcard()
        carries = f"carries {card.to_json()[:200]}"
        self._offer("postcard.png", "image/png", png_bytes(self.picture, card), carries)

    def _offer(self, name: str, kind: str, data: bytes, words: str) -> None:
        """A link that saves a file, and a word on it; the browser has the whole file."""
        self._message.value = f"{link(name, kind, data)} {html.escape(words)}"


def said(error: Exception) -> str:
    """What a reader is told: the kind, too, of an error that the course did not foresee."""
    return str(error) if isinstance(error, CourseError) else f"{type(error).__name__}: {error}"


def link(name: str, kind: str, data: bytes) -> str:
    """HTML by which a browser saves a file that it has got with the page."""
    url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return f'<a download="{name}" href="{url}"><u>{name}</u></a>'


def fault(control: Any, value: Any) -> str:
    """What is wrong with a value for this control; empty if nothing is."""
    if hasattr(control, "fault"):  # a widget of our own knows best
        return str(control.fault(value))
    if hasattr(control, "_options_values"):
        known = control._options_values
        fine = any(type(value) is type(option) and value == option for option in known)
        return "" if fine else suggestion(str(value)[:40], map(str, known))
    kind = type(control.value)
    if kind not in (int, float):
        return "" if isinstance(value, kind) else f"it must be {kind.__name__}"
    low, high = getattr(control, "min", -math.inf), getattr(control, "max", math.inf)
    number = isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    wanted = f"it must be a {'whole ' if kind is int else ''}number from {low} to {high}"
    return "" if number and low <= value <= high else wanted


def spaced(name: str) -> str:
    return name.replace("_", " ")


def beside(pictures: list[PILImage.Image]) -> PILImage.Image:
    """Pictures in a row, 8 px of white apart."""
    width = sum(picture.width + 8 for picture in pictures) - 8
    paper = PILImage.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        paper.paste(picture, (left, 0))
        left += picture.width + 8
    return paper


def enlarged(picture: PILImage.Image) -> PILImage.Image:
    """The picture with hard pixel edges, as large as is good to look at."""
    small = picture.convert("RGB")
    factor = max(1, SIDE // max(small.size))
    return small.resize((small.width * factor, small.height * factor), PILImage.Resampling.NEAREST)


def as_png(picture: PILImage.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
