"""The same game with less memory: equal numbers where that is promised, and an honest estimate."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from course_lib.dcgan.objective import DCGANObjective
from course_lib.errors import CourseError
from course_lib.memory import estimate_memory, fit_batch_size, peak_memory
from course_lib.memory.need import rehearse
from course_lib.memory.spare import blocks
from course_lib.scene import SceneBatch
from course_lib.storage.folder import RunFolder
from course_lib.training import train
from course_lib.training.state import TrainingState
from tests.devices.together import TINY, Waves, WithoutBatchNorm
from tests.training.toy import Dots, ToyConfig, ToyObjective

SHORT = replace(TINY, rounds=3, sample_every=100)
DEEP = replace(TINY, size=16, width_g=16, width_d=16)


class Noise:
    """As many pictures as one likes, of 16 x 16 pixels."""

    name = "noise"

    def __init__(self, count=64):
        self.count = count

    def __len__(self):
        return self.count

    def batch(self, indices):
        return SceneBatch(torch.linspace(-1, 1, len(indices) * 256).view(-1, 1, 16, 16))


def played(objective, folder, source=None):
    """The figures of a run, and everything that the players are after it."""
    history = train(objective, source or Waves(), folder, show=False)
    return history.figures, tensors(objective)


def tensors(objective):
    return {
        f"{name}/{key}": value.clone()
        for name, player in objective.players.items()
        for key, value in player.module.state_dict().items()
    }


# --- activations computed again, or put elsewhere ---


class Deep(ToyObjective):
    """The toy, with blocks of several layers: batch norm, spectral norm and dropout inside."""

    def __init__(self, config):
        super().__init__(config)
        g, d = self.generator, self.discriminator
        self.generator = nn.Sequential(nn.Sequential(*g[:3]), g[3])
        self.discriminator = nn.Sequential(nn.Sequential(*d[:2]), d[2])
        self.players = {
            "D": replace(self.players["D"], module=self.discriminator),
            "G": replace(self.players["G"], module=self.generator),
        }


@pytest.mark.parametrize("spared", [{"checkpointing": True}, {"offload": True}], ids=str)
@pytest.mark.parametrize(
    "game",
    [
        lambda **spared: Deep(ToyConfig(**spared)),
        lambda **spared: DCGANObjective(
            replace(SHORT, norm_d="none", r1=1.0, r1_every=2, **spared)
        ),
        lambda **spared: DCGANObjective(replace(SHORT, precision="bf16", **spared)),
    ],
    ids=["toy", "r1", "bf16"],
)
def test_sparing_memory_changes_no_bit(tmp_path, game, spared):
    source = Dots() if isinstance(game(), ToyObjective) else Waves()
    figures, weights = played(game(), tmp_path / "plain", source)
    figures_2, weights_2 = played(game(**spared), tmp_path / "spared", source)
    assert figures == figures_2
    assert all(torch.equal(value, weights_2[name]) for name, value in weights.items())


def test_blocks_are_what_is_worth_computing_again():
    objective = DCGANObjective(DEEP)
    assert list(blocks(objective.generator)) == list(objective.generator.hidden)
    assert list(blocks(objective.discriminator)) == list(objective.discriminator.hidden)
    assert not list(blocks(ToyObjective(ToyConfig()).generator))  # single layers


def test_networks_are_as_they_were_after_training(tmp_path):
    objective = Deep(ToyConfig(checkpointing=True, rounds=2))
    train(objective, Dots(), tmp_path, show=False)
    assert all("forward" not in vars(m) for m in objective.generator.modules())
    assert all(p.grad is None for p in objective.generator.parameters())


# --- a batch in parts ---


class Told(WithoutBatchNorm):
    """DCGAN whose noise hangs on the scene: then a part of a batch has the noise it had before."""

    def round(self, scenes, step):
        z = scenes.images.flatten(1)[:, : self.config.z_dim] * 3
        fake = self.generator(z)
        real_logits, fake_logits = self.judge(scenes.images), self.judge(fake.detach())
        loss = self.d_loss(real_logits, fake_logits) + self.penalty(scenes.images, fake, 0)
        step("D", loss, real=real_logits.mean())
        step("G", self.g_loss(self.judge(fake)))


@pytest.mark.parametrize("parts", [2, 6])
def test_a_batch_in_parts_has_the_gradients_of_the_whole(tmp_path, parts):
    config = replace(SHORT, norm_d="none", r1=1.0, r1_every=1)
    figures, weights = played(Told(config), tmp_path / "whole")
    figures_2, weights_2 = played(Told(replace(config, accumulate=parts)), tmp_path / "parts")
    for name, column in figures.items():
        assert column == pytest.approx(figures_2[name], rel=2e-4, abs=1e-5), name
    for name, value in weights.items():
        torch.testing.assert_close(value, weights_2[name], rtol=1e-3, atol=2e-5)


def test_parts_are_smaller_and_have_noise_of_their_own(tmp_path):
    seen = []

    class Watching(WithoutBatchNorm):
        def round(self, scenes, step):
            seen.append((len(scenes), torch.randn(1).item()))
            super().round(scenes, step)

    train(Watching(replace(SHORT, rounds=1, accumulate=3)), Waves(), tmp_path, show=False)
    assert [size for size, _ in seen] == [4] * 6  # D's turn, then G's
    assert len({noise for _, noise in seen}) == 3  # a part is played again with the same noise


# --- half the precision ---


def test_each_optimiser_has_a_scaler_of_its_own(tmp_path):
    still = []

    class Overflowing(ToyObjective):
        def round(self, scenes, step):
            def louder(player, loss, **figures):
                large = player == "D" and not still
                step(player, loss.float() * (1e4 if large else 1e-3), **figures)

            before = self.discriminator[2].weight.clone()
            super().round(scenes, louder)
            still.append(torch.equal(before, self.discriminator[2].weight))

    config = ToyConfig(precision="fp16", rounds=3)
    history = train(Overflowing(config), Dots(), tmp_path, show=False)
    assert still == [True, False, False]  # D stepped over its first gradient, which was infinite
    assert history["D.gradient"][0] == 0 and history["G.gradient"][0] > 0
    scalers = TrainingState(ToyObjective(config), torch.device("cpu"))
    with RunFolder(tmp_path) as run:
        scalers.begin(run, Dots(), True)
    assert {name: s.get_scale() for name, s in scalers.scalers.items()} == {"D": 2**15, "G": 2**16}


def test_gradients_that_no_scale_makes_finite_end_the_run(tmp_path):
    class Hopeless(ToyObjective):
        def round(self, scenes, step):
            bias = self.discriminator[2].bias.detach_().zero_().requires_grad_()
            step("D", (bias * 1e30).sum() * 1e30)
            step("G", self.generator[0].bias.sum())

    with pytest.raises(
        CourseError, match="gradient of D is inf, though its loss is 0, in round 18"
    ):
        train(Hopeless(ToyConfig(precision="fp16", rounds=60)), Dots(), tmp_path, show=False)


# --- how much it is ---


def test_an_estimate_tells_what_a_batch_takes_and_changes_nothing():
    objective = DCGANObjective(DEEP)
    before = tensors(objective)
    need = estimate_memory(objective, Noise())
    assert all(torch.equal(value, before[name]) for name, value in tensors(objective).items())
    assert all(p.grad is None for p in objective.generator.parameters())
    assert need.at(32) == pytest.approx(rehearse(objective, Noise(), None, 32), rel=0.03)
    weights = sum(v.nbytes for v in before.values())
    assert need.standing > 4 * weights  # weights, two moments, gradients


def test_each_way_to_spare_memory_spares_some():
    objective = DCGANObjective(DEEP)
    ways = [DEEP, replace(DEEP, precision="bf16"), replace(DEEP, checkpointing=True)]
    ways.append(replace(ways[1], checkpointing=True))
    needs = [estimate_memory(objective, Noise(), way).at(64) for way in ways]
    assert needs[3] < min(needs[1:3]) and max(needs[1:3]) < needs[0]


@pytest.mark.parametrize(
    "chosen", [{}, {"checkpointing": True}, {"checkpointing": True, "accumulate": 2}], ids=str
)
def test_the_plan_takes_the_gentlest_way_that_fits(tmp_path, capsys, chosen):
    config = replace(DEEP, batch_size=32, rounds=1, save_every=5)
    way = replace(config, checkpointing=bool(chosen))
    need = estimate_memory(DCGANObjective(config), Noise(), way)
    budget = need.at(32 // chosen.get("accumulate", 1)) / 1e6 + 0.01
    config = replace(config, memory=f"{budget:.3f}MB")
    objective = DCGANObjective(config)
    train(objective, Noise(), tmp_path)
    assert objective.config == replace(config, **chosen)
    said = capsys.readouterr().out
    assert all(f"{name}={value}" in said for name, value in chosen.items())
    assert "memory: about" in said or chosen
    assert "this process took" in said


def test_a_run_with_a_plan_goes_on_with_the_same_plan(tmp_path):
    config = replace(DEEP, batch_size=16, rounds=3, save_every=5, lr_decay=0.0)
    need = estimate_memory(DCGANObjective(config), Noise(), replace(config, checkpointing=True))
    config = replace(config, memory=f"{need.at(8) / 1e6 + 0.01:.3f}MB")
    straight, weights = played(DCGANObjective(config), tmp_path / "straight", Noise())
    played(DCGANObjective(replace(config, rounds=2)), tmp_path / "resumed", Noise())
    resumed, weights_2 = played(DCGANObjective(config), tmp_path / "resumed", Noise())
    assert straight == resumed
    assert all(torch.equal(value, weights_2[name]) for name, value in weights.items())


def test_a_memory_that_is_too_small_says_what_is_needed(tmp_path):
    with pytest.raises(CourseError, match=r"needs .* as it is, and at the least .* kB"):
        train(DCGANObjective(replace(DEEP, memory="0.1MB")), Noise(), tmp_path)


def test_the_measured_peak_is_that_of_the_process():
    before = peak_memory(torch.device("cpu"))  # it never falls, so ask for more than that
    block = torch.ones(before // 4 + 10_000_000)  # 4 bytes each
    assert peak_memory(torch.device("cpu")) > max(before, block.nbytes)


# --- a batch that fits ---


@dataclass
class Full:
    """An objective of which a round with more than ``most`` pictures does not fit."""

    most: int

    def __call__(self, config):
        most = self.most

        class Limited(DCGANObjective):
            def round(self, scenes, step):
                if len(scenes) > most:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate ...")
                super().round(scenes, step)

        return Limited(config)


@pytest.mark.parametrize(("most", "count", "fitting"), [(9, 64, 8), (64, 64, 64), (64, 40, 32)])
def test_a_batch_that_fits_is_found_by_trying(most, count, fitting):
    assert fit_batch_size(Full(most)(DEEP), Noise(count)) == fitting


def test_a_batch_is_found_for_a_given_memory():
    objective = DCGANObjective(DEEP)
    need = estimate_memory(objective, Noise())
    assert fit_batch_size(objective, Noise(), f"{need.at(20) / 1e6:.3f}MB") == 16
    with pytest.raises(CourseError, match="2 pictures do not fit into 500.0 kB"):  # batch norm
        fit_batch_size(objective, Noise(), "0.5MB")
