"""How the encoder learns: a sentence and its picture shall agree, others shall not.

Reed et al. 2016, section 3: the *structured joint embedding*. A picture's numbers ``theta(v)`` and
a caption's ``phi(t)`` agree by ``F(v, t) = theta(v) . phi(t)``, and a picture must agree with its
own caption by a margin more than with anybody else's, and a caption with its own picture likewise.
The network that looks at pictures is small, learns beside the encoder, and is not needed later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError, Problems
from course_lib.objective import Objective, Player, Step, TrainConfig, check_adam, check_each, draw
from course_lib.scene import SceneBatch, Source
from course_lib.text.encoder import EMBEDDING, TextEncoder
from course_lib.text.vocabulary import Vocabulary, swapped

__all__ = ["TextConfig", "TextObjective", "captions_of", "joint_embedding_loss", "pick"]


@dataclass(frozen=True)
class TextConfig(TrainConfig):
    """The defaults are the paper's (section 5), but for the network that looks at pictures."""

    data: str = "flowers102"  # scenes with captions
    rounds: int = 50_000  # updates of encoder and eye
    batch_size: int = 40  # pictures a round, each with one of its captions
    widths: tuple[int, int, int] = (384, 512, 256)  # channels of the encoder's convolutions
    width_eye: int = 64  # channels of the first map of the network that looks
    margin: float = 1.0  # by how much own and other must differ in agreement, 16 at most
    fullest: float = 0.0  # chance that a picture's longest caption is read, else any of them
    swapped: float = 0.0  # weight of captions with one word exchanged; 0 for none, as published
    swapped_after: int = 0  # rounds before those begin: first things and colours, then each word
    vocabulary_scenes: int = 10_000  # scenes whose captions make up the vocabulary
    ema: float = 0.0  # the encoder is not averaged
    lr: float = 7e-4  # Adam's step size
    betas: tuple[float, float] = (0.9, 0.999)  # Adam's memory

    def check(self, problems: Problems) -> None:
        super().check(problems)
        problems.check(
            len(self.widths) == 3 and all(isinstance(w, int) and w >= 1 for w in self.widths),
            f"widths are {self.widths}, three whole numbers of at least 1 are needed",
        )
        problems.check(self.swapped >= 0, f"swapped is {self.swapped}, it must not be negative")
        problems.check(self.margin > 0, f"margin is {self.margin}, it must be above 0")
        problems.check(0 <= self.fullest <= 1, f"fullest is {self.fullest}, a share from 0 to 1")
        check_each(problems, self, "width_eye", "vocabulary_scenes")
        least = self.size >= 32 and self.size % 16 == 0
        problems.check(least, f"size is {self.size}, it must be a multiple of 16 from 32")
        check_adam(problems, "lr", self.lr, self.betas)


def joint_embedding_loss(seen: Tensor, said: Tensor, same: Tensor, margin: float = 1.0) -> Tensor:
    """``mean max(0, m + F(v, t') - F(v, t)) + mean max(0, m + F(v', t) - F(v, t))`` (eq. 4, 5).

    Args:
        seen, said: ``theta(v)`` and ``phi(t)`` of each pair, ``[B, 1024]``.
        same: which pairs of captions say the same, ``[B, B]``, bool: no margin between those.
        margin: ``m``, published as 1.
    """
    agree = seen @ said.T  # F, [B, B]: pictures down, captions across
    own, other = agree.diagonal(), ~same
    wrong_caption = F.relu(margin + agree - own[:, None])[other].mean()
    wrong_picture = F.relu(margin + agree - own[None, :])[other].mean()
    return wrong_caption + wrong_picture


def swapped_loss(seen: Tensor, said: Tensor, exchanged: Tensor, margin: float = 1.0) -> Tensor:
    """``mean max(0, m + F(v, t') - F(v, t))``, with ``t'`` a caption that is wrong in one word.

    In a batch, captions differ in many words, and agreeing on the loudest of them is enough to be
    told apart. So the encoder becomes deaf to the others, unless they are asked for, too.
    """
    own, wrong = (seen * said).sum(dim=1), (seen * exchanged).sum(dim=1)  # [B] each
    return F.relu(margin + wrong - own).mean()


