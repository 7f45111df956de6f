"""SPADE's game: D sees a picture beside its label map; G is also to look, to D, like the original.

Park et al. 2019, section 3 and appendix A; the game is pix2pixHD's with a hinge. G's loss is

    -D(m, G(m)) + 10 * features + 10 * perceptual (+ 0.05 * KL, with an encoder)

where *features* compares what D's layers make of the picture and of the real one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError, Problems
from course_lib.foreign import read_weights
from course_lib.nn.by_label import LabelMaps
from course_lib.nn.initialise import Init, initialise
from course_lib.nn.perceptual import PerceptualNet, perceptual_distance
from course_lib.nn.vgg import VGG19, vgg19_file, vgg_distance
from course_lib.objective import Objective, Player, Step, TrainConfig, check_adam, draw
from course_lib.painter import noise
from course_lib.scene import SceneBatch, Source
from course_lib.spade.discriminator import Discriminator, Seen
from course_lib.spade.networks import (
    DOUBLINGS,
    Encoder,
    Generator,
    Grain,
    Norm,
    Sizes,
    Upsampling,
)

__all__ = [
    "Artist", "Loss", "SPADEConfig", "SPADEObjective", "adversarial", "borders", "divergence",
    "feature_distance", "grain_of", "label_maps", "sample_style",
]  # fmt: skip

Loss = Literal["hinge", "least_squares", "original", "wasserstein"]


@dataclass(frozen=True)
class SPADEConfig(TrainConfig):
    """The defaults are the authors' for COCO-Stuff: 100 epochs of 118,287 pictures."""

    data: str = "coco_stuff_spade"  # scenes with label maps: camvid, storybook, a folder, ...
    labels: int = 182  # classes of the data
    void: bool = True  # one class more, for pixels that nobody labelled
    edges: bool = True  # one plane more, 1 at borders between instances
    size: int = 256  # width of a picture in pixels
    aspect: float = 1.0  # its width by its height; Cityscapes: 2
    crop: float = 286 / 256  # of size: cut by chance from pictures of this width; 1 cuts nothing
    flip: bool = True  # mirror scenes by chance
    rounds: int = 369_600  # 100 epochs
    batch_size: int = 32  # scenes a round
    upsampling: Upsampling = "normal"  # 5 doublings; more: 6, most: 7; less: 3, a small generator
    width_g: int = 64  # channels of G's last block; the first has 16 times as many, or less: 8
    hidden: int = 128  # channels between the two convolutions of a SPADE layer
    kernel: int = 3  # side of those convolutions
    norm_g: Norm = "syncbatch"  # what SPADE normalises by
    spectral_g: bool = True  # spectral norm on G's convolutions
    use_vae: bool = False  # train an encoder, too, so that pictures have styles
    z_dim: int = 256  # length of a style
    norm_e: Norm = "instance"  # in the encoder; none: it can tell bright from dark more easily
    spectral_e: bool = True  # spectral norm on the encoder's convolutions
    width_d: int = 64  # channels of D's first map
    scales_d: int = 2  # discriminators, each of half the resolution of the one before
    layers_d: int = 4  # of each discriminator, before its logits
    norm_d: Norm = "instance"  # on all but D's first layer
    spectral_d: bool = True  # spectral norm on D's convolutions
    loss: Loss = "hinge"  # of the game between D and G
    features: float = 10.0  # weight of the distance between what D sees in picture and original
    perceptual: float = 10.0  # weight of the distance in VGG-19, or in the course's small network
    vgg: str = ""  # file of VGG-19's weights; empty: the one of `course data fetch`, if it is there
    kl: float = 0.05  # weight of the styles' divergence from the normal distribution, a sum
    kl_ramp: float = 0.0  # share of the rounds over which that weight rises from 0
    colours: float = 0.0  # weight of the distance between pictures shrunk 8 times; 0: as published
    d_steps: int = 1  # rounds of D for one of G
    repaint: bool = True  # D judges new fakes, painted after G's step; false: the same, in half G
    relief: float = 0.0  # gain of D's view of details, 3 more channels; 0: as published
    grain_d: float = 0.0  # gain of the view of a further D, of finest details; 0: as published
    grain_g: bool = False  # white noise for G's blocks; false: as published
    concatenate: bool = False  # the paper's baseline: maps beside G's channels, and no SPADE
    init: Init = "xavier"  # first weights of layers without spectral norm
    init_gain: float = 0.02  # how large they are
    ema: float = 0.0  # the paper samples from the last weights
    lr_g: float = 1e-4  # Adam's step sizes: half of 2e-4 for G, twice as much for D
    lr_d: float = 4e-4
    betas: tuple[float, float] = (0.0, 0.9)  # Adam's memory

    @property
    def crop_from(self) -> int:
        """Width in pixels of the pictures that parts are cut from."""
        return round(self.size * self.crop)

    @property
    def classes(self) -> int:
        """Ids that a label map may hold."""
        return self.labels + self.void

    @property
    def sizes(self) -> Sizes:
        """What G is built from."""
        return Sizes(
            planes=self.classes + self.edges,
            size=self.size,
            aspect=self.aspect,
            width=self.width_g,
            upsampling=self.upsampling,
            z_dim=self.z_dim if self.use_vae else 0,
            norm=self.norm_g,
            kernel=self.kernel,
            hidden=self.hidden,
            spectral=self.spectral_g,
            grain=self.grain_g,
            concatenate=self.concatenate,
        )

    def check(self, problems: Problems) -> None:
        super().check(problems)
        whole = ("labels", "width_g", "hidden", "kernel", "z_dim", "width_d", "d_steps")
        for name in (*whole, "scales_d", "layers_d"):
            value = getattr(self, name)
            fine = isinstance(value, int) and value >= 1
            problems.check(fine, f"{name} is {value}, it must be a whole number of at least 1")
        for name in ("features", "perceptual", "kl", "colours", "relief", "grain_d", "init_gain"):
            value = getattr(self, name)
            problems.check(value >= 0, f"{name} is {value}, it must not be negative")
        problems.check(self.kernel % 2 == 1, f"kernel is {self.kernel}, it must be odd")
        problems.check(1 <= self.crop <= 2, f"crop is {self.crop}, it must be from 1 to 2")
        problems.check(0 <= self.kl_ramp <= 1, f"kl_ramp is {self.kl_ramp}, a share from 0 to 1")
        problems.check(
            self.norm_g != "none", "norm_g is 'none': SPADE gives back what a norm took away"
        )
        for name, known in (("loss", Loss), ("norm_g", Norm), ("norm_d", Norm), ("norm_e", Norm),
                            ("upsampling", Upsampling), ("init", Init)):  # fmt: skip
            value = getattr(self, name)
            fine = value in get_args(known)
            problems.check(fine, f"{name} is {value!r}: one of {', '.join(get_args(known))}")
        self._check_picture(problems)
        check_adam(problems, "lr_g", self.lr_g, self.betas)
        check_adam(problems, "lr_d", self.lr_d, self.betas)

    def _check_picture(self, problems: Problems) -> None:
        if self.upsampling not in DOUBLINGS or not self.aspect > 0:
            problems.check(self.aspect > 0, f"aspect is {self.aspect}: width by height, above 0")
            return
        times = 2 ** DOUBLINGS[self.upsampling]
        fine = self.size >= times and self.size % times == 0 and min(self.sizes.start) >= 1
        problems.check(
            fine, f"size is {self.size}; {self.upsampling!r} paints multiples of {times} pixels"
        )


