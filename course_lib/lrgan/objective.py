"""LR-GAN's game: D sees whole pictures alone; that they have layers is G's own affair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import Problems
from course_lib.foreign import fill
from course_lib.lrgan.networks import Discriminator, Generator, Painting, PoseKind, Sizes
from course_lib.nn.penalties import r1_penalty
from course_lib.objective import Objective, Player, Step, TrainConfig, check_adam, check_each, draw
from course_lib.painter import noise
from course_lib.scene import SceneBatch
from course_lib.storage.checkpoint import part, read_checkpoint

__all__ = ["LRGANConfig", "LRGANObjective", "area_hinge", "in_channels", "start_from"]


@dataclass(frozen=True)
class LRGANConfig(TrainConfig):
    """The defaults are the authors' for CIFAR-10: 100 epochs."""

    data: str = "cifar10"  # pictures: digits-one, mnist-two, cub200, lfw, storybook, a folder, ...
    size: int = 32  # side of a picture in pixels, a power of two
    channels: int = 3  # 1 makes pictures grey, as MNIST-ONE and MNIST-TWO are
    layers: int = 2  # the background and layers - 1 foregrounds
    rounds: int = 78_100  # one update of each player; 100 epochs of 50,000 pictures
    batch_size: int = 64  # scenes a round
    z_dim: int = 100  # length of the noise of one layer
    width_g: int = 64  # the background's first map has 4 times as many channels, a foreground's 8
    least_width: int = 64  # G's maps above 8 x 8 never have fewer channels
    width_d: int = 64  # channels of D's first map
    patch: int = 0  # side at which foregrounds are drawn, near that of objects; 0: as published
    scale: tuple[float, float] = (1.2, 2.4)  # foregrounds take 1/2.4 to 1/1.2 of the side
    rotation: float = 0.1  # largest off-diagonal entry of a pose, which turns and shears
    pose: PoseKind = "clamped"  # cut off at the limits (published), or bounded: never outside
    background_side: int = 0  # a smooth background from so many colours a side; 0: as published
    appearance_side: int = 0  # likewise for appearances, whose shape is then the mask's alone
    unit_codes: bool = False  # every foreground's code gets unit variance, which states lack
    area: tuple[float, float] = (0.0, 1.0)  # share of the picture that one mask should cover
    mask_moves_pose: bool = True  # False as in the authors' kernel: poses learn nothing from masks
    norm_d: bool = True  # the published batch norm in D; False: D compares pictures instead
    r1: float = 0.0  # weight gamma of the R1 penalty; 0 for none
    r1_every: int = 8  # rounds between two R1 penalties, each r1_every times as heavy
    start: str = ""  # a painter, or a run's folder, whose weights both players begin with
    ema: float = 0.0  # the paper samples from the last weights
    lr_g: float = 2e-4  # Adam's step sizes
    lr_d: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's memory

    @property
    def sizes(self) -> Sizes:
        """What G is built from."""
        return Sizes(
            z_dim=self.z_dim,
            width=self.width_g,
            least_width=self.least_width,
            size=self.size,
            channels=self.channels,
            layers=self.layers,
            patch=self.patch,
            background_side=self.background_side,
            appearance_side=self.appearance_side,
            pose=self.pose,
            scale=self.scale,
            rotation=self.rotation,
            unit_codes=self.unit_codes,
            exact=self.mask_moves_pose,
        )

    def check(self, problems: Problems) -> None:
        super().check(problems)
        for name, value in (("size", self.size), ("patch", self.patch or 8)):
            power = isinstance(value, int) and value >= 8 and value & (value - 1) == 0
            problems.check(power, f"{name} is {value}, it must be a power of two from 8")
        check_each(
            problems, self, "layers", "z_dim", "width_g", "least_width", "width_d", "r1_every"
        )
        problems.check(self.channels in (1, 3), f"channels is {self.channels}: 1 or 3")
        self._check_layers(problems)
        problems.check(
            self.batch_size >= 2,
            f"batch_size is {self.batch_size}; batch norm needs 2 pictures or more",
        )
        problems.check(
            not (self.r1 and self.norm_d),
            "r1 looks at one picture at a time, batch norm mixes them",
            "norm_d=false",
        )
        problems.check(self.r1 >= 0, f"r1 is {self.r1}, it must not be negative")
        check_adam(problems, "lr_g", self.lr_g, self.betas)
        check_adam(problems, "lr_d", self.lr_d, self.betas)

    def _check_layers(self, problems: Problems) -> None:
        near, far = self.scale
        problems.check(
            1 <= near <= far, f"scale is {self.scale}: two numbers from 1, the smaller one first"
        )
        problems.check(0 <= self.rotation < 1, f"rotation is {self.rotation}, it must be in [0, 1)")
        low, high = self.area
        problems.check(
            0 <= low < high <= 1, f"area is {self.area}: two shares, the smaller one first"
        )
        poses = get_args(PoseKind)
        problems.check(self.pose in poses, f"pose is {self.pose!r}: one of {', '.join(poses)}")
        for name in ("background_side", "appearance_side"):
            value = getattr(self, name)
            problems.check(0 <= value <= self.size, f"{name} is {value}: from 0 to size")


