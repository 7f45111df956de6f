"""The penalties against closed forms, autograd's own Jacobian and torch.distributions."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from course_lib.nn.penalties import kl_to_normal, r1_penalty, squared_gradient


def steep(slope=1.5):
    """D(x) = slope . x, whose gradient is the slope everywhere: here 2 * slope long."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False))
    nn.init.constant_(linear[1].weight, slope)
    return linear


def test_r1_of_a_linear_discriminator_is_known():
    assert r1_penalty(steep(), torch.randn(5, 1, 2, 2)).item() == pytest.approx(9 / 2)


def test_each_picture_has_the_gradient_of_its_own_answer():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 1))
    pictures = torch.randn(3, 3, 8, 8)
    slopes = torch.autograd.functional.jacobian(lambda x: network(x).flatten(), pictures)
    own = torch.stack([slopes[k, k].square().sum() for k in range(3)])
    torch.testing.assert_close(squared_gradient(network, pictures), own)


def test_the_penalty_moves_the_discriminator():
    linear = steep()
    r1_penalty(linear, torch.randn(5, 1, 2, 2)).backward()  # d(|s|^2 / 2)/ds = s
    torch.testing.assert_close(linear[1].weight.grad, linear[1].weight.detach())


def test_it_stays_in_float32_under_autocast():
    seen = []

    def spy(pictures):
        answer = steep()(pictures)
        seen.append(answer.dtype)
        return answer

    with torch.autocast("cpu", torch.bfloat16):
        r1_penalty(spy, torch.randn(3, 1, 2, 2))
    assert seen == [torch.float32]


def test_the_divergence_is_that_of_torch_distributions():
    mu, logvar = torch.randn(7, 5), torch.randn(7, 5)
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(kl_to_normal(mu, logvar), expected)
    assert kl_to_normal(torch.zeros(3, 4), torch.zeros(3, 4)).item() == 0


@pytest.mark.parametrize(
    "planted",
    [
        lambda mu, logvar: (mu.square() + mu.exp() - mu - 1).mean() / 2,  # the same half twice
        lambda mu, logvar: -(mu.square() + logvar.exp() - logvar - 1).mean() / 2,  # sign
        lambda mu, logvar: (mu.square() + (logvar / 2).exp() - logvar - 1).mean() / 2,  # root
    ],
)
def test_planted_mistakes_in_the_divergence_are_found(planted):
    mu, logvar = torch.randn(50, 8), torch.randn(50, 8) - 2  # spread otherwise than mu
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).mean()
    assert (planted(mu, logvar) - expected).abs() > 0.05
