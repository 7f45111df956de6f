"""What cannot work is refused before the first round, in words that say what to do instead."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import course_lib
from course_lib.dcgan.objective import DCGANConfig
from course_lib.errors import CourseError
from course_lib.painter import grid, noise
from course_lib.registry import configure
from course_lib.training import History, train
from tests.training.toy import Dots, ToyConfig, ToyObjective


def play(folder, source=None, **changed):
    return train(ToyObjective(ToyConfig(**changed)), source or Dots(), folder, show=False)


# A row: the number in the catalogue of bad inputs, what is wrong, and what the message must hold.
REFUSED = {
    "B52 a learning rate of 10": (lambda at: DCGANConfig(lr_g=10), "lr_g is 10"),
    "B52 a negative learning rate": (lambda at: DCGANConfig(lr_d=-1e-4), "lr_d is -0.0001"),
    "B52 a learning rate that is NaN": (lambda at: DCGANConfig(lr_d=float("nan")), "lr_d is nan"),
    "B52 betas above 1": (lambda at: DCGANConfig(betas=(0.5, 1.1)), r"betas are \(0.5, 1.1\)"),
    "B52 no rounds": (lambda at: DCGANConfig(rounds=0), "rounds is 0"),
    "B52 a negative length of noise": (lambda at: DCGANConfig(z_dim=-5), "z_dim is -5"),
    "B52 all at once": (lambda at: DCGANConfig(rounds=0, z_dim=-5, lr_g=10, seed=-1), "4 problems"),
    "B52 words for a number": (lambda at: DCGANConfig(ema="often"), "a value has the wrong type"),
    "B52 parts that are not equal": (
        lambda at: ToyConfig(batch_size=8, accumulate=3),
        "batch_size 8 cannot be played in 3 equal parts",
    ),
    "B52 no parts": (lambda at: ToyConfig(accumulate=0), "accumulate is 0"),
    "B52 time that runs backwards": (lambda at: ToyConfig(save_minutes=-1), "save_minutes is -1"),
    "B52 memory that is no size": (lambda at: ToyConfig(memory="a lot"), "for instance 4GB"),
    "B52 another precision": (lambda at: ToyConfig(precision="fp8"), "fp32, bf16 or fp16"),
    "B54 a device that is not there": (lambda at: play(at, device="cuda:77"), "device=auto"),
    "B55 one picture and batch norm": (
        lambda at: play(at, batch_size=1),
        "batch norm needs 2 pictures at a time or more, and gets 1",
    ),
    "B55 parts of one picture": (
        lambda at: play(at, batch_size=4, accumulate=4),
        "batch_size=8, or another norm",
    ),
    "B56 more pictures than there are": (lambda at: play(at, Dots(3)), "3 scenes are fewer"),
    "B75 nothing to plot": (lambda at: History().plot(), "no round was played"),
    "B75 a figure that was never noted": (
        lambda at: play(at, rounds=1).plot("sharpness"),
        "no figure 'sharpness' to plot.*known: D",
    ),
    "B75 no pictures to show": (lambda at: grid(torch.zeros(0, 3, 8, 8)), r"\[0, 3, 8, 8\]"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused(tmp_path, row):
    attempt, words = REFUSED[row]
    with pytest.raises(CourseError, match=words):
        attempt(tmp_path / "run")


# --- B58: one rule for seeds, wherever one is given ---

PAINTER = "dcgan"
PLACES = {
    "configuration": lambda seed: DCGANConfig(seed=seed),
    "command line": lambda seed: configure("dcgan", "smoke", {"seed": seed}),
    "painter": lambda seed: course_lib.load(PAINTER).generate(seed=seed),
    "noise": lambda seed: noise(seed, 3),
}


@pytest.mark.parametrize("seed", [-1, 1.5, "seven", None, 2**32, True, float("nan")], ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_b58_what_is_no_seed(place, seed):
    with pytest.raises(CourseError, match="seed"):
        PLACES[place](seed)


@pytest.mark.parametrize("seed", [0, 2**32 - 1, np.int64(7)], ids=repr)
@pytest.mark.parametrize("place", [place for place in PLACES if place != "command line"])
def test_b58_what_is_a_seed(place, seed):
    PLACES[place](seed)


def test_a_prolonged_run_whose_rates_had_begun_to_fall_says_so(tmp_path, capsys):
    config = ToyConfig(rounds=10, lr_decay=0.5, save_every=4)
    train(ToyObjective(replace(config, rounds=10)), Dots(), tmp_path / "a", show=False)
    train(ToyObjective(replace(config, rounds=20)), Dots(), tmp_path / "a", show=False)
    said = capsys.readouterr().out
    assert "20 rounds instead of 10" in said and "begun to fall at round 5" in said


def test_a_run_that_is_prolonged_in_time_is_the_longer_run(tmp_path, capsys):
    """Before the rates fall there is nothing to tell: it is the run that was planned longer."""

    class Failing(Dots):
        seen = 0

        def batch(self, indices):
            self.seen += 1
            if self.seen == 5:
                raise KeyError("the power failed")
            return super().batch(indices)

    config = ToyConfig(rounds=10, lr_decay=0.5, save_every=4)
    with pytest.raises(CourseError):
        train(ToyObjective(config), Failing(), tmp_path / "short", show=False)
    long = replace(config, rounds=20)
    resumed = train(ToyObjective(long), Dots(), tmp_path / "short", show=False)
    assert "instead of" not in capsys.readouterr().out
    straight = train(ToyObjective(long), Dots(), tmp_path / "long", show=False)
    assert resumed.figures == straight.figures
