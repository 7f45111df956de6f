"""The canvas's script in a bare page: its tools, and what undo brings back."""

from __future__ import annotations

import json

import pytest

from course_lib.scene import ClassTable
from course_lib.widgets.canvas import Canvas
from course_lib.widgets.front_end import static

pytestmark = pytest.mark.browser

TABLE = ClassTable.of(stuff={f"class {i}": (i, 200 - i, 90) for i in range(40)})
MODEL = """
const state = %s;
state.value = new DataView(new ArrayBuffer(state.width * state.height));
window.asked = [];
window.model = {
    get: (name) => state[name], set: (name, value) => (state[name] = value),
    on: () => {}, save_changes: () => {}, send: (what) => window.asked.push(what),
};
window.ids = () => [...new Uint8Array(state.value.buffer)];
"""


@pytest.fixture
def canvas(page):
    """A page with a canvas of 64 x 64 and forty classes; nobody listens to it."""
    state = Canvas(TABLE, 64, 64, scenes=[None] * 9).get_state()
    known = ("palette", "height", "width", "scenes", "can_segment", "message", "painted")
    script = static("shared.js", "canvas.js").replace("export default", "window.widget =")
    page.set_content(
        f"<style>{static('widgets.css')}</style><div id='here'></div><script type='module'>"
        f"{MODEL % json.dumps({name: state[name] for name in known})}{script}"
        "window.widget.render({ model: window.model, el: document.getElementById('here') })"
        "</script>"
    )
    page.locator(".stage canvas").wait_for()
    return page


def drag(page, *places: tuple[int, int]) -> dict[int, int]:
    """A stroke through these pixels; returns how many pixels each class has then."""
    box = page.locator(".stage canvas").bounding_box()
    for number, (x, y) in enumerate(places):
        page.mouse.move(*(box[a] + (at + 0.5) * 6 for a, at in (("x", x), ("y", y))))
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    return counts(page)


def counts(page) -> dict[int, int]:
    page.evaluate("new Promise(requestAnimationFrame)")  # the map is sent once a frame
    page.evaluate("new Promise(requestAnimationFrame)")
    ids = page.evaluate("window.ids()")
    return {id: ids.count(id) for id in sorted(set(ids)) if id}


def click(page, *names: str) -> dict[int, int]:
    for name in names:
        page.get_by_role("button", name=name, exact=True).click()
    return counts(page)


def chosen(page) -> str:
    return page.locator(".chips [aria-pressed=true]").inner_text()


def test_tools_and_undo(canvas):
    for key in ("2", "[", "[", "[", "[", "["):  # the second class, a brush of one pixel
        canvas.locator(".stage canvas").press(key)
    line = drag(canvas, (10, 10), (29, 10))
    assert line == {1: 20}
    assert drag(canvas, (10, 20), (29, 20), (29, 39)) == {1: 20 + 39}
    click(canvas, "fill", "3class 2")
    assert drag(canvas, (20, 10)) == {1: 39, 2: 20}
    assert drag(canvas, (20, 10)) == {1: 39, 2: 20}  # it is that class already
    assert drag(canvas, (0, 0)) == {1: 39, 2: 64 * 64 - 39}  # the line is no wall, nor the edge
    assert click(canvas, "undo") == {1: 39, 2: 20}
    assert click(canvas, "undo", "undo") == line
    assert click(canvas, "redo") == {1: 20 + 39}
    assert click(canvas, "4class 3", "clear") == {3: 64 * 64}
    assert click(canvas, "undo", "undo", "undo") == {}
    assert click(canvas, "undo") == {}


def test_picking_takes_a_class_and_paints_nothing(canvas):
    click(canvas, "2class 1")
    painted = drag(canvas, (10, 10), (29, 10))
    click(canvas, "3class 2", "pick")
    assert drag(canvas, (20, 10), (20, 30)) == painted
    assert chosen(canvas) == "2class 1"
    click(canvas, "3class 2")
    canvas.keyboard.down("Alt")
    assert drag(canvas, (20, 10), (20, 30)) == painted
    canvas.keyboard.up("Alt")
    assert chosen(canvas) == "2class 1"


def test_many_classes_are_searched_and_digits_mean_those_that_are_found(canvas):
    search = canvas.get_by_label("find a class")
    search.press_sequentially("CLASS 3b")  # a letter in a field is no command
    assert canvas.locator(".chips button:visible").count() == 0
    search.press("Backspace")
    assert canvas.locator(".chips button:visible").count() == 11
    canvas.locator(".stage canvas").press("3")
    assert chosen(canvas) == "3class 31"


def test_a_scene_is_asked_for_by_its_number(canvas):
    number = canvas.get_by_label("scene", exact=True)
    for key in ("Control+a", "7", "Delete", "Backspace", "8"):
        number.press(key)
    assert canvas.evaluate("window.asked") == [{"do": "scene", "number": n} for n in (7, 8)]
