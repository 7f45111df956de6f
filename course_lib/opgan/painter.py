"""OP-GAN's public face: a sentence and a layout in, a picture out, and what its words looked at."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_convert

from course_lib.data.coco import COCO_CLASSES
from course_lib.data.proposal import propose
from course_lib.errors import CourseError, Problems
from course_lib.opgan import official
from course_lib.opgan.damsm.objective import load_damsm
from course_lib.opgan.networks import Generator, Painted
from course_lib.opgan.objective import OPGANConfig, objects_of, things
from course_lib.opgan.objects import Objects
from course_lib.painter import Painter, Picture, noise
from course_lib.scene import ClassTable, Layout, SceneBatch
from course_lib.storage.checkpoint import part
from course_lib.text.captions import Sentence, read_sentence
from course_lib.text.objective import captions_of
from course_lib.text.recurrent import Heard, RecurrentEncoder

__all__ = ["OPGANPainter"]

Written = Layout | Sequence[tuple[str, Sequence[float]]]


class OPGANPainter(Painter):
    """Paints a caption with things where a layout says; what both leave open is up to the noise.

    Attributes:
        generator: the trained network.
        reader: reads captions; None for released weights until :meth:`read_with` brings one.
        config: how it was trained; of released weights, the authors'.
    """

    kind = "opgan"

    def __init__(
        self, generator: Generator, reader: RecurrentEncoder | None, config: OPGANConfig
    ) -> None:
        self.generator, self.reader = generator.eval(), reader and reader.eval()
        self.config = config

    @classmethod
    def from_weights(cls, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> OPGANPainter:
        settings = OPGANConfig.from_json(config)
        words = part(weights, "text")
        reader = RecurrentEncoder.of(words)
        reader.load_state_dict(words)
        generator = Generator(settings, fault=settings.fault)
        generator.load_state_dict(part(weights, "G"))
        return cls(generator, reader, settings)

    @classmethod
    def from_official(cls, weights: Mapping[str, Tensor]) -> OPGANPainter:
        """From ``op-gan.pth``, with the padding of a batch as it was trained with."""
        generator = official.generator(weights)
        return cls(generator, None, OPGANConfig(**vars(generator.sizes), words=20))

    def read_with(self, folder: str | Path) -> OPGANPainter:
        """Gives released weights their reader: AttnGAN's encoders, or those of a DAMSM run."""
        self.reader = load_damsm(str(folder)).text
        return self

    @property
    def classes(self) -> ClassTable:
        """The classes that a layout may name."""
        told = self.tables.get("classes")
        return ClassTable.from_json(told) if told else COCO_CLASSES

    @property
    def kinds(self) -> ClassTable:
        """Those of them that have boxes, numbered anew."""
        named = [self.classes[self.classes.name(id)] for id in sorted(things(self.classes))]
        return ClassTable(tuple(replace(info, id=number) for number, info in enumerate(named)))

    def generate(
        self, caption: str | None = None, layout: Written | None = None, *, seed: int = 0
    ) -> Picture:
        """Paints one picture.

        Args:
            caption: any sentence. A warning, and the picture's ``notes``, say which of its words
                the painter does not know, and what it did not read.
            layout: things and their boxes; later ones lie over earlier ones. Or pairs of a name
                and two corners, as fractions: ``[("tree", (0.1, 0.4, 0.3, 0.9))]``. None for what
                :meth:`propose` makes of the caption; ``[]`` for no box: then the object pathways
                paint nothing.
            seed: of the noise; the same seed gives the same picture.

        Returns:
            The picture. Its steps are each stage's ``stage_1``, ..., the objects' canvases
            ``objects_1``, ... ``[C, h, w]``, and ``attention_2``, ... ``[T, s, s]``: how much each
            word is heard at each place; ``words_of(caption)`` has the words. Boxes that were
            proposed are told in its ``notes``.

        Raises:
            CourseError: no caption, one without a word, a class that the painter does not know, or
                more objects than it was trained with.
        """
        sentence = self.understand(caption)
        for note in sentence.notes:
            warnings.warn(note, stacklevel=2)
        asked = self.propose(sentence.text) if layout is None else layout
        painted = self.paint(self.hear([sentence.text]), self.place(asked), [seed])
        told = (f"proposed: {asked}",) if layout is None and self.config.pathway else ()
        return Picture(painted.pictures[-1][0], steps=_steps(painted), notes=sentence.notes + told)

    def propose(self, caption: str) -> Layout:
        """Boxes for what a caption names, where it says (:mod:`course_lib.data.proposal`)."""
        return propose(caption, self.kinds, self.config.max_objects)

    def understand(self, caption: object) -> Sentence:
        """The caption as the painter reads it: what is unknown to it, and what is too much."""
        return read_sentence(caption, self._reader.vocabulary, self.config.words)

    @torch.no_grad()
    def hear(self, captions: Sequence[str]) -> Heard:
        """The captions' codes."""
        return self._reader.read(captions, self.config.words)

    @property
    def _reader(self) -> RecurrentEncoder:
        if self.reader is None:
            raise CourseError(
                "this painter has no reader yet: the released file holds the generator alone",
                where="caption",
                fix='painter.read_with("coco"), a folder with AttnGAN\'s encoders and captions',
            )
        return self.reader

    def place(self, layout: Written) -> Objects:
        """The layout as the networks take it."""
        known, most = things(self.classes), self.config.max_objects
        told = Layout.of(*layout, units="fraction", format="xyxy", classes=self.classes)
        places = [known.get(self.classes.id(name), -1) for name in told.names]
        with Problems("layout") as problems:
            for name, place in zip(told.names, places, strict=True):
                problems.check(place >= 0, f"{name!r} is stuff, which has no box")
            problems.check(len(told) <= most, f"{len(told)} objects, at most {most} are painted")
        if not len(told) or not self.config.pathway:
            return Objects.nothing(1, self.config.classes)
        boxes = box_convert(told.fractions(), "xyxy", "xywh")
        return Objects.of(boxes[None], torch.tensor([places]), self.config.classes)

    @torch.no_grad()
    def paint(self, heard: Heard, objects: Objects, seeds: Sequence[int]) -> Painted:
        """Many pictures at once, one seed each."""
        sizes = self.generator.sizes
        lengths = (sizes.noise, sizes.local_noise, sizes.code)
        drawn = torch.stack([noise(seed, sum(lengths)) for seed in seeds])
        painted: Painted = self.generator(heard, objects, *drawn.split(lengths, dim=1))
        return painted

    def repaint(self, scenes: SceneBatch, seeds: Sequence[int], batch_size: int = 50) -> Tensor:
        """Pictures of scenes from their first captions and their boxes: ``[N, 3, H, W]``."""
        painted = []
        for start in range(0, len(scenes), batch_size):
            some = slice(start, start + batch_size)
            heard = self.hear([several[0] for several in captions_of(scenes[some])])
            objects = objects_of(scenes[some], self.config)
            painted.append(self.paint(heard, objects, seeds[some]).pictures[-1])
        return torch.cat(painted)


def _steps(painted: Painted) -> dict[str, Tensor]:
    """What the first picture was made of, by name and stage."""
    parts = {"stage": painted.pictures, "objects": painted.objects, "attention": painted.attention}
    return {
        f"{name}_{number}": tensor[0]
        for name, tensors in parts.items()
        for number, tensor in enumerate(tensors, 2 if name == "attention" else 1)
    }
