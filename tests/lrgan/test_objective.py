"""LR-GAN's game: losses in closed form, one round, bad configurations, the five commands."""

from dataclasses import replace

import pytest
import torch

import course_lib
from course_lib.data.digit_scenes import DigitScenes
from course_lib.data.digits import Digits
from course_lib.errors import CourseError
from course_lib.lrgan.networks import Foreground, composite
from course_lib.lrgan.objective import (
    LRGANConfig,
    LRGANObjective,
    area_hinge,
    in_channels,
)
from course_lib.nn.penalties import r1_penalty
from course_lib.scene import SceneBatch
from course_lib.storage.checkpoint import part, read_checkpoint
from course_lib.training import train

SMALL = {"size": 16, "z_dim": 6, "width_g": 2, "least_width": 3, "width_d": 4, "batch_size": 8,
         "channels": 1, "rounds": 4}  # fmt: skip


def test_the_hinge_counts_what_lies_outside_and_is_silent_inside():
    full = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])

    def painting(*areas):
        things = [Foreground(torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), a), full)
                  for a in areas]  # fmt: skip
        return composite(torch.zeros(1, 1, 8, 8), things)

    assert area_hinge(painting(0.1, 0.2), (0.05, 0.25)) == 0
    assert area_hinge(painting(0.30), (0.05, 0.25)).item() == pytest.approx(1.0, rel=1e-4)
    assert area_hinge(painting(0.0, 0.1), (0.05, 0.25)).item() == pytest.approx(0.5, rel=1e-4)
    assert area_hinge(painting(1.0), (0.0, 1.0)) == 0  # the default leaves masks free


def test_pictures_become_grey_or_coloured():
    pictures = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(in_channels(pictures, 1)[:, 0], pictures.mean(dim=1))
    assert in_channels(pictures[:, :1], 3).shape == (2, 3, 4, 4)
    assert in_channels(pictures, 3) is not None and torch.equal(in_channels(pictures, 3), pictures)


class Recorder:
    """A `step` that takes gradients but moves nothing."""

    def __init__(self, objective):
        self.round, self.calls, self.objective = 0, [], objective

    def __call__(self, player, loss, **figures):
        weights = dict(self.objective.players[player].module.named_parameters())
        gradients = torch.autograd.grad(
            loss, list(weights.values()), retain_graph=True, allow_unused=True
        )
        unused = [n for n, g in zip(weights, gradients, strict=True) if g is None]
        self.calls.append((player, loss.item(), unused))


@pytest.mark.parametrize("variant", [{}, {"layers": 1}, {"layers": 3}, {"norm_d": False, "r1": 1.0},
                                     {"background_side": 4, "appearance_side": 4,
                                      "unit_codes": True, "pose": "bounded", "area": (0.05, 0.2)},
                                     {"mask_moves_pose": False}])  # fmt: skip
def test_a_round_moves_d_then_g_and_nothing_is_left_out(variant):
    objective = LRGANObjective(LRGANConfig(**SMALL | variant))
    step = Recorder(objective)
    objective.round(SceneBatch(torch.rand(8, 1, 16, 16)), step)
    assert [call[0] for call in step.calls] == ["D", "G"]
    unused = [name for call in step.calls for name in call[2]]
    if variant.get("layers") == 1:  # one layer is a DCGAN: no LSTM, no foregrounds
        unused = [n for n in unused if not n.startswith(("lstm", "foreground"))]
    assert not unused


def test_d_and_g_play_the_published_game():
    objective, losses, seen = LRGANObjective(LRGANConfig(**SMALL)), {}, []
    real = torch.rand(8, 1, 16, 16)

    def discriminator(pictures):
        seen.append(pictures)
        return torch.full((len(pictures),), 0.3)

    objective.discriminator = discriminator

    class Note:
        round = 1

        def __call__(self, player, loss, **figures):
            losses[player] = loss.item()

    objective.round(SceneBatch(real), Note())
    assert torch.equal(seen[0], real) and torch.equal(seen[1], seen[2])
    assert not seen[1].requires_grad and seen[2].requires_grad  # the same fakes, for D and for G
    assert seen[1].std() > 0
    chance = torch.tensor(0.3).sigmoid()
    d = -(chance.log() + (1 - chance).log())  # -log D(x) - log(1 - D(G(z)))
    assert losses["D"] == pytest.approx(d.item(), rel=1e-5)
    assert losses["G"] == pytest.approx(-chance.log().item(), rel=1e-5)


