"""The canvas without a front end: what a browser sends, what it gets, and what is refused."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError
from course_lib.scene import ClassTable, LabelMap
from course_lib.widgets.canvas import Canvas
from course_lib.widgets.front_end import static

TABLE = ClassTable.of(stuff={"sky": (120, 180, 240), "sand": (230, 210, 150)},
                      things={"tree": (40, 120, 40)})  # fmt: skip


@pytest.fixture
def canvas():
    return Canvas(TABLE, 4, 6)


def a_map(rows=((0, 0, 1), (2, 2, 1)), classes=TABLE) -> LabelMap:
    return LabelMap.of(np.array(rows), classes)


def png(pixels, mode=None) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(np.array(pixels, np.uint8))
    if mode == "P":
        picture.putpalette(TABLE.palette().flatten().tolist())
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def click(canvas, do, data=b"", **content) -> str:
    """What a button of the front end sends; returns what the status line says then."""
    canvas._handle_custom_msg({"do": do, **content}, [memoryview(data)] if data else [])
    return canvas.message


# --- the map --------------------------------------------------------------------------------------


def test_it_begins_with_the_first_class_everywhere(canvas):
    assert canvas.label_map.names() == {"sky": 24}
    assert canvas.label_map.canvas == (4, 6)


def test_what_a_browser_paints_arrives_row_by_row(canvas):
    heard = []
    canvas.observe(lambda change: heard.append(canvas.label_map.ids.tolist()), "value")
    painted = bytes([0, 1, 2, 0, 1, 2] + 18 * [1])
    canvas.set_state({"value": memoryview(painted), "stamp": 812})
    assert heard == [[[0, 1, 2, 0, 1, 2], *3 * [6 * [1]]]]
    assert (canvas.stamp, canvas.painted) == (812, 0)
    canvas.answer()
    assert canvas.painted == 812


def test_a_map_from_python_comes_back_and_others_are_resized(canvas):
    canvas.label_map = fits = a_map(4 * [[0, 0, 2, 2, 1, 1]])
    assert torch.equal(canvas.label_map.ids, fits.ids)
    assert canvas.start_from(a_map()) == "resized from 3x2 to 6x4"
    assert canvas.label_map.ids.tolist() == 2 * [[0, 0, 0, 0, 1, 1]] + 2 * [[2, 2, 2, 2, 1, 1]]
    canvas.label_map = LabelMap.of(np.array([[3, 0]]), TABLE)
    assert canvas.label_map.names() == {"unlabeled": 12, "sky": 12}


def test_a_map_of_other_classes_is_refused(canvas):
    before = canvas.value
    others = ClassTable.of(stuff={"sky": (1, 1, 1), "lawn": (2, 2, 2), "mud": (3, 3, 3)})
    with pytest.raises(CourseError, match="other classes than the canvas: lawn"):
        canvas.label_map = a_map(((0, 1),), others)
    turned = ClassTable.of(stuff={"sand": (1, 1, 1), "sky": (2, 2, 2)}, things={"tree": (3, 3, 3)})
    with pytest.raises(CourseError, match="ids differ"):
        canvas.label_map = a_map(((0, 1),), turned)
    assert canvas.value == before


@pytest.mark.parametrize("value", [b"", bytes(23), bytes(25), bytes([4] * 24)], ids=len)
def test_bytes_that_are_no_map_move_nothing(canvas, value):
    canvas.value = before = bytes([2] * 24)
    with pytest.raises(traitlets.TraitError, match="label map"):
        canvas.set_state({"value": memoryview(value)})
    assert canvas.value == before
    assert canvas.fault(value) and not canvas.fault(before)


def test_more_classes_than_a_byte_counts_are_refused():
    colours = {f"class {i}": (i % 256, i // 256, 0) for i in range(256)}
    with pytest.raises(CourseError, match="256 classes; 1 to 255"):
        Canvas(ClassTable.of(stuff=colours), 4, 4)


# --- buttons --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        png(4 * [[0, 0, 2, 2, 1, 1]]),
        png(4 * [[0, 0, 2, 2, 1, 1]], "P"),
        png(TABLE.palette().numpy()[4 * [[0, 0, 2, 2, 1, 1]]]),
    ],
    ids=["ids", "palette", "colours"],
)
def test_a_png_is_loaded_in_all_three_kinds(canvas, data):
    assert click(canvas, "load", data, name="mine.png") == ""
    assert canvas.label_map.ids.tolist() == 4 * [[0, 0, 2, 2, 1, 1]]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.png", png([[0, 9]]), "a.png: id 9 at 1 pixels (50%), first at (x=1, y=0)"),
        ("../../a.jpg", png([[0, 1]]), "a.jpg: JPEG blurs neighbouring class ids"),
        ("b.png", png(np.full((4, 6, 3), 7)), "b.png: 1 colours are not in the class table"),
        ("c.png", b"not a picture", "c.png: this is no picture"),
        ("", b"not a picture", "file: this is no picture"),
        ("d.png", b"", "d.png: the file is empty"),
    ],
)
def test_a_png_that_is_no_map_is_told_by_its_own_name(canvas, name, data, told):
    before = canvas.value
    assert click(canvas, "load", data, name=name).startswith(told)
    assert canvas.value == before


def test_what_is_odd_about_a_map_is_told_and_forgotten(canvas):
    told = click(canvas, "load", png(np.ones((8, 8))), name="a.png")
    assert told == "resized from 8x8 to 6x4; a.png holds one class only ('sand')"
    assert click(canvas, "save") == ""


def test_a_scenes_map_is_started_from():
    book = Storybook(size=32)
    canvas = Canvas(book.classes, 32, 32, scenes=book)
    assert (canvas.scenes, click(canvas, "scene", number=5)) == (len(book), "")
    assert torch.equal(canvas.label_map.ids, book[5].label_map.ids)
    for number in (-1, len(book), 1.5, "5", None):
        assert "there are scenes 0 to 99999" in click(canvas, "scene", number=number)


def test_a_photo_becomes_a_map():
    def brightness(photo):
        return LabelMap.of((photo.float().mean(0) > 128).long(), TABLE)

    canvas = Canvas(TABLE, 8, 8, segment=brightness)
    photo = np.zeros((8, 8, 3))
    photo[4:] = 255
    assert canvas.can_segment
    assert click(canvas, "photo", png(photo), name="beach.jpg.png") == ""
    assert canvas.label_map.names() == {"sky": 32, "sand": 32}
    assert "beach.png: 4x4 pixels" in click(canvas, "photo", png(photo[:4, :4]), name="beach.png")


def test_without_a_segmenter_photos_are_refused(canvas):
    assert not canvas.can_segment
    assert "no segmenter" in click(canvas, "photo", png(np.ones((8, 8, 3))), name="a.png")


def test_a_segmenter_that_fails_is_told():
    canvas = Canvas(TABLE, 8, 8, segment=lambda photo: 1 / 0)
    assert click(canvas, "photo", png(np.ones((8, 8, 3))), name="a.png").startswith(
        "ZeroDivisionError"
    )


def test_the_saved_map_is_loaded_again(canvas, monkeypatch):
    sent = []
    monkeypatch.setattr(canvas, "send", lambda content, buffers: sent.append((content, buffers)))
    canvas.label_map = wanted = a_map(4 * [[0, 0, 2, 2, 1, 1]])
    click(canvas, "save")
    ((content, (data,)),) = sent
    assert Image.open(io.BytesIO(data)).mode == "P"
    other = Canvas(TABLE, 4, 6)
    assert click(other, "load", data, **content) == ""
    assert torch.equal(other.label_map.ids, wanted.ids)


def test_an_unknown_button_is_told(canvas):
    assert "there is no 'delete'; known: load, photo, save, scene" in click(canvas, "delete")


# --- without a front end --------------------------------------------------------------------------


def test_a_notebook_keeps_the_map_with_its_legend():
    canvas = Canvas(TABLE, 4, 6)
    canvas.label_map = a_map()
    data, metadata = canvas._repr_mimebundle_(include=None)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == canvas.model_id
    assert data["text/plain"] == "label map of sky 33%, sand 33%, tree 33%"
    assert metadata["image/png"]["alt"] == data["text/plain"]
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert (still.width, still.height > 256 + 18) == (384, True)
    assert still.getpixel((10, 10)) == (120, 180, 240)
    assert still.getpixel((10, 250)) == (40, 120, 40)
    assert still.getpixel((7, 256 + 10)) == (120, 180, 240)  # the legend's first swatch
    assert still.getpixel((135, 256 + 10)) == (230, 210, 150)


def test_what_the_front_end_gets_is_small_and_plain(canvas):
    state = canvas.get_state()
    assert state["palette"][2] == {"name": "tree", "colour": [40, 120, 40]}
    plain = {k: v for k, v in state.items() if k not in ("value", "layout") and k[0] != "_"}
    assert json.dumps(plain)
    assert isinstance(state["value"], bytes)  # travels as it is, not as a list of numbers


def test_the_scripts_need_nothing_from_outside():
    for name in ("canvas.js", "picture_input.js"):
        script = static("shared.js", name)
        assert script.rstrip().endswith("export default { render };")
        assert "import " not in script.replace("could import.", "") and "http" not in script
