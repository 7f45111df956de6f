"""The panels of the course: every control at both ends, by hand and from Python."""

from __future__ import annotations

import base64
import re

import matplotlib.pyplot as plt
import pytest
import torch
import traitlets
from PIL import Image
from torch import nn

from course_lib.data.storybook import Look
from course_lib.data.storybook.painter import StorybookPainter
from course_lib.errors import CourseError
from course_lib.lrgan.networks import Generator, Sizes
from course_lib.lrgan.painter import LRGANPainter
from course_lib.painter import Painter, Picture, between, noise
from course_lib.postcard import Postcard, read_postcard
from course_lib.widgets.layers import layers_panel
from course_lib.widgets.noise import noise_panel
from course_lib.widgets.storybook import storybook_panel


class NoisePainter(Painter):
    """Noise in, 4 x 4 pixels out."""

    kind = "noisy"

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.generator = nn.Linear(16, 48)
        self.generator.z_dim = 16

    @classmethod
    def from_weights(cls, config, weights):
        return cls()

    @torch.no_grad()
    def generate(self, *, seed=0, z=None):
        z = noise(seed, 16) if z is None else z
        return Picture(self.generator(z).tanh().reshape(3, 4, 4))


PAINTER = NoisePainter()
LAYERED = LRGANPainter(Generator(Sizes(6, 4, 6, size=16, channels=1, layers=3)))
PANELS = {
    "storybook": lambda: storybook_panel(size=32),
    "noise": lambda: noise_panel(PAINTER).set(moved=1.0),
    "layers": lambda: layers_panel(LAYERED).set(step=2, swap="background", x=0.5),
}
every_panel = pytest.mark.parametrize("make", PANELS.values(), ids=PANELS)


def extremes(control) -> list[tuple[dict, object]]:
    """What a front end sends at each end of a control, and the value that this stands for."""
    if hasattr(control, "options"):
        return [({"index": i}, option) for i, option in enumerate(control.options)]
    return [({"value": v}, v) for v in (control.min, control.max, control.value)]


@every_panel
def test_every_control_at_both_ends(make):
    panel, same = make(), make()
    for name, control in panel.controls.items():
        assert control.description, name
        for message, value in extremes(control):
            control.set_state(message)
            assert panel._message.value == ""
            assert panel.state[name] == value
            assert torch.equal(panel.picture.image, same.set(**panel.state).picture.image)
            assert panel.picture.image.isfinite().all()
    assert plt.get_fignums() == []


@every_panel
def test_bad_text_moves_nothing(make):
    panel = make()
    before = panel.state
    for name, control in panel.controls.items():
        with pytest.raises(CourseError, match=f"{name} is 'bad text'"):
            panel.set(**{name: "bad text"})
        with pytest.raises((traitlets.TraitError, ValueError)):
            control.set_state({"index": "bad text", "value": "bad text"})
    assert panel.state == before


@every_panel
def test_a_click_offers_the_picture_with_its_postcard(make, tmp_path):
    panel = make()
    panel.set(seed=5)
    panel.view.children[0].children[-1].click()
    encoded = re.search(
        r'download="\w+.png" href="data:image/png;base64,(.*?)"', panel._message.value
    )
    path = tmp_path / "card.png"
    path.write_bytes(base64.b64decode(encoded[1]))
    assert Image.open(path).size == panel.picture.pil().size
    assert read_postcard(path) == panel.postcard()


def test_the_look_does_not_move_what_stands_where():
    painter = StorybookPainter()
    for seed in range(6):
        day = painter.scene(seed, Look("summer", "day"), 4, 32)
        night = painter.scene(seed, Look("winter", "night", "warm"), 4, 32)
        assert len(day.plan.things) == 4
        assert day.plan.bands == night.plan.bands
        assert [t.x for t in day.plan.things] == [t.x for t in night.plan.things]
        assert {t.name for t in day.plan.things} - {t.name for t in night.plan.things} <= {"sun"}
        assert "moon" not in {t.name for t in day.plan.things}
        assert not torch.equal(day.image, night.image)


def test_each_control_of_storybook_changes_the_picture():
    panel = storybook_panel(size=32)
    seen = {panel._image.value}
    for name, value in {
        "season": "winter",
        "hour": "night",
        "palette": "cool",
        "things": 5,
    }.items():
        seen.add(panel.set(**{name: value})._image.value)
    seen.add(panel.set(seed=1)._image.value)
    assert len(seen) == 6


def test_strokes_and_words_are_the_pages_own():
    one, other = StorybookPainter().scene(1, size=32), StorybookPainter().scene(2, size=32)
    assert one.look.texture != other.look.texture
    assert (one.caption_seed, other.caption_seed) == (1, 2)


def test_the_storybook_postcard():
    panel = storybook_panel(size=32).set(season="autumn", hour="night", seed=12, things=5)
    card = Postcard.from_json(panel.postcard().to_json())
    assert torch.equal(card.repaint().image, panel.picture.image)


@pytest.mark.parametrize(
    "state",
    [
        {"seed": 3},
        {"seed": 3, "share": 1.0},
        {"seed": 3, "towards": 9, "share": 0.35},
        {"seed": 3, "towards": 3, "share": 0.5},
        {"seed": 3, "number": 15, "moved": -2.5},
    ],
    ids=str,
)
def test_the_noise_postcard(state):
    panel = noise_panel(PAINTER).set(**state)
    card = Postcard.from_json(panel.postcard().to_json())
    assert torch.equal(card.repaint(PAINTER).image, panel.picture.image)


def test_one_number_of_z_is_moved():
    panel = noise_panel(PAINTER).set(seed=4, number=2, moved=1.5)
    moved = noise(4, 16)
    moved[2] += 1.5
    assert torch.equal(panel.picture.image, PAINTER.generate(z=moved).image)


def test_the_way_between_two_seeds():
    a, b = noise(0, 400), noise(1, 400)
    assert torch.allclose(between(a, b, 0.0), a, atol=1e-5)
    assert torch.allclose(between(a, b, 1.0), b, atol=1e-5)
    assert between(a, b, 0.5).norm() == pytest.approx(20, rel=0.1)  # the straight way: 14
    assert torch.equal(between(a, a, 0.5), a)


def test_a_painter_that_has_no_noise():
    with pytest.raises(CourseError, match="storybook does not paint from noise alone"):
        noise_panel(StorybookPainter())
