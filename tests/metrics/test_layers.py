"""Scores of layers, with a judge that reads a digit from the brightness of its square."""

import pytest
import torch

from course_lib.data.digit_scenes import compose
from course_lib.errors import CourseError
from course_lib.metrics.layers import Layered, layer_scores

NONE = 10


class Brightness:
    """A square of brightness ``k / 10`` is digit ``k``; nothing, or two brightnesses, is none."""

    def look(self, pictures):
        ink = pictures[:, 0] > -0.5  # backgrounds are -1
        answers = torch.full((len(pictures),), NONE)
        for number, (picture, where) in enumerate(zip(pictures[:, 0], ink, strict=True)):
            values = (picture[where] * 10).round().unique()
            if len(values) == 1 and values[0] < NONE:
                answers[number] = int(values[0])
        return torch.eye(11)[answers], ink


def squares(count=100, layers=1, side=8):
    """Digits 0 to 9 in turn, a square each; with two layers side by side."""
    backgrounds = -torch.ones(count, 1, 32, 32)
    digits = (torch.arange(count)[:, None] + torch.arange(layers)) % 10
    appearances = (digits / 10)[..., None, None, None].expand(-1, -1, 1, 32, 32).clone()
    covers = torch.zeros(count, layers, 1, 32, 32)
    for layer in range(layers):
        covers[:, layer, :, 4 : 4 + side, 2 + 14 * layer : 2 + 14 * layer + side] = 1
    return Layered(backgrounds, appearances, covers)


def value(name, painted, **how):
    return layer_scores(painted, squares(layers=painted.covers.shape[1]), Brightness(), **how)[name]


@pytest.mark.parametrize("layers", [1, 2])
def test_true_layers_reach_the_ceiling_and_failed_ones_the_floor(layers):
    scores = layer_scores(squares(layers=layers), squares(layers=layers), Brightness())
    for name, score in scores.items():
        assert score.value == pytest.approx(score.ceiling, abs=1e-6) and score.value == 1, name
        assert score.floor <= 0.2 and score.n == 100, name
    failed = layer_scores(squares(layers=layers).failed(), squares(layers=layers), Brightness())
    assert all(failed[n].value <= 0.2 for n in failed if n != "balance")


def test_a_digit_in_the_background_is_not_bare():
    painted = squares()
    painted.backgrounds[:30, :, 20:24, 20:24] = 0.3
    assert value("bare", painted).value == pytest.approx(0.7)
    assert value("readable", painted).value < 0.75


def test_masks_must_be_neither_tiny_nor_large():
    painted = squares()
    painted.covers[:20] = 1
    painted.covers[20:30] = 0
    painted.covers[20:30, :, :, 4, 4] = 1  # a thousandth
    assert value("area", painted).value == pytest.approx(0.7)


def test_mask_iou_of_a_mask_of_half_the_ink():
    painted = squares()
    backgrounds = painted.with_layers(0)  # the whole square lies in the background as well
    half = painted.covers.clone()
    half[..., 8:12, :] = 0
    assert value("mask IoU", Layered(backgrounds, painted.appearances, half)).value == 0.5


def test_layers_over_each_other_are_not_apart():
    painted = squares(layers=2)
    painted.covers[:40, 1] = painted.covers[:40, 0]
    scores = layer_scores(painted, squares(layers=2), Brightness())
    assert scores["all"].value == pytest.approx(0.6)
    assert scores["readable"].value == 1  # each alone can still be read


def test_one_digit_only_is_out_of_balance():
    painted = squares()
    painted.appearances[:] = 0.4
    assert value("balance", painted).value == pytest.approx(0.1)


def test_a_faint_layer_is_lost_on_another_background():
    painted = squares()
    painted.covers[:] *= 0.7  # something of the background shines through
    painted.backgrounds[::2] = -0.6  # so each is moved from one to the other
    assert value("swapped", painted).value < 0.5


def test_what_is_no_digit_cannot_stay_one_and_is_not_counted():
    painted = squares()
    painted.appearances[:40] = 1  # brighter than any digit
    score = value("swapped", painted)
    assert score.value == 1 and score.n == 60
    nothing = layer_scores(squares().failed(), squares(), Brightness())["swapped"]
    assert nothing.value == 0


def test_composed_canvases_are_their_layers():
    ink = (torch.rand(6, 1, 12, 12) > 0.5).float()
    made = compose(ink, 32, "clouds", torch.Generator().manual_seed(0))
    torch.testing.assert_close(Layered.real(made).pictures, made.images * 2 - 1)


def test_too_few_pictures_and_other_numbers_of_layers_are_refused():
    with pytest.raises(CourseError, match="49 samples are too few"):
        layer_scores(squares(49), squares(), Brightness())
    with pytest.raises(CourseError, match="2 painted layers, but 1 real"):
        layer_scores(squares(layers=2), squares(), Brightness())