# --- The losses ---


def adversarial(kind: Loss, logits: list[Tensor], real: bool, *, of_d: bool) -> Tensor:
    """The loss of calling pictures real or fake, the mean over D's scales.

    ``hinge`` is ``-mean min(0, x - 1)`` for real and ``-mean min(0, -x - 1)`` for fake in D's turn
    and ``-mean x`` in G's; ``least_squares`` is ``mean (x - t)^2``, ``original`` cross-entropy, and
    ``wasserstein`` ``-mean x`` for real and ``mean x`` for fake.
    """
    return torch.stack([_adversarial(kind, scale.float(), real, of_d) for scale in logits]).mean()


def _adversarial(kind: Loss, x: Tensor, real: bool, of_d: bool) -> Tensor:
    sign = 1.0 if real else -1.0
    if kind == "hinge" and of_d:
        return F.relu(1 - sign * x).mean()
    if kind in ("hinge", "wasserstein"):
        return -sign * x.mean()
    if kind == "least_squares":
        return (x - float(real)).square().mean()
    return F.softplus(-sign * x).mean()


def feature_distance(fake: Seen, real: Seen) -> Tensor:
    """``mean over scales of sum over layers of mean |fake - real|``, logits left out."""
    distances = [
        torch.stack([F.l1_loss(f, r.detach()) for f, r in zip(f[:-1], r[:-1], strict=True)]).sum()
        for f, r in zip(fake.scales, real.scales, strict=True)
    ]
    return torch.stack(distances).mean()


def divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """``KL(N(mu, exp(logvar)) || N(0, 1))``, the *sum* over a style's numbers: ``[B]``."""
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(dim=1)


def colour_distance(fake: Tensor, real: Tensor) -> Tensor:
    """``mean |fake - real|`` of pictures shrunk 8 times: the light, and not where every hair is."""
    return F.l1_loss(F.avg_pool2d(fake, 8), F.avg_pool2d(real, 8))


# --- Label maps as the networks take them ---


