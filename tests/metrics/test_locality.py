"""Locality of an edit, by hand."""

from types import SimpleNamespace

import pytest
import torch
from torchvision import tv_tensors

from course_lib.errors import CourseError
from course_lib.metrics import change, edits, locality
from course_lib.metrics.locality import Edits
from course_lib.scene import Layout, Scene


def edit(inside, outside, n=20):
    """Pictures that change by ``inside`` in a region that wanders, and by ``outside`` elsewhere."""
    region = torch.zeros(n, 8, 8, dtype=torch.bool)
    for k in range(n):
        region[k, k % 7 : k % 7 + 2, :2] = True
    before = torch.zeros(n, 3, 8, 8)
    return before, before + torch.where(region, inside, outside)[:, None], region


def test_by_hand():
    """4 of 64 pixels change by 0.6 and 60 by 0.01."""
    made = locality(*edit(0.6, 0.01))
    assert made.value == pytest.approx(2.4 / 3.0)
    assert made.interval == pytest.approx((0.8, 0.8))
    assert made.ceiling == 1 and made.floor < 0.4


def test_change_everywhere_is_worth_the_regions_area():
    assert locality(*edit(0.5, 0.5)).value == pytest.approx(4 / 64)
    before, _, region = edit(0.5, 0.5)
    assert locality(before, before, region).value == 0


def test_real_edits_set_the_ceiling():
    made = locality(*edit(0.6, 0.01), real=edit(0.6, 0.002)[:2])
    assert made.ceiling == pytest.approx(2.4 / (2.4 + 0.12))
    assert made.ceiling_of == "real pictures, edited"


def test_shapes_and_numbers_are_checked():
    before, after, region = edit(1.0, 0.0)
    with pytest.raises(CourseError, match="edited"):
        locality(before, after, region[:, :4])
    with pytest.raises(CourseError, match="at least 20"):
        locality(before[:19], after[:19], region[:19])


def test_change_inside_and_outside_by_hand():
    """Values in [-1, 1] that change by 0.6 change by 0.3 of black to white."""
    found = change(Edits(*edit(0.6, 0.02)))
    assert found["inside"].value == pytest.approx(0.3)
    assert found["outside"].value == pytest.approx(0.01)
    assert found["inside"].floor < 0.15 and found["outside"].floor > 0.011
    assert (found["inside"].ceiling, found["outside"].ceiling) == (1, 0)


class Stamps:
    """A painter whose things are squares of one grey; a moved one leaves nothing behind."""

    def layout_of(self, scene):
        return scene.layout

    def generate(self, layout, *, seed, greys=None):
        image = torch.full((3, 32, 32), -1.0)
        greys = greys or [seed % 5 / 10] * len(layout)
        for box, grey in zip(layout.fractions().tolist(), greys, strict=True):
            x0, y0, x1, y1 = (round(32 * side) for side in box)
            image[:, y0:y1, x0:x1] = grey
        return SimpleNamespace(image=image, layout=layout, greys=greys)

    def repaint(self, picture, *, move=None, styles=None):
        boxes = dict(enumerate(picture.layout.fractions().tolist())) | (move or {})
        pairs = zip(picture.layout.names, boxes.values(), strict=True)
        greys = dict(enumerate(picture.greys)) | dict.fromkeys(styles or {}, 0.9)
        layout = Layout.of(*pairs, units="fraction", format="xyxy")
        return self.generate(layout, seed=0, greys=[*greys.values()])


def scenes_of(*layouts):
    nothing = tv_tensors.Image(torch.zeros(3, 32, 32, dtype=torch.uint8))
    read = [Layout.of(*layout, units="fraction", format="xyxy") for layout in layouts]
    return [Scene(nothing, layout=layout.on((32, 32))) for layout in read]


@pytest.mark.parametrize("kind", ["move", "restyle"])
def test_edits_change_one_thing_and_know_where(kind):
    boxes = [("boat", (0.125, 0.25, 0.375, 0.5))], [("sun", (0.5, 0.5, 0.75, 1.0))], []
    made = edits(Stamps(), scenes_of(*boxes * 10), kind)
    assert len(made.before) == 20  # nothing can be moved where there is nothing
    found = change(made)
    assert found["inside"].value > 0.15
    assert found["outside"].value == (0 if kind == "restyle" else pytest.approx(0, abs=0.02))
    areas = made.edited.float().mean(dim=(1, 2))
    assert (areas.max() > 0.13) == (kind == "move")  # the old place and the new one
    again = edits(Stamps(), scenes_of(*boxes * 10), kind)
    assert all(map(torch.equal, made, again))
