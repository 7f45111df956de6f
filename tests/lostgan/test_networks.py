"""LostGAN's networks: the published counts, closed forms, and what must not change a pixel."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from course_lib.errors import CourseError
from course_lib.lostgan.discriminator import Discriminator, high_passed
from course_lib.lostgan.networks import (
    ISLA,
    NOWHERE,
    Generator,
    Grain,
    MaskRefinement,
    Sizes,
    inside_boxes,
    masks_to_layout,
)

SMALL = Sizes(
    size=64, labels=7, z_dim=5, label_dim=4, width=2, mask_width=6, mask_labels=7, mask_hidden=4,
    map_size=16,
)  # fmt: skip
BOXES = torch.tensor([[[0.1, 0.2, 0.6, 0.9], [0.5, 0.0, 1.0, 0.5]]] * 3)
LABELS = torch.tensor([[1, 2], [3, 3], [6, 1]])
V1, V2 = {"version": 1, "mask_width": 128}, {"version": 2, "mask_width": 256}


def count(module):
    return sum(p.numel() for p in module.parameters())


def noise(objects=2):
    torch.manual_seed(3)
    return torch.randn(3, objects, 5), torch.randn(3, 5)


def small(version=2, **other):
    torch.manual_seed(5)
    generator = Generator(replace(SMALL, version=version, **other)).train()
    with torch.no_grad():
        for _ in range(3):  # batch and spectral norm have seen something
            generator(*noise(), BOXES, LABELS)
    return generator.eval()


# --- as published ---


@pytest.mark.parametrize(
    ("sizes", "coco", "vg", "keys"),
    [
        (Sizes(size=64, label_dim=128, **V1), 14_688_772, 14_688_132, 185),
        (Sizes(size=128, **V1), 36_296_036, 36_295_136, 219),
        (Sizes(size=128, **V2), 40_471_888, 40_470_988, 267),
        (Sizes(size=256, **V2), 46_154_960, 46_154_060, 288),
    ],
)
def test_generators_have_the_published_counts(sizes, coco, vg, keys):
    """Also of Visual Genome, whose masks are still those of 184 classes."""
    with torch.device("meta"):
        generator = Generator(sizes)
        assert count(generator) == coco and len(generator.state_dict()) == keys
        assert count(Generator(replace(sizes, labels=179))) == vg
    if sizes.label_dim == 180:
        assert count(generator.masks) == {1: 1_076_481, 2: 3_036_161}[sizes.version]
    if (sizes.version, sizes.size) == (2, 128):
        heads = sum(count(refinement.to_maps) for refinement in generator.refinements)
        assert heads == 2_215_436


@pytest.mark.parametrize(
    ("size", "coco", "vg"),
    [
        (64, 23_308_994, 23_306_434),
        (128, 57_881_538, 57_876_418),
        (256, 66_665_154, 66_660_034),
    ],
)
def test_discriminators_have_the_published_counts(size, coco, vg):
    with torch.device("meta"):
        assert count(Discriminator(size)) == coco
        assert count(Discriminator(size, labels=179)) == vg


def test_alphas_begin_as_a_random_unit_vector_and_biases_at_0():
    generator = Generator(SMALL)
    assert [r.alpha.norm().item() for r in generator.refinements] == pytest.approx([1.0] * 3)
    assert not generator.blocks[0].conv1.bias.any()


# --- masks and boxes ---


def test_a_mask_is_laid_into_its_box_and_nowhere_else():
    masks = torch.ones(1, 1, 16, 16)
    box = torch.tensor([[[0.25, 0.0, 0.75, 0.5]]])
    laid = masks_to_layout(box, masks, 5, align_corners=True)[0, 0]
    assert torch.equal(laid, inside_boxes(box, 5)[0, 0])  # pixels at 0, 1/4, 1/2, 3/4 and 1
    assert laid[:3, 1:4].min() == 1 and laid.sum() == 9
    ramp = torch.linspace(0, 1, 16).expand(1, 1, 16, 16)
    whole = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]])
    kept = masks_to_layout(whole, ramp, 16, align_corners=True)
    torch.testing.assert_close(kept, ramp)
    shifted = masks_to_layout(whole, ramp, 16, align_corners=False)
    assert (shifted - ramp).abs().max() > 0.1  # what torch >= 1.3 does unless told


def test_an_object_that_is_not_there_has_no_mask():
    nowhere = torch.tensor([[NOWHERE]])
    for aligned in (True, False):
        assert not masks_to_layout(
            nowhere, torch.ones(1, 1, 16, 16), 64, align_corners=aligned
        ).any()
    assert not inside_boxes(nowhere, 64).any()


@pytest.mark.parametrize("version", [1, 2])
def test_padding_never_changes_a_pixel(version):
    generator = small(version)
    z, z_image = noise(5)
    boxes = torch.cat([BOXES, torch.tensor(NOWHERE).expand(3, 3, 4)], dim=1)
    with torch.no_grad():
        alone = generator(z[:, :2], z_image, BOXES, LABELS)
        padded = generator(z, z_image, boxes, F.pad(LABELS, (0, 3)))
    torch.testing.assert_close(padded.pictures, alone.pictures, rtol=0, atol=1e-5)
    assert not padded.masks[:, 2:].any() and padded.masks[:, :2].any()


def test_boxes_stay_what_they_were():
    generator, discriminator = small(), Discriminator(64, 2, 7)
    boxes = BOXES.clone()
    for _ in range(2):
        discriminator(generator(*noise(), boxes, LABELS).pictures, boxes, LABELS)
    assert torch.equal(boxes, BOXES)


def test_refined_masks_go_from_the_regressed_to_what_the_block_shows():
    torch.manual_seed(0)
    refine = MaskRefinement(3, SMALL, pyramid=False)
    features, masks = torch.randn(3, 3, 16, 16), torch.rand(3, 2, 16, 16)
    with torch.no_grad():
        refine.alpha.fill_(-100)
        torch.testing.assert_close(refine(features, LABELS, BOXES, masks), masks)
        refine.alpha.fill_(100)
        shown = refine(features, LABELS, BOXES, masks)
        maps = refine.eval().to_maps(features).sigmoid()
        shown = refine(features, LABELS, BOXES, masks)
    torch.testing.assert_close(shown[1, 0, 8, 5], maps[1, 3, 8, 5])  # the object's own class
    assert not shown[:, 0, :, 12:].any()  # outside its box


# --- ISLA ---


def plain_isla(norm, x, codes, masks):
    """The paper's equations, with one map of gains an object: ``[B, O, C, H, W]``."""
    masks = F.interpolate(masks, size=x.shape[-2:], mode="bilinear", align_corners=False)
    gains = [
        (layer(codes).view(len(x), -1, x.shape[1], 1, 1) * masks[:, :, None]).sum(dim=1)
        / (masks.sum(dim=1, keepdim=True) + 1e-6)
        for layer in (norm.to_gamma, norm.to_beta)
    ]
    return norm.norm(x) * (1 + gains[0]) + gains[1]


