"""The layout editor in JupyterLab: hands draw and drag boxes, the layout arrives in Python."""

from __future__ import annotations

import json
import re

import pytest

pytestmark = pytest.mark.browser

CELLS = (
    """
import json, torch
from course_lib.data.proposal import propose
from course_lib.data.storybook import Storybook
from course_lib.painter import Picture
from course_lib.widgets.layout_editor import LayoutEditor

editor = LayoutEditor(Storybook.classes, 64, 64, most=2,
                      propose=lambda caption: propose(caption, Storybook.classes, 2))

def paint(_=None):
    image = -torch.ones(3, 64, 64)
    for _, (left, top, right, bottom) in editor.boxes:
        image[:, round(64 * top) : round(64 * bottom), round(64 * left) : round(64 * right)] = 1
    editor.show_under(Picture(image))
    editor.answer()

editor.value = [{"name": "tree", "box": [0.1, 0.4, 0.3, 0.9]}]
editor.observe(paint, "value")
editor
""",
    "print('in the kernel:', json.dumps([[b['name'], b['box']] for b in editor.value]))",
)


@pytest.fixture
def editor(notebook):
    page = notebook("layout.ipynb", *CELLS)
    page.get_by_text('in the kernel: [["tree"').wait_for()
    page.locator(".stage").scroll_into_view_if_needed()
    return page


def drag(page, *places: tuple[float, float]) -> None:
    page.locator(".stage").scroll_into_view_if_needed()  # a click elsewhere may have moved it
    box = page.locator(".stage").bounding_box()
    for number, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=6)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def in_the_kernel(page) -> list:
    page.locator(".jp-CodeCell").last.click()
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(500)
    return json.loads(page.get_by_text(re.compile(r"in the kernel: \[")).inner_text()[15:])


def test_boxes_are_dragged_drawn_snapped_renamed_reordered_deleted(editor, tmp_path):
    drag(editor, (0.2, 0.6), (0.402, 0.505))  # by 0.202 and -0.095: snaps to the middle line
    editor.get_by_text(re.compile(r"from hand to pixels: \d+ ms")).wait_for()
    ((name, moved),) = in_the_kernel(editor)
    assert name == "tree" and moved == pytest.approx([0.3, 0.3, 0.5, 0.8], abs=0.01)
    assert moved[2] == pytest.approx(0.5, abs=1e-6)

    drag(editor, (moved[2], moved[3]), (0.7, 0.7))  # by its corner
    editor.get_by_role("button", name="house", exact=True).click()
    drag(editor, (0.8, 0.1), (0.95, 0.3))  # a new one
    drag(editor, (0.05, 0.05), (0.2, 0.2))  # one too many
    editor.get_by_text("no more than 2 boxes").wait_for()
    tree, house = in_the_kernel(editor)
    assert tree[1] == pytest.approx([0.3, 0.3, 0.7, 0.7], abs=0.01)
    assert house == ["house", pytest.approx([0.8, 0.1, 0.95, 0.3], abs=0.01)]
    editor.screenshot(path=tmp_path / "boxes.png")

    editor.get_by_label("class of box 2").select_option("boat")
    stage = editor.locator(".stage")
    stage.focus()
    stage.press("PageDown")  # behind the tree
    assert [name for name, _ in in_the_kernel(editor)] == ["boat", "tree"]
    stage.focus()
    stage.press("Delete")
    assert [name for name, _ in in_the_kernel(editor)] == ["tree"]
    stage.focus()
    stage.press("z")
    assert [name for name, _ in in_the_kernel(editor)] == ["boat", "tree"]

    editor.get_by_label("caption").fill("a boat below a red balloon")
    editor.get_by_role("button", name="propose", exact=True).click()
    editor.get_by_text("2 boxes proposed").wait_for()
    boxes = dict(in_the_kernel(editor))
    assert boxes["balloon"][3] <= boxes["boat"][3] and editor.locator(".proposed").count() == 2