def test_r1_is_lazy_and_heavier_for_it():
    objective = LRGANObjective(LRGANConfig(**SMALL, norm_d=False, r1=0.5, r1_every=4))
    real = torch.rand(8, 1, 16, 16)
    full = 0.5 * r1_penalty(objective.discriminator, real).item()
    lazy = [float(torch.as_tensor(objective.penalty(real, r)).detach()) for r in range(4)]
    assert lazy == pytest.approx([4 * full, 0, 0, 0])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": 30}, ["size", "power of two"]),
        ({"patch": 12}, ["patch", "power of two"]),
        ({"layers": 0}, ["layers", "at least 1"]),
        ({"channels": 2}, ["channels", "1 or 3"]),
        ({"scale": (0.5, 2.0)}, ["scale", "from 1"]),
        ({"scale": (2.4, 1.2)}, ["scale", "smaller one first"]),
        ({"rotation": 1.5}, ["rotation"]),
        ({"area": (0.5, 0.2)}, ["area"]),
        ({"pose": "free"}, ["pose", "clamped, bounded"]),
        ({"background_side": -1}, ["background_side"]),
        ({"batch_size": 1}, ["batch norm needs 2"]),
        ({"r1": 1.0}, ["batch norm mixes"]),
        ({"r1": -1.0, "norm_d": False}, ["r1", "negative"]),
        ({"lr_g": 0.0, "z_dim": 0}, ["2 problems", "lr_g", "z_dim"]),
    ],
)
def test_bad_configurations_say_what_is_wrong(values, words):
    with pytest.raises(CourseError) as caught:
        LRGANConfig(**SMALL | values)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("layers", [3, "3"])  # from a notebook, from a command line
def test_with_three_layers_the_small_profile_turns_to_two_digits(layers):
    two = course_lib.configure("lrgan", "cpu", {"layers": layers})
    one = course_lib.configure("lrgan", "cpu")
    assert (one.data, one.layers, two.data, two.layers) == ("digits-one", 2, "digits-two", 3)
    assert two.scale[0] > one.scale[0] and two.area[1] < one.area[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two rounds, and its configuration."""
    config = course_lib.configure("lrgan", "smoke", {"rounds": 2, "device": "cpu", "patch": 8})
    source = DigitScenes(Digits(32), size=16, count=64)
    folder = tmp_path_factory.mktemp("run")
    train(LRGANObjective(config), source, folder, show=False)
    return folder, config


def test_a_run_writes_a_painter_that_loads(run):
    folder, config = run
    painter = course_lib.load(folder)
    assert painter.config == config and painter.generate(seed=3).image.shape == (1, 16, 16)


@pytest.mark.parametrize("file", ["", "last.safetensors", "painter.safetensors"])
def test_a_training_of_two_digits_starts_from_a_run_of_one(run, file):
    folder, config = run
    two = replace(config, data="digits-two", layers=3, seed=9)
    started = LRGANObjective(replace(two, start=str(folder / file))).players
    fresh, saved = LRGANObjective(two).players, read_checkpoint(folder / "last.safetensors").tensors
    expected = {name: part(saved, f"player/{name}") for name in "DG"}
    if file == "painter.safetensors":  # an average of G, and no D
        expected = {"D": fresh["D"].module.state_dict(),
                    "G": course_lib.load(folder).generator.state_dict()}  # fmt: skip
    for name, weights in expected.items():
        torch.testing.assert_close(dict(started[name].module.state_dict()), dict(weights))


def test_a_start_from_other_networks_says_how_they_differ(run):
    folder, config = run
    with pytest.raises(CourseError, match=r"(?s)G of .*the network has"):
        LRGANObjective(replace(config, width_g=8, start=str(folder / "painter.safetensors")))
    with pytest.raises(CourseError, match="no such file"):
        LRGANObjective(replace(config, start=str(folder / "lost.safetensors")))
