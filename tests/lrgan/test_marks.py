"""What the shipped painters of layers reach, with samples that nobody selected."""

import pytest
import torch

import course_lib
from course_lib.data.digit_scenes import SCENES, compose, tight
from course_lib.data.digits import Digits
from course_lib.metrics.layers import Layered, layer_scores


def scores(name, count):
    """Layer scores of seeds 0 to ``count``, beside as many canvases of digits kept for testing."""
    painter = course_lib.load(name)
    z = torch.stack([painter.noise(seed) for seed in range(count)])
    painted = Layered.of(painter.paint(z))
    (objects, look), chance = SCENES[painter.config.data], torch.Generator().manual_seed(9)
    ink = tight(Digits(32, "test"))[:, 0]
    which = torch.randint(len(ink), (count, objects), generator=chance)
    real = Layered.real(compose(ink[which], painter.config.size, look, chance))
    return layer_scores(painted, real)


def check_layers(found):
    """What holds for every picture, not only for those that can be read."""
    assert found["bare"].value >= 0.95
    assert found["area"].value >= 0.95
    assert found["mask IoU"].value >= 0.85
    assert found["swapped"].value >= 0.7
    assert found["balance"].value >= 0.7


@pytest.mark.slow
def test_a_thousand_pictures_of_one_digit():
    found = scores("lrgan", 1000)
    check_layers(found)
    assert found["readable"].value >= 0.65 * found["readable"].ceiling


def test_sixty_pictures_of_one_digit():
    found = scores("lrgan", 60)
    assert found["bare"].value == 1 and found["area"].value == 1
    assert found["mask IoU"].value >= 0.85 and found["readable"].value > 0.2


@pytest.mark.slow
def test_a_thousand_pictures_of_two_digits():
    found = scores("lrgan-two", 1000)
    check_layers(found)
    assert found["all"].value >= 0.5 * found["all"].ceiling


def test_the_shipped_painters_need_nothing_but_their_names():
    for name, layers in (("lrgan", 2), ("lrgan-two", 3)):
        painter = course_lib.load(name)
        picture = painter.generate(seed=7)
        assert picture.image.shape == (1, 32, 32) and len(picture.steps["canvases"]) == layers
        assert len(picture.masks()) == layers - 1
