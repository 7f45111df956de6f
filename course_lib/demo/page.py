"""What the page of ``course demo`` shows: a studio, a slider over a training, postcards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torchvision.tv_tensors import Image

from course_lib.data.stage import KINDS
from course_lib.data.storybook import CLASSES
from course_lib.ensemble import HEARS, five
from course_lib.errors import CourseError, Problems
from course_lib.painter import Painter, Picture
from course_lib.postcard import Postcard, png_bytes
from course_lib.registry import load
from course_lib.scene import LabelMap, Layout
from course_lib.segment.choose import open_segmenter
from course_lib.timelapse import milestones

if TYPE_CHECKING:
    from course_lib.widgets.studio import Studio

__all__ = ["company", "open_postcard", "page"]


def company(names: Sequence[str], run: Path | None = None) -> dict[str, Painter | None]:
    """The painters of a demo by name: the five, or those of ``names``; and that of a run.

    Raises:
        CourseError: whatever cannot be read or paints no scenes, all at once.
    """
    painters = {} if names else five()
    wanted = {name: partial(load, name) for name in names}
    if run is not None:
        wanted["run"] = partial(_last_of, run)
    with Problems("course demo") as problems:
        for name, opened in wanted.items():
            try:
                painter = opened()
            except CourseError as error:
                problems.add(str(error))
                continue
            painters[painter.kind if name == "run" else name] = painter
            problems.check(painter.kind in HEARS, f"{name} paints no scenes: it is {painter.kind}")
    return painters


def _last_of(run: Path) -> Painter:
    return load([*milestones(run).values()][-1])


def page(names: Sequence[str] = (), run: str = "") -> Any:
    """All that the page shows, as one widget; what it is told is what ``course demo`` was told."""
    import ipywidgets as ipw

    from course_lib.widgets.postcard_input import PostcardInput
    from course_lib.widgets.studio import Studio

    def look(photo: Tensor) -> LabelMap:
        studio.canvas.message = "looking; the first time, a small segmenter learns: two minutes"
        return open_segmenter("storybook").look(Image(photo)).label_map

    folder = Path(run) if run else None
    studio = Studio(company(names, folder), segment=look)
    controls, pictures = studio.widget.children
    controls.add_class("demo-controls")
    pictures.add_class("demo-pictures")
    changes = ipw.ToggleButton(description="what changed")
    shown = ipw.Image(layout={"width": "96px", "display": "none"})

    def take(card: Postcard) -> None:
        shown.value = png_bytes(open_postcard(studio, card), card)
        shown.layout.display = "block"

    tools = [changes, PostcardInput(take), shown]
    if folder is not None:
        tools.append(_training(studio, folder))
    bar = ipw.HBox(tools, layout={"flex_flow": "row wrap"})
    bar.add_class("demo-tools")
    columns = f"<style>body {{ --painters: {len(studio.painters)} }}</style>"
    cards = [ipw.VBox([pictures, bar, ipw.HTML(columns)]), ipw.VBox([controls])]
    for card in cards:
        card.add_class("demo-card")
    act = {True: cards[0].add_class, False: cards[0].remove_class}
    changes.observe(lambda change: act[change["new"]]("demo-whole"), "value")
    return ipw.VBox(cards)


def _training(studio: Studio, run: Path) -> Any:
    """A slider over the milestones of a run: each takes its turn among the painters."""
    import ipywidgets as ipw

    kept, painter = milestones(run), cache(load)

    def appoint(rounds: int) -> None:
        milestone = painter(kept[rounds])
        studio.painters[milestone.kind] = milestone
        studio.messages[milestone.kind] = ""  # it has not painted yet
        studio.set()

    steps = [(f"{rounds:,}", rounds) for rounds in kept]
    slider = ipw.SelectionSlider(
        options=steps,
        value=max(kept),
        description=f"{run.name}, after so many rounds",
        continuous_update=False,
        style={"description_width": "initial"},
        layout={"width": "min(480px, 100%)"},
    )
    slider.observe(lambda change: studio.attempt(lambda: appoint(change["new"])), "value")
    return slider


def open_postcard(studio: Studio, card: Postcard) -> Picture:
    """The very picture of a postcard; of its scene, the studio takes over what it has room for.

    Raises:
        CourseError: a postcard of another painter, or one that it cannot paint from.
    """
    here = {painter.kind: name for name, painter in studio.painters.items() if painter}
    if card.painter not in here:
        raise CourseError(f"a postcard of {card.painter[:40]!r}, who is not here", where="postcard")
    picture = card.repaint(studio.painters[here[card.painter]])  # says so if anything is wrong
    told = card.inputs
    with studio.at_once():
        studio.controls["seed"].value = card.seed
        if "caption" in told:
            studio.controls["caption"].value = told["caption"]
        if "layout" in told:
            things = [(thing, box) for thing, box in told["layout"] if thing in KINDS]
            studio.editor.boxes = Layout.of(*things, units="fraction", format="xyxy")
        if "label_map" in told:
            studio.canvas.label_map = LabelMap.of(told["label_map"], CLASSES)
    return picture
