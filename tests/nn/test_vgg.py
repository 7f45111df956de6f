"""VGG-19's distance: the published levels and weights, from a file of torchvision's shape."""

import pytest
import torch
from torchvision.models import vgg19

from course_lib.nn.vgg import VGG19, vgg_distance

LEVELS = {1: (64, 1 / 32), 6: (128, 1 / 16), 11: (256, 1 / 8), 20: (512, 1 / 4), 29: (512, 1.0)}


@pytest.fixture(scope="module")
def weights():
    """The tensors of the published file, but for its classifier's sizes."""
    with torch.device("meta"):
        shapes = vgg19(weights=None).features.state_dict()
    torch.manual_seed(0)
    drawn = {f"features.{n}": 0.05 * torch.randn(v.shape) for n, v in shapes.items()}
    return drawn | {"classifier.0.weight": torch.zeros(2)}


def test_five_levels_weigh_as_published(weights):
    network, x, y = VGG19(weights), torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    expected = 0.0
    for last, (channels, weight) in LEVELS.items():
        layers = network.features[: last + 1]
        assert layers(x).shape[1] == channels and isinstance(layers[-1], torch.nn.ReLU)
        expected += weight * (layers(x) - layers(y)).abs().mean()
    torch.testing.assert_close(vgg_distance(network, x, y), expected)


def test_gradients_reach_the_painted_picture_alone(weights):
    network = VGG19(weights)
    painted, real = (torch.rand(1, 3, 16, 16, requires_grad=True) for _ in range(2))
    vgg_distance(network, painted, real).backward()
    assert painted.grad.abs().sum() > 0 and real.grad is None
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
