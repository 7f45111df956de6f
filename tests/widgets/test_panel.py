"""Panels work without a front end: values in, pictures out, errors in words."""

from __future__ import annotations

import base64
import io

import anywidget
import ipywidgets as ipw
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

from course_lib.errors import CourseError
from course_lib.painter import Picture
from course_lib.postcard import Postcard
from course_lib.widgets.panel import Panel


class Brush(anywidget.AnyWidget):
    """The smallest control with a front end of its own."""

    _esm = "export default { render({ model, el }) {} }"
    value = traitlets.CBytes(b"").tag(sync=True)


def grey(red, level, words, shape, fine, mask):
    """A picture that every control has a part in."""
    if words == "fail":
        raise CourseError("<fail> is no word", fix="another")
    if words == "crash":
        raise ZeroDivisionError("oh & no")
    grey.calls += 1
    image = torch.full((3, 2, 4), float(level))
    image[0] = red / 255
    return Picture(image), f"{words} {shape} <{len(mask)}>"


def controls():
    return {
        "red": ipw.IntSlider(value=3, min=0, max=255),
        "level": ipw.FloatSlider(value=0.5, min=-1, max=1),
        "words": ipw.Text(value="hello", description="your words"),
        "shape": ipw.Dropdown(options=[("round", "o"), ("square", "x")]),
        "fine": ipw.Checkbox(value=True),
        "mask": Brush(),
    }


@pytest.fixture
def panel():
    grey.calls = 0
    return Panel("Grey", grey, controls())


def shown(panel) -> Image.Image:
    return Image.open(io.BytesIO(panel._image.value))


def message(panel) -> str:
    return panel._message.value


def test_it_draws_its_defaults_once(panel):
    assert grey.calls == 1
    assert panel.state == {
        "red": 3, "level": 0.5, "words": "hello", "shape": "o", "fine": True, "mask": b"",
    }  # fmt: skip
    assert panel.caption == "hello o <0>"
    assert panel._caption.value == "hello o &lt;0&gt;"
    assert shown(panel).size == (384, 192)
    assert message(panel) == ""


def test_set_moves_several_controls_and_draws_once(panel):
    before = panel._image.value
    assert panel.set(red=np.int64(255), level=-1, words="you", shape="x", fine=False) is panel
    assert grey.calls == 2
    assert panel.state == {
        "red": 255, "level": -1.0, "words": "you", "shape": "x", "fine": False, "mask": b"",
    }  # fmt: skip
    assert panel._image.value != before
    assert shown(panel).getpixel((200, 100)) == (255, 0, 0)


def test_a_hand_draws_too(panel):
    panel.controls["red"].set_state({"value": 255})  # what a front end sends
    assert (grey.calls, panel.state["red"]) == (2, 255)
    assert shown(panel).getpixel((0, 0))[0] == 255
    panel.controls["red"].set_state({"value": 255})
    assert grey.calls == 2


def test_an_anywidget_can_be_a_control(panel):
    panel.controls["mask"].set_state({"value": memoryview(b"12345")})
    assert panel.caption.endswith("<5>")
    assert panel.set(mask=b"1").caption.endswith("<1>")


def test_every_control_has_words_beside_it(panel):
    assert panel.controls["words"].description == "your words"
    assert panel.controls["red"].description == "red"
    far_away = ipw.Text()
    Panel("G", lambda **_: grey(1, 0, "", "", 1, b""), {"far_away": far_away})
    assert far_away.description == "far away"


