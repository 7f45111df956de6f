"""The authors' files: their names and order of poses become ours, and a file is recognised."""

import pytest
import torch

import course_lib
from course_lib.errors import CourseError
from course_lib.lrgan import official
from course_lib.lrgan.networks import Discriminator, Generator, Sizes
from course_lib.lrgan.official import XY, discriminator_of, generator_of, recognises

CIFAR = Sizes(z_dim=5, width=64)


def as_published(z_dim=5, width=64, size=32, channels=3):
    """A netG as the authors' program writes it, at the sizes of one of its commands."""
    torch.manual_seed(0)
    weights = {f"lstmcell.weight_{k}": torch.randn(4 * z_dim, z_dim) for k in ("ih", "hh")}
    weights |= {f"lstmcell.bias_{k}": torch.randn(4 * z_dim) for k in ("ih", "hh")}
    for net, first, bias in (("Gbgc", 4, True), ("Gfgc", 8, False)):
        wide, side, maps = z_dim, 1, [first * width, first * width // 2]
        while side < size // 2:
            level = 0 if side == 1 else side.bit_length() - 2
            narrow = maps[level] if level < 2 else max(wide // 2, 64)
            weights[f"{net}.convt{side}.weight"] = torch.randn(wide, narrow, 4, 4)
            if bias:
                weights[f"{net}.convt{side}.bias"] = torch.randn(narrow)
            for part in ("weight", "bias", "running_mean", "running_var"):
                weights[f"{net}.bn{side}.{part}"] = torch.rand(narrow)  # no num_batches_tracked
            wide, side = narrow, 4 if side == 1 else 2 * side
        weights[f"{net[:3]}i.0.weight"] = torch.randn(wide, channels, 4, 4)
    weights["Gbgi.0.bias"] = torch.randn(channels)
    weights |= {"Gfgm.0.weight": torch.randn(wide, 1, 4, 4), "Gfgm.0.bias": torch.randn(1)}
    weights |= {"Gtransform.weight": torch.randn(6, z_dim), "Gtransform.bias": torch.randn(6)}
    return weights | {"encoderfc.0.weight": torch.randn(z_dim, 4 * wide)}  # unused with two layers


def test_sizes_and_limits_are_read_from_shapes():
    found = generator_of(as_published()).sizes
    assert (found.z_dim, found.width, found.size, found.channels) == (5, 64, 32, 3)
    assert (found.layers, found.scale, found.rotation) == (2, (1.2, 2.4), 0.1)
    mnist = generator_of(as_published(channels=1)).sizes
    assert (mnist.rotation, mnist.channels) == (0.3, 1)
    assert generator_of(as_published(), (2, 2.0, 0.5)).sizes.scale == (2.0, 4.0)


def test_weights_get_our_names_and_poses_our_order():
    theirs = as_published()
    ours = generator_of(theirs).state_dict()
    same = {
        "lstm.weight_hh": "lstmcell.weight_hh",
        "background.maps.2.0.bias": "Gbgc.convt8.bias",
        "foreground.maps.0.1.running_var": "Gfgc.bn1.running_var",
        "background.to_picture.0.bias": "Gbgi.0.bias",
        "foreground.to_appearance.0.weight": "Gfgi.0.weight",
        "foreground.to_mask.0.weight": "Gfgm.0.weight",
    }
    for mine, name in same.items():
        assert torch.equal(ours[mine], theirs[name])
    assert torch.equal(ours["foreground.to_pose.bias"], theirs["Gtransform.bias"][XY])
    y_scale, y_by_x, y_move, x_by_y, x_scale, x_move = range(6)  # theirs: y before x
    assert [x_scale, x_by_y, x_move, y_by_x, y_scale, y_move] == XY


def test_an_official_file_loads_and_paints(tmp_path):
    path = tmp_path / "cifar10_netG_s_1_epoch_95.pth"
    torch.save(as_published(), path)
    painter = course_lib.load(path)
    assert painter.generate(seed=1).image.shape == (3, 32, 32) and painter.config is None


def test_what_is_not_theirs_is_told_apart():
    assert recognises(as_published()) and not recognises({"main.0.weight": torch.zeros(1)})
    broken = as_published()
    broken["Gfgc.convt8.weight"] = torch.zeros(3, 3, 4, 4)
    with pytest.raises(CourseError, match=r"maps\.2\.0\.weight is \[3, 3, 4, 4\], the network has"):
        generator_of(broken)


def test_a_discriminator_comes_back_from_their_names():
    ours = Discriminator(64, 32, 3)
    state = ours.state_dict()
    theirs = {"main.conv4.weight": state["to_logit.weight"]}
    for level, side in enumerate((32, 16, 8)):
        theirs[f"main.conv{side}.weight"] = state[f"hidden.{level}.0.weight"]
        for part in ("weight", "bias", "running_mean", "running_var") if level else ():
            theirs[f"main.bn{side}.{part}"] = state[f"hidden.{level}.1.{part}"]
    picture = torch.rand(2, 3, 32, 32)
    ours.eval()
    torch.testing.assert_close(discriminator_of(theirs).eval()(picture), ours(picture))


def test_two_layers_leave_the_unused_encoder_behind():
    names = official.renamed(as_published(), 32, context=False)
    assert not [name for name in names if name.startswith("context")]
    assert set(names) <= set(Generator(CIFAR).state_dict())
