"""Spectral norm: torch's older form, step by step; and what an average of networks does to it."""

import copy

import pytest
import torch
from torch import nn

from course_lib.nn.spectral import our_names, spectral_norm

LAYERS = {
    "convolution": (lambda: nn.Conv2d(3, 4, 3), (2, 3, 8, 8)),
    "linear": (lambda: nn.Linear(5, 4), (2, 5)),
}


@pytest.mark.parametrize("eps", [1e-12, 1e-4])
@pytest.mark.parametrize("kind", LAYERS)
def test_every_step_is_that_of_released_trainings(kind, eps):
    make, shape = LAYERS[kind]
    torch.manual_seed(0)
    theirs = make()
    ours = spectral_norm(copy.deepcopy(theirs), eps)
    theirs = nn.utils.spectral_norm(theirs, eps=eps)
    ours.load_state_dict(our_names(theirs.state_dict()))
    x = torch.randn(shape)
    for training in (True, True, False):
        theirs.train(training), ours.train(training)
        torch.testing.assert_close(ours(x), theirs(x))
        names = our_names(theirs.state_dict())
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(value, names[name])
    (gradient,) = torch.autograd.grad(theirs(x).sum(), theirs.weight_orig)
    original = ours.parametrizations.weight.original
    torch.testing.assert_close(torch.autograd.grad(ours(x).sum(), original)[0], gradient)


def test_shorter_vectors_of_an_average_do_not_change_the_norm():
    torch.manual_seed(0)
    layer = spectral_norm(nn.Linear(5, 4)).eval()
    before = layer.weight.clone()
    layer.parametrizations.weight[0].u.mul_(0.9)
    layer.parametrizations.weight[0].v.mul_(0.8)
    torch.testing.assert_close(layer.weight, before)


def test_making_it_is_no_step():
    torch.manual_seed(0)
    layer = nn.Linear(5, 4)
    torch.manual_seed(1)
    made = spectral_norm(layer).parametrizations.weight[0]
    torch.manual_seed(1)
    assert torch.equal(made.u, nn.functional.normalize(torch.randn(4), dim=0, eps=1e-12))
