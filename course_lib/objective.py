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

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, Self, get_args, get_type_hints

import torch
import torch.distributed as dist
from torch import Tensor, nn

from course_lib.errors import CourseError, Problems, check_seed
from course_lib.scene import SceneBatch, Source

__all__ = [
    "Objective",
    "Player",
    "Step",
    "TrainConfig",
    "check_adam",
    "check_each",
    "draw",
    "memory_bytes",
    "share",
]


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
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # of the forward passes
    memory: str = ""  # what training may take, "4GB": the next three are then chosen to fit
    accumulate: int = 1  # parts that a batch is played in, one after the other, to save memory
    checkpointing: bool = False  # compute activations again rather than keep them: same numbers
    offload: bool = False  # activations wait in main memory: slow, for a GPU that is too small
    workers: int | Literal["auto"] = "auto"  # processes that read scenes ahead; 0 for none
    save_every: int = 500  # rounds between two checkpoints
    save_minutes: float = 2.0  # minutes after which one is written in any case; 0 for never
    sample_every: int = 250  # rounds between two sample grids
    track: Literal["file", "tensorboard", "mlflow"] = "file"  # where curves go besides the file
    milestone_every: int = 10_000  # rounds between two painters that are kept for good; 0 for none
    keep: Literal["painter", "full"] = "painter"  # of a milestone; a training resumes from full

    # What a run may be resumed with otherwise: how long and how it is computed, not what is played;
    # and learning rates, since smaller ones are the way out of a loss that is not finite.
    MAY_CHANGE = frozenset(
        {"rounds", "device", "memory", "accumulate", "checkpointing", "offload", "workers", "keep"}
        | {"save_every", "save_minutes", "sample_every", "milestone_every", "track"}
        | {"lr", "lr_d", "lr_g"}
    )

    @property
    def variant(self) -> str:
        """What tells two runs of one painter and profile apart: its stage, if it has several."""
        return ""

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
            try:
                self.check(problems)
            except TypeError as error:  # it was made without a command line's or YAML's checks
                problems.add(f"a value has the wrong type: {error}")

    def check(self, problems: Problems) -> None:
        """Notes every value that cannot work. A wing extends it with its own."""
        try:
            check_seed(self.seed)
        except CourseError as error:
            problems.add(error.what)
        for name in ("rounds", "batch_size", "accumulate", "save_every", "sample_every"):
            value = getattr(self, name)
            problems.check(
                isinstance(value, int) and value >= 1,
                f"{name} is {value!r}, it must be a whole number of at least 1",
            )
        problems.check(
            self.workers == "auto" or (isinstance(self.workers, int) and self.workers >= 0),
            f"workers is {self.workers!r}: auto, or a whole number from 0",
        )
        problems.check(
            self.track in ("file", "tensorboard", "mlflow"),
            f"track is {self.track!r}: file, tensorboard or mlflow",
        )
        problems.check(0 <= self.lr_decay <= 1, f"lr_decay is {self.lr_decay}, a share from 0 to 1")
        problems.check(0 <= self.ema < 1, f"ema is {self.ema}, it must be in [0, 1)")
        problems.check(
            self.precision in ("fp32", "bf16", "fp16"),
            f"precision is {self.precision!r}: fp32, bf16 or fp16",
        )
        problems.check(
            isinstance(self.milestone_every, int) and self.milestone_every >= 0,
            f"milestone_every is {self.milestone_every!r}, a whole number, 0 for none",
        )
        problems.check(self.keep in ("painter", "full"), f"keep is {self.keep!r}: painter or full")
        problems.check(self.save_minutes >= 0, f"save_minutes is {self.save_minutes}, from 0 on")
        problems.check(
            not self.accumulate or self.batch_size % self.accumulate == 0,
            f"batch_size {self.batch_size} cannot be played in {self.accumulate} equal parts",
            f"an accumulate that divides {self.batch_size}",
        )
        problems.check(
            not self.memory or memory_bytes(self.memory) is not None,
            f"memory is {self.memory!r}, for instance 4GB or 800MB",
        )


def memory_bytes(text: str) -> int | None:
    """``"4GB"`` in bytes; None if it is no size.

    By thousands: a card of "4 GB" has 4.29e9 bytes, of which the driver takes some.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MG])B", text, re.IGNORECASE)
    if match is None:
        return None
    return int(float(match[1]) * 1000 ** {"M": 2, "G": 3}[match[2].upper()])


def check_each(problems: Problems, config: TrainConfig, *names: str) -> None:
    """Fields that are one of a few words, or else whole numbers of at least 1."""
    hints = get_type_hints(type(config))
    for name in names:
        value, known = getattr(config, name), get_args(hints[name])
        fine = value in known if known else isinstance(value, int) and value >= 1
        wanted = ", ".join(known) or "a whole number of at least 1"
        problems.check(fine, f"{name} is {value!r}, it must be {wanted}")


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

        A player steps once in a round at most. ``figures`` are further scalars worth plotting, for
        instance the terms of the loss. One of them has a meaning: ``accuracy``, how often a real
        picture scores higher than a fake one, is watched, and a D that always wins is spoken of.
        """


class Objective(ABC):
    """What is learnt: the players, and one round of their game."""

    kind: ClassVar[str]  # the painter's name in checkpoints and commands, "dcgan"
    config: TrainConfig
    players: Mapping[str, Player]
    frozen: Mapping[str, nn.Module] = {}  # learn nothing here, but the painter cannot do without

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        torch.manual_seed(config.seed)  # the players' first weights are drawn next

    def prepare(self, source: Source) -> None:  # noqa: B027
        """Looks at the scenes before the first round; for objectives that must know them."""

    def tables(self) -> Mapping[str, Any]:
        """What a painter must know besides its weights, as JSON: class table, vocabulary."""
        return {}

    @abstractmethod
    def round(self, scenes: SceneBatch, step: Step) -> None:
        """One round: every player's loss on this batch, each handed to ``step``."""

    @abstractmethod
    def preview(self, players: Mapping[str, nn.Module]) -> Tensor:
        """Pictures at fixed seeds that show how far training is: ``[N, C, H, W]`` in [-1, 1].

        Args:
            players: the modules to sample with, averaged ones where there is an average.
        """


def share() -> tuple[int, int]:
    """Which process this is, and how many share the training: ``(0, 1)`` where there is one."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def draw(
    sample: Callable[..., Tensor], count: int, *shape: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Random numbers for each of ``count`` scenes: ``[count, *shape]``.

    Where several processes share a batch, each draws for the whole of it and keeps its part: so
    they play the game that one process would, and their generators stay in step.

    Args:
        sample: ``torch.randn``, ``torch.rand``, or ``partial(torch.randint, low, high)``.
    """
    rank, processes = share()
    whole = sample((processes * count, *shape), device=device)
    return whole[rank * count : (rank + 1) * count]