@pytest.mark.skipif(not ipw.IntSlider().has_trait("tooltip"), reason="ipywidgets 7 has none")
def test_no_tooltip_says_null(panel):
    assert panel.controls["words"].tooltip == "your words"
    hinted = ipw.Text(tooltip="a hint")
    Panel("G", lambda **_: grey(1, 0, "", "", 1, b""), {"hinted": hinted})
    assert hinted.tooltip == "a hint"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"rd": 3}, "there is no 'rd'; did you mean 'red'"),
        ({"red": 256}, "red is 256; it must be a whole number from 0 to 255"),
        ({"red": -1}, "from 0 to 255"),
        ({"red": 2.0}, "a whole number"),
        ({"red": "3"}, "red is '3'; it must be a whole"),
        ({"red": True}, "a whole number"),
        ({"level": float("nan")}, "a number from -1.0 to 1.0"),
        ({"level": "loud"}, "a number from"),
        ({"words": 3}, "words is 3; it must be str"),
        ({"shape": "round"}, "known: o, x"),
        ({"shape": np.array(["o", "x"])}, "known: o, x"),
        ({"fine": "no"}, "it must be bool"),
        ({"mask": "x"}, "it must be bytes"),
        ({"red": None, "level": None, "words": None, "shape": None}, "4 problems"),
    ],
    ids=str,
)
def test_values_that_no_control_has(panel, values, told):
    before = panel.state
    with pytest.raises(CourseError, match=f"panel: .*{told}"):
        panel.set(level=0.1, **values) if "level" not in values else panel.set(**values)
    assert (panel.state, grey.calls) == (before, 1)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("fail", "&lt;fail&gt; is no word\n  To mend it: another"),
        ("crash", "ZeroDivisionError: oh &amp; no"),
    ],
)
def test_a_drawing_that_fails_is_told_and_the_last_picture_stays(panel, word, told):
    picture, before = panel.picture, panel._image.value
    panel.controls["words"].set_state({"value": word})
    assert told in message(panel)
    assert 'role="alert"' in message(panel)
    assert (panel.picture, panel._image.value, panel.caption) == (picture, before, "hello o <0>")
    assert "words hello" in panel.describe()  # it tells of the picture that is there
    panel.controls["red"].set_state({"value": 9})
    assert told in message(panel)
    panel.controls["words"].set_state({"value": "well"})
    assert message(panel) == ""
    assert panel.caption == "well o <0>"


def test_python_hears_of_it_as_well(panel):
    with pytest.raises(CourseError, match="is no word"):
        panel.set(words="fail")
    assert "is no word" in message(panel)
    panel.set(red=3, words="well")
    assert message(panel) == ""


def test_a_panel_that_cannot_draw_its_defaults_is_an_error():
    with pytest.raises(CourseError, match="is no word"):
        Panel("Grey", grey, controls() | {"words": ipw.Text("fail")})


def test_what_a_notebook_keeps(panel):
    panel.set(words="a " + "long " * 30, red=200)
    data, metadata = panel._repr_mimebundle_(include=None, exclude=None)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.view.model_id
    assert data["text/plain"] == metadata["image/png"]["alt"] == panel.describe()
    told = "level 0.5, words " + panel.state["words"] + ", shape o, fine True"
    assert panel.describe() == f"Grey: {panel.caption} (red 200, {told})"
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert still.width == 384
    assert still.height > 192 + 3 * 18
    assert still.getpixel((100, 100))[0] == 228  # (200 / 255 + 1) / 2
    assert min(still.convert("L").crop((0, 192, *still.size)).getextrema()) < 50  # ink


def test_no_postcard_without_a_painter(panel):
    with pytest.raises(CourseError, match="not the work of one painter"):
        panel.postcard()
    assert not any(isinstance(w, ipw.Button) for w in panel.view.children[0].children)


def test_the_postcard_is_that_of_the_picture_that_is_shown():
    panel = Panel("Grey", grey, controls(), lambda **s: Postcard("grey", "", s["red"], {}))
    panel.controls["words"].value = "fail"
    panel.controls["red"].value = 9
    assert panel.postcard().seed == 3
    panel.controls["words"].value = "well"
    assert panel.postcard().seed == 9


def test_no_figure_is_left_open(panel):
    panel.set(red=1)
    assert plt.get_fignums() == []
