"""Styles: two looks of a page against copies, mixtures and exchanges of them."""

from dataclasses import replace

import pytest
import torch

from course_lib.data.storybook import CLASSES, Storybook
from course_lib.errors import CourseError
from course_lib.metrics import own_palette, style_spread
from course_lib.metrics.styles import Looks, palettes


@pytest.fixture(scope="module")
def looks():
    return Looks.of(Storybook(seed=778, size=32), range(24), looks=6)


def test_each_page_and_another_one_in_the_same_looks(looks):
    assert looks.pictures.shape == looks.others.shape == (12, 6, 3, 32, 32)
    book = Storybook(seed=778, size=32)
    assert torch.equal(looks.label_maps[3], book[3].label_map.ids)
    assert torch.equal(looks.other_maps[3], book[15].label_map.ids)
    sky = [palettes(x, maps)[0][:, :, CLASSES.id("sky")].flatten(0, 1) for x, maps in (
        (looks.pictures, looks.label_maps), (looks.others, looks.other_maps))]  # fmt: skip
    assert torch.corrcoef(torch.stack([x.flatten() for x in sky]))[0, 1] > 0.9


def test_spread_of_real_looks_of_half_of_it_and_of_none(looks):
    real, mean = looks.pictures, looks.pictures.mean(dim=1, keepdim=True)
    assert style_spread(real, real).value == pytest.approx(1)
    assert style_spread((real + mean) / 2, real).value == pytest.approx(0.5)
    assert style_spread(mean.expand_as(real), real).value == pytest.approx(0, abs=1e-6)
    score = style_spread(real, real)
    assert score.interval[0] < 1 < score.interval[1] and score.ceiling == pytest.approx(1, abs=0.3)


def test_a_picture_has_its_own_palette_or_that_of_its_neighbour(looks):
    right = own_palette(looks.pictures, looks)
    assert right.value == right.ceiling >= 0.8 and right.n == 72
    assert right.floor == pytest.approx(1 / 6)
    wrong = own_palette(looks.pictures.roll(1, dims=1), looks)
    assert wrong.value < 0.1
    one = own_palette(looks.pictures[:, :1].expand_as(looks.pictures), looks)
    assert one.value == pytest.approx(1 / 6, abs=0.1)
    half = torch.where(torch.arange(12)[:, None, None, None, None] % 2 == 0, looks.pictures,
                       looks.pictures.roll(1, dims=1))  # fmt: skip
    assert wrong.value < own_palette(half, looks).value < right.value


def test_things_and_their_places_do_not_count(looks):
    """A palette is that of stuff: things repainted change nothing."""
    things = (looks.label_maps >= len(CLASSES.stuff))[:, None, None]
    repainted = torch.where(things, torch.ones(()), looks.pictures)
    assert own_palette(repainted, looks).value == own_palette(looks.pictures, looks).value


def test_sizes_must_agree(looks):
    with pytest.raises(CourseError, match=r"not twice \[N, S, 3, H, W\]"):
        style_spread(looks.pictures[:, :3], looks.pictures)
    few = replace(looks, **{n: getattr(looks, n)[:9] for n in vars(looks)})
    with pytest.raises(CourseError, match="at least 10"):
        own_palette(few.pictures, few)
