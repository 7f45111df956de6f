"""A game that takes a millisecond a round and has all that a state can forget.

Batch norm in G, spectral norm and dropout in D, noise from each stream of random numbers, averages.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from course_lib.objective import Objective, Player, TrainConfig
from course_lib.scene import SceneBatch
from course_lib.storage.folder import RunFolder
from course_lib.training.state import TrainingState

CPU = torch.device("cpu")


@dataclass(frozen=True)
class ToyConfig(TrainConfig):
    data: str = "dots"
    size: int = 4
    rounds: int = 12
    batch_size: int = 4
    ema: float = 0.9
    device: str = "cpu"
    lr_decay: float = 0.5
    save_every: int = 4
    sample_every: int = 1000
    milestone_every: int = 0
    lr: float = 1e-2
    width: int = 6


class ToyObjective(Objective):
    kind = "toy"
    config: ToyConfig

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        width, pixels = config.width, config.size**2
        self.generator = nn.Sequential(
            nn.Linear(3, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, pixels)
        )
        self.discriminator = nn.Sequential(
            nn.utils.parametrizations.spectral_norm(nn.Linear(pixels, width)),
            nn.Dropout(0.3),
            nn.Linear(width, 1),
        )
        self.players = {
            "D": Player(self.discriminator, config.lr),
            "G": Player(self.generator, config.lr, averaged=True),
        }

    def tables(self):
        return {"classes": ["dot", "dash"]}

    def round(self, scenes, step):
        real = scenes.images.flatten(1)  # [B, P]
        noise = torch.randn(len(real), 3) + random.random() + np.random.rand()
        fake = self.generator(noise)
        d = self.discriminator
        step("D", (d(fake.detach()) - d(real)).mean() + d(real).square().mean())
        step("G", -d(fake).mean(), spread=fake.std())

    def preview(self, players):
        return players["G"](torch.ones(2, 3)).view(2, 1, self.config.size, -1).clamp(-1, 1)


class Dots:
    """22 pictures, each with a brightness of its own: five batches of four, and two left over."""

    name = "dots"
    fingerprint = "22 dots"

    def __init__(self, count=22, size=4):
        self.pictures = torch.linspace(-1, 1, count)[:, None, None, None].expand(-1, 1, size, size)

    def __len__(self):
        return len(self.pictures)

    def batch(self, indices):
        return SceneBatch(self.pictures[indices].clone())


def state_at(rounds=0, config=None):
    """A state in which so many rounds are played by hand, with figures but without optimiser."""
    state = TrainingState(ToyObjective(config or ToyConfig()), CPU)
    while state.round < rounds:
        state.finish_round({"D": 0.5, "G": float(state.round)})
    return state


def save_at(folder, *rounds):
    """A run's folder that was saved after these rounds."""
    state = state_at()
    with RunFolder(folder) as run:
        for number in rounds:
            while state.round < number:
                state.finish_round({"D": 0.5, "G": float(state.round)})
            state.save(run)
    return folder
