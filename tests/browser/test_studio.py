"""The studio in JupyterLab: a stroke and a sentence, and each painter hears what it can hear."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.browser

CELLS = (
    """
from course_lib.widgets import Studio
from tests.company import company

studio = Studio(company() | {"opgan": None})
studio
""",
    "print('in the kernel:', {name for name, value in studio.listening.items() if value})",
)


@pytest.fixture
def studio(notebook, page):
    page.set_viewport_size({"width": 1600, "height": 1200})
    page = notebook("studio.ipynb", *CELLS)
    page.get_by_text("in the kernel: set()").wait_for()
    page.locator("canvas").first.wait_for()
    page.locator("canvas").first.scroll_into_view_if_needed()
    return page


def heard_by(page) -> set[str]:
    """Runs the last cell again."""
    page.locator(".jp-CodeCell").last.click()
    page.keyboard.press("Control+Enter")
    answer = page.get_by_text(re.compile(r"in the kernel: \{'"))
    answer.wait_for()
    return set(re.findall(r"'(\w+)'", answer.inner_text().partition("kernel:")[2]))


def test_a_stroke_and_a_caption_are_heard_by_who_hears_them(studio, tmp_path):
    box = studio.locator("canvas").first.bounding_box()
    studio.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"])
    studio.mouse.down()
    studio.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"], steps=8)
    studio.mouse.up()
    studio.get_by_text(re.compile("label map changed; heard by")).first.wait_for()
    studio.screenshot(path=tmp_path / "stroke.png")
    assert heard_by(studio) == {"spade", "lostgan"}

    studio.locator(".widget-text input").first.fill("a large red boat in the water")
    studio.keyboard.press("Enter")
    studio.get_by_text(re.compile("caption changed; heard by stackgan")).first.wait_for()
    assert studio.locator(".widget-image").count() == 1  # one row of all, whoever is installed
    studio.screenshot(path=tmp_path / "caption.png")
