"""DAMSM's training: words and regions, sentences and pictures learn to find each other.

It comes before OP-GAN's and is an objective like any other; afterwards both encoders are frozen.
Differences to AttnGAN's program: the learning rate falls once, at the end, instead of by 2 % an
epoch, Adam keeps its memory over epochs, and gradients are not clipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor, nn

from course_lib.errors import CourseError, Problems
from course_lib.foreign import fill, read_pickle, read_weights
from course_lib.objective import Objective, Player, Step, TrainConfig, check_adam, check_each, draw
from course_lib.opgan.damsm.losses import Gammas, damsm_loss, exchanged_loss, sentence_agreement
from course_lib.opgan.damsm.networks import DAMSM, InceptionEye, SmallEye
from course_lib.scene import SceneBatch, Source
from course_lib.storage.checkpoint import part, read_checkpoint
from course_lib.text.objective import captions_of, pick
from course_lib.text.recurrent import RecurrentEncoder
from course_lib.text.vocabulary import Vocabulary, swapped

__all__ = ["DAMSMConfig", "DAMSMObjective", "check_gammas", "load_damsm"]


@dataclass(frozen=True)
class DAMSMConfig(TrainConfig):
    """The defaults are those of AttnGAN's program for COCO."""

    data: str = "coco"  # scenes with captions
    size: int = 256  # side of a picture in pixels; Inception enlarges it to 299
    rounds: int = 172_464  # 100 epochs of 82,783 pictures
    batch_size: int = 48  # pictures a round, each with one of its captions
    eye: Literal["inception", "small"] = "inception"  # who looks at pictures
    inception: str = ""  # torchvision's weights of Inception-v3, a .pth file
    width_eye: int = 32  # channels of the small eye's first map
    cell: Literal["LSTM", "GRU"] = "LSTM"  # who reads
    code: int = 256  # length of the codes of words, sentences, regions and pictures
    embedding: int = 300  # length of a word's embedding
    vocabulary: int = 27_297  # the most words that are told apart, and the end
    vocabulary_scenes: int = 82_783  # scenes whose captions make up the vocabulary
    words: int = 15  # that are read of a caption
    fullest: float = 0.0  # chance that a scene's longest caption is read, else any of them
    groups: int = 0  # batches of scenes with equally many objects, so many or more; 0 for any
    swapped: float = 0.0  # weight of captions with one word exchanged; 0 for none, as published
    gammas: tuple[float, float, float] = (4.0, 5.0, 10.0)  # sharpness: regions, words, batch
    ema: float = 0.0  # the encoders are not averaged
    lr_decay: float = 0.5  # see above
    lr: float = 2e-3  # Adam's step size
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's memory

    def check(self, problems: Problems) -> None:
        super().check(problems)
        names = ("size", "width_eye", "embedding", "vocabulary", "vocabulary_scenes", "words")
        check_each(problems, self, *names, "code", "eye", "cell")
        problems.check(self.code % 2 == 0, f"code is {self.code}, it must be an even number")
        problems.check(self.batch_size >= 2, "batch_size is 1; wrong captions need 2 scenes")
        problems.check(0 <= self.fullest <= 1, f"fullest is {self.fullest}, a share from 0 to 1")
        problems.check(self.groups >= 0, f"groups is {self.groups}, a whole number, 0 for none")
        problems.check(self.swapped >= 0, f"swapped is {self.swapped}, it must not be negative")
        check_gammas(problems, self.gammas)
        check_adam(problems, "lr", self.lr, self.betas)


def check_gammas(problems: Problems, gammas: tuple[float, float, float]) -> None:
    sharp = len(gammas) == 3 and all(gamma > 0 for gamma in gammas)
    problems.check(sharp, f"gammas are {gammas}, three numbers above 0 are needed")


def damsm_of(config: DAMSMConfig) -> DAMSM:
    """Both encoders, with first weights."""
    text = RecurrentEncoder(config.vocabulary, config.embedding, config.code, config.cell)
    if config.eye == "small":
        return DAMSM(text, SmallEye(config.code, config.width_eye))
    return DAMSM(text, InceptionEye(config.code))


def load_damsm(which: str) -> DAMSM:
    """Frozen encoders: ``"shipped"``, a run of ``course train damsm``, or AttnGAN's two files.

    Args:
        which: a folder that holds ``text_encoder*.pth``, ``image_encoder*.pth`` and
            ``captions.pickle``, which may also lie one folder higher; or a run's folder or file.
            ``"untrained"`` is a small one that knows no word, for a look at every step.
    """
    if which == "untrained":
        small = DAMSMConfig(eye="small", width_eye=2, code=8, embedding=8, vocabulary=2)
        return damsm_of(small).eval().requires_grad_(False)
    shipped = Path(str(resources.files("course_lib") / "weights" / "damsm.safetensors"))
    path = shipped if which == "shipped" else Path(which)
    if list(path.glob("text_encoder*.pth")):
        return _published(path)
    if path == shipped and not path.is_file():
        fix = "course train damsm, then damsm=its folder; or the folder of AttnGAN's encoders"
        raise CourseError("no trained encoders ship with the course", where="damsm", fix=fix)
    checkpoint = read_checkpoint(
        path / "painter.safetensors" if path.is_dir() else path, kind="damsm"
    )
    built = damsm_of(DAMSMConfig.from_json(checkpoint.header["config"]))
    built.load_state_dict(part(checkpoint.tensors, "damsm"))
    return built.eval().requires_grad_(False)


