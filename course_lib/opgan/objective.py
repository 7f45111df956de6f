"""OP-GAN's game: each stage's discriminator looks at whole pictures, captions, and boxes.

Hinz, Heinrich, Wermter 2020, section 3.4, on AttnGAN's game. Each discriminator must take real
pictures for real and fakes for fake, alone and with their captions; a real picture with another's
caption is wrong, and so is a fake whose objects do not stand in the boxes that it is told of. The
generator must convince all of them, and DAMSM must find its words in the last picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError, Problems
from course_lib.nn.penalties import kl_to_normal
from course_lib.nn.perceptual import PerceptualNet, perceptual_distance
from course_lib.objective import Objective, Player, Step, TrainConfig, check_adam, check_each, draw
from course_lib.opgan.damsm.losses import Gammas, damsm_loss
from course_lib.opgan.damsm.objective import check_gammas, load_damsm
from course_lib.opgan.discriminator import Discriminator, Norm
from course_lib.opgan.networks import SQUARE, Generator, Painted, Sizes
from course_lib.opgan.objects import Objects, lay
from course_lib.painter import noise
from course_lib.scene import ClassTable, SceneBatch, Source
from course_lib.text.objective import captions_of, pick
from course_lib.text.recurrent import Heard
from course_lib.text.vocabulary import swapped

__all__ = ["OPGANConfig", "OPGANObjective", "crop_distance", "objects_of", "things"]

Misplaced = Literal["fake", "real", "renamed", "none"]


@dataclass(frozen=True)
class OPGANConfig(Sizes, TrainConfig):
    """The defaults are those of the authors' program for COCO.

    But for the batches: theirs have 12 to 32 pictures, as many as their GPUs held of pictures with
    so many objects.
    """

    data: str = "coco"  # scenes with captions and boxes
    rounds: int = 413_915  # 120 epochs of 82,783 pictures
    batch_size: int = 24  # scenes a round
    max_objects: int = 10  # of a scene that are painted by themselves, the largest
    grouped: bool = True  # a batch has scenes with equally many objects
    pathway: bool = True  # the object pathways; without them layouts are not heard
    damsm: str = "shipped"  # who reads: shipped, a run of `train damsm`, AttnGAN's files' folder
    words: int = 12  # that are read of a caption
    norm_d: Norm = "batch"  # or spectral, which small batches do not disturb, or none
    high_pass: float = 0.0  # how much fine detail is amplified for D; 0 for no such channels
    fullest: float = 0.0  # chance that a scene's longest caption is read, else any of them
    swapped: bool = False  # captions with one word exchanged are wrong, too
    crop: float = 0.0  # weight of objects' likeness to those of the real picture; 0 as published
    perceptual: float = 0.0  # weight of their likeness in activations; 0 as published
    logvar: float = 0.0  # where the log variance of a caption's code begins
    fault: bool = False  # mix the padding masks of a batch, as the authors' program does
    misplaced: Misplaced = "fake"  # which pictures D is shown with others' boxes, or other names
    damsm_weight: float = 50.0  # of DAMSM's loss, lambda
    gammas: tuple[float, float, float] = (4.0, 5.0, 10.0)  # its sharpness: regions, words, batch
    kl: float = 1.0  # weight of the codes' divergence from the normal distribution
    lr_g: float = 2e-4  # Adam's step sizes
    lr_d: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's memory

    @property
    def groups(self) -> int:
        """The most objects by which scenes are told apart; 0 for batches of any scenes."""
        return self.max_objects if self.grouped else 0

    def check(self, problems: Problems) -> None:
        super().check(problems)
        check_each(problems, self, *(field.name for field in fields(Sizes)))
        check_each(problems, self, "max_objects", "words", "norm_d", "misplaced")
        if not problems.found:
            problems.check(
                self.size & (self.size - 1) == 0 and self.sides[0] in (32, 64),
                f"size is {self.size} in {self.stages} stages, the first must have 32 or 64 pixels",
                "size=256 stages=3, or size=64 stages=2",
            )
        problems.check(self.label >= 8 and self.width % 2 == 0, "label is 8 at least, width even")
        problems.check(self.batch_size >= 2, "batch_size is 1; wrong captions need 2 scenes")
        weights = self.damsm_weight, self.kl, self.crop, self.perceptual, self.high_pass
        problems.check(min(weights) >= 0, "a weight must not be negative")
        problems.check(0 <= self.fullest <= 1, f"fullest is {self.fullest}, a share from 0 to 1")
        check_gammas(problems, self.gammas)
        check_adam(problems, "lr_g", self.lr_g, self.betas)
        check_adam(problems, "lr_d", self.lr_d, self.betas)


# --- The losses ---


def discriminator_loss(
    d: Discriminator,
    real: Tensor,
    fake: Tensor,
    sentence: Tensor,
    objects: Objects,
    misplaced: Misplaced = "fake",
    swapped: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean of two answers that shall be yes, and mean of five (three to six) that shall be no.

    Yes: a real picture, alone and with its caption. No: a fake, alone and with its caption; a real
    picture with another's caption; and, alone and with its caption, a picture that is shown with
    the boxes of another.

    Args:
        misplaced: which picture that is: in the authors' program a fake. Or a real one in whose
            boxes other things are said to be (``renamed``), or none.
        swapped: sentences that are wrong in one word, one more no for a real picture.

    Returns:
        The loss, and how D answered: ``real``, ``fake``, mean logits of all that it said of them,
        ``accuracy``, how often the real picture of a pair scored higher.
    """
    fake = fake.detach()
    seen, made = d(real, objects), d(fake, objects)
    fits, forged = d.conditional(seen, sentence), d.conditional(made, sentence)
    alone, forged_alone = d.unconditional(seen), d.unconditional(made)
    no = [forged, d.conditional(seen[:-1], sentence[1:]), forged_alone]
    boxes = bool(objects.present.any())  # without any, a real picture has none that are wrong
    if misplaced == "fake" or (misplaced != "none" and boxes):
        other = objects.renamed() if misplaced == "renamed" else objects.misplaced()
        askew = d(fake if misplaced == "fake" else real, other)
        no += [d.conditional(askew, sentence), d.unconditional(askew)]
    no += [] if swapped is None else [d.conditional(seen, swapped)]
    yes = (F.softplus(-fits).mean() + F.softplus(-alone).mean()) / 2
    loss = yes + torch.stack([F.softplus(logits).mean() for logits in no]).mean()
    right, wrong = fits + alone, forged + forged_alone
    figures = {"real": right.mean() / 2, "fake": wrong.mean() / 2}
    return loss, figures | {"accuracy": (right > wrong).float().mean()}


