"""The authors' released checkpoints (hanzhanggit/StackGAN-Pytorch): tensors in, painter out.

A ``netG_epoch_120.pth`` is a plain state dict. Its tensors' shapes say all sizes, so nothing else
is needed to load it. It was trained on the published char-CNN-RNN embeddings and understands no
others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.foreign import fill
from course_lib.painter import Painter, Picture, noise
from course_lib.stackgan.official_networks import (
    OfficialDiscriminator,
    OfficialStageOne,
    OfficialStageTwo,
)

__all__ = ["OfficialStackGAN", "network", "painter", "recognises"]

Official = OfficialStageOne | OfficialStageTwo | OfficialDiscriminator

WHERE = "the authors' weights"
GENERATOR = {"ca_net.fc.weight", "upsample1.1.weight", "img.0.weight"}
DISCRIMINATOR = {"encode_img.0.weight", "get_cond_logits.outlogits.0.weight"}


def recognises(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of one of the authors' four networks."""
    return weights.keys() >= GENERATOR or weights.keys() >= DISCRIMINATOR


def painter(weights: Mapping[str, Tensor]) -> OfficialStackGAN:
    """A painter from ``netG_*.pth``, of either stage.

    Raises:
        CourseError: a discriminator's weights, or weights that do not fit together.
    """
    return OfficialStackGAN.from_weights({}, weights)


def network(weights: Mapping[str, Tensor]) -> Official:
    """The network that these tensors belong to, with these tensors in it.

    Raises:
        CourseError: every tensor that is missing, foreign or of another shape.
    """
    try:
        built = _build(weights)
    except KeyError as error:
        raise CourseError(f"{error.args[0]} is missing", where=WHERE) from error
    # Only the linear layer of the shared CA has another name.
    renamed = {name.replace("ca_net.fc", "ca_net.linear"): w for name, w in weights.items()}
    fill(built, renamed, WHERE)
    return built


def _build(weights: Mapping[str, Tensor]) -> Official:
    """A network of the size that the tensors' shapes say."""
    if weights.keys() >= DISCRIMINATOR:
        return _discriminator(weights)
    return _stage_two(weights) if "encoder.0.weight" in weights else _stage_one(weights)


def _stage_one(weights: Mapping[str, Tensor]) -> OfficialStageOne:
    text_dim, embed_dim = _text(weights)
    features, codes = weights["fc.0.weight"].shape
    return OfficialStageOne(features // (8 * 4 * 4), text_dim, embed_dim, codes - embed_dim)


def _stage_two(weights: Mapping[str, Tensor]) -> OfficialStageTwo:
    inside = {
        name.removeprefix("STAGE1_G."): value
        for name, value in weights.items()
        if name.startswith("STAGE1_G.")
    }
    blocks = {name.split(".")[1] for name in weights if name.startswith("residual.")}
    width = len(weights["encoder.0.weight"])
    return OfficialStageTwo(_stage_one(inside), width, *_text(weights), blocks=len(blocks))


def _discriminator(weights: Mapping[str, Tensor]) -> OfficialDiscriminator:
    out, joint = weights["get_cond_logits.outlogits.0.weight"].shape[:2]
    size = 256 if "get_uncond_logits.outlogits.0.weight" in weights else 64
    return OfficialDiscriminator(len(weights["encode_img.0.weight"]), joint - out, size)


def _text(weights: Mapping[str, Tensor]) -> tuple[int, int]:
    """Lengths of embedding and code."""
    twice, text_dim = weights["ca_net.fc.weight"].shape
    return text_dim, twice // 2


class OfficialStackGAN(Painter):
    """Paints from an embedding of the published encoder, in one stage or two."""

    kind = "stackgan"

    def __init__(self, generator: OfficialStageOne | OfficialStageTwo) -> None:
        self.generator = generator.eval()

    @classmethod
    def from_weights(
        cls, config: Mapping[str, Any], weights: Mapping[str, Tensor]
    ) -> OfficialStackGAN:
        built = network(weights)
        if isinstance(built, OfficialDiscriminator):
            raise CourseError("this is a discriminator; the painter is the file netG_*.pth")
        return cls(built)

    @torch.no_grad()
    def generate(
        self, caption: str | None = None, *, seed: int = 0, embedding: Tensor | None = None
    ) -> Picture:
        """Paints one picture.

        Args:
            caption: no sentence; it is here to say so.
            seed: of the noise; the same seed gives the same picture.
            embedding: a caption's published embedding, ``[1024]``.

        Raises:
            CourseError: a sentence, or an embedding of another shape.
        """
        text = self.check(caption if embedding is None else embedding)[None]
        epsilons = [self.sketcher.embed_dim] * 2
        numbers = noise(seed, 1, self.sketcher.z_dim + sum(epsilons))
        z, sketch_epsilon, epsilon = numbers.split([self.sketcher.z_dim, *epsilons], dim=1)
        if isinstance(self.generator, OfficialStageOne):
            sketch = self.generator(text, z, sketch_epsilon)[0]
            return Picture(sketch[0], steps={"stage_1": sketch[0]})
        image, _, _, sketch = self.generator(text, z, epsilon, sketch_epsilon)
        return Picture(image[0], steps={"stage_1": sketch[0], "stage_2": image[0]})

    @property
    def sketcher(self) -> OfficialStageOne:
        """The Stage-I generator."""
        if isinstance(self.generator, OfficialStageTwo):
            return self.generator.STAGE1_G
        return self.generator

    def check(self, text: object) -> Tensor:
        length = self.sketcher.ca_net.linear.in_features
        if isinstance(text, Tensor) and text.shape == (length,):
            return text.float()
        found = f"a tensor {list(text.shape)}" if isinstance(text, Tensor) else repr(text)[:40]
        raise CourseError(
            f"this painter takes an embedding, a tensor [{length}], not {found}",
            where="embedding",
            fix="generate(embedding=...), a row of char-CNN-RNN-embeddings.pickle; for a sentence "
            'of your own: course_lib.load("stackgan").generate("a large red house")',
        )
