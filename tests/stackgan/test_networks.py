"""StackGAN's networks: odd layers and switches, sizes, and that they stay as they are."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.stackgan.networks import CA, Discriminator, StageOne, StageTwo

TEXT = torch.randn(64, 12, generator=torch.Generator().manual_seed(3))


def small(kind, **settings):
    """A network a few channels wide, always with the same weights."""
    torch.manual_seed(5)
    if kind is Discriminator:
        return Discriminator(12, 4, **{"width": 16, **settings})
    return kind(12, 4, **{"width": 32, **({"z_dim": 6} if kind is StageOne else {}), **settings})


# --- conditioning augmentation ---


def test_a_caption_becomes_a_normal_distribution():
    """``c`` over many epsilons has the mean and the standard deviation that CA names."""
    torch.manual_seed(0)
    ca = CA(12, 4, rectified=False)
    epsilon = torch.randn(20_000, 4)
    c, mu, logvar = ca(TEXT[:1].expand(20_000, -1), epsilon)
    expected = torch.distributions.Normal(mu[0], (logvar[0] / 2).exp())
    torch.testing.assert_close(c.mean(0), expected.mean, rtol=0, atol=0.03)
    torch.testing.assert_close(c.std(0), expected.stddev, rtol=0.03, atol=0)
    torch.testing.assert_close(c, expected.mean + expected.stddev * epsilon)


def test_epsilon_is_drawn_anew_where_it_is_not_given():
    ca = CA(12, 4)
    assert not torch.equal(ca(TEXT)[0], ca(TEXT)[0])


def test_the_published_relu_keeps_mean_and_log_variance_from_falling_below_0():
    _, mu, logvar = small(StageOne)(TEXT, torch.randn(64, 6))
    assert mu.min() == 0 and logvar.min() == 0 and (mu > 0).any() and (logvar > 0).any()
    _, mu, logvar = small(StageOne, rectified=False)(TEXT, torch.randn(64, 6))
    assert mu.min() < 0 and logvar.min() < 0


@pytest.mark.parametrize("kind", [StageOne, StageTwo])
def test_the_noise_of_a_code_can_begin_small(kind):
    bias = small(kind, rectified=False, logvar=-4.0).ca.linear.bias
    assert bias.tolist() == [0.0] * 4 + [-4.0] * 4


# --- generators and discriminator ---


def inputs(kind, sketch=16):
    return torch.randn(64, 6) if kind is StageOne else torch.randn(64, 3, sketch, sketch)


@pytest.mark.parametrize("norm_last", [True, False])
def test_a_residual_stage_two_begins_with_the_enlarged_sketch_and_leaves_it(norm_last):
    network = small(StageTwo, size=32, sketch=16, norm_last=norm_last, residual=True)
    sketch = torch.rand(64, 3, 16, 16) * 1.8 - 0.9
    large = F.interpolate(sketch, size=32, mode="bilinear", align_corners=False)
    picture = network(TEXT, sketch)[0]
    torch.testing.assert_close(picture, large)
    picture.square().mean().backward()
    last = network.norm3 if norm_last else network.conv3
    assert last.weight.grad.any() and network(TEXT, 2 * sketch)[0].abs().max() < 1


@pytest.mark.parametrize("norm_last", [True, False])
@pytest.mark.parametrize(
    ("kind", "settings", "side"),
    [
        (StageOne, {"size": 16}, 16),
        (StageOne, {"size": 32}, 32),
        (StageTwo, {"size": 64, "sketch": 16}, 64),
        (StageTwo, {"size": 32, "sketch": 16}, 32),
    ],
)
def test_pictures_of_every_size(kind, settings, side, norm_last):
    network = small(kind, norm_last=norm_last, **settings)
    picture, mu, logvar = network(TEXT, inputs(kind))
    assert picture.shape == (64, 3, side, side) and picture.abs().max() <= 1
    assert mu.shape == logvar.shape == (64, 4)
    norms = [m for m in network.children() if isinstance(m, nn.BatchNorm2d)]
    assert (norms[-1].num_features == 3) is norm_last


def test_the_first_map_has_8_channels_for_each_number_of_code_and_noise():
    assert StageOne(12, 4, 6, size=8).width == 80


@pytest.mark.parametrize("size", [16, 64])
def test_d_gives_a_probability_whose_logit_is_its_other_answer(size):
    d, picture = small(Discriminator, size=size), torch.randn(64, 3, size, size)
    probability, logits = d.eval()(picture, TEXT), d.logits(picture, TEXT)
    assert probability.shape == logits.shape == (64,)
    torch.testing.assert_close(torch.logit(probability), logits, rtol=1e-4, atol=1e-5)


def test_d_looks_once_and_compares_with_several_captions():
    d, picture = small(Discriminator), torch.randn(64, 3, 64, 64)
    seen = d.look(picture)
    assert seen.shape == (64, 16, 4, 4)
    for text in (TEXT, TEXT.roll(1, 0)):
        expected = d.logits(picture, text)
        torch.testing.assert_close(d.compare(seen, text).flatten(), expected)
    assert not torch.allclose(d.compare(seen, TEXT), d.compare(seen, TEXT.roll(1, 0)))


def test_without_batch_norm_d_answers_on_each_picture_alone():
    picture = torch.randn(64, 3, 64, 64)
    for norm, alone in ((False, True), (True, False)):
        d = small(Discriminator, norm=norm)
        same = torch.allclose(
            d.logits(picture, TEXT)[:8], d.logits(picture[:8], TEXT[:8]), atol=1e-6
        )
        assert same is alone


def test_initial_weights_have_dcgans_spread():
    network = StageOne(64, 16, 16, width=64)
    for weight in (network.conv1.weight, network.linear.weight, network.ca.linear.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert network.norm1.weight.mean().item() == pytest.approx(1.0, abs=0.02)
    assert not network.norm1.bias.any() and not network.linear.bias.any()


# --- goldens: the same seed gives the same numbers as when this was written ---


def golden(kind, training):
    """A few numbers of a network with strong weights, and with batch norm as after training."""
    network = small(kind, **({"size": 32, "sketch": 16} if kind is StageTwo else {}))
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.data *= 8
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.fill_(-0.1)
            module.running_var.fill_(1.0)
    torch.manual_seed(9)
    network.train(training)
    if kind is Discriminator:
        return network.logits(torch.randn(64, 3, 64, 64), TEXT)[:3].tolist()
    picture, _, _ = network(TEXT, inputs(kind), torch.randn(64, 4))
    return picture[0, 0, 3, 4:7].tolist()


@pytest.mark.parametrize(
    ("kind", "training", "expected"),
    [
        (StageOne, True, [-0.80982, -0.83192, -0.89914]),
        (StageOne, False, [-0.842, -0.85409, -0.89055]),
        (StageTwo, True, [-0.32502, 0.50521, 0.77698]),
        (Discriminator, True, [0.05012, -2.87669, -2.04903]),
        (Discriminator, False, [-0.32474, 0.08274, -0.71179]),
    ],
)
def test_goldens(kind, training, expected):
    assert golden(kind, training) == pytest.approx(expected, rel=1e-3, abs=1e-4)