def convinced(d: Discriminator, fake: Tensor, sentence: Tensor, objects: Objects) -> Tensor:
    """``-log D(G) - log D(G, t)``."""
    made = d(fake, objects)
    answers = d.conditional(made, sentence), d.unconditional(made)
    return F.softplus(-answers[0]).mean() + F.softplus(-answers[1]).mean()


def cut_out(pictures: Tensor, objects: Objects, side: int) -> Tensor:
    """What stands in each box, as a square: ``[N, 3, side, side]`` of the objects there are."""
    there = objects.present.T  # [O, B]
    many = pictures.float().expand(len(there), *pictures.shape)
    return lay(many, objects.crop, side)[there]


def crop_distance(fake: Tensor, real: Tensor, objects: Objects) -> Tensor:
    """Mean absolute difference of the objects, each resampled to 16 x 16 pixels.

    So a small object counts as much as a large one. Not in the paper: it spares a small painter the
    long search for shapes.
    """
    away = (cut_out(fake, objects, SQUARE) - cut_out(real, objects, SQUARE)).abs()
    return away.sum() / max(away.numel(), 1)


# --- What the networks are given ---


def things(classes: ClassTable) -> dict[int, int]:
    """The places of a table's things in the networks' one-hot classes, by their ids.

    COCO's are the 80 that were annotated, in their order.
    """
    coco = {c.id: c.source_ids["coco80"] for c in classes if "coco80" in c.source_ids}
    return coco or {classes.id(name): place for place, name in enumerate(classes.things)}


def objects_of(scenes: SceneBatch, config: OPGANConfig) -> Objects:
    """The scenes' largest things and their boxes.

    Raises:
        CourseError: scenes without boxes, or with another number of things.
    """
    boxes, ids, present, table = scenes.boxes, scenes.objects, scenes.present, scenes.classes
    if boxes is None or ids is None or present is None or table is None:
        raise CourseError("these scenes have no boxes", where="data", fix="data=storybook, coco")
    known = things(table)
    if len(known) + 1 != config.classes:
        raise CourseError(
            f"these scenes have {len(known)} kinds of things, classes is {config.classes}",
            where="classes",
            fix=f"classes={len(known) + 1}",
        )
    places = torch.tensor([known.get(id, -1) for id in range(len(table) + 1)])
    if not config.pathway:
        return Objects.nothing(len(boxes), config.classes).to(boxes)
    asked = places.to(ids.device)[ids]
    there = present & (asked >= 0)
    return Objects.padded(boxes, asked, there, config.classes, config.max_objects)


def pyramid(pictures: Tensor, sides: Sequence[int]) -> list[Tensor]:
    """The same pictures at each stage's side, by the means of their pixels."""
    return [F.interpolate(pictures, size=(side, side), mode="area") for side in sides]


# --- The game ---


