"""LR-GAN's networks: the published counts, any size and number of layers, and equal fast forms."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from course_lib.lrgan.networks import (
    BoundedPose,
    ClampedPose,
    ColourField,
    Discriminator,
    Foreground,
    Generator,
    Project,
    Sizes,
    composite,
    spread,
    widths,
)

PAPER = Sizes()
SMALL = Sizes(z_dim=6, width=2, least_width=3, size=16, channels=1)


def count(module):
    return sum(p.numel() for p in module.parameters())


def counted_as_published(sizes: Sizes) -> int:
    """With three layers all of theirs is there; theirs has no `match`, where it would crash."""
    generator = Generator(replace(sizes, layers=3))
    return count(generator) - count(generator.context.match)


@pytest.mark.parametrize(
    ("size", "channels", "width", "g", "d"),
    [
        (32, 3, 64, 4_673_978, 663_296),  # CIFAR-10
        (32, 1, 64, 4_667_832, 661_248),  # MNIST-ONE
        (64, 1, 64, 4_836_856, 2_763_520),  # MNIST-TWO
        (64, 3, 128, 16_392_378, 11_036_160),  # CUB-200
        (64, 3, 64, 4_840_954, 2_765_568),  # LFW
    ],
)
def test_parameter_counts_of_the_five_commands(size, channels, width, g, d):
    with torch.device("meta"):
        sizes = replace(PAPER, size=size, channels=channels, width=width)
        assert counted_as_published(sizes) == g
        assert count(Discriminator(width, size, channels)) == d


def test_maps_never_get_thinner_than_published():
    assert widths(256, 64, 64) == [256, 128, 64, 64]
    assert widths(16, 64, 32) == [16, 8, 64]  # the floor begins with the third map
    assert widths(512, 64, 8) == [512]


@pytest.mark.parametrize("size", [8, 16, 32, 64])
@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_any_power_of_two_and_any_number_of_layers(size, layers):
    generator = Generator(replace(SMALL, size=size, layers=layers))
    painting = generator(torch.randn(2, layers, 6))
    assert painting.picture.shape == (2, 1, size, size) and painting.picture.abs().max() <= 1
    assert len(painting.layers) == layers - 1
    for layer in painting.layers:
        assert layer.mask.min() >= 0 and layer.mask.max() <= 1
    assert Discriminator(3, size, 1)(painting.picture).shape == (2,)


@pytest.mark.parametrize("changes", [{}, {"appearance_side": 1}, {"unit_codes": True}, {"patch": 8},
                                     {"pose": "bounded"}], ids=str)  # fmt: skip
def test_every_weight_of_every_variant_learns(changes):
    torch.manual_seed(0)
    generator = Generator(replace(SMALL, layers=3, **{"background_side": 4} | changes))
    generator(torch.randn(4, 3, 6)).picture.square().sum().backward()
    still = [name for name, p in generator.named_parameters() if not p.grad.any()]
    assert not [name for name in still if "pose" not in name]  # clamped poses may stand still


def test_channels_of_both_maps_may_differ_where_the_published_code_crashes():
    sizes = replace(SMALL, width=16, least_width=4, layers=3)  # 64, 32 against 128, 64
    generator = Generator(sizes)
    assert generator.background.depths[-1] != generator.foreground.depths[-1]
    generator(torch.randn(2, 3, 6)).picture.sum().backward()
    assert generator.context.match.weight.grad.any()


def test_the_projection_is_a_transposed_convolution_of_one_pixel():
    project, code = Project(5, 7, bias=True), torch.randn(3, 5)
    plain = F.conv_transpose2d(code[:, :, None, None], project.weight, project.bias)
    torch.testing.assert_close(project(code), plain)


def test_a_colour_field_is_bicubic_interpolation():
    field, code = ColourField(SMALL, 4, 16), torch.randn(3, 6)
    colours = field.to_colours(code).view(3, 1, 4, 4)
    plain = F.interpolate(colours, size=(16, 16), mode="bicubic", align_corners=False).tanh()
    torch.testing.assert_close(field(code), plain, atol=1e-5, rtol=1e-5)


def test_inks_begin_apart():
    torch.manual_seed(0)
    colours = ColourField(SMALL, 1, 8).to_colours(torch.randn(200, 6))
    assert colours.std() > 0.2 and 0.2 < (colours > 0).float().mean() < 0.8


def test_a_discriminator_without_batch_norm_does_not_let_its_maps_fade():
    torch.manual_seed(0)
    hidden = Discriminator(16, 64, 3, batch_norm=False).hidden(torch.randn(8, 3, 64, 64))
    assert 0.5 < hidden.square().mean().sqrt() < 2


def test_clamped_poses_stay_within_the_published_limits_and_begin_large():
    pose = ClampedPose(replace(SMALL, scale=(1.2, 2.4), rotation=0.3))
    start = torch.tensor([[1.2, 0, 0], [0, 1.2, 0]])
    torch.testing.assert_close(pose(torch.randn(2, 6)), start.expand(2, 2, 3))
    torch.nn.init.normal_(pose.weight, std=10.0)
    scale_x, skew_x, move_x, skew_y, scale_y, move_y = pose(torch.randn(500, 6)).flatten(1).T
    for value, low, high in ((scale_x, 1.2, 2.4), (scale_y, 1.2, 2.4), (skew_x, -0.3, 0.3),
                             (skew_y, -0.3, 0.3), (move_x, -1, 1), (move_y, -1, 1)):  # fmt: skip
        assert value.min().item() == pytest.approx(low)
        assert value.max().item() == pytest.approx(high)


def test_bounded_poses_keep_the_foreground_inside():
    pose = BoundedPose(replace(SMALL, scale=(1.5, 2.5)))
    torch.nn.init.normal_(pose.weight, std=10.0)
    matrix = pose(torch.randn(500, 6))
    scale, move = matrix[:, [0, 1], [0, 1]], matrix[:, :, 2]
    assert (scale - 1 - move.abs()).min() > -1e-4  # its edges are |x'| = 1
    assert matrix[:, 0, 0].min() >= 1.5 - 1e-4 and matrix[:, 0, 0].max() <= 2.5 + 1e-4
    assert not matrix[:, 0, 1].any() and not matrix[:, 1, 0].any()


def test_layers_lie_over_each_other_in_their_order():
    full = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    things = [Foreground(torch.full((1, 1, 8, 8), v), torch.full((1, 1, 8, 8), m), full)
              for v, m in ((0.5, 1.0), (-1.0, 0.25))]  # fmt: skip
    painting = composite(torch.zeros(1, 1, 8, 8), things)
    assert painting.layers[0].canvas.unique().tolist() == [0.5]
    assert painting.picture.unique().tolist() == [0.25 * -1 + 0.75 * 0.5]


def test_spread_is_zero_for_one_picture_again_and_again_and_grows_with_variety():
    same = torch.rand(1, 3, 4, 4).expand(16, 3, 4, 4)
    different = torch.rand(16, 3, 4, 4)
    assert spread(same).max() < 1e-3 < spread(different).min()
    assert spread(different).shape == (16, 1, 4, 4)
    assert spread(different[:5]).shape == (5, 1, 4, 4)  # a batch that 8 does not divide


def test_weights_begin_as_in_2017():
    generator = Generator(PAPER)
    up = generator.foreground.maps[1][0]  # 512 -> 256 channels
    bound = 1 / (512 * 16) ** 0.5
    assert up.weight.abs().max().item() == pytest.approx(bound, rel=1e-3)


def test_golden_picture():
    """Seeded weights paint what they painted when the networks were equal to the authors'."""
    torch.manual_seed(0)
    generator = Generator(replace(SMALL, layers=3)).eval()
    picture = generator(torch.randn(2, 3, 6)).picture
    found = [picture.mean().item(), picture.std().item(), picture[1, 0, 5, 9].item()]
    assert found == pytest.approx(GOLDEN, abs=1e-5)


GOLDEN = [-0.004998658783733845, 0.006608341820538044, -0.004286463372409344]


def test_a_layer_knows_the_noise_of_those_before_and_of_none_after():
    torch.manual_seed(0)
    generator, z = (
        Generator(replace(SMALL, layers=4, background_side=4)).eval(),
        torch.randn(1, 4, 6),
    )

    def changed(step: int) -> list[bool]:
        other = z.clone()
        other[:, step] += 1
        (behind, things), (behind_2, things_2) = generator.parts(z), generator.parts(other)
        pairs = [
            (behind, behind_2),
            *((a.mask, b.mask) for a, b in zip(things, things_2, strict=True)),
        ]
        return [not torch.equal(a, b) for a, b in pairs]

    assert changed(0) == [True, True, True, True]
    assert changed(1) == [False, True, True, True]
    assert changed(3) == [False, False, False, True]
