"""Doubling and convolution as one layer: equal, taken where it pays, and never seen."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.nn.upsample import as_one, doubling_kernel, upsample_conv

UP = nn.UpsamplingNearest2d(scale_factor=2)


def conv(wide=6, narrow=4, bias=True):
    torch.manual_seed(0)
    return nn.Conv2d(wide, narrow, 3, padding=1, bias=bias)


@pytest.fixture
def short_cuts(monkeypatch):
    """The sizes of the maps on which the short cut was taken."""
    taken = []

    def watched(x, *args, **settings):
        taken.append(tuple(x.shape))
        return plain(x, *args, **settings)

    plain = F.conv_transpose2d
    monkeypatch.setattr(F, "conv_transpose2d", watched)
    return taken


def test_taps_that_fall_on_one_pixel_are_summed():
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[0, 0, 1] = torch.tensor([1.0, 10.0, 100.0])  # a, b, c in a row
    expected = torch.tensor([100.0, 110.0, 11.0, 1.0])  # c, b + c, a + b, a
    rows = doubling_kernel(kernel)[0, 0]
    torch.testing.assert_close(rows[1:3], expected.expand(2, 4))  # the middle row falls on two
    assert not rows[[0, 3]].any()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 7), (32, 32)], ids=str)
def test_both_forms_and_their_gradients_are_equal(size, bias):
    layer, x = conv(bias=bias), torch.randn(3, 6, *size, requires_grad=True)
    slope = torch.randn(3, 4, 2 * size[0], 2 * size[1])
    results = []
    for form in (lambda: layer(UP(x)), lambda: as_one(layer, x)):
        y = form()
        results.append([y, *torch.autograd.grad((y * slope).sum(), [x, *layer.parameters()])])
    for plain, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-5 * plain.abs().max().item())


@pytest.mark.parametrize(
    ("count", "side", "taken"), [(2, 16, True), (1, 16, False), (512, 1, True), (1, 32, True)]
)
def test_it_is_taken_from_512_pixels(short_cuts, count, side, taken):
    x = torch.randn(count, 6, side, side)
    assert upsample_conv(UP, conv(), x).shape == (count, 4, 2 * side, 2 * side)
    assert bool(short_cuts) is taken


@pytest.mark.parametrize(
    "watch",
    [
        lambda layer, seen: layer.register_forward_hook(lambda *_: seen.append(layer)),
        lambda layer, seen: layer.register_forward_pre_hook(lambda *_: seen.append(layer)),
        lambda layer, seen: layer.register_full_backward_hook(lambda *_: seen.append(layer)),
        lambda layer, seen: layer.register_full_backward_pre_hook(lambda *_: seen.append(layer)),
    ],
    ids=["forward", "forward pre", "backward", "backward pre"],
)
@pytest.mark.parametrize("which", [0, 1], ids=["upsampling", "convolution"])
def test_who_watches_a_layer_sees_it_run(short_cuts, which, watch):
    layers, seen, x = (
        (nn.UpsamplingNearest2d(scale_factor=2), conv()),
        [],
        torch.randn(1, 6, 32, 32),
    )
    x.requires_grad_()
    with torch.no_grad():
        unseen = upsample_conv(*layers, x)
    handle = watch(layers[which], seen)
    y = upsample_conv(*layers, x)
    y.sum().backward()
    assert seen == [layers[which]] and len(short_cuts) == 1
    torch.testing.assert_close(y, unseen)
    handle.remove()
    upsample_conv(*layers, x)
    assert len(short_cuts) == 2
