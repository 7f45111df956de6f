"""The loop: it learns, resumes to the bit, refuses what cannot work, and stops when asked."""

import os
import signal
from dataclasses import replace

import pytest
import torch

import course_lib
from course_lib.data.digits import Digits
from course_lib.dcgan.objective import DCGANConfig, DCGANObjective
from course_lib.errors import CourseError
from course_lib.scene import SceneBatch
from course_lib.storage.checkpoint import read_checkpoint
from course_lib.training import train
from course_lib.training.order import batch_indices, epoch_length
from course_lib.training.state import TrainingState
from course_lib.training.step import OptimiserStep

CONFIG = DCGANConfig(
    data="digits",
    size=8,
    z_dim=6,
    width_g=4,
    width_d=4,
    batch_size=12,
    rounds=9,
    save_every=4,
    sample_every=5,
    norm_d="spectral",
    ema=0.9,
    lr_decay=0.5,
    device="cpu",
)


class FewDigits:
    """A source of 40 digits: three batches of twelve an epoch, and four left over."""

    name = "few digits"

    def __init__(self, count=40):
        self.digits, self.count = Digits(8), count

    def __len__(self):
        return self.count

    def batch(self, indices):
        return self.digits.batch(indices)


def play(folder, config=CONFIG, source=None, **options):
    return train(DCGANObjective(config), source or FewDigits(), folder, **options)


def everything(folder):
    return read_checkpoint(folder / "last.safetensors").tensors


def assert_same_run(one, other):
    tensors, tensors_2 = everything(one), everything(other)
    assert tensors.keys() == tensors_2.keys()
    for name, value in tensors.items():
        assert torch.equal(value, tensors_2[name]), name


def stopped_after(rounds, folder, config=CONFIG):
    """A run that is interrupted in its round number ``rounds``."""

    class Stopping(FewDigits):
        seen = 0

        def batch(self, indices):
            self.seen += 1
            if self.seen == rounds:
                os.kill(os.getpid(), signal.SIGINT)
            return super().batch(indices)

    return play(folder, config, Stopping())


@pytest.mark.parametrize("rounds", [1, 7])
def test_a_stopped_and_resumed_run_equals_one_that_was_not(tmp_path, rounds):
    play(tmp_path / "straight")
    history = stopped_after(rounds, tmp_path / "stopped")
    assert history.rounds == list(range(1, rounds + 1))
    play(tmp_path / "stopped")
    assert_same_run(tmp_path / "straight", tmp_path / "stopped")


def test_the_signal_handler_is_restored(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    stopped_after(2, tmp_path)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_stops_at_once(tmp_path):
    class Impatient(FewDigits):
        def batch(self, indices):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            return super().batch(indices)

    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, source=Impatient())


def test_an_interrupt_late_in_a_round_is_saved_too(tmp_path):
    class Late(DCGANObjective):
        def preview(self, players):
            os.kill(os.getpid(), signal.SIGINT)
            return super().preview(players)

    history = train(Late(CONFIG), FewDigits(), tmp_path)
    assert len(history) == 5  # the first sample grid, and no checkpoint is due
    assert read_checkpoint(tmp_path / "last.safetensors").header["round"] == 5


def test_in_bf16_g_plays_against_the_d_that_has_just_moved(tmp_path):
    seen = []

    class Watching(DCGANObjective):
        def round(self, scenes, step):
            super().round(scenes, step)
            within = self.discriminator(scenes.images)
            with torch.autocast("cpu", torch.bfloat16):
                seen.append((within, self.discriminator(scenes.images)))

    config = replace(CONFIG, precision="bf16", rounds=3, norm_d="none", lr_d=0.1)
    train(Watching(config), FewDigits(), tmp_path)
    assert all(torch.equal(within, fresh) for within, fresh in seen)


