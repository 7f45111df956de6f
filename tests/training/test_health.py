"""A game that goes wrong is spoken of in words, once; a healthy one is not."""

import json
import math

import pytest
import torch

from course_lib.training import train
from course_lib.training.health import Health, diversity
from course_lib.training.history import History
from tests.training.toy import Dots, ToyConfig, ToyObjective


class Sick(ToyObjective):
    """From a round on D knows all, or gradients vanish or explode, or all samples are alike."""

    onset = 250

    def __init__(self, config, sign=""):
        super().__init__(config)
        self.sign, self.played = sign, 0

    def round(self, scenes, step):
        self.played = step.round
        sick = self.sign if step.round >= self.onset else ""
        factor = {"vanish": 1e-9, "explode": 1e4}.get(sick, 1.0)
        sure = 1.0 if sick == "wins" else 0.9 + 0.1 * (step.round % 2)
        fake = self.generator(torch.randn(len(scenes), 3))
        step("D", self.discriminator(fake.detach()).mean(), accuracy=torch.tensor(sure))
        step("G", self.discriminator(fake).square().mean().sqrt() * factor)

    def preview(self, players):
        same = self.sign == "collapse" and self.played >= self.onset
        pictures = torch.rand(16, 1, 4, 4, generator=torch.Generator().manual_seed(self.played))
        return pictures[:1].repeat(16, 1, 1, 1) if same else pictures


@pytest.mark.parametrize(
    ("sign", "words"),
    [
        ("wins", "D has told real from fake without an error for 200 rounds"),
        ("vanish", "the gradients of G have nearly vanished"),
        ("explode", "the gradients of G are a hundred times longer than usual"),
        ("collapse", "the samples have become nearly the same picture"),
        ("", ""),
    ],
)
def test_what_goes_wrong_is_said_once_with_a_remedy(tmp_path, capsys, sign, words):
    config = ToyConfig(rounds=550, save_every=1000, sample_every=50, lr=1e-4, lr_decay=0.0)
    train(Sick(config, sign), Dots(), tmp_path, show=False)
    said = capsys.readouterr().out
    lines = (tmp_path / "figures.jsonl").read_text().splitlines()
    noted = [line for line in map(json.loads, lines) if "health" in line]
    assert len(noted) == bool(sign)
    for line in noted:
        assert words in line["health"] and "What helps:" in line["health"]
        assert Sick.onset < line["round"] <= Sick.onset + 210
        assert said.count(line["health"]) == 1


def with_accuracy(*values):
    history = History()
    for round, value in enumerate(values, 1):
        history.add(round, {"D.accuracy": value})
    return history


def test_what_ended_and_comes_again_is_said_again():
    history, said = History(), []
    health = Health(history)
    for round in range(1, 1201):
        history.add(round, {"D.accuracy": 0.8 if 500 <= round < 600 else 1.0})
        said += [round for _ in health.news()]
    assert said == [200, 800]


def test_a_run_that_goes_on_remembers_its_figures():
    assert Health(with_accuracy(*[1.0] * 400)).news()
    assert not Health(with_accuracy(*[1.0] * 150)).news()  # too short to say


def test_steps_that_fp16_left_out_are_no_sign():
    history = History()
    for round in range(1, 401):
        history.add(round, {"G.gradient": 0.0 if round % 3 == 0 else 0.5})
    assert not Health(history).news()


def test_diversity_sees_twins():
    pictures = torch.rand(8, 3, 5, 5)
    assert diversity(torch.cat([pictures, pictures])) == pytest.approx(0, abs=1e-3)
    assert diversity(pictures) > 1
    one_apart = torch.zeros(2, 1, 1, 4)
    one_apart[1] = 1
    assert diversity(one_apart) == pytest.approx(math.sqrt(4))


@pytest.mark.slow
def test_the_shipped_recipe_is_healthy(tmp_path):
    from course_lib.registry import configure, wing

    config = configure("dcgan", "cpu", {"rounds": 1500, "sample_every": 100, "device": "cpu"})
    dcgan = wing("dcgan")
    train(dcgan.objective(config), dcgan.source(config), tmp_path, show=False)
    assert '"health"' not in (tmp_path / "figures.jsonl").read_text()
