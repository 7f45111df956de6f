"""Panels in JupyterLab: a hand moves a slider and the picture changes."""

from __future__ import annotations

import io
import zipfile

import pytest
from PIL import Image

from course_lib.postcard import read_postcard

pytestmark = pytest.mark.browser

CELLS = (
    "from course_lib.widgets.storybook import storybook_panel\npanel = storybook_panel()",
    "panel",
    "panel.set(things=2)\nprint('moved by Python')",
    "print('in the kernel:', panel.state)",
)


@pytest.fixture
def panel(notebook):
    """A page with the Storybook panel, after all cells were run."""
    page = notebook("panel.ipynb", *CELLS)
    page.get_by_text("in the kernel: {'season': 'summer'").wait_for()
    page.locator(".widget-image").wait_for()
    return page


def row(page, description: str):
    return page.locator(".widget-hslider").filter(has_text=description)


def pixels(page) -> bytes:
    return Image.open(io.BytesIO(page.locator(".widget-image").screenshot())).tobytes()


def wait_for_other_pixels(page, before: bytes) -> bytes:
    for _ in range(200):
        if (after := pixels(page)) != before:
            return after
        page.wait_for_timeout(100)
    return pytest.fail("the picture did not change")


def test_python_keyboard_and_hand_change_the_picture(panel, tmp_path):
    assert row(panel, "things").locator(".widget-readout").inner_text() == "2"
    first = pixels(panel)
    panel.screenshot(path=tmp_path / "first.png")

    row(panel, "things").get_by_role("slider").press("ArrowRight")
    second = wait_for_other_pixels(panel, first)

    box = row(panel, "seed").get_by_role("slider").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    panel.mouse.move(x, y)
    panel.mouse.down()
    panel.mouse.move(x + 60, y, steps=20)
    panel.mouse.up()
    third = wait_for_other_pixels(panel, second)

    panel.get_by_label("season").select_option("winter")
    wait_for_other_pixels(panel, third)
    panel.screenshot(path=tmp_path / "last.png")

    panel.locator(".jp-CodeCell").last.click()
    panel.keyboard.press("Control+Enter")
    panel.get_by_text(
        "'season': 'winter', 'hour': 'day', 'palette': 'plain', 'things': 3"
    ).wait_for()


def test_a_picture_is_saved_with_its_postcard(panel, tmp_path):
    panel.get_by_role("button", name="postcard").click()
    link = panel.get_by_role("link", name="postcard.png")
    link.wait_for()
    panel.screenshot(path=tmp_path / "offered.png")
    with panel.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "card.png")
    card = read_postcard(tmp_path / "card.png")
    assert (card.painter, card.seed, card.inputs["things"]) == ("storybook", 0, 2)
    assert card.repaint().pil().tobytes() == Image.open(tmp_path / "card.png").tobytes()


BRUSH = """
import anywidget, traitlets
from course_lib.painter import Picture
from course_lib.widgets.panel import Panel
import torch

class Brush(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
        const button = document.createElement("button");
        button.textContent = "paint it";
        button.onclick = () => {
            model.set("value", new DataView(new Uint8Array([255, 0, 9]).buffer));
            model.save_changes();
        };
        el.append(button);
    } }'''
    value = traitlets.CBytes(bytes(3)).tag(sync=True)

def draw(brush):
    colour = torch.tensor(list(brush)) / 127.5 - 1
    return Picture(colour[:, None, None].expand(3, 8, 8)), f"{list(brush)}"

Panel("Brush", draw, {"brush": Brush()})
"""


def test_an_anywidget_can_be_a_control(notebook):
    page = notebook("brush.ipynb", BRUSH)
    page.get_by_role("button", name="paint it").click()
    page.locator(".jp-OutputArea-output").get_by_text("[255, 0, 9]", exact=True).wait_for()
    page.locator(".widget-image").scroll_into_view_if_needed()
    picture = Image.open(io.BytesIO(page.locator(".widget-image").screenshot()))
    assert picture.getpixel((20, 20))[:3] == (255, 0, 9)


LAYERS = """
import torch
from course_lib.lrgan.networks import Generator, Sizes
from course_lib.lrgan.painter import LRGANPainter
from course_lib.widgets import layers_panel
torch.manual_seed(0)
panel = layers_panel(LRGANPainter(Generator(Sizes(6, 4, 6, size=16, channels=1))))
panel
"""


def test_a_foreground_is_dragged_and_its_mask_saved(notebook, tmp_path):
    page = notebook("layers.ipynb", LAYERS, "print('dragged:', panel.state['x'] > 0.3)")
    pad = page.get_by_role("application")
    pad.scroll_into_view_if_needed()
    box, before = pad.bounding_box(), pixels(page)
    page.screenshot(path=tmp_path / "first.png")
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 60, steps=12)
    page.mouse.up()
    moved = wait_for_other_pixels(page, before)
    pad.press("ArrowDown")
    wait_for_other_pixels(page, moved)
    page.screenshot(path=tmp_path / "last.png")

    page.get_by_role("button", name="segmentation").click()
    link = page.get_by_role("link", name="segmentation.zip")
    link.wait_for()
    with page.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "segmentation.zip")
    assert "picture_mask_1.png" in zipfile.ZipFile(tmp_path / "segmentation.zip").namelist()

    page.locator(".jp-CodeCell").last.click()
    page.keyboard.press("Control+Enter")
    page.get_by_text("dragged: True").wait_for()


OPGAN = """
import torch
from course_lib.data.storybook import CLASSES
from course_lib.opgan.networks import Generator
from course_lib.opgan.objective import OPGANConfig
from course_lib.opgan.painter import OPGANPainter
from course_lib.text.recurrent import RecurrentEncoder
from course_lib.text.vocabulary import Vocabulary
from course_lib.widgets import opgan_panel
torch.manual_seed(0)
config = OPGANConfig(
    size=64, stages=2, width=2, width_d=2, text=6, code=4, noise=4, local_noise=2, label=8,
    next_label=4, residuals=1, classes=18, max_objects=3,
)
words = Vocabulary.of(["a cat and a red house"])
painter = OPGANPainter(Generator(config), RecurrentEncoder(9, 4, 6, vocabulary=words), config)
painter.tables = {"classes": CLASSES.to_json()}
panel = opgan_panel(painter, "a cat")
panel
"""


def test_a_caption_proposes_boxes_and_a_hand_moves_one(notebook, tmp_path):
    told = "print('boxes:', [(b['name'], b.get('proposed')) for b in panel.editor.value])"
    page = notebook("opgan.ipynb", OPGAN, told)
    page.get_by_text("boxes: [('cat', True)]").wait_for()
    field, before = page.locator(".widget-text input"), pixels(page)
    field.fill("a red house and a cat")
    field.press("Enter")
    proposed = wait_for_other_pixels(page, before)
    page.screenshot(path=tmp_path / "proposed.png")
    stage = page.locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.68 * box["height"])  # the house
    page.mouse.down()
    page.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 0.55 * box["height"], steps=6)
    page.mouse.up()
    wait_for_other_pixels(page, proposed)
    page.screenshot(path=tmp_path / "moved.png")
    page.locator(".jp-CodeCell").last.click()
    page.keyboard.press("Control+Enter")
    page.get_by_text("boxes: [('house', False), ('cat', True)]").wait_for()
