"""A caption with boxes: proposed, followed, kept once a hand has touched them; and milestones."""

from __future__ import annotations

import pytest
import torch

from course_lib.data.storybook import CLASSES
from course_lib.dcgan.networks import Generator as DCGAN
from course_lib.dcgan.painter import DCGANPainter
from course_lib.errors import CourseError
from course_lib.opgan.painter import OPGANPainter
from course_lib.postcard import Postcard
from course_lib.storage.checkpoint import Checkpoint, write_checkpoint
from course_lib.widgets import milestones_panel, opgan_panel
from tests.company import opgan
from tests.widgets.colour_painter import ColourPainter


@pytest.fixture(scope="module")
def painter() -> OPGANPainter:
    return opgan()


def names(panel):
    return list(panel.controls["layout"].boxes.names)


def test_boxes_are_proposed_and_lie_on_the_picture(painter):
    panel = opgan_panel(painter)
    assert sorted(names(panel)) == ["balloon", "house"]
    assert "house" in panel.caption and panel.editor.backdrop
    assert not panel.editor.can_propose  # one caption is enough
    assert [chip["name"] for chip in panel.editor.palette] == list(CLASSES.things)  # no stuff
    expected = painter.generate(panel.state["caption"], panel.editor.boxes, seed=7)
    assert torch.equal(panel.picture.image, expected.image)


def test_boxes_follow_the_caption_until_a_hand_moves_one(painter):
    panel = opgan_panel(painter).set(caption="two cats")
    assert names(panel) == ["cat", "cat"]
    moved = [{**panel.editor.value[0], "box": [0.1, 0.1, 0.4, 0.4], "proposed": False}]
    before = panel.picture.image
    panel.editor.value = moved  # what a drag sends
    assert not torch.equal(panel.picture.image, before)
    panel.set(caption="a car")
    assert names(panel) == ["cat"]
    panel._buttons["propose"]()
    assert names(panel) == ["car"]
    shown = painter.generate("a car", panel.editor.boxes, seed=7).image
    assert torch.equal(panel.picture.image, shown)


def test_unknown_words_are_told_and_faults_leave_the_picture(painter):
    panel = opgan_panel(painter).set(caption="a huge reed house")
    assert "reed" in panel.caption
    before = panel.picture
    with pytest.raises(CourseError, match="caption"):
        panel.set(caption="?!")
    assert panel.picture is before


def test_a_postcard_paints_it_again(painter):
    panel = opgan_panel(painter).set(caption="two cats and a car", seed=3)
    card = Postcard.from_json(panel.postcard().to_json())
    assert torch.equal(card.repaint(painter).image, panel.picture.image)


def test_painters_of_something_else_are_refused():
    with pytest.raises(CourseError, match="no captions with layouts"):
        opgan_panel(ColourPainter(32))


# --- milestones ---


def test_a_slider_goes_through_a_trainings_milestones(tmp_path):
    pictures = {}
    (tmp_path / "milestones").mkdir()
    for after in (5, 10):
        torch.manual_seed(after)
        made = DCGANPainter(DCGAN(4, 2, 8, 1))
        pictures[after] = made.generate(seed=7).image
        weights = {f"G/{name}": value for name, value in made.generator.state_dict().items()}
        config = {"size": 8, "z_dim": 4, "width_g": 2, "data": "digits"}
        header = {"kind": "dcgan", "config": config, "round": after}
        file = tmp_path / "milestones" / f"{after:07d}.safetensors"
        write_checkpoint(file, Checkpoint(header, weights))
    panel = milestones_panel(tmp_path)
    assert torch.equal(panel.picture.image, pictures[10]) and panel.caption == "after 10 rounds"
    assert torch.equal(panel.set(rounds=5).picture.image, pictures[5])
    with pytest.raises(CourseError, match="rounds is 7"):
        panel.set(rounds=7)


def test_a_run_without_milestones_says_what_to_do(tmp_path):
    with pytest.raises(CourseError, match="kept no milestones"):
        milestones_panel(tmp_path)
