"""Convolutions of label maps: from ids and from one-hot planes the same, forward and backward."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.errors import CourseError
from course_lib.nn import by_label
from course_lib.nn.by_label import LabelMaps, SoftMaps, two_convolutions

CLASSES = 30


def blocks(batch=2, size=64, cell=16, classes=(3, 7, 29)):
    """Maps of squares: few distinct neighbourhoods."""
    torch.manual_seed(0)
    coarse = torch.tensor(classes)[torch.randint(len(classes), (batch, size // cell, size // cell))]
    return coarse.repeat_interleave(cell, 1).repeat_interleave(cell, 2)


def ragged(batch=2, size=24):
    torch.manual_seed(0)
    return torch.randint(CLASSES, (batch, size, size))


def edges_of(ids):
    edges = torch.zeros(len(ids), 1, *ids.shape[1:])
    edges[:, :, 10:12] = 1
    return edges


@pytest.fixture(autouse=True)
def small_maps_count(monkeypatch):
    monkeypatch.setattr(by_label, "ENOUGH", 256)


def layers(planes, kernel):
    torch.manual_seed(2)
    first = nn.Conv2d(planes, 6, kernel, padding=kernel // 2).double()
    second = nn.Conv2d(6, 4, kernel, padding=kernel // 2).double()
    return first, second


def run(maps, first, second):
    out = two_convolutions(maps, first, second.weight, second.bias)
    torch.manual_seed(3)
    cotangent = torch.randn(out.shape, dtype=out.dtype)  # not randn_like, which looks at strides
    weights = [*first.parameters(), *second.parameters()]
    return [out, *torch.autograd.grad(out, weights, cotangent)]


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("with_edges", [False, True])
@pytest.mark.parametrize(("make", "few"), [(blocks, True), (ragged, False)])
def test_every_form_gives_the_same(make, few, with_edges, kernel):
    ids = make()
    maps = LabelMaps(ids, CLASSES, edges_of(ids) if with_edges else None)
    assert (maps.neighbourhoods(kernel) is not None) is (few or kernel == 1)
    both = layers(CLASSES + with_edges, kernel)
    for mine, plain in zip(run(maps, *both), run(maps.plain(), *both), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-9, atol=1e-9)


def test_float32_stays_within_a_hundred_thousandth():
    maps = LabelMaps(blocks(4, 64, 16), CLASSES)
    both = [layer.float() for layer in layers(CLASSES, 3)]
    assert maps.neighbourhoods(3) is not None
    for mine, plain in zip(run(maps, *both), run(maps.plain(), *both), strict=True):
        assert (mine - plain).abs().max() <= 1e-5 * plain.abs().max()


def test_numbers_too_large_for_one_code_are_folded_exactly():
    torch.manual_seed(0)
    parts = [torch.randint(2**30, (400,)).repeat(2) for _ in range(4)]
    code, count = by_label._folded(parts, 2**30)
    assert count == 400 and torch.equal(code[:400], code[400:])
    assert len(code[:400].unique()) == 400


def test_soft_maps_are_convolved_with_all_planes():
    torch.manual_seed(0)
    planes = torch.rand(2, 5, 8, 8).double().requires_grad_()
    first, second = layers(5, 3)
    expected = second(first(planes).relu())
    found = two_convolutions(SoftMaps(planes), first, second.weight, second.bias)
    torch.testing.assert_close(found, expected)
    assert torch.autograd.grad(found.sum(), planes)[0].abs().sum() > 0


@pytest.mark.parametrize("size", [(7, 5), (16, 16), (45, 32)])
def test_other_sizes_are_those_of_the_planes(size):
    maps = LabelMaps(blocks(), CLASSES, edges_of(blocks()))
    resized = F.interpolate(maps.plain().planes, size=size, mode="nearest")
    assert torch.equal(maps.at(*size).plain().planes, resized)
    assert torch.equal(maps.plain().at(*size).planes, resized)
    assert maps.at(*size) is maps.at(*size)  # each size is computed once


def test_halved_maps_are_the_means_of_the_planes():
    maps = LabelMaps(blocks(), CLASSES, edges_of(blocks()))
    conv = nn.Conv2d(CLASSES + 1, 3, 4)
    half = F.avg_pool2d(maps.plain().planes, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(maps.halved.convolve(conv.weight, conv.bias), conv(half))


@pytest.mark.parametrize("wrong", [-1, CLASSES])
def test_an_unknown_id_is_named(wrong):
    ids = blocks()
    ids[0, 0, 0] = wrong
    with pytest.raises(CourseError, match=f"{wrong}.*the network knows 0 to {CLASSES - 1}"):
        LabelMaps(ids, CLASSES)


def test_only_maps_that_are_to_remember_do_and_never_in_training():
    asked = []
    layer = nn.Identity()

    def work():
        asked.append(1)
        return torch.zeros(1)

    for remember in (True, False):
        maps = LabelMaps(blocks(), CLASSES, remember=remember)
        with torch.no_grad():
            maps.once(layer, work), maps.once(layer, work)
        maps.once(layer, work)
    assert len(asked) == 2 + 3
