"""The layout editor without a front end: boxes in, layouts out, and what is refused."""

from __future__ import annotations

import base64
import io

import pytest
import torch
import traitlets
from PIL import Image

from course_lib.errors import CourseError
from course_lib.painter import Picture
from course_lib.scene import ClassTable, Layout
from course_lib.widgets.layout_editor import LayoutEditor
from course_lib.widgets.panel import Panel

TABLE = ClassTable.of(
    stuff={"sky": (120, 180, 240)}, things={"tree": (40, 120, 40), "house": (200, 60, 50)}
)
TREE = {"name": "tree", "box": [0.1, 0.4, 0.3, 0.9]}
HOUSE = {"name": "house", "box": [0.25, 0.5, 0.75, 1.0]}


@pytest.fixture
def editor():
    return LayoutEditor(TABLE, 32, 64, most=3)


def a_layout(*names) -> Layout:
    return Layout.of(*((name, (16, 8, 48, 32)) for name in names),
                     units="pixel", format="xyxy", canvas=(32, 64))  # fmt: skip


def test_what_a_browser_draws_arrives_from_the_back_to_the_front(editor):
    heard = []
    editor.observe(lambda _: heard.append(editor.boxes), "value")
    editor.set_state({"value": [TREE, HOUSE], "stamp": 40, "selected": 1})
    (layout,) = heard
    assert layout.names == ("tree", "house")
    assert torch.allclose(layout.fractions(), torch.tensor([TREE["box"], HOUSE["box"]]))
    editor.answer()
    assert (editor.selected, editor.painted) == (1, 40)


def test_a_layout_from_python_comes_back_in_fractions(editor):
    editor.boxes = a_layout("house", "tree")
    assert editor.value == [
        {"name": name, "box": [0.25, 0.25, 0.75, 1.0]} for name in ("house", "tree")
    ]
    assert editor.boxes.canvas == (1, 1)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([{"name": "teee", "box": TREE["box"]}], "did you mean 'tree'"),
        ([{"name": "tree", "box": [0.3, 0.4, 0.1, 0.9]}], "object 0"),
        ([{"name": "tree", "box": [0.1, 0.4, 0.3, 1.2]}], "object 0"),
        ([{"name": "tree", "box": [0.1, float("nan"), 0.3, 0.9]}], "object 0"),
        ([{"name": "tree", "box": [0.1, 0.4]}], "object 0"),
        ([TREE] * 4, "4 objects, at most max_objects=3"),
        ([{"name": "tree"}], 'write [{"name"'),
        (["tree"], 'write [{"name"'),
    ],
    ids=str,
)
def test_boxes_that_no_painter_could_use_move_nothing(editor, value, told):
    editor.value = [TREE]
    assert told in editor.fault(value)
    with pytest.raises(traitlets.TraitError):
        editor.set_state({"value": value})
    with pytest.raises((CourseError, traitlets.TraitError)):
        Panel("Boxes", lambda boxes: (picture(), ""), {"boxes": editor}).set(boxes=value)
    assert editor.value == [TREE]


def picture() -> Picture:
    return Picture(torch.zeros(3, 32, 64))


def test_what_else_a_box_holds_stays_with_it(editor):
    editor.value = [{**TREE, "style": 7}]
    assert editor.value[0]["style"] == 7 and editor.boxes.names == ("tree",)


def test_a_caption_proposes_boxes_to_be_changed():
    def propose(caption):
        if "tree" not in caption:
            raise CourseError("no thing in this sentence", where="caption")
        return a_layout("tree")

    editor = LayoutEditor(TABLE, 32, 64, propose=propose)
    assert editor.can_propose
    editor._handle_custom_msg({"do": "propose", "caption": "a green tree"}, [])
    assert editor.message == "1 boxes proposed"
    assert editor.value == [{"name": "tree", "box": [0.25, 0.25, 0.75, 1.0], "proposed": True}]
    editor._handle_custom_msg({"do": "propose", "caption": "fog"}, [])
    assert editor.message == "caption: no thing in this sentence" and len(editor.value) == 1


def test_without_a_proposer_none_is_offered(editor):
    assert not editor.can_propose
    editor._handle_custom_msg({"do": "propose", "caption": "a tree"}, [])
    assert "nobody proposes" in editor.message


def test_a_notebook_keeps_the_boxes_on_their_picture(editor):
    editor.value = [TREE, HOUSE]
    editor.show_under(picture())
    data, metadata = editor._repr_mimebundle_()
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert still.size == (384, 192)
    assert still.getpixel((39, 150)) == (40, 120, 40)  # the tree's left side, at 0.1 of 384
    assert still.getpixel((300, 20)) == (128, 128, 128)  # the picture
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert data["text/plain"].startswith("Layout(tree (0.100, 0.400, 0.300, 0.900), house")


def test_no_boxes_are_a_blank_paper(editor):
    assert editor.still().getextrema() == ((255, 255),) * 3
    assert editor.describe() == "Layout()"