def test_learning_rates_fall_straight_to_zero_over_the_last_part():
    state = TrainingState(DCGANObjective(replace(CONFIG, rounds=10)), torch.device("cpu"))
    rates = []
    for state.round in range(10):
        state.set_learning_rates()
        rates.append(state.optimisers["G"].param_groups[0]["lr"] / CONFIG.lr_g)
    assert rates == pytest.approx([1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


def test_the_average_follows_its_formula():
    state = TrainingState(DCGANObjective(CONFIG), torch.device("cpu"))
    weight = state.objective.players["G"].module.to_picture.weight
    expected = None
    for value in (0.0, 1.0, 1.0):
        torch.nn.init.constant_(weight, value)
        state.finish_round({})
        expected = value if expected is None else 0.9 * expected + 0.1 * value
    averaged = state.sampling_players()["G"].to_picture.weight
    torch.testing.assert_close(averaged, torch.full_like(averaged, expected))


def test_too_few_scenes_are_an_error_and_not_an_empty_run(tmp_path):
    with pytest.raises(CourseError, match="5 scenes are fewer than batch_size 12"):
        play(tmp_path, source=FewDigits(5))


def test_grouped_batches_are_of_one_group_and_an_epoch_has_each_scene_once_at_most():
    groups = torch.arange(50) % 3  # 17, 17 and 16 scenes
    assert epoch_length(groups, 5) == 9
    for first in (0, 9):
        batches = [batch_indices(groups, 5, 0, number) for number in range(first, first + 9)]
        assert all(len(groups[batch].unique()) == 1 for batch in batches)
        assert torch.cat(batches).unique().numel() == 45
    kinds = [groups[batch[0]].item() for batch in batches]
    assert sorted(kinds) == [0, 0, 0, 1, 1, 1, 2, 2, 2] != kinds
    assert not torch.equal(batch_indices(groups, 5, 0, 0), batch_indices(groups, 5, 0, 9))


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_round(tmp_path):
    class Poisoned(FewDigits):
        seen = 0

        def batch(self, indices):
            self.seen += 1
            images = super().batch(indices).images
            return SceneBatch(images * float("nan") if self.seen == 6 else images)

    with pytest.raises(CourseError, match="loss of D is nan in round 6"):
        play(tmp_path, source=Poisoned())
    assert read_checkpoint(tmp_path / "last.safetensors").header["round"] == 4


def test_an_unknown_device_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(CourseError, match="device"):
        play(tmp_path / "run", replace(CONFIG, device="abacus"))
    assert not (tmp_path / "run").exists()


def test_bf16_reaches_the_networks_and_weights_stay_float32(tmp_path):
    seen = set()
    objective = DCGANObjective(replace(CONFIG, precision="bf16", rounds=2))
    objective.generator.to_picture.register_forward_hook(lambda m, i, out: seen.add(out.dtype))
    train(objective, FewDigits(), tmp_path)
    assert torch.bfloat16 in seen
    assert {p.dtype for p in objective.generator.parameters()} == {torch.float32}


def test_samples_and_painter_are_written(tmp_path):
    play(tmp_path)
    assert [p.name for p in sorted((tmp_path / "samples").iterdir())] == [
        "0000005.png",
        "0000009.png",
    ]
    painter = course_lib.load(tmp_path / "painter.safetensors")
    assert painter.generate(seed=1).image.shape == (1, 8, 8)


def test_the_painter_is_the_average_and_not_the_last_weights(tmp_path):
    play(tmp_path)
    tensors = read_checkpoint(tmp_path / "last.safetensors").tensors
    painter = read_checkpoint(tmp_path / "painter.safetensors").tensors
    name = "to_picture.weight"
    assert torch.equal(painter[f"G/{name}"], tensors[f"average/G/module.{name}"])
    assert not torch.equal(painter[f"G/{name}"], tensors[f"player/G/{name}"])


def test_only_the_player_who_steps_gets_gradients():
    objective = DCGANObjective(CONFIG)
    fake = objective.generator(torch.randn(4, 6))
    step = OptimiserStep(TrainingState(objective, torch.device("cpu")))
    step("G", objective.g_loss(objective.judge(fake)))
    assert all(p.grad is None for p in objective.discriminator.parameters())
    assert all(p.grad is not None for p in objective.generator.parameters())


def test_every_epoch_sees_every_scene_once_in_another_order():
    first = torch.cat([batch_indices(40, 10, 0, r) for r in range(4)])
    second = torch.cat([batch_indices(40, 10, 0, r) for r in range(4, 8)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(40))
    assert first.tolist() != second.tolist()
    assert not torch.equal(batch_indices(40, 10, 0, 0), batch_indices(40, 10, 1, 0))