def area_hinge(painting: Painting, area: tuple[float, float]) -> Tensor:
    """How far masks lie outside their share of the picture: 1 for each 5 % of it too much.

    Nothing in the game stops a mask from covering its whole square faintly, or everything, or
    nothing; then one layer paints alone. Within ``area`` this term is silent.
    """
    low, high = area
    covered = torch.stack([layer.mask.mean(dim=(1, 2, 3)) for layer in painting.layers])
    return ((F.relu(low - covered) + F.relu(covered - high)) / 0.05).mean()


def start_from(start: str, players: Mapping[str, Player]) -> None:
    """Gives the players the weights of an earlier run with as large networks.

    A run's folder has those of both; a painter, by its file or as ``lrgan`` the shipped one, has
    G's alone. How many layers there are, how large and on which pictures, no weight knows.
    """
    path = Path(start)
    if path.is_dir():
        path /= "last.safetensors"
    elif not path.suffix:
        path = Path(str(resources.files("course_lib") / "weights" / f"{start}.safetensors"))
    tensors = read_checkpoint(path, kind=LRGANObjective.kind).tensors
    for name, player in players.items():
        if weights := part(tensors, f"player/{name}") or part(tensors, name):
            fill(player.module, weights, f"{name} of {path}")


def in_channels(pictures: Tensor, channels: int) -> Tensor:
    """Pictures with 1 channel, their mean, or with 3: ``[B, channels, H, W]``."""
    if channels == 1:
        return pictures.mean(dim=1, keepdim=True)
    return pictures.expand(-1, channels, -1, -1)


class LRGANObjective(Objective):
    """One round: D learns to tell real from fake; then G, with the same fakes, to be believed."""

    kind = "lrgan"

    config: LRGANConfig

    def __init__(self, config: LRGANConfig) -> None:
        super().__init__(config)
        self.generator = Generator(config.sizes)
        self.discriminator = Discriminator(
            config.width_d, config.size, config.channels, config.norm_d
        )
        self.players = {
            "D": Player(self.discriminator, config.lr_d, config.betas),
            "G": Player(self.generator, config.lr_g, config.betas, averaged=True),
        }
        if config.start:
            start_from(config.start, self.players)

    def round(self, scenes: SceneBatch, step: Step) -> None:
        real = in_channels(scenes.images, self.config.channels)
        z = draw(torch.randn, len(real), self.config.layers, self.config.z_dim).to(real.device)
        painting = self.generator(z)
        fake = painting.picture  # [B, C, H, W]

        real_logits, fake_logits = self.discriminator(real), self.discriminator(fake.detach())
        d_loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
        d_loss = d_loss + self.penalty(real, step.round)
        accuracy = (real_logits > fake_logits).float().mean()  # of pairs; 1/2 is a guess
        step("D", d_loss, real=real_logits.mean(), fake=fake_logits.mean(), accuracy=accuracy)

        g_loss = F.softplus(-self.discriminator(fake)).mean()
        if self.config.layers > 1:
            g_loss = g_loss + area_hinge(painting, self.config.area)
        step("G", g_loss)

    def penalty(self, real: Tensor, round: int) -> Tensor | float:
        """R1, seldom and heavier for it; 0 in the other rounds."""
        config = self.config
        if config.r1 and round % config.r1_every == 0:
            return config.r1 * config.r1_every * r1_penalty(self.discriminator, real)
        return 0.0

    @torch.no_grad()
    def preview(self, players: Mapping[str, nn.Module]) -> Tensor:
        """Rows of eight: finished pictures, and below each its background."""
        device = next(players["G"].parameters()).device
        z = noise(0, 32, self.config.layers, self.config.z_dim).to(device)
        painting = players["G"](z)
        rows = zip(painting.picture.split(8), painting.background.split(8), strict=True)
        return torch.cat([half for row in rows for half in row])
