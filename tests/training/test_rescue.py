"""A round that fails: nothing of it is saved, all is as it was, and the message helps."""

import gc
import json
import tracemalloc
import weakref
from dataclasses import replace

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.memory import peak_memory
from course_lib.storage.checkpoint import part, read_checkpoint
from course_lib.training import train
from tests.training.toy import Dots, ToyConfig, ToyObjective

CONFIG = ToyConfig(rounds=9, save_every=4, lr_decay=0.0)


class Failing(ToyObjective):
    """In round 6, counted from 1, something happens to a player's loss, until it is mended."""

    def __init__(self, config, player="D", harm=None):
        super().__init__(config)
        self.player, self.harm = player, harm

    def round(self, scenes, step):
        def harmed(player, loss, **figures):
            hit = self.harm and step.round == 5 and player == self.player
            step(player, self.harm(loss) if hit else loss, **figures)

        super().round(scenes, harmed)


class Poisoned(Dots):
    """Its pictures of round 6 hold a NaN: batch norm has seen it before any loss is known."""

    seen = 0

    def batch(self, indices):
        self.seen += 1
        pictures = super().batch(indices)
        if self.seen == 6:
            pictures.images[0] = torch.nan
        return pictures


class Hearing(ToyObjective):
    """G hears the picture, so that NaN in it reaches batch norm, and D's spectral norm."""

    def round(self, scenes, step):
        heard = scenes.images.flatten(1)[:, :3]
        fake = self.generator(torch.randn(len(heard), 3) + heard)
        step("D", self.discriminator(fake.detach()).mean())
        step("G", -self.discriminator(fake).mean())


class InfiniteGradient(torch.autograd.Function):
    """A loss that is well, with a gradient that is not: the square root's at 0, for instance."""

    @staticmethod
    def forward(ctx, loss):
        return loss.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.inf


FAILURES = {
    "loss of D is nan": lambda: (Failing(CONFIG, "D", lambda loss: loss * torch.nan), Dots()),
    "loss of G is -inf": lambda: (Failing(CONFIG, "G", lambda loss: loss - torch.inf), Dots()),
    "gradient of G is nan, though its loss is": lambda: (
        Failing(CONFIG, "G", InfiniteGradient.apply),
        Dots(),
    ),
    "loss of D is nan in round 6": lambda: (Hearing(CONFIG), Poisoned()),
}


@pytest.mark.parametrize("what", FAILURES)
def test_numbers_that_are_not_finite_take_everything_back(tmp_path, what):
    objective, source = FAILURES[what]()
    with pytest.raises(CourseError, match=what) as caught:
        train(objective, source, tmp_path, show=False)
    message, report = str(caught.value), json.loads((tmp_path / "bad_batch.json").read_text())
    assert "in round 6" in message and "D 0.01, G 0.01" in message
    assert report["round"] == 6 and report["learning_rates"] == {"D": 0.01, "G": 0.01}
    assert len(report["scenes"]) == 4 and str(report["scenes"])[1:-1] in message
    assert_as_saved(objective, tmp_path, 4)


def assert_as_saved(objective, folder, rounds):
    """What is in memory is what is on disk, to the bit, buffers too; and all of it is finite."""
    saved = read_checkpoint(folder / "last.safetensors")
    assert saved.header["round"] == rounds
    for name, player in objective.players.items():
        held = part(saved.tensors, f"player/{name}")
        assert any("running_var" in key or "_u" in key for key in held)
        for key, value in player.module.state_dict().items():
            assert torch.equal(value, held[key]) and value.isfinite().all(), key


def test_a_run_that_failed_and_goes_on_is_the_run_that_did_not(tmp_path):
    objective = Failing(CONFIG, "G", lambda loss: loss * torch.nan)
    with pytest.raises(CourseError):
        train(objective, Dots(), tmp_path / "failed", show=False)
    objective.harm = None  # the same objects, in the notebook's next cell
    train(objective, Dots(), tmp_path / "failed", show=False)
    train(Failing(CONFIG), Dots(), tmp_path / "straight", show=False)
    one, other = (
        read_checkpoint(tmp_path / n / "last.safetensors") for n in ("failed", "straight")
    )
    assert all(torch.equal(value, other.tensors[name]) for name, value in one.tensors.items())


def test_a_first_round_that_fails_goes_back_to_the_beginning(tmp_path):
    objective = Failing(replace(CONFIG, save_every=100), "G", lambda loss: loss * torch.nan)
    with pytest.raises(CourseError, match="those of round 0 again"):
        train(objective, Dots(), tmp_path, show=False)
    fresh = Failing(CONFIG)
    for mine, first in zip(
        objective.generator.parameters(), fresh.generator.parameters(), strict=True
    ):
        assert torch.equal(mine, first)