def test_isla_as_one_matrix_product_is_the_plain_form_forward_and_backward():
    torch.manual_seed(1)
    norm = ISLA(4, 9).double().eval()
    inputs = [torch.randn(3, 4, 8, 8), torch.randn(6, 9), torch.rand(3, 2, 16, 16)]
    inputs = [x.double().requires_grad_() for x in inputs]
    weights = torch.randn(3, 4, 8, 8).double()
    found = []
    for form in (norm, lambda *given: plain_isla(norm, *given)):
        out = form(*inputs)
        leaves = [*inputs, *norm.parameters()]
        found.append([out, *torch.autograd.grad((out * weights).sum(), leaves)])
    for mine, plain in zip(*found, strict=True):
        torch.testing.assert_close(mine, plain)


def test_where_there_is_no_object_isla_is_batch_norm():
    norm = ISLA(4, 9).train()
    x, masks = torch.randn(2, 4, 8, 8), torch.zeros(2, 3, 8, 8)
    torch.testing.assert_close(norm(x, torch.randn(6, 9), masks), F.batch_norm(x, None, None,
                               training=True))  # fmt: skip


# --- departures for small painters ---


def test_parts_share_an_objects_mask_and_have_gains_of_their_own():
    generator = small(1, parts=3)
    codes = generator.codes(noise()[0], LABELS)
    with torch.no_grad():
        parts = generator.masks.regressed(codes)
        whole = generator(*noise(), BOXES, LABELS).masks
        each = generator.masks(codes, BOXES)
    assert parts.shape == (6, 3, 16, 16) and 0 < parts.sum(dim=1).max() < 1
    assert not torch.allclose(parts[:, 0], parts[:, 1])
    torch.testing.assert_close(whole, each.view(3, 2, 3, 16, 16).sum(dim=2))
    norm, x = ISLA(4, 9, parts=3).eval(), torch.randn(1, 4, 8, 8)
    code, third = torch.randn(1, 9), torch.zeros(1, 3, 8, 8)
    third[:, 2] = 1  # only the last part is shown
    expected = (1 + norm.to_gamma(code)[:, 8:, None, None]) * norm.norm(x)
    expected = expected + norm.to_beta(code)[:, 8:, None, None]
    torch.testing.assert_close(norm(x, code, third), expected, rtol=1e-4, atol=1e-5)


def test_what_is_small_stands_in_front():
    """A thing's mask counts beside its ground's as if each had the same sum."""
    generator, heard = small(1, in_front=True), []
    generator.blocks[0].norm1.register_forward_pre_hook(lambda _, given: heard.append(given[2]))
    boxes = torch.tensor([[[0.0, 0.0, 1.0, 1.0], [0.25, 0.25, 0.75, 0.5]]] * 3)
    with torch.no_grad():
        masks = generator(*noise(), boxes, LABELS).masks
    torch.testing.assert_close(heard[0], masks / torch.tensor([1.0, 0.125])[:, None, None])


