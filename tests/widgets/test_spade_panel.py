"""The canvas with the picture that follows it: strokes, styles, postcards."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.dcgan.networks import Generator
from course_lib.dcgan.painter import DCGANPainter
from course_lib.errors import CourseError
from course_lib.postcard import Postcard
from course_lib.widgets import spade_panel
from tests.widgets.colour_painter import ColourPainter


@pytest.fixture
def painter():
    return ColourPainter(32)


@pytest.fixture
def panel(painter):
    return spade_panel(painter)


def photo(colour) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), colour).save(buffer, "PNG")
    return buffer.getvalue()


def stroke(panel, *places, to: str = "road", stamp: int = 5) -> None:
    """What a browser sends after a stroke over these pixels."""
    canvas = panel.controls["label_map"]
    ids = bytearray(canvas.value)
    for place in places:
        ids[place] = canvas.classes.id(to)
    canvas.set_state({"value": memoryview(bytes(ids)), "stamp": stamp})


def test_it_starts_with_a_page_of_storybook(panel, painter):
    assert panel.controls["label_map"].scenes > 0
    assert len(panel.controls["label_map"].label_map.names()) > 1
    assert painter.calls == 1
    assert panel.caption.startswith("label map of ")


def test_the_picture_follows_a_stroke_there_and_nowhere_else(panel, painter):
    canvas, before = panel.controls["label_map"], panel.picture.image
    canvas.value = bytes(32 * 32)
    before, shown = panel.picture.image, panel._image.value
    stroke(panel, 0, 33, 1023)
    changed = (panel.picture.image != before).any(0).flatten().nonzero().flatten()
    assert changed.tolist() == [0, 33, 1023]
    assert panel._image.value != shown
    assert canvas.painted == 5


def test_the_answer_comes_after_the_picture(panel):
    canvas, order = panel.controls["label_map"], []
    panel._image.observe(lambda _: order.append("picture"), "value")
    canvas.observe(lambda _: order.append("answer"), "painted")
    stroke(panel, 0, 33, 1023)
    assert order == ["picture", "answer"]


def test_seeds_and_what_lies_between_them_are_styles(panel, painter):
    first = panel.picture.image
    other = panel.set(seed=8).picture.image
    assert not torch.equal(first, other)
    between = panel.set(seed=7, towards=8, share=0.5).picture.image
    assert not torch.equal(between, first) and not torch.equal(between, other)
    assert torch.allclose(panel.set(share=1.0).picture.image, other, atol=1e-6)
    assert torch.equal(panel.set(share=0.0).picture.image, first)


def test_a_picture_gives_its_style_and_gives_it_back(panel):
    plain = panel.picture.image
    red = panel.set(picture=photo((255, 0, 0))).picture.image
    assert red[0].mean() > red[1].mean() + 0.3
    assert not torch.equal(panel.set(share=0.5).picture.image, red)
    assert torch.equal(panel.set(share=0.0, picture=b"").picture.image, plain)


def test_a_file_that_is_no_picture_is_told_and_the_last_picture_stays(panel):
    picture = panel.picture
    with pytest.raises(CourseError, match="picture: this is no picture"):
        panel.set(picture=b"oh")
    assert "no picture" in panel._message.value and panel.picture is picture
    with pytest.raises(CourseError, match="must be the bytes of a picture"):
        panel.set(picture="sunset.jpg")
    with pytest.raises(CourseError, match="label_map is b'12'; it must be 1024 bytes"):
        panel.set(label_map=b"12")


def words(widget) -> str:
    return getattr(widget, "description", "")


def test_dice_roll_another_style(panel):
    seeds = set()
    (dice,) = [b for b in panel.view.children[0].children if words(b) == "dice"]
    for _ in range(4):
        dice.click()
        seeds.add(panel.state["seed"])
    assert len(seeds) > 1 and panel._message.value == ""


@pytest.mark.parametrize(
    "changes", [{}, {"share": 0.3}, {"picture": photo((0, 90, 200)), "share": 0.2}], ids=str
)
def test_a_postcard_paints_the_same_picture(panel, painter, changes):
    panel.set(seed=4, **changes)
    stroke(panel, *range(40, 200))
    card = Postcard.from_json(panel.postcard().to_json())
    assert torch.equal(card.repaint(painter).image, panel.picture.image)


def test_a_postcard_is_of_the_picture_that_is_shown(panel, painter):
    picture = panel.picture.image
    with pytest.raises(CourseError):
        panel.set(label_map=bytes(1024), picture=b"oh")
    assert torch.equal(panel.postcard().repaint(painter).image, picture)


def test_controls_are_those_that_the_painter_has():
    style = ["seed", "picture", "towards", "share"]
    assert list(spade_panel(ColourPainter(32)).controls) == ["label_map", *style]
    blind = spade_panel(ColourPainter(32, encoder=None))
    assert list(blind.controls) == ["label_map", "seed", "towards", "share"]
    plain = spade_panel(ColourPainter(32, z_dim=0))
    assert list(plain.controls) == ["label_map"]
    assert plain.postcard().seed == 7


def test_a_still_picture_shows_the_map_beside_the_picture(panel):
    panel.set(label_map=bytes(1024))
    data, metadata = panel._repr_mimebundle_()
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert still.width == 384 + 8 + 384
    sky = tuple(panel.controls["label_map"].classes.palette()[0].tolist())
    assert still.getpixel((100, 100)) == sky
    assert still.getpixel((500, 100)) == panel.picture.pil().getpixel((0, 0)) != sky
    assert metadata["image/png"]["alt"].startswith("colours, from a label map: label map of")
    wide = np.array(panel.set(picture=photo((255, 0, 0))).still())
    assert wide.shape[1] == 3 * 384 + 16


def test_a_painter_without_label_maps_has_no_such_panel():
    with pytest.raises(CourseError, match="dcgan takes no label maps"):
        spade_panel(DCGANPainter(Generator(4, 4, 8, 1)))
