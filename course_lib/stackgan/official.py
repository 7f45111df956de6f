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
    built: Official
    if weights.keys() >= DISCRIMINATOR:
        built = _discriminator(weights)
    else:
        built = _stage_two(weights) if "encoder.0.weight" in weights else _stage_one(weights)
    _fill(built, weights)
    return built


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
    def generate(self, embedding: Tensor, *, seed: int = 0) -> Picture:
        """Paints one picture.

        Args:
            embedding: a caption's published embedding, ``[1024]``.
            seed: of the noise; the same seed gives the same picture.

        Raises:
            CourseError: anything but an embedding, a sentence among it.
        """
        epsilons = [self.sketcher.embed_dim] * 2
        numbers = noise(seed, 1, self.sketcher.z_dim + sum(epsilons))
        z, sketch_epsilon, epsilon = numbers.split([self.sketcher.z_dim, *epsilons], dim=1)
        caption = self.check(embedding)[None]
        if isinstance(self.generator, OfficialStageOne):
            return Picture(self.generator(caption, z, sketch_epsilon)[0][0])
        image, _, _, sketch = self.generator(caption, z, epsilon, sketch_epsilon)
        return Picture(image[0], steps={"stage_1": sketch[0]})

    @property
    def sketcher(self) -> OfficialStageOne:
        """The Stage-I generator."""
        if isinstance(self.generator, OfficialStageTwo):
            return self.generator.STAGE1_G
        return self.generator

    def check(self, embedding: Tensor) -> Tensor:
        length = self.sketcher.ca_net.linear.in_features
        shape = list(embedding.shape) if isinstance(embedding, Tensor) else type(embedding).__name__
        if shape != [length]:
            raise CourseError(
                f"this painter takes an embedding, a tensor of shape [{length}], not {shape}",
                where="embedding",
                fix="a row of the published char-CNN-RNN-embeddings.pickle; for a sentence of your "
                'own: course_lib.load("stackgan").generate("a large red house")',
            )
        return embedding.float()