class OPGANObjective(Objective):
    """One round: all discriminators on this batch, then the generator against all of them."""

    kind = "opgan"

    config: OPGANConfig

    def __init__(self, config: OPGANConfig) -> None:
        super().__init__(config)
        damsm, self.gammas = load_damsm(config.damsm), Gammas(*config.gammas)
        self.text, self.eye = damsm.text, damsm.image
        self.frozen = {"text": self.text, "eye": self.eye}
        self.perceiver = PerceptualNet.load() if config.perceptual else None
        with Problems("text") as problems:
            said = 2 * self.text.rnn.hidden_size
            problems.check(config.text == said, f"text is {config.text}, the reader says {said}")
        self.generator = Generator(config, fault=config.fault)
        self.discriminators = nn.ModuleList(
            Discriminator(side, config, config.norm_d, config.high_pass) for side in config.sides
        )
        if config.logvar:
            self.generator.ca_net.begin(config.logvar)
        for network in (self.generator, self.discriminators):
            network.to(memory_format=torch.channels_last)  # the faster order for convolutions
        self.players = {
            "D": Player(self.discriminators, config.lr_d, config.betas),
            "G": Player(self.generator, config.lr_g, config.betas, averaged=True),
        }
        self.shown: SceneBatch | None = None  # what previews paint

    def prepare(self, source: Source) -> None:
        self.shown = source.batch(torch.arange(min(8, len(source))))
        captions_of(self.shown), objects_of(self.shown, self.config)  # said before the first round

    def tables(self) -> Mapping[str, Any]:
        shown = self.shown
        return {"classes": shown.classes.to_json()} if shown and shown.classes else {}

    def round(self, scenes: SceneBatch, step: Step) -> None:
        config, captions = self.config, pick(captions_of(scenes), self.config.fullest)
        heard, nearly = self.hear(captions), self.exchanged(captions)
        objects = objects_of(scenes, config)
        painted = self.paint(heard, objects)
        judges = cast(list[Discriminator], list(self.discriminators))
        real = pyramid(scenes.images, config.sides)

        losses, figures = [], []
        for d, truth, fake in zip(judges, real, painted.pictures, strict=True):
            loss, figure = discriminator_loss(
                d, truth, fake, heard.sentence, objects, config.misplaced, nearly
            )
            losses.append(loss)
            figures.append(figure)
        means = {name: torch.stack([f[name] for f in figures]).mean() for name in figures[0]}
        step("D", torch.stack(losses).sum(), **means)

        pairs = zip(judges, painted.pictures, strict=True)
        answers = [convinced(d, fake, heard.sentence, objects) for d, fake in pairs]
        terms = self.terms(painted, heard, objects, real)
        names = {"damsm": "damsm_weight"}  # of the weights, where they are not the terms'
        weighed = [getattr(config, names.get(name, name)) * x for name, x in terms.items()]
        step("G", torch.stack(answers + weighed).sum(), **terms)

    def terms(
        self, painted: Painted, heard: Heard, objects: Objects, real: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """What G is asked for besides convincing D; what has no weight is not computed."""
        terms = {"kl": kl_to_normal(painted.mu, painted.logvar)}
        if self.config.damsm_weight:
            regions, whole = self.eye(painted.pictures[-1])
            terms["damsm"] = damsm_loss(regions, whole, heard, self.gammas)
        if self.config.crop:
            both = zip(painted.pictures, real, strict=True)
            apart = [crop_distance(fake, truth, objects) for fake, truth in both]
            terms["crop"] = torch.stack(apart).mean()
        if self.perceiver is not None:
            pair = [cut_out(last, objects, 2 * SQUARE) for last in (painted.pictures[-1], real[-1])]
            eyes, some = self.perceiver.to(real[-1].device), len(pair[0]) > 0
            terms["perceptual"] = perceptual_distance(eyes, *pair) if some else 0 * terms["kl"]
        return terms

    @torch.no_grad()
    def hear(self, captions: list[str]) -> Heard:
        """The captions' codes, from frozen encoders."""
        return self.text.eval().read(captions, self.config.words)

    def exchanged(self, captions: list[str]) -> Tensor | None:
        """The sentences with one word exchanged, if they are asked for: ``[B, text]``."""
        if not self.config.swapped:
            return None
        chances = draw(torch.rand, len(captions)).tolist()
        pairs = zip(captions, chances, strict=True)
        return self.hear([swapped(c, self.text.vocabulary, chance) for c, chance in pairs]).sentence

    def paint(self, heard: Heard, objects: Objects) -> Painted:
        """New pictures."""
        count, device = len(heard.sentence), heard.sentence.device
        lengths = self.config.noise, self.config.local_noise, self.config.code
        drawn = draw(torch.randn, count, sum(lengths)).to(device)
        painted: Painted = self.generator(heard, objects, *drawn.split(lengths, dim=1))
        return painted

    @torch.no_grad()
    def preview(self, players: Mapping[str, nn.Module]) -> Tensor:
        """For each of eight scenes a row of four pictures: its first caption, its boxes."""
        if self.shown is None:
            return torch.zeros(1, 3, self.config.size, self.config.size)
        device = next(players["G"].parameters()).device
        heard = self.hear([several[0] for several in captions_of(self.shown) for _ in range(4)])
        objects = objects_of(self.shown.to(device), self.config)
        many = Objects(*(part.repeat_interleave(4, 0) for part in objects))
        lengths = self.config.noise, self.config.local_noise, self.config.code
        drawn = noise(0, 4, sum(lengths)).to(device).repeat(len(objects.labels), 1)
        last: Tensor = players["G"](heard, many, *drawn.split(lengths, dim=1)).pictures[-1]
        return last  # [8 * 4, 3, H, W]