class Pair(nn.Module):
    """The encoder, and the network that looks at pictures while it learns.

    They agree by direction: each embedding counts as 4 long, which a caption's is in the mean. Were
    lengths free, loud pictures would reach any margin, however little two captions differ.
    """

    def __init__(self, encoder: TextEncoder, width: int, size: int) -> None:
        super().__init__()
        self.encoder = encoder
        maps = [3, width, 2 * width, 4 * width, 4 * width]
        blocks = [
            nn.Sequential(nn.Conv2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))
            for a, b in zip(maps, maps[1:], strict=False)
        ]
        to_embedding = nn.Linear(maps[-1] * (size // 16) ** 2, EMBEDDING)
        norm = nn.BatchNorm1d(EMBEDDING, affine=False)
        self.eye = nn.Sequential(*blocks, nn.Flatten(), to_embedding, norm)

    def forward(self, pictures: Tensor, captions: list[str]) -> tuple[Tensor, Tensor]:
        seen, said = self.eye(pictures), self.encoder(captions)
        return 4 * F.normalize(seen), 4 * F.normalize(said)  # [B, 1024] each


class TextObjective(Objective):
    """One round: pictures, one caption of each, and both networks a step towards agreement."""

    kind = "text"

    config: TextConfig

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)
        self.encoder = TextEncoder(widths=config.widths)
        self.pair = Pair(self.encoder, config.width_eye, config.size)
        self.players = {"text": Player(self.pair, config.lr, config.betas, averaged=True)}
        self.latest: tuple[Tensor, list[str]] | None = None

    def prepare(self, source: Source) -> None:
        count = min(len(source), self.config.vocabulary_scenes)
        parts = torch.arange(count).split(100)
        captions = [captions_of(source.batch(part)) for part in parts]
        self.encoder.vocabulary = Vocabulary.of(
            caption for part in captions for scene in part for caption in scene
        )

    def round(self, scenes: SceneBatch, step: Step) -> None:
        config, captions = self.config, pick(captions_of(scenes), self.config.fullest)
        asked = config.swapped and step.round >= config.swapped_after
        wrong = self.exchanged(captions) if asked else []
        seen, read = (part.float() for part in self.pair(scenes.images, captions + wrong))
        said = read[: len(captions)]
        same = torch.tensor([[a == b for b in captions] for a in captions], device=seen.device)
        loss = joint_embedding_loss(seen, said, same, config.margin)
        if wrong:
            nearly = swapped_loss(seen, said, read[len(captions) :], config.margin)
            loss = loss + config.swapped * nearly
        self.latest = scenes.images, captions
        step("text", loss)

    def exchanged(self, captions: list[str]) -> list[str]:
        """Each caption with one word exchanged."""
        chances = draw(torch.rand, len(captions)).tolist()
        pairs = zip(captions, chances, strict=True)
        return [swapped(text, self.encoder.vocabulary, chance) for text, chance in pairs]

    @torch.no_grad()
    def preview(self, players: Mapping[str, nn.Module]) -> Tensor:
        """For eight captions of the latest round a row each: the eight pictures that agree most."""
        if self.latest is None:
            return torch.zeros(1, 3, self.config.size, self.config.size)
        pictures, captions = self.latest
        seen, said = players["text"](pictures, captions)
        best = (said @ seen.T)[:8].topk(min(8, len(pictures)), dim=1).indices  # [8, 8]
        return pictures[best.flatten()]


def captions_of(scenes: SceneBatch) -> tuple[tuple[str, ...], ...]:
    """The captions of each scene.

    Raises:
        CourseError: scenes without captions.
    """
    if scenes.captions is None or not all(scenes.captions):
        raise CourseError(
            "some of these scenes have no captions",
            where="data",
            fix="data=storybook-alone, or a folder of pictures with captions.csv beside them",
        )
    return scenes.captions


def pick(captions: tuple[tuple[str, ...], ...], fullest: float = 0.0) -> list[str]:
    """One caption of each scene: with the chance ``fullest`` the longest, else any of them."""
    chances = draw(torch.rand, len(captions), 2).tolist()
    return [
        max(several, key=len) if first < fullest else several[int(other * len(several))]
        for several, (first, other) in zip(captions, chances, strict=True)
    ]
