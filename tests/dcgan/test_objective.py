"""DCGAN's losses against closed forms; one round; bad configurations."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.dcgan.augment import diff_augment
from course_lib.dcgan.objective import (
    LOSSES,
    DCGANConfig,
    DCGANObjective,
    gradient_penalty,
)
from course_lib.errors import CourseError
from course_lib.nn.penalties import r1_penalty
from course_lib.scene import SceneBatch

SMALL = {
    "data": "digits",
    "size": 16,
    "z_dim": 8,
    "width_g": 4,
    "width_d": 4,
    "batch_size": 8,
    "rounds": 4,
}


def test_non_saturating_is_binary_cross_entropy():
    real, fake = torch.randn(50), torch.randn(50)
    d_loss, g_loss = LOSSES["non_saturating"]
    bce = F.binary_cross_entropy_with_logits
    expected = bce(real, torch.ones(50)) + bce(fake, torch.zeros(50))
    torch.testing.assert_close(d_loss(real, fake), expected)
    torch.testing.assert_close(g_loss(fake), bce(fake, torch.ones(50)))


def test_hinge_and_wasserstein_on_known_numbers():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])
    assert LOSSES["hinge"][0](real, fake).item() == pytest.approx(0.25 + 0.5)
    assert LOSSES["wasserstein"][0](real, fake).item() == pytest.approx(-1.5 - 1.25)
    assert LOSSES["hinge"][1](fake).item() == LOSSES["wasserstein"][1](fake).item() == 1.5


class Linear(nn.Module):
    """D(x) = slope . x: its gradient is the slope everywhere."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(slope)

    def forward(self, x):
        return (x * self.slope).sum(dim=(1, 2, 3))


def test_the_gradient_penalty_of_a_linear_discriminator_is_known():
    slope = torch.full((1, 2, 2), 1.5)  # |slope| = 3
    discriminator, real = Linear(slope), torch.randn(5, 1, 2, 2)
    fake = torch.randn(5, 1, 2, 2)
    penalty = gradient_penalty(discriminator, real, fake)
    assert penalty.item() == pytest.approx((3 - 1) ** 2, rel=1e-5)
    penalty.backward()  # d(|s| - 1)^2/ds = 2 (|s| - 1) s/|s|
    torch.testing.assert_close(discriminator.slope.grad, 4 * slope / 3)


class Recorder:
    """A `step` that takes gradients but moves nothing."""

    def __init__(self, objective):
        self.round, self.calls, self.objective = 0, [], objective

    def __call__(self, player, loss, **figures):
        module = self.objective.players[player].module
        gradients = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)
        self.calls.append((player, loss.item(), gradients))


@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize("penalty", [{}, {"r1": 1.0}, {"gradient_penalty": 10.0}])
def test_a_round_moves_d_then_g_and_every_weight_gets_a_gradient(loss, penalty):
    objective = DCGANObjective(DCGANConfig(**SMALL, loss=loss, norm_d="none", **penalty))
    step = Recorder(objective)
    objective.round(SceneBatch(torch.rand(8, 1, 16, 16)), step)
    assert [call[0] for call in step.calls] == ["D", "G"]
    weights = [g for _, _, gradients in step.calls for g in gradients if g.dim() > 1]
    assert all(g.abs().sum() > 0 for g in weights)


def test_r1_is_lazy_and_heavier_for_it():
    config = DCGANConfig(**SMALL, norm_d="none", r1=0.5, r1_every=4)
    objective = DCGANObjective(config)
    real = torch.rand(8, 1, 16, 16)
    full = 0.5 * r1_penalty(objective.discriminator, real)
    lazy = [float(torch.as_tensor(objective.penalty(real, real, r)).detach()) for r in range(4)]
    assert lazy == pytest.approx([4 * full.item(), 0, 0, 0])


def test_augmentation_keeps_shape_and_passes_gradients():
    pictures = torch.rand(16, 1, 16, 16, requires_grad=True)
    out = diff_augment(pictures, ("brightness", "translation", "cutout"))
    assert out.shape == pictures.shape
    (gradient,) = torch.autograd.grad(out.sum(), pictures)
    assert 0 < gradient.count_nonzero() < gradient.numel()  # cut-out pixels get none


def test_translation_moves_a_picture_by_whole_pixels():
    torch.manual_seed(0)
    picture = torch.zeros(64, 1, 16, 16)
    picture[..., 8, 8] = 1
    moved = diff_augment(picture, ("translation",))
    places = {tuple(p[0].nonzero()[0].tolist()) for p in moved}
    assert len(places) > 5 and all(6 <= y <= 10 and 6 <= x <= 10 for y, x in places)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"lr_g": 10.0}, ["lr_g", "10"]),
        ({"lr_d": -1e-3}, ["lr_d"]),
        ({"betas": (0.5, 1.5)}, ["betas"]),
        ({"rounds": 0}, ["rounds", "at least 1"]),
        ({"z_dim": -4}, ["z_dim", "-4"]),
        ({"size": 30}, ["size", "power of two"]),
        ({"norm_d": "batch", "batch_size": 1}, ["batch norm needs 2"]),
        ({"norm_d": "batch", "r1": 1.0}, ["batch norm mixes"]),
        ({"augment": ("twirl",)}, ["augment", "cutout"]),
        ({"loss": "mean"}, ["loss", "hinge"]),
        ({"norm_d": "layer"}, ["norm_d", "spectral"]),
        ({"z_dim": 2.5}, ["z_dim", "whole number"]),
        ({"norm_d": "none", "gradient_penalty": -1.0}, ["gradient_penalty", "negative"]),
        ({"norm_d": "none", "r1": 1.0, "gradient_penalty": 10.0}, ["both set"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"lr_g": 10.0, "z_dim": 0}, ["2 problems", "lr_g", "z_dim"]),
    ],
)
def test_bad_configurations_say_what_is_wrong(values, words):
    with pytest.raises(CourseError) as caught:
        DCGANConfig(**values)
    assert all(word in str(caught.value) for word in words)
