"""The network for losses: what it sees, and that it is as it was shipped."""

import pytest
import torch

from course_lib.data.storybook import Storybook
from course_lib.judges.pages import draw_pages
from course_lib.metrics.features import report_perceptual
from course_lib.nn.perceptual import WIDTHS, PerceptualNet, perceptual_distance

WORLD = Storybook(seed=55, size=64)


@pytest.fixture(scope="module")
def network():
    return PerceptualNet.load()


@pytest.fixture(scope="module")
def pictures():
    return WORLD.batch(torch.arange(24)).images


def test_levels(network):
    levels = network(torch.zeros(2, 3, 48, 64))
    assert [list(level.shape) for level in levels] == [
        [2, width, 48 >> k, 64 >> k] for k, width in enumerate(WIDTHS)
    ]


def test_it_is_frozen_and_gradients_reach_the_picture(network, pictures):
    painted = torch.zeros_like(pictures[:2], requires_grad=True)
    perceptual_distance(network, painted, pictures[:2]).backward()
    assert painted.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())


def test_distance_is_zero_for_the_same_and_grows_with_the_harm(network, pictures):
    grain = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    distances = [
        perceptual_distance(network, pictures + s * grain, pictures) for s in (0, 0.1, 0.5)
    ]
    assert distances[0] == 0 < distances[1] < distances[2]


def test_it_was_trained(network):
    """A linear reading of its deepest level tells what is where; of chance weights it does not."""
    torch.manual_seed(0)
    pages = draw_pages(WORLD, range(100))
    trained, untrained = (
        report_perceptual(net, pages)["main classes read right"]
        for net in (network, PerceptualNet())
    )
    assert trained > 0.7 > trained - 0.1 > untrained