def _published(folder: Path) -> DAMSM:
    files = [next(folder.glob(f"{who}_encoder*.pth"), folder) for who in ("text", "image")]
    read, seen = (read_weights(file) for file in files)
    text = RecurrentEncoder.of(read, _words(folder, len(read["encoder.weight"])))
    fill(text, {**read, "_extra_state": text.get_extra_state()}, str(files[0]))
    eye = InceptionEye(len(seen["emb_cnn_code.bias"]))
    fill(eye, seen, str(files[1]))
    return DAMSM(text, eye).eval().requires_grad_(False)


def _words(folder: Path, count: int) -> Vocabulary:
    """The words of ``captions.pickle`` in the order of their ids from 1; 0 is the end.

    The file is a list: captions to train and to test with, words by id, ids by word.
    """
    near = folder / "captions.pickle"
    path = near if near.is_file() else folder.parent / near.name
    by_id = read_pickle(path)[2]
    if len(by_id) != count:
        raise CourseError(f"{len(by_id)} words for an encoder of {count}", where=str(path))
    return Vocabulary({by_id[number]: 1 for number in range(1, count)})


class DAMSMObjective(Objective):
    """One round: pictures, one caption of each, and both encoders a step towards agreement."""

    kind = "damsm"

    config: DAMSMConfig

    def __init__(self, config: DAMSMConfig) -> None:
        super().__init__(config)
        self.damsm, self.gammas = damsm_of(config), Gammas(*config.gammas)
        if isinstance(self.damsm.image, InceptionEye) and config.inception:
            own = self.damsm.image.state_dict()
            trunk = {k: v for k, v in read_weights(Path(config.inception)).items() if k in own}
            fill(self.damsm.image, {**own, **trunk}, config.inception)
        self.players = {"damsm": Player(self.damsm, config.lr, config.betas, averaged=True)}
        self.latest = torch.zeros(1, 3, config.size, config.size), ["nothing yet"]

    def prepare(self, source: Source) -> None:
        """Counts the words; needs Inception's weights, without which nothing could be learnt."""
        if self.config.eye == "inception" and not self.config.inception:
            raise CourseError(
                "Inception's weights are missing",
                where="inception",
                fix="inception=PATH of torchvision's inception_v3_google-*.pth, or eye=small",
            )
        parts = torch.arange(min(len(source), self.config.vocabulary_scenes)).split(100)
        told = (captions_of(source.batch(some)) for some in parts)
        found = Vocabulary.of(caption for some in told for scene in some for caption in scene)
        kept = dict(list(found.words.items())[: self.config.vocabulary - 1])  # the most frequent
        more = (found.swaps, found.pairs) if self.config.swapped else ()
        self.damsm.text.vocabulary = Vocabulary(kept, *more)

    def round(self, scenes: SceneBatch, step: Step) -> None:
        captions = pick(captions_of(scenes), self.config.fullest)
        heard = self.damsm.text.read(captions, self.config.words)
        regions, whole = self.damsm.image(scenes.images)
        same = torch.tensor([captions.index(caption) for caption in captions])
        agree = sentence_agreement(whole, heard.sentence).float()
        best = (agree.argmax(1).cpu() == torch.arange(len(captions))).float().mean()
        loss = damsm_loss(regions, whole, heard, self.gammas, same.to(regions.device))
        if self.config.swapped:
            wrong = self.exchanged(captions)
            nearly = exchanged_loss(whole, heard.sentence, wrong, self.gammas.batch)
            loss = loss + self.config.swapped * nearly
        self.latest = scenes.images, captions
        step("damsm", loss, found=best)

    def exchanged(self, captions: list[str]) -> Tensor:
        """The sentences with one word exchanged: ``[B, code]``."""
        chances, text = draw(torch.rand, len(captions)).tolist(), self.damsm.text
        pairs = zip(captions, chances, strict=True)
        told = [swapped(caption, text.vocabulary, chance) for caption, chance in pairs]
        return text.read(told, self.config.words).sentence

    @torch.no_grad()
    def preview(self, players: Mapping[str, nn.Module]) -> Tensor:
        """For eight captions of the latest round a row each: the eight pictures that agree most."""
        pictures, captions = self.latest
        reader = cast(DAMSM, players["damsm"])
        heard = reader.text.read(captions, self.config.words)
        agree = sentence_agreement(reader.image(pictures)[1], heard.sentence)
        best = agree.T[:8].topk(min(8, len(pictures)), dim=1).indices  # [8, 8]
        return pictures[best.flatten()]
