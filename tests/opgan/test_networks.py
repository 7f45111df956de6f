"""OP-GAN's networks: sizes, both pathways, masks; objects in turn and together."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from course_lib.opgan.discriminator import Discriminator
from course_lib.opgan.networks import (
    Generator,
    Sizes,
    WordAttention,
    per_object,
    spread,
    up_block,
)
from course_lib.opgan.objects import Objects, crop_and_flip, lay, merge
from course_lib.text.recurrent import Heard

SIZES = Sizes(
    size=64, stages=2, width=4, width_d=4, text=6, code=4, noise=4, local_noise=2, label=8,
    next_label=4, classes=5, residuals=1,
)  # fmt: skip
BOXES = torch.tensor([[[0.1, 0.1, 0.5, 0.6], [0.5, 0.4, 0.3, 0.3]], [[0, 0, 1, 1], [-1.0] * 4]])
IDS = torch.tensor([[0, 3], [2, -1]])


def objects(boxes=BOXES, ids=IDS):
    return Objects.of(boxes, ids, SIZES.classes)


def heard(lengths=(3, 2)):
    dice = torch.Generator().manual_seed(1)
    words = torch.randn(2, SIZES.text, 3, generator=dice)
    return Heard(words, torch.randn(2, SIZES.text, generator=dice), torch.tensor(lengths))


def generator(sizes=SIZES, **how):
    torch.manual_seed(0)
    return Generator(sizes, **how)


def paint(g, told=None, captions=None):
    dice = torch.Generator().manual_seed(2)
    noises = [
        torch.randn(2, length, generator=dice)
        for length in (g.sizes.noise, g.sizes.local_noise, g.sizes.code)
    ]
    return g(captions or heard(), told or objects(), *noises)


# --- sizes ---


def count(module, *, buffers=False):
    return sum(p.numel() for p in (module.buffers() if buffers else module.parameters()))


def test_parameters_of_the_published_networks():
    with torch.device("meta"):
        g = Generator()
        sides = {side: count(Discriminator(side)) for side in (64, 128, 256)}
    assert count(g) == 18_329_100 and count(g.ca_net) == 102_800
    assert count(g.h_net1) == 15_630_028 and count(g.h_net2) == count(g.h_net3) == 1_296_192
    unused = 6_200_448  # a branch of the authors' largest that nothing runs through; ours has none
    assert sides == {64: 14_742_530, 128: 44_404_418, 256: 168_578_882 - unused}


def test_parameters_of_the_spectral_variant():
    """As in the version that replaced batch norm; its count of all has the vectors u and v, too."""
    with torch.device("meta"):
        built = {side: Discriminator(side, norm="spectral") for side in (64, 128, 256)}
    unused, vectors = 6_199_200, 12_240
    found = {side: (count(d), count(d) + count(d, buffers=True)) for side, d in built.items()}
    assert found[64] == (14_739_554, 14_766_386)
    assert found[128] == (44_398_274, 44_455_154)
    assert found[256] == (168_565_346 - unused, 168_691_298 - unused - vectors)
    assert not any(isinstance(m, nn.BatchNorm2d) for d in built.values() for m in d.modules())


@pytest.mark.parametrize(("size", "stages"), [(32, 1), (64, 1), (64, 2), (128, 3)])
def test_pictures_of_every_stage(size, stages):
    sizes = Sizes(**{**vars(SIZES), "size": size, "stages": stages})
    painted = paint(generator(sizes).eval())
    assert [p.shape[-1] for p in painted.pictures] == sizes.sides
    assert (
        all(p.abs().max() <= 1 for p in painted.pictures) and len(painted.attention) == stages - 1
    )
    for side, picture in zip(sizes.sides, painted.pictures, strict=True):
        d = Discriminator(side, sizes)
        seen = d(picture.detach(), objects())
        assert seen.shape == (2, 8 * sizes.width_d, 4, 4)
        assert d.conditional(seen, heard().sentence).shape == d.unconditional(seen).shape == (2,)


def test_an_objects_code_may_have_places_of_its_own():
    """As published, a square begins alike at all its places; unfolded, it does not."""
    for unfold in (1, 4):
        torch.manual_seed(0)
        first = Generator(replace(SIZES, unfold=unfold)).h_net1
        told = torch.randn(3, SIZES.code + SIZES.classes + SIZES.local_noise)
        square = spread(per_object(first.label, told[None]), 4)  # [1, 3, label, 4, 4]
        assert square.shape == (1, 3, SIZES.label, 4, 4)
        assert torch.equal(square, square[..., :1, :1].expand_as(square)) == (unfold == 1)


# --- layouts ---


def test_a_crop_shows_the_box_and_a_paste_undoes_it():
    picture = torch.rand(1, 3, 32, 32)
    told = Objects.of(torch.tensor([[[0.25, 0.5, 0.5, 0.25]]]), torch.tensor([[1]]), 5)
    crop = lay(picture[None], told.crop, 8)[0]
    inside = picture[..., 16:24, 8:24]
    torch.testing.assert_close(crop, nn.functional.avg_pool2d(inside, (1, 2)), atol=1e-6, rtol=0)
    back = lay(lay(picture[None], told.crop, 64), told.paste, 32)[0]
    torch.testing.assert_close(
        back[..., 18:22, 10:22], picture[..., 18:22, 10:22], atol=0.35, rtol=0
    )
    assert not back[..., :15, :].any() and not back[..., :6].any() and not back[..., 26:, :].any()


def test_later_objects_cover_earlier_ones_where_they_are_not_nothing():
    below, above = torch.full((1, 1, 2, 2), 1.0), torch.tensor([[[[0.0, 2.0], [0.0, -3.0]]]])
    assert merge(torch.stack([below, above])).flatten().tolist() == [1, 2, 1, -3]


def test_the_largest_objects_are_kept_and_small_ones_lie_on_top():
    boxes = torch.tensor([[[0, 0, 0.1, 0.1], [0, 0, 1, 1], [0, 0, 0.5, 0.5], [0, 0, 0, 0]]])
    ids, present = torch.tensor([[1, 2, 3, 0]]), torch.tensor([[True, True, True, False]])
    told = Objects.padded(boxes, ids, present, 5, 10)
    assert told.labels.argmax(2).tolist() == [[2, 3, 1]]  # no place that no scene needs
    assert Objects.padded(boxes, ids, present, 5, 2).labels.argmax(2).tolist() == [[2, 3]]
    empty = Objects.padded(boxes[:, :0], ids[:, :0], present[:, :0], 5, 3)
    assert all(map(torch.equal, empty, Objects.nothing(1, 5)))


def test_padding_changes_no_pixel():
    g = generator().eval()
    more = objects(
        torch.cat([BOXES, torch.full((2, 3, 4), -1.0)], dim=1),
        torch.cat([IDS, torch.full((2, 3), -1)], dim=1),
    )
    for one, other in zip(paint(g).pictures, paint(g, more).pictures, strict=True):
        torch.testing.assert_close(one, other)


def test_an_object_that_moves_changes_the_picture_there():
    g = generator().eval()
    moved = BOXES.clone()
    moved[0, 1, :2] = torch.tensor([0.0, 0.7])
    canvas, other = (paint(g, objects(boxes)).objects[1] for boxes in (BOXES, moved))
    assert torch.equal(canvas[1], other[1]) and not torch.equal(canvas[0], other[0])
    assert other[0, :, 23:31, 1:9].any() and not other[0, :, 23:, 20:].any()


@pytest.mark.parametrize("flip", [False, True])
def test_the_published_augmentation_moves_boxes_with_their_pixels(flip):
    picture = torch.zeros(1, 268, 268)
    picture[:, 100:150, 60:120] = 1
    box = torch.tensor([[60 / 268, 100 / 268, 60 / 268, 50 / 268], [-1.0] * 4])
    cut, moved = crop_and_flip(picture, box, left=7, top=3, side=256, flip=flip)
    x, y, w, h = (moved[0] * 256).round().int().tolist()
    assert cut.sum() == cut[:, y : y + h, x : x + w].sum() == w * h == 3000
    assert moved[1].tolist() == [-1] * 4


# --- objects in turn and together ---


def played(together, training):
    """What a generator and a discriminator with the same weights give, objects in turn or not."""
    g, d = generator().double().train(training), Discriminator(64, SIZES).double().train(training)
    for part in (g.h_net1, g.h_net2, d):
        part.together = together
    dice = torch.Generator().manual_seed(3)
    for parameter in d.parameters():
        parameter.data = torch.randn(parameter.shape, generator=dice).double() / 4
    boxes = torch.rand(2, 3, 4, generator=dice).double() * 0.5 + 0.1
    told = objects(boxes, torch.randint(4, (2, 3), generator=dice))
    captions = Heard(heard().words.double(), heard().sentence.double(), heard().lengths)
    noises = [torch.randn(2, n, generator=dice).double() for n in (4, 2, 4)]
    painted = g(captions, told, *noises)
    seen = d(painted.pictures[-1], told)
    seen.square().mean().backward()
    found = {"seen": seen, **{f"picture {k}": p for k, p in enumerate(painted.pictures)}}
    for name, network in (("G", g), ("D", d)):
        found |= {f"{name} {k}": b for k, b in network.named_buffers()}
        gradients = {k: p.grad for k, p in network.named_parameters() if p.grad is not None}
        found |= {f"{name} gradient {k}": gradient for k, gradient in gradients.items()}
    return found


@pytest.mark.parametrize("training", [True, False])
def test_objects_together_are_objects_in_turn(training):
    """Pictures, gradients, and batch norm's running averages."""
    one, other = played(False, training), played(True, training)
    assert one.keys() == other.keys() and len(one) > 100
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-6, atol=1e-9, msg=name)


