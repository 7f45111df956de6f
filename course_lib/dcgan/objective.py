"""The game of two networks: three ways to keep score, three ways to keep D smooth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.dcgan.augment import AUGMENTATIONS, Augmentation, diff_augment
from course_lib.dcgan.networks import Discriminator, Generator, NormD
from course_lib.errors import Problems
from course_lib.nn.penalties import r1_penalty, squared_gradient
from course_lib.objective import Objective, Player, Step, TrainConfig, check_adam, check_each, draw
from course_lib.painter import noise
from course_lib.scene import SceneBatch

__all__ = ["DCGANConfig", "DCGANObjective", "LOSSES", "gradient_penalty", "r1_penalty"]

Loss = Literal["non_saturating", "hinge", "wasserstein"]


@dataclass(frozen=True)
class DCGANConfig(TrainConfig):
    """The defaults are the paper's (section 4), on grey digits instead of photographs."""

    data: Literal["digits", "mnist"] = "mnist"  # scikit-learn's bundled digits, or MNIST
    z_dim: int = 100  # length of the noise
    width_g: int = 128  # channels of G's last hidden map
    width_d: int = 128  # channels of D's first hidden map
    loss: Loss = "non_saturating"  # how the game is scored
    norm_d: NormD = "batch"  # batch (published), spectral, none
    r1: float = 0.0  # weight gamma of the R1 penalty; 0 for none
    r1_every: int = 8  # rounds between two R1 penalties, each r1_every times as heavy
    gradient_penalty: float = 0.0  # weight lambda of the Wasserstein gradient penalty
    augment: tuple[Augmentation, ...] = ()  # DiffAugment: brightness, translation, cutout
    ema: float = 0.0  # the paper samples from the last weights
    lr_g: float = 2e-4  # Adam's step sizes
    lr_d: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's memory

    @property
    def channels(self) -> int:
        """Of a picture: both sources of handwriting are grey."""
        return 1

    def check(self, problems: Problems) -> None:
        super().check(problems)
        power = self.size >= 8 and self.size & (self.size - 1) == 0
        problems.check(power, f"size is {self.size}, it must be a power of two from 8")
        problems.check(self.loss in LOSSES, f"loss is {self.loss!r}: one of {', '.join(LOSSES)}")
        check_each(problems, self, "z_dim", "width_g", "width_d", "r1_every")
        norms = get_args(NormD)
        problems.check(
            self.norm_d in norms, f"norm_d is {self.norm_d!r}: one of {', '.join(norms)}"
        )
        problems.check(
            self.norm_d != "batch" or self.batch_size >= 2,
            f"batch_size is {self.batch_size}; batch norm needs 2 pictures or more",
            "batch_size=2, or norm_d=spectral",
        )
        penalised = self.r1 > 0 or self.gradient_penalty > 0
        problems.check(
            not (penalised and self.norm_d == "batch"),
            "r1 and gradient_penalty look at one picture at a time, batch norm mixes them",
            "norm_d=none or norm_d=spectral",
        )
        for name in ("r1", "gradient_penalty"):
            value = getattr(self, name)
            problems.check(value >= 0, f"{name} is {value}, it must not be negative")
        problems.check(
            not (self.r1 and self.gradient_penalty),
            "r1 and gradient_penalty are both set",
            "one of them, the other 0",
        )
        problems.check(
            set(self.augment) <= set(AUGMENTATIONS),
            f"augment is {self.augment}: any of {', '.join(AUGMENTATIONS)}",
        )
        check_adam(problems, "lr_g", self.lr_g, self.betas)
        check_adam(problems, "lr_d", self.lr_d, self.betas)


# --- How the game is scored: (real logits, fake logits) -> D's loss, fake logits -> G's loss ---


def non_saturating_d(real: Tensor, fake: Tensor) -> Tensor:
    """``-log sigmoid(D(x)) - log(1 - sigmoid(D(G(z))))`` (Goodfellow et al. 2014, eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def non_saturating_g(fake: Tensor) -> Tensor:
    """``-log sigmoid(D(G(z)))``: the same fixed point, but a gradient also where D is sure."""
    return F.softplus(-fake).mean()


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """``max(0, 1 - D(x)) + max(0, 1 + D(G(z)))`` (Lim, Ye 2017): what is right enough is left."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def critic_d(real: Tensor, fake: Tensor) -> Tensor:
    """``D(G(z)) - D(x)`` (Arjovsky et al. 2017): minus the earth mover's distance, for smooth D."""
    return fake.mean() - real.mean()


def critic_g(fake: Tensor) -> Tensor:
    """``-D(G(z))``, G's loss of both the hinge and the Wasserstein game."""
    return -fake.mean()


LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "non_saturating": (non_saturating_d, non_saturating_g),
    "hinge": (hinge_d, critic_g),
    "wasserstein": (critic_d, critic_g),
}

# --- How D is kept smooth ---


def gradient_penalty(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """``E (|dD(x)/dx| - 1)^2`` between real and fake pictures (Gulrajani et al. 2017, eq. 3)."""
    share = draw(torch.rand, len(real), 1, 1, 1, device=real.device)
    between = share * real + (1 - share) * fake
    return ((squared_gradient(discriminator, between) + 1e-12).sqrt() - 1).square().mean()


# --- The game ---


class DCGANObjective(Objective):
    """One round: D learns to tell real from fake, then G learns to be taken for real."""

    kind = "dcgan"

    config: DCGANConfig

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config)
        self.generator = Generator(config.z_dim, config.width_g, config.size, config.channels)
        self.discriminator = Discriminator(
            config.width_d, config.size, config.channels, config.norm_d
        )
        self.players = {
            "D": Player(self.discriminator, config.lr_d, config.betas),
            "G": Player(self.generator, config.lr_g, config.betas, averaged=True),
        }
        self.d_loss, self.g_loss = LOSSES[config.loss]

    def round(self, scenes: SceneBatch, step: Step) -> None:
        real = scenes.images
        z = draw(torch.randn, len(real), self.config.z_dim).to(real.device)
        fake = self.generator(z)  # [B, C, H, W]

        real_logits, fake_logits = self.judge(real), self.judge(fake.detach())
        loss = self.d_loss(real_logits, fake_logits)
        loss = loss + self.penalty(real, fake.detach(), step.round)
        accuracy = (real_logits > fake_logits).float().mean()  # of pairs; 1/2 is a guess
        step("D", loss, real=real_logits.mean(), fake=fake_logits.mean(), accuracy=accuracy)

        step("G", self.g_loss(self.judge(fake)))

    def judge(self, pictures: Tensor) -> Tensor:
        """D's logits ``[B]``, through the distortions if there are any."""
        return self.discriminator(diff_augment(pictures, self.config.augment))

    def penalty(self, real: Tensor, fake: Tensor, round: int) -> Tensor | float:
        """What keeps D smooth in this round; 0 if nothing does."""
        config = self.config
        if config.gradient_penalty:
            return config.gradient_penalty * gradient_penalty(self.discriminator, real, fake)
        if config.r1 and round % config.r1_every == 0:  # "lazy": seldom, and heavier for it
            return config.r1 * config.r1_every * r1_penalty(self.discriminator, real)
        return 0.0

    @torch.no_grad()
    def preview(self, players: Mapping[str, nn.Module]) -> Tensor:
        device = next(players["G"].parameters()).device
        return players["G"](noise(0, 64, self.config.z_dim).to(device))
