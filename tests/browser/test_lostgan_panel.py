"""LostGAN's panel in JupyterLab: a box is dragged, and the picture changes there."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser

CELLS = (
    """
import course_lib
from course_lib.scene import Layout
from course_lib.widgets import lostgan_panel

boxes = [("boat", (0.1, 0.5, 0.35, 0.9)), ("sun", (0.6, 0.05, 0.9, 0.35))]
layout = Layout.of(*boxes, units="fraction", format="xyxy")
panel = lostgan_panel(course_lib.load("lostgan"), layout)
panel
""",
    "print('in the kernel:', [box['box'] for box in panel.editor.value], panel.editor.painted > 0)",
)


@pytest.fixture
def panel(notebook, page):
    page.set_viewport_size({"width": 1400, "height": 1000})
    page = notebook("boxes.ipynb", *CELLS)
    page.get_by_text("in the kernel: [[0.1").wait_for()
    page.locator(".stage img").wait_for()
    page.locator(".stage").scroll_into_view_if_needed()
    return page


def shot(page) -> np.ndarray:
    """The picture as it is seen, a value a pixel: ``[64, 64, 3]``."""
    picture = Image.open(io.BytesIO(page.locator(".widget-image").screenshot())).convert("RGB")
    return np.asarray(picture.resize((64, 64), Image.Resampling.NEAREST)).astype(int)


def drag(page, start: tuple[float, float], end: tuple[float, float]) -> None:
    box = page.locator(".stage").bounding_box()
    (x0, y0), (x1, y1) = start, end
    page.mouse.move(box["x"] + x0 * box["width"], box["y"] + y0 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + x1 * box["width"], box["y"] + y1 * box["height"], steps=8)
    page.mouse.up()


def other_picture(page, before: np.ndarray) -> np.ndarray:
    for _ in range(100):
        if (after := shot(page)).tolist() != before.tolist():
            return after
        page.wait_for_timeout(100)
    return pytest.fail("the picture did not change")


def test_the_picture_follows_a_dragged_box_and_dice_change_its_style(panel, tmp_path):
    before = shot(panel)
    drag(panel, (0.2, 0.7), (0.65, 0.7))
    panel.get_by_text(re.compile(r"from hand to pixels: \d+ ms")).wait_for()
    panel.wait_for_timeout(500)  # the last of several pictures
    change = np.abs(other_picture(panel, before) - before).mean(axis=2)
    boxes = np.zeros((64, 64), bool)
    boxes[30:60, 4:25] = boxes[30:60, 34:54] = True  # where the boat was, and where it is
    assert change[boxes].mean() > 3 * change[~boxes].mean()
    panel.screenshot(path=tmp_path / "dragged.png")

    before = shot(panel)
    panel.get_by_role("button", name="dice", exact=True).click()
    change = np.abs(other_picture(panel, before) - before).mean(axis=2)
    assert change[30:60, 34:54].mean() > 3 * change[:20, 36:].mean()  # the boat, not the sun

    panel.get_by_role("button", name="lock", exact=True).click()
    panel.locator(".stage .box span").filter(has_text="boat \U0001f512").wait_for()
    panel.locator(".jp-CodeCell").last.click()
    panel.keyboard.press("Control+Enter")
    panel.get_by_text(re.compile(r"in the kernel: \[\[0\.5.* True")).wait_for()
    panel.screenshot(path=tmp_path / "locked.png")