def test_learning_rates_may_be_lowered_on_the_way_out(tmp_path):
    with pytest.raises(CourseError, match="go on with smaller learning rates"):
        train(*FAILURES["loss of D is nan"](), tmp_path, show=False)
    calmer = Failing(replace(CONFIG, lr=1e-3))
    assert len(train(calmer, Dots(), tmp_path, show=False)) == 9


# --- too little memory ---


class TooLarge(ToyObjective):
    """A round with more than two pictures does not fit, from round 6 on."""

    error: Exception = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    held: list = []  # noqa: RUF012  (weak references to what the failing rounds held)

    def round(self, scenes, step):
        activations = torch.ones(250_000)
        if step.round >= 5 and len(scenes) > 2:
            self.held.append(weakref.ref(activations))
            raise self.error
        super().round(scenes, step)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp] . DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.33 GB)"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "mps", "python"],
)
def test_too_little_memory_says_what_fits_and_lets_go(tmp_path, error, monkeypatch):
    monkeypatch.setattr(TooLarge, "error", error)
    monkeypatch.setattr(TooLarge, "held", [])
    monkeypatch.setattr("course_lib.memory.plan.free_memory", lambda device: 5_000_000)
    objective = TooLarge(CONFIG)
    with pytest.raises(CourseError, match="The state of round 4 is saved") as caught:
        train(objective, Dots(), tmp_path, show=False)
    assert "too little memory for 4 scenes at a time on cpu" in str(caught.value)
    assert_as_saved(objective, tmp_path, 4)
    # A notebook keeps the error and its frames; what the round held is gone all the same.
    assert caught.value.__traceback__ and [one() for one in TooLarge.held] == [None]
    # The kernel can be used, and the run goes on with parts that fit.
    history = train(TooLarge(replace(CONFIG, accumulate=2)), Dots(), tmp_path, show=False)
    assert history.rounds == list(range(1, 10))


def test_the_message_has_figures_where_a_small_round_can_be_played(tmp_path, monkeypatch):
    from course_lib.memory import estimate_memory

    class Roomy(TooLarge):
        def round(self, scenes, step):
            ToyObjective.round(self, scenes, step)
            if type(step).__name__ != "Rehearsal" and step.round == 5:
                raise self.error

    need = estimate_memory(Roomy(CONFIG), Dots())
    free = need.at(3)
    monkeypatch.setattr("course_lib.memory.plan.free_memory", lambda device: free)
    with pytest.raises(CourseError) as caught:
        train(Roomy(CONFIG), Dots(), tmp_path, show=False)
    message = str(caught.value)
    assert f"about {need.at(4) / 1e3:.1f} kB are needed, {free / 1e3:.1f} kB are free" in message
    assert "accumulate=2 plays the batch in parts of 2" in message


def test_other_errors_are_left_alone(tmp_path):
    class Wrong(ToyObjective):
        def round(self, scenes, step):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train(Wrong(CONFIG), Dots(), tmp_path, show=False)


# --- memory stays flat ---


def run_cell(folder):
    """What a training cell does, one that fails included."""
    with pytest.raises(CourseError):
        train(TooLarge(CONFIG), Dots(), folder, show=False, resume=False)
    objective = ToyObjective(CONFIG)
    history = train(objective, Dots(), folder, show=False, resume=False)
    assert all(type(value) is float for column in history.figures.values() for value in column)


def tensors_alive():
    gc.collect()
    return sum(isinstance(one, torch.Tensor) for one in gc.get_objects())


def test_a_cell_that_is_run_again_leaves_nothing_behind(tmp_path):
    run_cell(tmp_path)
    before = tensors_alive()
    run_cell(tmp_path)
    run_cell(tmp_path)
    assert tensors_alive() <= before


@pytest.mark.slow
def test_memory_is_flat_over_20_runs_of_a_cell(tmp_path):
    for _ in range(4):
        run_cell(tmp_path)
    tracemalloc.start()
    gc.collect()
    python, process = tracemalloc.get_traced_memory()[0], peak_memory(torch.device("cpu"))
    for _ in range(20):
        run_cell(tmp_path)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - python
    tracemalloc.stop()
    assert grown < 300_000, f"{grown} bytes of Python objects"
    assert peak_memory(torch.device("cpu")) - process < 20_000_000
