"""The authors' released checkpoints (hanzhanggit/StackGAN-Pytorch): tensors in, painter out.

A ``netG_epoch_120.pth`` is a plain state dict. Its tensors' shapes say all sizes, so nothing else
is needed to load it. It was trained on the published char-CNN-RNN embeddings and understands no
others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.errors import CourseError, Problems
from course_lib.painter import Painter, Picture, noise
from course_lib.stackgan.official_networks import (
    OfficialDiscriminator,
    OfficialStageOne,
    OfficialStageTwo,
)

__all__ = ["OfficialStackGAN", "network", "painter", "recognises"]

Official = OfficialStageOne | OfficialStageTwo | OfficialDiscriminator

GENERATOR = {"ca_net.fc.weight", "upsample1.1.weight", "img.0.weight"}
DISCRIMINATOR = {"encode_img.0.weight", "get_cond_logits.outlogits.0.weight"}


def recognises(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of one of the authors' four networks."""
    names = _plain(weights).keys()
    return names >= GENERATOR or names >= DISCRIMINATOR


def painter(weights: Mapping[str, Tensor]) -> OfficialStackGAN:
    """A painter from ``netG_*.pth``, of either stage.

    Raises:
        CourseError: a discriminator's weights, or weights that do not fit together.
    """
    return OfficialStackGAN.from_weights({}, weights)


def network(weights: Mapping[str, Tensor]) -> Official:
    """The network that these tensors belong to, with these tensors in it.

    Old files do not count batches, and DataParallel puts ``module.`` before every name; both load.

    Raises:
        CourseError: every tensor that is missing, foreign or of another shape.
    """
    weights = _plain(weights)
    try:
        built = _build(weights)
    except KeyError as error:
        raise CourseError(f"{error.args[0]} is missing", where="the authors' weights") from error
    _fill(built, weights)
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


def _plain(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("module."): value for name, value in weights.items()}


def _fill(built: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Loads the tensors; only the linear layer of the shared :class:`CA` has another name."""
    renamed = {name.replace("ca_net.fc", "ca_net.linear"): w for name, w in weights.items()}
    own = built.state_dict()
    with Problems("the authors' weights") as problems:
        for name in own.keys() - renamed.keys():
            problems.check(name.endswith("num_batches_tracked"), f"{name} is missing")
        for name, tensor in renamed.items():
            shape = list(own[name].shape) if name in own else None
            fine = list(tensor.shape) == shape
            problems.check(fine, f"{name} is {list(tensor.shape)}, the network has {shape}")
    built.load_state_dict({**own, **renamed})


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
