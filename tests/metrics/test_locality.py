"""Locality of an edit, by hand."""

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.metrics import locality


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
