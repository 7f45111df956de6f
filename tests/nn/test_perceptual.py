"""The network for losses: what it sees, and that it is as it was shipped."""

import pytest
import torch
import torch.nn.functional as F

from course_lib.data.storybook import Storybook
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


def test_it_was_trained():
    """A linear reading of its deepest level tells what is where; of chance weights it does not."""
    batch = WORLD.batch(torch.arange(100))
    shares = F.one_hot(batch.label_maps, 27).permute(0, 3, 1, 2).float()
    target = F.avg_pool2d(shares, 8).permute(0, 2, 3, 1).reshape(-1, 27)
    marks = []
    for network in (PerceptualNet.load(), PerceptualNet()):
        with torch.no_grad():
            deepest = network(batch.images)[-1].permute(0, 2, 3, 1).reshape(-1, WIDTHS[-1])
        known, unseen = slice(0, 4800), slice(4800, None)
        reading = torch.linalg.lstsq(deepest[known], target[known]).solution
        right = (deepest[unseen] @ reading).argmax(1) == target[unseen].argmax(1)
        marks.append(right.float().mean().item())
    assert marks[0] > 0.7 > marks[0] - 0.1 > marks[1], marks