def borders(ids: Tensor, instances: Tensor | None) -> Tensor:
    """Pixels with a neighbour of another class or instance: ``[B, 1, H, W]``, 0 or 1.

    Of the four neighbours; so a border is two pixels wide, one on either side.
    """
    parts = [ids] if instances is None else [ids, instances]
    edge = torch.zeros_like(ids, dtype=torch.bool)
    for part in parts:
        across, down = part[:, :, 1:] != part[:, :, :-1], part[:, 1:] != part[:, :-1]
        edge[:, :, 1:] |= across
        edge[:, :, :-1] |= across
        edge[:, 1:] |= down
        edge[:, :-1] |= down
    return edge[:, None].float()


def label_maps(
    config: SPADEConfig, ids: Tensor, instances: Tensor | None = None, *, remember: bool = False
) -> LabelMaps:
    """The label maps ``[B, H, W]`` as the networks of ``config`` take them."""
    edges = borders(ids, instances) if config.edges else None
    return LabelMaps(ids, config.classes, edges, remember=remember)


def sample_style(mu: Tensor, logvar: Tensor, epsilon: Tensor) -> Tensor:
    """``z = mu + exp(logvar / 2) * epsilon``: ``[B, z_dim]``."""
    return mu + (0.5 * logvar).exp() * epsilon


class Artist(nn.Module):
    """Who paints: the generator, and with ``use_vae`` the encoder that learns with it."""

    def __init__(self, config: SPADEConfig) -> None:
        super().__init__()
        self.generator = Generator(config.sizes)
        self.encoder: Encoder | None = None
        if config.use_vae:
            side = 2 ** (min(config.size, 256).bit_length() - 1)  # 256, or less for small pictures
            how = config.width_g, config.z_dim, config.norm_e, config.spectral_e
            self.encoder = Encoder(side, *how)
        initialise(self, config.init, config.init_gain)


# --- The game ---


