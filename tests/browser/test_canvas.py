"""The painter's canvas in JupyterLab: a hand paints, the map arrives, the picture follows."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from course_lib.data.storybook import Storybook
from course_lib.scene import LabelMap

pytestmark = pytest.mark.browser

CELLS = (
    "from course_lib.widgets import spade_panel\n"
    "from tests.widgets.colour_painter import ColourPainter\n"
    "panel = spade_panel(ColourPainter())\n"
    "canvas = panel.controls['label_map']\n"
    "first = canvas.label_map",
    "panel",
    "y, x = (canvas.label_map.ids != first.ids).nonzero(as_tuple=True)\n"
    "box = [int(side) for side in (x.min(), y.min(), x.max(), y.max())] if len(x) else []\n"
    "print('in the kernel:', len(x), box, canvas.painted > 0)",
)


@pytest.fixture
def panel(notebook, page):
    """A page with the canvas and a painter of colours, after all cells were run."""
    page.set_viewport_size({"width": 1400, "height": 1000})
    page = notebook("canvas.ipynb", *CELLS)
    page.get_by_text("in the kernel: 0").wait_for()
    page.locator(".stage canvas").wait_for()
    page.locator(".stage canvas").scroll_into_view_if_needed()
    return page


def shot(page, selector: str) -> np.ndarray:
    """What is seen of a map or a picture of 64 x 64, a value a pixel: ``[64, 64, 3]``."""
    picture = Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")
    return np.asarray(picture.resize((64, 64), Image.Resampling.NEAREST)).astype(int)


def painted(page) -> np.ndarray:
    page.mouse.move(5, 5)  # no ring over the map
    return shot(page, ".stage canvas")


def picture(page) -> np.ndarray:
    return shot(page, ".widget-image")


def wait_until(page, condition) -> None:
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(100)
    pytest.fail("it did not happen")


def drag(page, *places: tuple[int, int]) -> None:
    """A stroke through these pixels of the map."""
    box = page.locator(".stage canvas").bounding_box()
    for number, (x, y) in enumerate(places):
        at = box["x"] + (x + 0.5) * box["width"] / 64, box["y"] + (y + 0.5) * box["height"] / 64
        page.mouse.move(*at, steps=8)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def in_the_kernel(page) -> str:
    """What the last cell prints now."""
    page.locator(".jp-CodeCell").last.click()
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(300)
    return page.get_by_text(re.compile(r"in the kernel: \d")).inner_text()


def test_a_stroke_arrives_and_the_picture_changes_there_alone(panel, tmp_path):
    canvas = panel.locator(".stage canvas")
    map_before, before = painted(panel), picture(panel)
    panel.get_by_role("button", name="road").click()
    drag(panel, (10, 40), (50, 44), (30, 60))
    panel.get_by_text(re.compile(r"from hand to pixels: \d+ ms")).wait_for()
    panel.screenshot(path=tmp_path / "painted.png")
    drawn = (painted(panel) != map_before).any(-1)
    assert drawn.sum() > 100
    wait_until(panel, lambda: ((picture(panel) != before).any(-1) == drawn).all())
    after = picture(panel)

    canvas.focus()
    canvas.press("z")
    wait_until(panel, lambda: (picture(panel) == before).all())
    canvas.press("Control+y")
    wait_until(panel, lambda: (picture(panel) == after).all())
    rows, columns = np.nonzero(drawn)
    box = [columns.min(), rows.min(), columns.max(), rows.max()]
    assert in_the_kernel(panel).startswith(f"in the kernel: {drawn.sum()} {[*map(int, box)]} True")


def test_the_keyboard_paints_as_well(panel, tmp_path):
    canvas, cells = panel.locator(".stage canvas"), panel.locator(".jp-Cell").count()
    before = painted(panel)
    canvas.focus()
    for key in ("3", "b", "]", "ArrowLeft", "Shift+ArrowUp", " "):
        canvas.press(key)
    brush = panel.get_by_role("button", name="brush", exact=True)
    assert brush.get_attribute("aria-pressed") == "true"
    chosen = panel.locator(".chips [aria-pressed=true]")
    assert chosen.inner_text().startswith("3")
    one = (painted(panel) != before).any(-1)
    assert 10 < one.sum() < 30  # a disc of five across
    canvas.press("1")
    canvas.press("f")
    canvas.press(" ")  # fills the disc with another class
    two = (painted(panel) != before).any(-1)
    assert two.sum() <= one.sum() and not (two & ~one).any()
    canvas.press("z")
    canvas.press("z")
    assert (painted(panel) == before).all()
    canvas.press("x")  # JupyterLab's own keys would cut the cell, and "b" have inserted one
    assert panel.locator(".jp-Cell").count() == cells
    panel.screenshot(path=tmp_path / "keyboard.png")


def test_files_come_and_go(panel, tmp_path):
    wanted = Storybook()[4].label_map
    wanted.save(tmp_path / "mine.png")
    (tmp_path / "photo.png").write_bytes(b"no picture")
    with panel.expect_file_chooser() as chooser:
        panel.get_by_role("button", name="load", exact=True).click()
    chooser.value.set_files(tmp_path / "photo.png")
    panel.get_by_text("photo.png: this is no picture").wait_for()
    with panel.expect_file_chooser() as chooser:
        panel.get_by_role("button", name="load", exact=True).click()
    chooser.value.set_files(tmp_path / "mine.png")
    colours = wanted.coloured().permute(1, 2, 0).numpy()
    wait_until(panel, lambda: (painted(panel) == colours).all())
    with panel.expect_download() as download:
        panel.get_by_role("button", name="save", exact=True).click()
    download.value.save_as(tmp_path / "saved.png")
    saved = LabelMap.load(tmp_path / "saved.png", Storybook.classes)
    assert saved.names() == wanted.names()

    number = panel.get_by_label("scene", exact=True)
    number.press("Control+a")
    number.press("7")
    scene = Storybook(seed=1)[7].label_map.coloured().permute(1, 2, 0).numpy()
    wait_until(panel, lambda: (painted(panel) == scene).all())

    before = picture(panel)
    Image.new("RGB", (300, 200), "red").save(tmp_path / "red.jpg")
    with panel.expect_file_chooser() as chooser:
        panel.get_by_role("button", name="style of a picture").click()
    chooser.value.set_files(tmp_path / "red.jpg")
    wait_until(panel, lambda: (picture(panel)[..., 0] - before[..., 0]).mean() > 5)
    panel.screenshot(path=tmp_path / "files.png")


def test_it_is_readable_in_the_dark(panel, tmp_path):
    panel.get_by_role("menuitem", name="Settings", exact=True).click()
    panel.get_by_text("Theme", exact=True).click()
    panel.get_by_text("JupyterLab Dark", exact=True).click()

    def brightness(selector: str, what: str) -> float:
        style = f"e => getComputedStyle(e).{what}"
        colour = panel.locator(selector).first.evaluate(style)
        return float(np.mean([float(level) for level in re.findall(r"[\d.]+", colour)[:3]]))

    wait_until(panel, lambda: brightness(".jp-Notebook", "backgroundColor") < 80)
    for part in (".course-widget", ".course-widget button", ".course-widget input[type=search]"):
        assert brightness(part, "color") > 150, part
    assert brightness(".course-widget button", "backgroundColor") < 100
    panel.screenshot(path=tmp_path / "dark.png")
