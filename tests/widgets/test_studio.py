"""The studio: one scene, five painters, and who listens to what."""

from __future__ import annotations

import base64
import io

import pytest
import torch
from PIL import Image as PILImage

from course_lib.data.storybook import Storybook
from course_lib.ensemble import HEARS
from course_lib.postcard import Postcard, read_postcard
from course_lib.scene import Layout
from course_lib.widgets.studio import Studio
from tests.company import company

CAPTION = "a large red house left of a white balloon"


@pytest.fixture(scope="module")
def painters():
    return company()


@pytest.fixture
def studio(painters):
    return Studio(painters)


def listeners(studio) -> set[str]:
    return {name for name, value in studio.listening.items() if value}


def click(studio, words):
    buttons = studio.view.children[0].children[-1].children
    next(b for b in buttons if getattr(b, "description", "") == words).click()


def stroke(studio, to="road"):
    """What a browser sends after a stroke: the upper half of the map is painted over."""
    ids = bytearray(studio.canvas.value)
    ids[: len(ids) // 2] = bytes([studio.canvas.classes.id(to)]) * (len(ids) // 2)
    studio.canvas.set_state({"value": memoryview(bytes(ids)), "stamp": 5})


def test_it_begins_with_a_page_that_all_five_have_painted(studio):
    page = Storybook(seed=1)[10]
    assert list(studio.pictures) == list(HEARS) and not studio.messages
    assert page.captions[0] in studio.caption and studio.listening == {}
    assert torch.equal(studio.scene.label_map.ids, page.label_map.ids)
    assert studio.scene.layout.names == page.layout.names
    assert studio.widget is studio.view


def test_one_thing_is_changed_and_it_is_seen_who_listens(studio):
    studio.set(caption=CAPTION)
    assert listeners(studio) == {"stackgan", "opgan"} and "lrgan" in studio.caption
    stroke(studio)
    assert listeners(studio) == {"spade", "lostgan"} and studio.canvas.painted == 5
    studio.editor.value = [{"name": "cat", "box": [0.2, 0.5, 0.5, 0.9]}]
    assert listeners(studio) == {"opgan", "lostgan"}
    studio.editor.selected = 0
    click(studio, "dice")  # another style of the cat; the same part of the scene as its box
    assert listeners(studio) == {"opgan", "lostgan"} and studio.editor.value[0]["style"]
    studio.editor.selected = -1
    click(studio, "dice")
    assert listeners(studio) == set(HEARS)


def test_a_change_counts_from_where_it_began(studio):
    before = studio.pictures["stackgan"].image
    for caption in ("a blue house", CAPTION):
        studio.set(caption=caption)
    after = studio.pictures["stackgan"].image
    expected = (after - before).abs().mean().item() / 2
    assert studio.listening["stackgan"] == pytest.approx(expected)


def test_only_who_hears_it_paints_anew(studio):
    before = dict(studio.pictures)
    stroke(studio)
    same = {name for name in before if studio.pictures[name] is before[name]}
    assert same == {"stackgan", "lrgan", "opgan"}


def test_a_caption_proposes_boxes_and_these_a_map(studio):
    studio.set(caption="a boat and a bird")
    click(studio, "caption to scene")
    assert sorted(studio.editor.boxes.names) == ["bird", "boat"]
    found = studio.canvas.label_map.names()
    assert {"boat", "bird"} <= set(found) and "rocket" not in found
    studio.set(caption="a cat on the sand")
    assert "boat" in studio.canvas.label_map.names()  # nobody has asked
    studio.propose()
    assert {"sand", "cat"} <= set(studio.canvas.label_map.names())


def test_boxes_draw_a_map(studio):
    studio.editor.boxes = Layout.of(("cat", (0.1, 0.5, 0.4, 0.9)), units="fraction", format="xyxy")
    click(studio, "boxes to map")
    rows, columns = studio.canvas.label_map.mask("cat").nonzero(as_tuple=True)
    assert columns.min() >= 5 and columns.max() <= 26 and rows.min() >= 30 and rows.max() < 60
    ground = {"cat", *studio._book.plan(10).bands[0].stuff.split()}
    assert ground <= set(studio.canvas.label_map.names())  # the ground is the page's


def test_bad_input_is_a_message_and_the_last_picture_stays(studio):
    before = dict(studio.pictures)
    studio.set(caption="?!")
    assert set(studio.messages) == {"stackgan", "opgan"}
    assert "no word" in studio._message.value and 'role="alert"' in studio._message.value
    assert all(studio.pictures[name] is before[name] for name in before)
    five = [{"name": "cat", "box": [0.1 * k, 0.5, 0.1 * k + 0.2, 0.9]} for k in range(5)]
    studio.set(caption=CAPTION)
    studio.editor.value = five  # one more than this OP-GAN takes
    assert "at most 4" in studio.messages["opgan"]
    assert studio.pictures["lostgan"] is not before["lostgan"]  # the others go on
    studio.set(caption=CAPTION, layout=five[:1])
    assert studio.messages == {} and studio._message.value == ""


def test_who_is_not_installed_is_told_and_the_others_go_on(painters):
    studio = Studio(painters | {"opgan": None, "mine": painters["spade"]})
    assert "course train opgan" in studio.messages["opgan"]
    assert set(studio.pictures) == {"stackgan", "lrgan", "spade", "lostgan", "mine"}
    assert studio._message.value == "" and "opgan" not in studio.postcards()
    studio.set(seed=8)
    assert listeners(studio) == set(studio.pictures)
    assert Studio({"opgan": None}).still().size  # nobody at all


def test_postcards_paint_the_pictures_again(studio, painters, tmp_path):
    studio.set(caption=CAPTION, seed=3)
    for name, card in studio.postcards().items():
        again = Postcard.from_json(card.to_json()).repaint(painters[name])
        assert torch.equal(again.image, studio.pictures[name].image), name
    click(studio, "postcards")
    links = studio._message.value.count("<a download=")
    assert links == 5 and "spade.png" in studio._message.value
    data = studio._message.value.partition('download="spade.png" href="data:image/png;base64,')[2]
    (tmp_path / "spade.png").write_bytes(base64.b64decode(data.partition('"')[0]))
    again = read_postcard(tmp_path / "spade.png").repaint(painters["spade"])
    assert torch.equal(again.image, studio.pictures["spade"].image)


def test_a_photo_becomes_a_map(painters):
    page = Storybook(seed=1)[12]
    studio = Studio(painters, segment=lambda photo: page.label_map)
    assert studio.canvas.can_segment
    buffer = io.BytesIO()
    PILImage.new("RGB", (20, 20)).save(buffer, "PNG")
    studio.canvas._on_message(None, {"do": "photo", "name": "me.png"}, [buffer.getvalue()])
    assert torch.equal(studio.scene.label_map.ids, page.label_map.ids)
    assert listeners(studio) == {"spade", "lostgan"}


def test_another_page_tells_all_three(studio):
    click(studio, "another page")
    page = Storybook(seed=1)[11]
    assert studio.scene.captions[0] == page.captions[0]
    assert torch.equal(studio.scene.label_map.ids, page.label_map.ids)
    assert listeners(studio) == {"stackgan", "spade", "opgan", "lostgan"}


def test_without_a_front_end_it_is_a_picture_with_the_same_information(studio):
    data, _ = studio._repr_mimebundle_()
    assert {"image/png", "text/plain"} <= set(data) and "The studio" in data["text/plain"]
    before = studio.still()
    studio.set(caption=CAPTION)
    assert studio.still().height > before.height  # the row of differences
