"""DCGAN's networks against the paper's figure and closed counts."""

import pytest
import torch
from torch import nn

from course_lib.dcgan.networks import Discriminator, Generator, widths


def test_widths_are_those_of_figure_1():
    assert widths(128, 64) == [1024, 512, 256, 128]


def test_parameter_counts_at_the_papers_size():
    # 4x4 kernels 100-1024-512-256-128-3, a bias in the last layer only, 2 per BN channel
    kernels = 16 * (100 * 1024 + 1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3)
    norms = 2 * (1024 + 512 + 256 + 128)
    assert count(Generator()) == kernels + norms + 3
    kernels = 16 * (3 * 128 + 128 * 256 + 256 * 512 + 512 * 1024 + 1024)
    assert count(Discriminator()) == kernels + 128 + 2 * (256 + 512 + 1024) + 1


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("size", [8, 16, 32, 128])
@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
def test_shapes_and_range_at_every_size(size, norm):
    picture = Generator(z_dim=7, width=4, size=size, channels=1)(torch.randn(3, 7))
    assert picture.shape == (3, 1, size, size) and picture.abs().max() <= 1
    assert Discriminator(4, size, 1, norm)(picture).shape == (3,)


def test_first_and_last_layers_have_no_batch_norm():
    discriminator, generator = Discriminator(4, 32, 1), Generator(8, 4, 32, 1)
    norms = [name for name, m in discriminator.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == ["hidden.1.1", "hidden.2.1"]
    assert isinstance(generator.to_picture, nn.ConvTranspose2d)


def test_spectral_norm_makes_every_kernels_largest_singular_value_1():
    discriminator = Discriminator(8, 32, 1, "spectral")
    for _ in range(200):  # one power iteration a forward pass in training mode
        discriminator(torch.zeros(1, 1, 32, 32))
    for layer in [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
        assert largest.item() == pytest.approx(1.0, abs=2e-2)


def test_initial_weights_have_the_papers_spread():
    weight = Generator().hidden[1][0].weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert weight.mean().item() == pytest.approx(0.0, abs=1e-4)
