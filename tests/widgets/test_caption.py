"""The panel that paints a sentence."""

import warnings

import pytest
import torch

from course_lib.dcgan.networks import Generator
from course_lib.dcgan.painter import DCGANPainter
from course_lib.errors import CourseError
from course_lib.stackgan.networks import StageOne
from course_lib.stackgan.objective import StackGANConfig
from course_lib.stackgan.painter import StackGANPainter
from course_lib.text.encoder import EMBEDDING, TextEncoder
from course_lib.text.vocabulary import Vocabulary
from course_lib.widgets import caption_panel


@pytest.fixture(scope="module")
def painter():
    torch.manual_seed(0)
    encoder = TextEncoder(Vocabulary(("a", "red", "blue", "house")), widths=(8, 8, 8)).eval()
    config = StackGANConfig(size=16, z_dim=4, embed_dim=4, width_1=16, encoder="shipped")
    return StackGANPainter(encoder, StageOne(EMBEDDING, 4, 4, 16, 16), None, config)


def test_each_control_changes_the_picture_and_back(painter):
    panel = caption_panel(painter, "a red house")
    first = panel.picture.image
    for changes in ({"caption": "a blue house"}, {"seed": 8}, {"augment": 0.0}):
        before = {name: panel.state[name] for name in changes}
        assert not torch.equal(panel.set(**changes).picture.image, first)
        assert torch.equal(panel.set(**before).picture.image, first)


def test_unknown_words_are_told_in_the_panel_alone(painter):
    panel = caption_panel(painter, "a red house")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        panel.controls["caption"].value = "a red hause"
    assert "hause (nearest known: house)" in panel.caption


def test_a_caption_without_words_leaves_the_picture(painter):
    panel = caption_panel(painter, "a red house")
    first = panel.picture
    with pytest.raises(CourseError, match="caption"):
        panel.set(caption="?!")
    assert panel.picture is first and "caption" in panel._message.value


def test_the_postcard_paints_the_same_picture(painter):
    panel = caption_panel(painter, "a red house").set(seed=3, augment=2.0)
    assert torch.equal(panel.postcard().repaint(painter).image, panel.picture.image)


def test_a_painter_without_ears_has_no_such_panel():
    with pytest.raises(CourseError, match="dcgan takes no sentences"):
        caption_panel(DCGANPainter(Generator(4, 4, 8, 1)))
