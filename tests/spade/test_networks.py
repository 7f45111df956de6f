"""SPADE's networks: the published sizes, the plain form beside the fast one, and the options."""

import pytest
import torch
import torch.nn.functional as F

from course_lib.nn import by_label
from course_lib.nn.by_label import LabelMaps
from course_lib.nn.initialise import initialise
from course_lib.spade.discriminator import Discriminator
from course_lib.spade.networks import (
    SPADE,
    Encoder,
    Generator,
    Sizes,
    SPADEBlock,
)  # fmt: skip

SMALL = Sizes(planes=9, size=64, width=2, upsampling="normal", hidden=8)


def maps_of(batch=2, size=64, classes=8, edges=True, **how):
    torch.manual_seed(0)
    ids = torch.randint(classes, (batch, 4, 4)).repeat_interleave(size // 4, 1)
    ids = ids.repeat_interleave(size // 4, 2)
    edge = torch.zeros(batch, 1, size, size)
    edge[:, :, size // 4 - 1 : size // 4 + 1] = 1
    return LabelMaps(ids, classes, edge if edges else None, **how)


def count(network):
    return sum(p.numel() for p in network.parameters())


COCO, ADE, CITY = Sizes(), Sizes(planes=151), Sizes(36, 512, 2.0, upsampling="more")
PUBLISHED = {
    "coco": (COCO, 97_480_899),
    "coco most": (Sizes(upsampling="most"), 98_515_043),
    "coco more": (Sizes(upsampling="more"), 97_480_899),
    "coco with style": (Sizes(z_dim=256), 112_626_883),
    "ade20k": (ADE, 96_492_483),
    "ade20k with style": (Sizes(151, z_dim=256), 111_942_595),
    "cityscapes": (CITY, 93_048_003),
    "cityscapes with style": (Sizes(36, 512, 2.0, upsampling="more", z_dim=256), 101_136_579),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_generators_have_as_many_parameters_as_published(name):
    sizes, published = PUBLISHED[name]
    with torch.device("meta"):
        assert count(Generator(sizes)) == published


def test_so_have_discriminators_and_encoder():
    with torch.device("meta"):
        planes = {184: 5_904_514, 151: 5_836_930, 36: 5_601_410}
        assert {p: count(Discriminator(p)) for p in planes} == planes
        assert count(Encoder(256, 64, 256, "instance", True)) == 10_463_424


@pytest.mark.parametrize(
    ("upsampling", "size", "aspect", "seed"),
    [("normal", 256, 1.0, (8, 8)), ("more", 512, 2.0, (4, 8)), ("most", 256, 1.0, (2, 2)),
     ("less", 64, 1.0, (8, 8)), ("normal", 128, 4 / 3, (3, 4))],
)  # fmt: skip
def test_the_picture_grows_from_its_first_map(upsampling, size, aspect, seed):
    sizes = Sizes(9, size, aspect, width=2, upsampling=upsampling, hidden=2)
    assert sizes.start == seed
    height, width = sizes.picture
    assert width == size and height == round(size / aspect)
    if size <= 128:
        maps = by_label.SoftMaps(torch.zeros(2, 9, height, width))
        assert Generator(sizes)(maps).shape == (2, 3, height, width)


@pytest.fixture
def plain(monkeypatch):
    """Makes every layer compute the published form."""

    def switch():
        monkeypatch.setattr(SPADE, "modulation", SPADE.plain_modulation)
        monkeypatch.setattr(LabelMaps, "convolve", lambda m, *a, **k: m.plain().convolve(*a, **k))
        monkeypatch.setattr(LabelMaps, "halved", property(lambda m: m.plain().halved))

    return switch


@pytest.mark.parametrize("norm", ["syncbatch", "batch", "instance"])
def test_the_fast_form_of_a_whole_game_is_the_plain_one(norm, plain, monkeypatch):
    monkeypatch.setattr(by_label, "ENOUGH", 256)
    torch.manual_seed(0)
    g = Generator(Sizes(9, 64, width=2, upsampling="less", z_dim=4, norm=norm, hidden=8)).double()
    d = Discriminator(9, 4, layers=3, relief=4.0, grain=8.0).double()
    z, real = torch.randn(2, 4).double(), torch.rand(2, 3, 64, 64).double() * 2 - 1
    begun = [{k: v.clone() for k, v in net.state_dict().items()} for net in (g, d)]

    def play():
        g.load_state_dict(begun[0]), d.load_state_dict(begun[1])
        g.zero_grad(), d.zero_grad()
        maps = maps_of()
        painted = g(maps, z)
        seen = d(maps, torch.cat([painted, real]))
        loss = sum(layer.square().mean() for scale in seen.scales for layer in scale)
        (loss + seen.grain.mean()).backward()
        gradients = [p.grad.clone() for net in (g, d) for p in net.parameters()]
        return painted.detach(), gradients + [b.clone() for b in (*g.buffers(), *d.buffers())]

    fast, fast_rest = play()
    plain()
    slow, slow_rest = play()
    torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)
    for mine, published in zip(fast_rest, slow_rest, strict=True):
        torch.testing.assert_close(mine, published, rtol=1e-7, atol=1e-9)


def test_a_summary_sees_every_layer_run_and_the_same_picture():
    generator, maps = Generator(SMALL).eval(), maps_of()
    ran = []
    with torch.no_grad():
        unseen = generator(maps)
        for name, layer in generator.named_modules():
            layer.register_forward_hook(lambda *_, name=name: ran.append(name))
        torch.testing.assert_close(generator(maps), unseen, rtol=1e-4, atol=1e-5)
    layers = {name for name, layer in generator.named_modules() if not [*layer.children()]}
    assert not {name for name in layers - {*ran} if "parametrizations" not in name}


def test_norm_and_shortcut_share_statistics_and_both_keep_them():
    torch.manual_seed(0)
    block = SPADEBlock(6, 4, Sizes(planes=9, norm="batch", hidden=4)).train()
    block.norm_s.param_free_norm.running_mean.fill_(3.0)  # begun elsewhere
    x = torch.randn(2, 6, 64, 64)
    block(x, maps_of())
    mean = x.mean(dim=(0, 2, 3))
    torch.testing.assert_close(block.norm_0.param_free_norm.running_mean, 0.1 * mean)
    torch.testing.assert_close(block.norm_s.param_free_norm.running_mean, 2.7 + 0.1 * mean)
    assert block.norm_s.param_free_norm.num_batches_tracked == 1


def test_what_a_norm_washes_away_spade_gives_back():
    """A map of one class is a constant: after the norm alone, nothing says which."""
    torch.manual_seed(0)
    layer = SPADE(4, 9, "instance", hidden=8)
    one, other = (LabelMaps(torch.full((1, 16, 16), i), 9) for i in (2, 5))
    x = torch.ones(1, 4, 16, 16) * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None]
    assert layer.param_free_norm(x).abs().max() < 1e-3
    assert (layer(x, one) - layer(x, other)).abs().max() > 0.01


def test_one_map_serves_a_batch_of_styles_and_is_worked_on_once(monkeypatch):
    generator = Generator(Sizes(9, 64, width=2, upsampling="less", z_dim=4, hidden=8)).eval()
    styles, asked = torch.randn(5, 4), []
    original = SPADE.modulation
    monkeypatch.setattr(SPADE, "modulation", lambda s, m: asked.append(s) or original(s, m))
    with torch.no_grad():
        maps = maps_of(1, remember=True)
        together = generator(maps, styles)
        alone = torch.cat([generator(maps, z[None]) for z in styles])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert len(asked) == sum(isinstance(m, SPADE) for m in generator.modules())
    apart = [(a - b).abs().mean() for a, b in zip(together, together.roll(1, 0), strict=True)]
    assert min(apart) > 1e-4


def test_grain_is_noise_that_weights_of_zero_silence():
    torch.manual_seed(0)
    sizes = Sizes(9, 64, width=2, upsampling="less", z_dim=4, hidden=8, grain=True)
    generator, maps = Generator(sizes).eval(), maps_of()
    published = {name for name in generator.state_dict() if "grain" not in name}
    without = Generator(Sizes(9, 64, width=2, upsampling="less", z_dim=4, hidden=8))
    assert published == set(without.state_dict())

    def paint(seed):
        drawn = torch.Generator().manual_seed(seed)
        grain = lambda h, w: torch.randn(2, 1, h, w, generator=drawn)  # noqa: E731
        return generator(maps, torch.ones(2, 4), grain)

    with torch.no_grad():
        assert (paint(0) - paint(1)).abs().max() > 1e-4
        for name, weight in generator.named_parameters():
            if "grain" in name:
                weight.zero_()
        assert torch.equal(paint(0), paint(1))


def test_discriminators_of_details_see_nothing_in_a_flat_picture():
    """Their further channels are differences; without them all is as published."""
    torch.manual_seed(0)
    plain = Discriminator(9, 4, layers=3)
    sharp = Discriminator(9, 4, layers=3, relief=4.0, grain=8.0)
    shapes = {name: value.shape for name, value in plain.state_dict().items()}
    wide = [name for name, value in shapes.items() if sharp.state_dict()[name].shape != value]
    assert wide == ["scales.0.layers.0.0.weight", "scales.1.layers.0.0.weight"]
    flat, texture = torch.zeros(2, 3, 64, 64), 0.1 * torch.randn(2, 3, 64, 64)
    maps = maps_of()
    first, wider = (network.scales[0].layers[0][0] for network in (plain, sharp))
    with torch.no_grad():
        wider.weight[:, :12], wider.bias[:] = first.weight, first.bias
        seen = [[d(maps, x).scales[0][0] for x in (flat, texture)] for d in (plain, sharp)]
    torch.testing.assert_close(seen[0][0], seen[1][0])
    moved = [(with_it - without).norm() for without, with_it in seen]
    assert moved[1] > 2 * moved[0]


def test_the_baseline_has_the_map_beside_its_channels_and_a_norm_that_knows_nothing():
    torch.manual_seed(0)
    sizes = Sizes(9, 64, width=2, upsampling="less", z_dim=4, hidden=8, concatenate=True)
    generator = Generator(sizes).eval()
    assert not any(isinstance(layer, SPADE) for layer in generator.modules())
    block = generator.blocks[0]
    assert block.conv_0.in_channels == 16 + 9 and block.conv_1.in_channels == 8 + 9
    one, other = (LabelMaps(torch.full((1, 64, 64), i), 9) for i in (2, 5))
    x = torch.randn(1, 16, 8, 8)
    told, also = (block.norm_0(x, maps.at(8, 8)) for maps in (one, other))
    assert torch.equal(told[:, :16], also[:, :16])
    assert (told[:, 16 + 2] == 1).all() and told[:, 16:].sum() == 64
    with torch.no_grad():
        several = generator(one, torch.randn(3, 4))
        assert several.shape == (3, 3, 64, 64)
        same = torch.zeros(1, 4)
        assert (generator(one, same) - generator(other, same)).abs().max() > 1e-3


@pytest.mark.parametrize("size", [64, 128, 256])
def test_an_encoder_ends_in_four_by_four(size):
    mu, logvar = Encoder(size, 2, 5, "instance", True)(torch.zeros(2, 3, 64, 64))
    assert mu.shape == logvar.shape == (2, 5)


@pytest.mark.parametrize(
    ("init", "std"), [("xavier", 0.02 * (2 / (9 * (9 + 128))) ** 0.5), ("normal", 0.02)]
)
def test_first_weights_are_drawn_where_no_spectral_norm_is(init, std):
    torch.manual_seed(0)
    block = SPADEBlock(4, 4, Sizes(planes=9))
    normed = block.conv_0.parametrizations.weight.original.clone()
    initialise(block, init, 0.02)
    drawn = block.norm_0.mlp_shared
    assert drawn.weight.std().item() == pytest.approx(std, rel=0.05)
    assert not drawn.bias.any() and not block.conv_0.bias.any()
    assert torch.equal(block.conv_0.parametrizations.weight.original, normed)


def test_maps_of_another_size_are_resized_by_nearest_neighbour():
    torch.manual_seed(0)
    generator, maps = Generator(SMALL).eval(), maps_of()
    large = LabelMaps(
        maps.ids.repeat_interleave(2, 1).repeat_interleave(2, 2), 8,
        F.interpolate(maps.edges, scale_factor=2, mode="nearest"),
    )  # fmt: skip
    with torch.no_grad():
        torch.testing.assert_close(generator(large), generator(maps), rtol=1e-4, atol=1e-5)
