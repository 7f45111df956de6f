"""StackGAN's public face: a sentence in, a picture out, and the sketch that it was made from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.painter import Painter, Picture, noise
from course_lib.stackgan import official
from course_lib.stackgan.networks import StageOne, StageTwo
from course_lib.stackgan.objective import StackGANConfig, stage_one, stage_two
from course_lib.storage.checkpoint import part
from course_lib.text.captions import Sentence, read_sentence
from course_lib.text.encoder import EMBEDDING, TextEncoder

__all__ = ["StackGANPainter"]


class StackGANPainter(Painter):
    """Paints what a caption says; everything that it leaves open is up to the noise.

    Attributes:
        encoder: reads captions; ``encoder.vocabulary`` holds the words that it knows. None for a
            painter that was trained on published embeddings: it takes no sentences.
        stage_1: sketches.
        stage_2: mends the sketch; None for a painter of Stage I alone.
    """

    kind = "stackgan"

    def __init__(
        self,
        encoder: TextEncoder | None,
        stage_1: StageOne,
        stage_2: StageTwo | None,
        config: StackGANConfig,
    ) -> None:
        self.encoder, self.config = encoder, config
        self.stage_1, self.stage_2 = stage_1.eval(), stage_2 and stage_2.eval()

    @classmethod
    def from_weights(
        cls, config: Mapping[str, Any], weights: Mapping[str, Tensor]
    ) -> StackGANPainter:
        settings = StackGANConfig.from_json(config)
        reader = part(weights, "encoder")
        encoder = TextEncoder.from_weights(reader) if reader else None
        first = stage_one(settings)
        if settings.stage == 1:
            first.load_state_dict(part(weights, "G"))
            return cls(encoder, first, None, settings)
        second = stage_two(settings)
        first.load_state_dict(part(weights, "stage_1"))
        second.load_state_dict(part(weights, "G"))
        return cls(encoder, first, second, settings)

    @classmethod
    def from_official(cls, weights: Mapping[str, Tensor]) -> Painter:
        """The published networks differ from ours and have a painter of their own."""
        return official.painter(weights)

    def generate(
        self,
        caption: str | None = None,
        *,
        seed: int = 0,
        embedding: Tensor | None = None,
        augment: float = 1.0,
    ) -> Picture:
        """Paints one picture.

        Args:
            caption: any sentence. A warning, and the picture's ``notes``, say which of its words
                the painter does not know.
            seed: of the noise; the same seed gives the same picture.
            embedding: what to paint as ``[1024]`` numbers, instead of a caption: mixtures of
                captions, or published embeddings for a painter that was trained on them.
            augment: how much of the conditioning augmentation's noise is added to the caption's
                code; 0 for none, 1 as in training.

        Returns:
            The picture; its steps are ``stage_1``, the sketch, and ``stage_2`` where there is one.

        Raises:
            CourseError: a caption without a word, no text at all, neither caption nor embedding.
        """
        if (caption is None) == (embedding is None):
            raise CourseError(
                "one of caption and embedding is needed",
                where="generate",
                fix='generate("a large red house on the grass", seed=7)',
            )
        notes: tuple[str, ...] = ()
        if embedding is None:
            sentence = self.understand(caption)
            embedding, notes = self.embed(sentence.text)[0], sentence.notes
            for note in notes:
                warnings.warn(note, stacklevel=2)
        steps = self.paint(embedding[None], [seed], augment)
        steps = {name: pictures[0] for name, pictures in steps.items()}
        return Picture(list(steps.values())[-1], steps, notes)

    def understand(self, caption: object) -> Sentence:
        """The caption as the painter reads it: what is unknown to it, and what is too much."""
        return read_sentence(caption, self._reader.vocabulary)

    @torch.no_grad()
    def embed(self, *captions: str) -> Tensor:
        """The captions' embeddings, with which one can calculate: ``[N, 1024]``."""
        return self._reader([self.understand(caption).text for caption in captions])

    @property
    def _reader(self) -> TextEncoder:
        if self.encoder is None:
            raise CourseError(
                "this painter was trained on published embeddings and takes no sentences",
                where="caption",
                fix="generate(embedding=...), a row of char-CNN-RNN-embeddings.pickle",
            )
        return self.encoder

    @torch.no_grad()
    def paint(
        self, embeddings: Tensor, seeds: Sequence[int], augment: float = 1.0
    ) -> dict[str, Tensor]:
        """Many pictures at once, of each stage: ``[N, 1024]`` -> ``[N, 3, H, W]`` in [-1, 1].

        Args:
            seeds: one for each embedding.
            augment: see :meth:`generate`.
        """
        if embeddings.shape != (len(seeds), EMBEDDING):
            raise CourseError(
                f"embeddings are {list(embeddings.shape)}, {len(seeds)} seeds need "
                f"[{len(seeds)}, {EMBEDDING}]",
                where="embeddings",
            )
        parts = zip(embeddings.split(64), _split(seeds, 64), strict=True)
        painted = [self._paint(text, some, augment) for text, some in parts]
        return {name: torch.cat([steps[name] for steps in painted]) for name in painted[0]}

    def _paint(self, text: Tensor, seeds: Sequence[int], augment: float) -> dict[str, Tensor]:
        code, z_dim = self.config.embed_dim, self.config.z_dim
        drawn = torch.stack([noise(seed, z_dim + 2 * code) for seed in seeds])
        z, first, second = drawn.split([z_dim, code, code], dim=1)
        sketch, _, _ = self.stage_1(text, z, augment * first)
        if self.stage_2 is None:
            return {"stage_1": sketch}
        picture, _, _ = self.stage_2(text, sketch, augment * second)
        return {"stage_1": sketch, "stage_2": picture}

    def between(self, first: str, last: str, count: int = 8, seed: int = 0) -> Tensor:
        """The pictures on the straight way from one caption's embedding to another's, noise fixed.

        Shapes: ``[count, 3, H, W]``, the first and the last being those of the captions.
        """
        one, other = self.embed(first, last)
        shares = torch.linspace(0, 1, count)[:, None]
        steps = self.paint(one + shares * (other - one), [seed] * count, augment=0.0)
        return list(steps.values())[-1]


def _split(seeds: Sequence[int], size: int) -> list[Sequence[int]]:
    return [seeds[start : start + size] for start in range(0, len(seeds), size)]
