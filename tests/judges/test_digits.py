"""The judge keeps its promises, and so does the painter that ships."""

import pytest
import torch

import course_lib
from course_lib.data.digits import Digits
from course_lib.dcgan.objective import DCGANObjective
from course_lib.judges.digits import (
    MIXERS,
    NONE,
    SPOILERS,
    DigitJudge,
    noise,
    of_other_classes,
    shuffled,
    spoiled,
)
from course_lib.painter import noise as latent


@pytest.fixture(scope="module")
def judge():
    return DigitJudge.load()


@pytest.fixture(scope="module")
def held_out():
    return Digits(32, "test")


def accepted(judge, pictures):
    return (judge.read(pictures) != NONE).float().mean().item()


def test_it_accepts_held_out_digits_and_reads_them_right(judge, held_out):
    assert accepted(judge, held_out.images) >= 0.95
    assert (judge.read(held_out.images) == held_out.labels).float().mean() >= 0.95


@pytest.mark.parametrize("seed", [0, 1])
def test_it_refuses_noise_shuffled_digits_and_an_untrained_painter(judge, held_out, seed):
    torch.manual_seed(seed)
    assert accepted(judge, noise(held_out.images)) < 0.05
    assert accepted(judge, torch.rand(500, 1, 32, 32) * 2 - 1) < 0.05
    assert accepted(judge, shuffled(held_out.images)) < 0.05
    config = course_lib.configure("dcgan", "cpu", {"seed": seed})
    untrained = DCGANObjective(config).generator.eval()
    with torch.no_grad():
        assert accepted(judge, untrained(latent(seed, 500, config.z_dim))) < 0.05


def test_it_reads_digits_of_other_sizes(judge):
    digits = Digits(64, "test")
    assert (judge.read(digits.images) == digits.labels).float().mean() >= 0.9


def test_spoiled_digits_keep_shape_and_range_and_are_of_every_kind(held_out):
    out = spoiled(held_out.images, held_out.labels)
    assert out.shape == held_out.images.shape
    assert out.min() >= -1 and out.max() <= 1
    some, others = held_out.images[:32], held_out.images[32:64]
    for spoilt in [*(s(some) for s in SPOILERS), *(mix(some, others) for mix in MIXERS)]:
        assert not torch.equal(spoilt, some) and not torch.equal(spoilt, others)


def test_digits_are_mixed_with_digits_of_another_class(held_out):
    labels = held_out.labels
    partners = of_other_classes(labels)
    assert (labels[partners] != labels).all()
    assert partners.sort().values.tolist() == list(range(len(labels)))


def test_shuffling_keeps_every_pixel_but_no_tile_in_its_place():
    """Each pixel has a value of its own. Of 24 orders of 2 x 2 tiles one changes nothing."""
    digits = torch.arange(64.0).view(1, 1, 8, 8).expand(2000, -1, -1, -1)
    out = shuffled(digits)
    assert torch.equal(out.flatten(1).sort(dim=1).values, digits.flatten(1))
    assert not (out == digits).any()


def test_the_shipped_painter_writes_digits_all_ten_of_them(judge):
    """1,000 samples at a fixed seed, unselected."""
    painter = course_lib.load("dcgan")
    read = judge.read(painter.paint(latent(0, 1000, painter.generator.z_dim)))
    share = torch.bincount(read, minlength=11)[:10] / 1000
    assert (read != NONE).float().mean() >= 0.80
    assert share.min() >= 0.03, share


def test_shuffling_its_pixels_ruins_the_score(judge):
    """The score sees the writing and not, say, how much ink there is."""
    painter = course_lib.load("dcgan")
    samples = painter.paint(latent(0, 300, painter.generator.z_dim))
    assert accepted(judge, shuffled(samples)) < 0.10
