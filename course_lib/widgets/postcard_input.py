"""A button that opens a postcard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from course_lib.postcard import Postcard, read_postcard
from course_lib.widgets.front_end import FrontEnd, received, static

__all__ = ["PostcardInput"]


class PostcardInput(FrontEnd):
    """A button that asks for a PNG, and hands the postcard in it to ``take``."""

    _esm, _css = static("shared.js", "postcard_input.js"), static("widgets.css")

    def __init__(self, take: Callable[[Postcard], None]) -> None:
        super().__init__()
        self._take = take

    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any], bytes], str | None]]:
        return {"open": self._open}

    def _open(self, content: Mapping[str, Any], data: bytes) -> str:
        with received(str(content.get("name")), data) as path:
            card = read_postcard(path)
        self._take(card)
        return f"painted by {card.painter} from the seed {card.seed}"

    def describe(self) -> str:
        return "a button that opens a postcard"

    def still(self) -> None:
        """There is nothing to see in it."""
