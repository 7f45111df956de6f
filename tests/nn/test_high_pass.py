"""What a blur takes away, by closed forms."""

import pytest
import torch

from course_lib.nn.high_pass import high_passed


@pytest.mark.parametrize("side", [3, 9])
def test_slopes_have_no_details_and_no_tiles(side):
    """A mean over tiles would leave saw teeth of a slope."""
    slope = torch.linspace(-1, 1, 64).expand(2, 3, 48, 64)
    both = high_passed(slope, 4.0, side)
    assert both.shape == (2, 6, 48, 64) and torch.equal(both[:, :3], slope)
    inside = both[:, 3:, :, side // 2 : -(side // 2)]
    assert inside.abs().max() < 1e-5


def test_a_dot_stays_but_for_its_share_of_the_mean():
    dot = torch.zeros(1, 3, 21, 21)
    dot[0, :, 10, 10] = 1
    sharp = high_passed(dot, 2.0, side=9)[0, 3:]
    assert sharp[0, 10, 10] == pytest.approx(2 * (1 - 1 / 81))
    assert sharp[1, 6, 14] == pytest.approx(-2 / 81)
    assert not sharp[:, :6].any()