class SPADEObjective(Objective):
    """One round: G paints maps of real pictures and learns, then D learns from new paintings."""

    kind = "spade"

    config: SPADEConfig

    def __init__(self, config: SPADEConfig) -> None:
        super().__init__(config)
        self.artist = Artist(config)
        self.discriminator = Discriminator(
            config.sizes.planes,
            config.width_d,
            config.scales_d,
            config.layers_d,
            config.norm_d,
            config.spectral_d,
            config.relief,
            config.grain_d,
        )
        initialise(self.discriminator, config.init, config.init_gain)
        for network in (self.artist, self.discriminator):
            network.to(memory_format=torch.channels_last)  # the faster order for convolutions
        self.players = {
            "G": Player(self.artist, config.lr_g, config.betas, averaged=True),
            "D": Player(self.discriminator, config.lr_d, config.betas),
        }
        self.perceptual = perceptual_network(config)
        self.shown: SceneBatch | None = None  # what previews paint
        self.table = ""

    def prepare(self, source: Source) -> None:
        """Looks whether the scenes are such as the networks were built for."""
        first = source.batch(torch.arange(min(8, len(source))))
        check_scenes(first, self.config)
        self.shown = first
        self.table = first.classes.to_json() if first.classes else ""

    def tables(self) -> Mapping[str, str]:
        return {"classes": self.table}

    def round(self, scenes: SceneBatch, step: Step) -> None:
        config, real = self.config, scenes.images
        maps = self.maps(scenes)
        if step.round % config.d_steps == 0:
            fake, style = self.paint(maps, real)
            seen_fake, seen_real = self.look(maps, fake, real)
            losses = self.g_losses(seen_fake, seen_real, fake, real, style, step.round)
            step("G", torch.stack([*losses.values()]).sum(), **losses)
            fake = fake.detach()
        if config.repaint or step.round % config.d_steps:
            with torch.no_grad():  # in training mode: norms take this batch's statistics, too
                fake, _ = self.paint(maps, real)
        seen_fake, seen_real = self.look(maps, fake, real)
        d_loss = self.called(seen_fake, real=False) + self.called(seen_real, real=True)
        higher = [(r > f).float().mean() for f, r in zip(
            seen_fake.logits, seen_real.logits, strict=True)]  # fmt: skip
        step("D", d_loss, accuracy=torch.stack(higher).mean())  # of patches; 1/2 is a guess

    def maps(self, scenes: SceneBatch) -> LabelMaps:
        if scenes.label_maps is None:
            raise CourseError("these scenes have no label maps", where="data")
        return label_maps(self.config, scenes.label_maps, scenes.instances)

    def paint(self, maps: LabelMaps, real: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """New pictures ``[B, 3, H, W]``, in the styles of the real ones; mean and log variance."""
        z, style = None, None
        if self.artist.encoder is not None:
            style = self.artist.encoder(real)
            epsilon = draw(torch.randn, len(real), self.config.z_dim).to(real.device)
            z = sample_style(style[0], style[1], epsilon)

        def grain(height: int, width: int) -> Tensor:
            return draw(torch.randn, len(real), 1, height, width)

        return self.artist.generator(maps, z, grain), style

    def look(self, maps: LabelMaps, fake: Tensor, real: Tensor) -> tuple[Seen, Seen]:
        """What D sees in fake and real, as one batch."""
        return self.discriminator(maps, torch.cat([fake, real])).halves()

    def called(self, seen: Seen, *, real: bool, of_d: bool = True) -> Tensor:
        """The loss of calling what was seen real, or fake."""
        loss = adversarial(self.config.loss, seen.logits, real, of_d=of_d)
        if seen.grain is not None:
            loss = loss + adversarial(self.config.loss, [seen.grain], real, of_d=of_d)
        return loss

    def g_losses(
        self,
        seen_fake: Seen,
        seen_real: Seen,
        fake: Tensor,
        real: Tensor,
        style: tuple[Tensor, Tensor] | None,
        round: int,
    ) -> dict[str, Tensor]:
        """The terms of G's loss, weighed."""
        config = self.config
        losses = {"believed": self.called(seen_fake, real=True, of_d=False)}
        if config.features:
            losses["features"] = config.features * feature_distance(seen_fake, seen_real)
        if self.perceptual is not None:  # no painter needs it: not one of the frozen ones
            self.perceptual.to(fake.device)
        if isinstance(self.perceptual, VGG19):
            losses["vgg"] = config.perceptual * vgg_distance(self.perceptual, fake, real)
        elif self.perceptual is not None:
            distance = perceptual_distance(self.perceptual, fake, real)
            losses["perceptual"] = config.perceptual * distance
        if config.colours:
            losses["colours"] = config.colours * colour_distance(fake, real)
        if style is not None:
            # Published: the sum over a batch, so its weight grows with the batch. The mean times
            # the batch's size is that, and stays that where a batch is played in parts.
            ramp = min(1.0, (round + 1) / max(1.0, config.kl_ramp * config.rounds))
            mean = divergence(*(part.float() for part in style)).mean()
            losses["kl"] = config.kl * ramp * config.batch_size * mean
        return {name: loss.float() for name, loss in losses.items()}

    @torch.no_grad()
    def preview(self, players: Mapping[str, nn.Module]) -> Tensor:
        """Real pictures, and below each its map, painted in the real style and in two others."""
        if self.shown is None:
            raise CourseError("prepare(source) has not been called", where="preview")
        artist: Artist = players["G"]  # type: ignore[assignment]
        device = next(artist.parameters()).device
        scenes = self.shown.to(device)
        maps, real = self.maps(scenes), scenes.images
        styles: list[Tensor | None] = [None]
        if artist.encoder is not None:
            drawn = noise(0, 2, len(real), self.config.z_dim).to(device)
            styles = [artist.encoder(real)[0], *drawn]
        rows = [artist.generator(maps, z, grain_of(range(len(real)))) for z in styles]
        return torch.cat([real, *rows])


def grain_of(seeds: Sequence[int]) -> Grain:
    """White noise for pictures with these seeds, on the CPU; the same for all if there is one."""
    drawn = [torch.Generator().manual_seed(seed) for seed in seeds]
    return lambda height, width: torch.stack(
        [torch.randn(1, height, width, generator=own) for own in drawn]
    )


def check_scenes(scenes: SceneBatch, config: SPADEConfig) -> None:
    """Everything at once in which the scenes are others than the networks were built for."""
    with Problems("data") as problems:
        problems.check(scenes.label_maps is not None, "these scenes have no label maps")
        if scenes.classes is not None:
            count = len(scenes.classes)
            problems.check(
                count == config.labels,
                f"there are {count} classes, the networks have {config.labels}",
                f"labels={count}",
            )
        size, asked = tuple(scenes.images.shape[-2:]), config.sizes.picture
        problems.check(
            size == asked,
            f"pictures are {size[1]} x {size[0]}, the networks paint {asked[1]} x {asked[0]}",
            f"aspect={size[1] / size[0]:.4g}",
        )
        unlabelled = scenes.label_maps is not None and bool(
            (scenes.label_maps >= config.classes).any()
        )
        problems.check(not unlabelled, "some pixels are not labelled", "void=true")
        problems.check(
            not config.edges or scenes.instances is not None,
            "there are no instance maps, of which edges could be taken",
            "edges=false",
        )


def perceptual_network(config: SPADEConfig) -> VGG19 | PerceptualNet | None:
    """VGG-19 where its file is, or the course's small network; None where nothing is asked."""
    if not config.perceptual:
        return None
    file = Path(config.vgg) if config.vgg else vgg19_file()
    if config.vgg or file.is_file():
        return VGG19(read_weights(file))
    return PerceptualNet.load()