def test_grain_is_the_same_for_all_pictures_and_weighed_by_channel():
    grain, maps = Grain(2, 16), torch.zeros(3, 2, 8, 8)
    with torch.no_grad():
        grain.weight.copy_(torch.tensor([0.0, 2.0]))
        found = grain(maps)
    assert not found[:, 0].any() and torch.equal(found[0], found[2])
    assert found[0, 1].std().item() == pytest.approx(2, rel=0.3)
    assert "noise" not in grain.state_dict()
    torch.testing.assert_close(Grain(2, 16).noise, grain.noise)


# --- the discriminator ---


def looks(size, plan=None, **other):
    torch.manual_seed(2)
    discriminator = Discriminator(size, 2, 7, plan, **other)
    with torch.no_grad():
        for _ in range(3):  # spectral norm has found the largest singular values
            discriminator(torch.rand(3, 3, size, size), BOXES, LABELS)
    return discriminator.eval()


@pytest.mark.parametrize(("size", "plan"), [(64, None), (64, 128), (128, None), (256, None)])
def test_scores_of_objects_come_in_their_order(size, plan):
    """Small ones are cut out of another map than large ones; each keeps its own score."""
    boxes = torch.tensor(
        [[[0.0, 0.0, 0.9, 0.9], [0.1, 0.1, 0.3, 0.4], NOWHERE, [0.2, 0.5, 0.4, 0.9]]]
    )
    labels, picture = torch.tensor([[2, 5, 0, 1]]), torch.rand(1, 3, size, size)
    discriminator = looks(size, plan)
    with torch.no_grad():
        score, objects = discriminator(picture, boxes, labels)
        alone = [discriminator(picture, boxes[:, [k]], labels[:, [k]])[1] for k in (0, 1, 3)]
    assert score.shape == (1,)
    torch.testing.assert_close(objects, torch.cat(alone))
    assert len(objects.unique()) == 3


def test_an_object_is_judged_by_its_class():
    discriminator, picture = looks(64), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        two = [discriminator(picture, BOXES[:1, :1], torch.tensor([[k]]))[1] for k in (1, 2)]
    assert not torch.allclose(*two)


@pytest.mark.parametrize("size", [64, 128])
def test_no_objects_are_no_scores(size):
    pictures = torch.rand(2, 3, size, size)
    score, objects = looks(size)(pictures, BOXES[:2], torch.zeros(2, 2, dtype=torch.int64))
    assert score.shape == (2,) and objects.shape == (0,)
    (score.sum() + objects.sum()).backward()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_box_that_is_not_finite_never_reaches_roi_align(bad):
    """Which would end the process."""
    boxes = BOXES.clone()
    boxes[0, 1, 2] = bad
    with pytest.raises(CourseError, match="NaN or infinite"):
        looks(64)(torch.rand(3, 3, 64, 64), boxes, LABELS)


def test_high_passed_channels_hold_what_a_blur_takes_away():
    flat = high_passed(torch.full((1, 3, 6, 6), 0.4), 3.0)
    assert flat.shape == (1, 6, 6, 6) and flat[:, 3:].abs().max() < 1e-6
    dot = torch.zeros(1, 3, 5, 5)
    dot[..., 2, 2] = 0.9
    sharp = high_passed(dot, 2.0)[0, 3]
    assert sharp[2, 2].item() == pytest.approx(2 * 0.8) and sharp[1, 1].item() == pytest.approx(
        -0.2
    )
    assert looks(64, high_pass=3.0).trunk[0].conv1.in_channels == 6


# --- they stay as they are ---


@pytest.mark.parametrize(
    ("version", "known"),
    [
        (1, [-0.15632, 0.34382, 0.15075, 0.15075, -0.77797]),
        (2, [-0.07343, 0.23259, 0.11015, 0.11221, 0.38312]),
    ],
)
def test_generators_stay_as_they_are(version, known):
    """Also where nothing was recorded of the authors' networks: any change shows."""
    with torch.no_grad():
        pictures, masks, refined = small(version)(*noise(), BOXES, LABELS)
    found = [pictures.mean(), pictures.std(), masks.mean(), refined.mean(), pictures[1, 2, 30, 20]]
    assert [value.item() for value in found] == pytest.approx(known, abs=2e-3)


@pytest.mark.parametrize(
    ("size", "known"),
    [
        (64, [-0.49769, 0.00365, 0.19442, 1.3951, -2.8008, 1.4977, 1.4469, 0.42157, -4.7397]),
        (128, [2.3701, 2.4263, 2.4552, -3.2804, 1.6589, -1.0979, -0.98087, -1.253, -3.1839]),
        (256, [3.7251, 3.8079, 3.8662, 4.2113, 1.5084, 4.1462, 4.173, 3.3439, 4.1159]),
    ],
)
def test_discriminators_stay_as_they_are(size, known):
    waves = torch.linspace(-1, 1, 9 * size * size).view(3, 3, size, size).sin()
    with torch.no_grad():
        score, objects = looks(size)(waves, BOXES, LABELS)
    assert [*score.tolist(), *objects.tolist()] == pytest.approx(known, abs=1e-2)
