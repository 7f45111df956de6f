"""The contract between a wing and the training loop.

A wing says *what* is learnt: who plays, and how one round of the game goes. The loop
(:mod:`course_lib.training`) says *how* it is run: device, precision, optimiser steps, averages,
checkpoints. They meet in two words::

    class TwoPlayerGame(Objective):
        def round(self, scenes, step):
            z = self.noise(len(scenes))
            fake = self.generator(z)
            step("D", d_loss(self.discriminator(scenes.images), self.discriminator(fake.detach())))
            step("G", g_loss(self.discriminator(fake)))

``round`` reads as the paper's algorithm; ``step`` is the loop's. ``step("D", loss)`` computes the
gradients of D's parameters only, so D costs G's step no weight gradients and cannot leak any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from course_lib.errors import Problems, check_seed
from course_lib.scene import SceneBatch

__all__ = ["Objective", "Player", "Step", "TrainConfig", "check_adam"]


@dataclass(frozen=True)
class TrainConfig:
    """What every objective has to be told. A wing's configuration adds the paper's own numbers."""

    data: str = "digits"  # the source of scenes, by name
    size: int = 64  # side of a picture in pixels
    rounds: int = 100_000  # one update of each player
    batch_size: int = 128  # scenes a round
    seed: int = 0  # of weights, noise and data order
    lr_decay: float = 0.0  # share of the rounds, at the end, over which learning rates fall to 0
    ema: float = 0.999  # decay a round of the averaged copy from which one samples; 0 for none
    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    precision: Literal["fp32", "bf16"] = "fp32"  # of the forward passes
    save_every: int = 500  # rounds between two checkpoints
    sample_every: int = 250  # rounds between two sample grids

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The configuration that a checkpoint carries; JSON has lists where fields are tuples."""
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        with Problems("the checkpoint's configuration") as problems:
            for name in sorted(plain.keys() - {field.name for field in fields(cls)}):
                problems.add(f"there is no {name!r} in this course", "update the course")
        return cls(**plain)

    def __post_init__(self) -> None:
        with Problems(type(self).__name__) as problems:
            self.check(problems)

    def check(self, problems: Problems) -> None:
        """Notes every value that cannot work. A wing extends it with its own."""
        check_seed(self.seed, where=f"{type(self).__name__}.seed")
        for name in ("rounds", "batch_size", "save_every", "sample_every"):
            value = getattr(self, name)
            problems.check(
                isinstance(value, int) and value >= 1,
                f"{name} is {value!r}, it must be a whole number of at least 1",
            )
        problems.check(0 <= self.lr_decay <= 1, f"lr_decay is {self.lr_decay}, a share from 0 to 1")
        problems.check(0 <= self.ema < 1, f"ema is {self.ema}, it must be in [0, 1)")
        problems.check(
            self.precision in ("fp32", "bf16"), f"precision is {self.precision!r}: fp32 or bf16"
        )


def check_adam(problems: Problems, name: str, lr: float, betas: tuple[float, float]) -> None:
    """The values with which Adam can work: ``lr > 0`` (and below 1), ``betas`` in ``[0, 1)``."""
    problems.check(0 < lr < 1, f"{name} is {lr}, a learning rate must lie between 0 and 1")
    problems.check(
        len(betas) == 2 and all(0 <= beta < 1 for beta in betas),
        f"betas are {tuple(betas)}, both must be in [0, 1)",
    )


@dataclass(frozen=True)
class Player:
    """One side of the game: the module that one Adam optimiser moves."""

    module: nn.Module
    lr: float
    betas: tuple[float, float] = (0.5, 0.999)
    averaged: bool = False  # keep an exponential moving average, from which one samples


class Step(Protocol):
    """What the loop lends to a round: one optimiser step of one player."""

    @property
    def round(self) -> int:
        """How many rounds were played before this one."""

    def __call__(self, player: str, loss: Tensor, **figures: Tensor) -> None:
        """Moves ``player`` down the gradient of ``loss`` (a scalar).

        ``figures`` are further scalars worth plotting, for instance the terms of the loss.
        """


class Objective(ABC):
    """What is learnt: the players, and one round of their game."""

    kind: ClassVar[str]  # the painter's name in checkpoints and commands, "dcgan"
    config: TrainConfig
    players: Mapping[str, Player]

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        torch.manual_seed(config.seed)  # the players' first weights are drawn next

    @abstractmethod
    def round(self, scenes: SceneBatch, step: Step) -> None:
        """One round: every player's loss on this batch, each handed to ``step``."""

    @abstractmethod
    def preview(self, players: Mapping[str, nn.Module]) -> Tensor:
        """Pictures at fixed seeds that show how far training is: ``[N, C, H, W]`` in [-1, 1].

        Args:
            players: the modules to sample with, averaged ones where there is an average.
        """