def test_each_objects_statistics_are_its_own():
    """Were all objects one batch to batch norm, a bright object would darken the others."""
    torch.manual_seed(0)
    block = up_block(3, 2)
    dim, bright = torch.randn(1, 4, 3, 4, 4), 50 + torch.randn(1, 4, 3, 4, 4)
    alone = per_object(block, dim, together=True)
    beside = per_object(block, torch.cat([dim, bright]), together=True)[:1]
    torch.testing.assert_close(alone, beside)
    assert block[1].num_batches_tracked == 3


# --- words ---


def test_words_that_are_not_there_are_not_heard():
    torch.manual_seed(0)
    layer, h, words = WordAttention(3, 6), torch.randn(2, 3, 4, 4), torch.randn(2, 6, 5)
    padding = torch.arange(5) >= torch.tensor([[5], [2]])
    context, attention = layer(h, words, padding)
    torch.testing.assert_close(attention.sum(1), torch.ones(2, 4, 4))
    assert not attention[1, 2:].any() and attention[0].all()
    torch.testing.assert_close(context[1:], layer(h[1:], words[1:, :, :2], None)[0])


def test_the_published_fault_mixes_the_masks_of_a_batch():
    """Place q of picture b gets the mask of picture (b places + q) mod B; alone it is right."""
    torch.manual_seed(0)
    layer, h, words = WordAttention(3, 6, fault=True), torch.randn(2, 3, 3, 3), torch.randn(2, 6, 5)
    padding = torch.arange(5) >= torch.tensor([[5], [2]])
    heard_at = (layer(h, words, padding)[1] > 0).sum(1).flatten(1)  # words, [B, 9]
    rows = torch.arange(18) % 2
    assert heard_at.flatten().tolist() == torch.where(rows == 0, 5, 2).tolist()
    alone = layer(h[1:], words[1:], padding[1:])[0]
    layer.fault = False
    torch.testing.assert_close(alone, layer(h, words, padding)[0][1:])


def test_released_weights_are_heard_as_they_were_trained():
    assert generator(fault=True).h_net2.att.fault and not generator().h_net2.att.fault


# --- goldens: the same seed gives the same numbers as when this was written ---


def test_goldens():
    g = generator().eval()
    d = Discriminator(64, SIZES).eval()
    torch.manual_seed(0)
    for part in (g, d):
        for parameter in part.parameters():
            parameter.data.normal_(0, 0.3)
    painted = paint(g)
    assert painted.pictures[1][0, 0, 30, 30:33].tolist() == pytest.approx(GOLDEN[0], abs=1e-4)
    seen = d(painted.pictures[1], objects())
    found = [*d.conditional(seen, heard().sentence).tolist(), *d.unconditional(seen).tolist()]
    assert found == pytest.approx(GOLDEN[1], rel=1e-3, abs=1e-4)


GOLDEN = [[-0.14959, -0.15385, -0.15596], [6.07623, 4.44629, -2.84757, -4.84775]]
