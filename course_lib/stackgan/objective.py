"""StackGAN's game: a discriminator that hears the caption, and two generators one after the other.

Zhang et al. 2017, sections 3.2 to 3.4. D gets three kinds of pairs (Reed et al. 2016, "matching
aware"): real pictures with their captions are right; real pictures with *wrong* captions, and fakes
with the captions that they were painted from, are not. Without the second kind D could ignore
the caption, and so could G. Which captions are wrong decides what D listens to: another picture's
caption nearly always has another colour and another ground, so D needs not look at shapes; one that
differs in a single word makes it look there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError, Problems
from course_lib.nn.penalties import kl_to_normal, r1_penalty
from course_lib.objective import Objective, Player, Step, TrainConfig, check_adam, check_each, draw
from course_lib.painter import noise
from course_lib.scene import SceneBatch, Source
from course_lib.stackgan.networks import Discriminator, StageOne, StageTwo
from course_lib.storage.checkpoint import part, read_checkpoint
from course_lib.text.encoder import EMBEDDING, TextEncoder
from course_lib.text.objective import captions_of, pick
from course_lib.text.vocabulary import swapped

__all__ = [
    "StackGANConfig",
    "StackGANObjective",
    "matching_aware",
    "stage_one",
    "stage_two",
]

Wrong = Literal["shuffled", "swapped", "nearest"]
SHARED = ("sketch", "embed_dim", "z_dim", "width_1", "rectified", "norm_last")  # by both stages


@dataclass(frozen=True)
class StackGANConfig(TrainConfig):
    """The defaults are those of the version whose tables are published, in both stages.

    Its sizes and training are the paper's; two weights that it leaves open (``kl`` and the wrong
    captions' share of D's loss) are those of the authors' PyTorch program.
    """

    stage: Literal[1, 2] = 1  # 1 sketches, 2 mends the sketch and doubles its size twice
    data: str = "flowers102"  # scenes with captions or embeddings
    size: int = 0  # side of a picture in pixels; 0 for the stage's own: 64, then 256
    sketch: int = 64  # side of Stage I's picture in pixels, which Stage II gets
    rounds: int = 10_900  # 100 epochs of 7,034 flowers
    batch_size: int = 64  # scenes a round
    crop: float = 76 / 64  # of size: squares are cut by chance from pictures of this side
    flip: bool = False  # mirror pictures by chance
    encoder: str = "published"  # the data's own embeddings; or "shipped"; or a `train text` run
    stage_one: str = ""  # Stage II only: file or folder of the Stage-I run; empty: the shipped one
    z_dim: int = 100  # length of the noise
    embed_dim: int = 128  # length of a caption's code, in G and in D
    width_1: int = 1824  # channels of Stage I's first map; published: 8 (embed_dim + z_dim)
    width_2: int = 512  # channels of the sketch as Stage II encodes it
    width_d: int = 512  # channels of D's last map
    rectified: bool = True  # the published ReLU on mean and log variance of a caption's code
    logvar: float = 0.0  # where the log variance begins; -4 is a spread of 0.14
    norm_last: bool = True  # the published batch norm before G's tanh
    norm_d: bool = True  # the published batch norm in D
    fullest: float = 0.0  # chance that a scene's longest caption is read, else any of them
    wrong: tuple[Wrong, ...] = ("shuffled",)  # wrong captions: shuffled, swapped word, nearest
    kinds: tuple[str, ...] = ()  # a word of each kind that is swapped, twice for twice as often
    kl: float = 2.0  # weight of the codes' divergence from the normal distribution
    variety: float = 0.0  # Stage I: weight of the mode-seeking term; 0 for none, as published
    variety_after: int = 0  # rounds before it begins: shapes first
    residual: bool = False  # Stage II: paints on the enlarged sketch; published: anew
    faithful: float = 0.0  # Stage II: weight of the distance to its sketch; published: none
    mending: float = 0.0  # Stage II: weight of what it cannot mend of worn pictures; 0: none
    r1: float = 0.0  # weight gamma of the R1 penalty; 0 for none
    r1_every: int = 8  # rounds between two R1 penalties, each r1_every times as heavy
    ema: float = 0.0  # the paper samples from the last weights
    lr_g: float = 2e-4  # Adam's step sizes
    lr_d: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's memory

    def __post_init__(self) -> None:
        if self.size == 0:
            object.__setattr__(self, "size", 256 if self.stage == 2 else self.sketch)
        if self.stage == 1:  # Stage I's picture is the sketch
            object.__setattr__(self, "sketch", self.size)
        super().__post_init__()

    @property
    def crop_from(self) -> int:
        """Side in pixels of the pictures that squares are cut from."""
        return int(self.size * self.crop)

    @property
    def variant(self) -> str:
        """Each stage is a run of its own."""
        return f"stage{self.stage}"

    def check(self, problems: Problems) -> None:
        super().check(problems)
        problems.check(self.stage in (1, 2), f"stage is {self.stage!r}, there are 1 and 2")
        for name in ("size", "sketch"):
            value = getattr(self, name)
            power = isinstance(value, int) and value >= 16 and value & (value - 1) == 0
            problems.check(power, f"{name} is {value}, it must be a power of two from 16")
        problems.check(
            self.stage == 1 or self.size > self.sketch // 2,
            f"size is {self.size}, Stage II cannot be smaller than its sketch of {self.sketch}",
        )
        check_each(
            problems, self, "z_dim", "embed_dim", "width_1", "width_2", "width_d", "r1_every"
        )
        known = get_args(Wrong)
        problems.check(
            len(self.wrong) > 0 and set(self.wrong) <= set(known),
            f"wrong is {self.wrong}: one or more of {', '.join(known)}",
        )
        problems.check(
            self.encoder != "published" or "swapped" not in self.wrong,
            "words can be swapped in captions, not in published embeddings",
            "encoder=shipped, or wrong=[shuffled,nearest]",
        )
        problems.check(1 <= self.crop <= 2, f"crop is {self.crop}, it must be from 1 to 2")
        problems.check(
            self.batch_size >= 2, f"batch_size is {self.batch_size}; wrong captions need 2 scenes"
        )
        problems.check(
            not (self.r1 and self.norm_d),
            "r1 looks at one picture at a time, batch norm mixes them",
            "norm_d=false",
        )
        for name in ("kl", "r1", "variety", "faithful", "mending"):
            value = getattr(self, name)
            problems.check(value >= 0, f"{name} is {value}, it must not be negative")
        problems.check(0 <= self.fullest <= 1, f"fullest is {self.fullest}, a share from 0 to 1")
        check_adam(problems, "lr_g", self.lr_g, self.betas)
        check_adam(problems, "lr_d", self.lr_d, self.betas)


# --- The losses ---


def matching_aware(right: Tensor, wrong: list[Tensor], fake: Tensor) -> Tensor:
    """``-log D(x, t) - 1/2 [log(1 - D(x, t')) + log(1 - D(G(z, t), t))]`` (section 3.3).

    Args:
        right, fake: logits ``[B]`` of real pictures and of fakes, with their captions.
        wrong: logits of the real pictures with wrong captions, a ``[B]`` for each kind of wrong.
    """
    mismatched = torch.stack([F.softplus(logits).mean() for logits in wrong]).mean()
    return F.softplus(-right).mean() + (mismatched + F.softplus(fake).mean()) / 2


def sameness(pictures: Tensor, z: Tensor) -> Tensor:
    """``|z - z'| / |G(z, t) - G(z', t)|`` for two noises and one caption, mean distances each.

    Small where other noise gives another picture (Mao et al.: Mode Seeking GANs, CVPR 2019). D sees
    a caption once and cannot complain that G paints the same picture for it every time.

    Args:
        pictures: ``[2 N, 3, H, W]``; number ``k`` and ``N + k`` have the same caption.
        z: their noise, ``[2 N, z_dim]``.
    """
    (one, other), (here, there) = pictures.float().chunk(2), z.chunk(2)
    return (here - there).abs().mean() / ((one - other).abs().mean() + 1e-4)


def distance(pictures: Tensor, sketches: Tensor) -> Tensor:
    """``mean |shrunk picture - sketch|``: what Stage II adds is detail, and nothing else moves.

    Without it Stage II learns from nothing what Stage I knows already, which takes long.
    """
    shrunk = F.interpolate(pictures.float(), size=sketches.shape[-2:], mode="area")
    return (shrunk - sketches.float()).abs().mean()


def worn(pictures: Tensor, side: int) -> Tensor:
    """Real pictures as if they were sketches: shrunk to ``side``, and some of them washed out.

    What Stage I would have painted of a picture nobody knows, but this is much like it, and here
    it is known what it should become: so Stage II learns outlines and texture from examples, long
    before D has found words for what its pictures lack.
    """
    small = F.interpolate(pictures, size=side, mode="area")
    washed = F.interpolate(small, size=side // 2, mode="area")
    washed = F.interpolate(washed, size=side, mode="bilinear", align_corners=False)
    share = draw(torch.rand, len(pictures), 1, 1, 1).to(pictures.device)
    return small + share * (washed - small)


# --- The networks of a configuration ---


def switches(config: StackGANConfig) -> dict[str, Any]:
    """What both generators leave open."""
    names = ("rectified", "logvar", "norm_last")
    return {name: getattr(config, name) for name in names}


def stage_one(config: StackGANConfig) -> StageOne:
    """Stage I's generator."""
    return StageOne(
        EMBEDDING,
        config.embed_dim,
        config.z_dim,
        config.width_1,
        config.sketch,
        **switches(config),
    )


def stage_two(config: StackGANConfig) -> StageTwo:
    """Stage II's generator."""
    return StageTwo(
        EMBEDDING,
        config.embed_dim,
        config.width_2,
        config.size,
        config.sketch,
        **switches(config),
        residual=config.residual,
    )


def encoder_of(config: StackGANConfig) -> TextEncoder | None:
    """Who reads the captions; None where they come with embeddings."""
    if config.encoder == "published":
        return None
    return TextEncoder.load(None if config.encoder == "shipped" else Path(config.encoder))


def trained(config: StackGANConfig) -> tuple[TextEncoder | None, StageOne]:
    """Encoder and generator of the Stage-I run on which Stage II builds.

    Raises:
        CourseError: a run whose networks are not those of ``config``, with all differences.
    """
    path = Path(config.stage_one or str(resources.files("course_lib") / "weights" / "stackgan"))
    path = path / "painter.safetensors" if path.is_dir() else path.with_suffix(".safetensors")
    checkpoint = read_checkpoint(path, kind="stackgan")
    before = StackGANConfig.from_json(checkpoint.header["config"])
    with Problems(f"Stage I of {path}") as problems:
        for name in SHARED:
            own, asked = getattr(before, name), getattr(config, name)
            problems.check(own == asked, f"{name} is {own} there and {asked} here", "the same")
    network = stage_one(before)
    network.load_state_dict(part(checkpoint.tensors, "G" if before.stage == 1 else "stage_1"))
    read = part(checkpoint.tensors, "encoder")
    return TextEncoder.from_weights(read) if read else None, network


# --- The game ---


class StackGANObjective(Objective):
    """One round: D learns which pictures fit which captions, then G learns to convince it.

    In Stage II the generator of Stage I is frozen and in evaluation mode: what it paints for a
    caption does not depend on the other captions of the batch.
    """

    kind = "stackgan"

    config: StackGANConfig

    def __init__(self, config: StackGANConfig) -> None:
        super().__init__(config)
        self.generator: StageOne | StageTwo
        if config.stage == 1:
            self.encoder, self.generator = encoder_of(config), stage_one(config)
        else:
            self.encoder, self.sketcher = trained(config)
            self.generator = stage_two(config)
            self.frozen = {"stage_1": self.sketcher}
        if self.encoder is not None:
            self.frozen = {**self.frozen, "encoder": self.encoder}
        self.discriminator = Discriminator(
            EMBEDDING, config.embed_dim, config.width_d, config.size, norm=config.norm_d
        )
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)  # the faster order for convolutions
        self.players = {
            "D": Player(self.discriminator, config.lr_d, config.betas),
            "G": Player(self.generator, config.lr_g, config.betas, averaged=True),
        }
        self.shown = torch.zeros(8, EMBEDDING)  # what previews paint

    def prepare(self, source: Source) -> None:
        first = source.batch(torch.arange(min(8, len(source))))
        self.shown = self.hear(first, first=True)[1]

    def round(self, scenes: SceneBatch, step: Step) -> None:
        captions, text = self.hear(scenes)  # text: [B, 1024]
        real = scenes.images.contiguous(memory_format=torch.channels_last)
        varied = bool(self.config.variety) and step.round >= self.config.variety_after
        asked = text[: len(text) // 2].repeat(2, 1) if varied else text  # two noises a caption
        z = draw(torch.randn, len(asked), self.config.z_dim).to(asked.device)
        fake, mu, logvar, sketch = self.paint(asked, z, 2 if varied else 1)

        compare, look = self.discriminator.compare, self.discriminator.look
        seen = look(real)  # once for all captions
        right = compare(seen, text).flatten().float()
        wrong = [compare(seen, t).flatten().float() for t in self.mismatched(captions, text)]
        made = compare(look(fake.detach()), asked).flatten().float()
        loss = matching_aware(right, wrong, made) + self.penalty(real, text, step.round)
        heard = torch.stack([(right > w).float().mean() for w in wrong])
        accuracy = (right > made).float().mean()  # of pairs; 1/2 is a guess
        figures = {"real": right.mean(), "fake": made.mean(), "heard": heard.mean()}
        step("D", loss, **figures, accuracy=accuracy)

        divergence = kl_to_normal(mu.float(), logvar.float())
        convinced = F.softplus(-self.discriminator.logits(fake, asked).float()).mean()
        loss = convinced + self.config.kl * divergence
        loss = loss + (self.config.variety * sameness(fake, z) if varied else 0.0)
        if self.config.faithful and sketch is not None:
            loss = loss + self.config.faithful * distance(fake, sketch)
        if self.config.mending and self.config.stage == 2:
            loss = loss + self.config.mending * self.unmended(real, text)
        step("G", loss, kl=divergence)

    def hear(self, scenes: SceneBatch, first: bool = False) -> tuple[list[str], Tensor]:
        """One caption of each scene, by chance or the first, and its embedding: ``[B, 1024]``.

        Raises:
            CourseError: scenes without what the configuration says is read.
        """
        if self.encoder is not None:
            told = captions_of(scenes)
            fullest = self.config.fullest
            captions = [several[0] for several in told] if first else pick(told, fullest)
            return captions, self.read(captions)
        if scenes.embeddings is None:
            raise CourseError(
                "these scenes come without published embeddings",
                where="data",
                fix="encoder=shipped, or a `course train text` run on the captions of this data",
            )
        chances = torch.zeros(len(scenes)) if first else draw(torch.rand, len(scenes))
        which = (chances * scenes.embeddings.shape[1]).long().to(scenes.embeddings.device)
        text = scenes.embeddings[torch.arange(len(scenes)), which]
        return [str(number) for number in range(len(scenes))], text

    @torch.no_grad()
    def read(self, captions: list[str]) -> Tensor:
        """The captions' embeddings: ``[B, 1024]``."""
        reader = cast(TextEncoder, self.encoder).eval()
        return reader(captions).float()

    def paint(
        self, text: Tensor, z: Tensor, times: int = 1
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """New pictures, mean and log variance of their codes, and in Stage II their sketches.

        Where a caption comes several ``times``, it has the same code each time.
        """

        def normal() -> Tensor:
            count = len(text) // times
            epsilon = draw(torch.randn, count, self.config.embed_dim).to(text.device)
            return epsilon.repeat(times, 1)

        if self.config.stage == 1:
            return *self.generator(text, z, normal()), None
        with torch.no_grad():
            sketch, _, _ = self.sketcher(text, z, normal())
        return *self.generator(text, sketch, normal()), sketch

    def unmended(self, real: Tensor, text: Tensor) -> Tensor:
        """``mean |G(worn picture, t) - picture|``: what Stage II cannot make good again."""
        epsilon = draw(torch.randn, len(text), self.config.embed_dim).to(text.device)
        mended, _, _ = self.generator(text, worn(real, self.config.sketch), epsilon)
        return (mended.float() - real).abs().mean()

    def mismatched(self, captions: list[str], text: Tensor) -> list[Tensor]:
        """Embeddings of wrong captions for the same pictures, ``[B, 1024]`` for each kind."""
        kinds = []
        for kind in self.config.wrong:
            if kind == "swapped":
                chances = draw(torch.rand, len(captions)).tolist()
                words = cast(TextEncoder, self.encoder).vocabulary
                pairs = zip(captions, chances, strict=True)
                wrong = [swapped(c, words, chance, self.config.kinds) for c, chance in pairs]
                kinds.append(self.read(wrong))
            elif kind == "nearest":
                far = torch.cdist(text, text).masked_fill(
                    _same(captions).to(text.device), torch.inf
                )
                kinds.append(text[far.argmin(dim=1)])
            else:
                kinds.append(text.roll(1, 0))  # everybody gets the neighbour's
        return kinds

    def penalty(self, real: Tensor, text: Tensor, round: int) -> Tensor | float:
        """R1, of D's answer to real pictures with their captions: "lazy", seldom, then heavier."""
        config = self.config
        if not config.r1 or round % config.r1_every:
            return 0.0
        told = partial(self.discriminator.logits, embedding=text.float())
        return config.r1 * config.r1_every * r1_penalty(told, real)

    @torch.no_grad()
    def preview(self, players: Mapping[str, nn.Module]) -> Tensor:
        """For each of eight captions a row of eight pictures."""
        device = next(players["G"].parameters()).device
        text = self.shown.to(device).repeat_interleave(8, 0)  # [64, 1024]
        z = noise(0, len(text), self.config.z_dim).to(device)
        mean = torch.zeros(len(text), self.config.embed_dim, device=device)  # the code itself
        if self.config.stage == 1:
            return players["G"](text, z, mean)[0]
        return players["G"](text, self.sketcher(text, z, mean)[0], mean)[0]


def _same(captions: list[str]) -> Tensor:
    """Which captions are the same, ``[B, B]``."""
    return torch.tensor([[a == b for b in captions] for a in captions])
