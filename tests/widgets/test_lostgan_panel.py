"""Boxes with a style each, and the picture that follows them."""

import json

import pytest
import torch

from course_lib.data.storybook import Storybook
from course_lib.data.storybook.painter import StorybookPainter
from course_lib.errors import CourseError
from course_lib.postcard import Postcard
from course_lib.scene import Layout
from course_lib.widgets import lostgan_panel
from tests.lostgan.test_painter import painter_of

BOXES = [("boat", (0.1, 0.4, 0.4, 0.9)), ("sun", (0.6, 0.1, 0.9, 0.4))]
PAIR = Layout.of(*BOXES, units="fraction", format="xyxy")


@pytest.fixture(scope="module")
def painter():
    return painter_of(z_dim=6)


@pytest.fixture
def panel(painter):
    return lostgan_panel(painter, PAIR)


def drag(panel, number, box, stamp=5):
    """What a browser sends while a box is dragged."""
    value = [dict(each) for each in panel.editor.value]
    value[number]["box"] = box
    panel.editor.set_state({"value": value, "stamp": stamp})


def click(panel, words):
    (button,) = [b for b in panel.view.children[0].children
                 if getattr(b, "description", "") == words]  # fmt: skip
    button.click()


def test_the_picture_follows_a_box_and_is_its_backdrop(panel):
    before, shown, under = panel.picture.image, panel._image.value, panel.editor.backdrop
    styles = panel.picture.styles
    drag(panel, 0, [0.5, 0.5, 0.8, 1.0])
    assert not torch.equal(panel.picture.image, before)
    assert panel._image.value != shown and panel.editor.backdrop != under
    assert panel.editor.painted == 5  # the browser is told when its drag is to be seen
    assert torch.equal(panel.picture.styles, styles)
    assert torch.equal(panel.picture.layout.fractions()[0], torch.tensor([0.5, 0.5, 0.8, 1.0]))


def test_a_style_stays_with_its_box_whatever_its_number(panel):
    boat, sun = panel.picture.styles
    panel.editor.value = [*panel.editor.value[::-1], {"name": "sun", "box": [0.0, 0.0, 0.2, 0.2]}]
    assert torch.equal(panel.picture.styles[1], boat) and torch.equal(panel.picture.styles[0], sun)
    assert not torch.equal(panel.picture.styles[2], sun)  # another sun is another one


def test_dice_roll_the_selected_box_or_all_that_are_not_locked(panel):
    boat, sun = panel.picture.styles
    panel.editor.selected = 1
    click(panel, "dice")
    assert torch.equal(panel.picture.styles[0], boat)
    assert not torch.equal(panel.picture.styles[1], sun)
    click(panel, "lock")
    locked = panel.picture.styles[1]
    panel.editor.selected = -1
    click(panel, "dice")
    assert not torch.equal(panel.picture.styles[0], boat)
    assert torch.equal(panel.picture.styles[1], locked)
    panel.lock(1).roll()
    assert not torch.equal(panel.picture.styles[1], locked)


def test_one_object_borrows_the_style_of_another(panel):
    with pytest.raises(CourseError, match="no style was copied"):
        panel.paste(1)
    panel.copy(0).paste(1)
    assert torch.equal(panel.picture.styles[0], panel.picture.styles[1])
    for number, words in ((None, "no box is selected"), (2, "there is no box 2")):
        with pytest.raises(CourseError, match=words):
            panel.lock(number)


def test_a_postcard_paints_it_again(panel, painter):
    panel.copy(0).paste(1).roll(0).set(seed=9)
    card = Postcard.from_json(panel.postcard().to_json())
    assert torch.equal(card.repaint(painter).image, panel.picture.image)


def test_masks_are_laid_over_the_picture(panel):
    plain = panel.shown()
    laid = panel.set(masks=True).shown()
    assert laid.size == plain.size and laid.tobytes() != plain.tobytes()
    assert "boat" in panel.describe() and panel.still().width > 2 * plain.width
    panel.editor.value = []
    assert panel.shown().size == plain.size and len(panel.picture.layout) == 0


def test_it_starts_with_a_page_of_storybook_where_the_painter_knows_its_classes():
    painter = painter_of(z_dim=6, labels=28, mask_labels=28, max_objects=12, stuff=1.0)
    painter.tables = {"classes": Storybook.classes.to_json()}
    panel = lostgan_panel(painter)
    first = panel.editor.boxes
    assert set(first.names) & set(Storybook.classes.things)
    assert set(first.names) & set(Storybook.classes.stuff)
    click(panel, "another page")
    assert json.dumps(panel.editor.value) != json.dumps(first.names) and panel.editor.boxes != first
    with pytest.raises(CourseError, match="takes no styled layouts"):
        lostgan_panel(StorybookPainter())
