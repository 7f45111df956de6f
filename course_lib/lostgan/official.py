"""The authors' released generators, ``G_<epoch>.pth`` and the like: tensors in, our network out.

They are state dicts of ``DataParallel``. Names and shapes say which version and size it is. Only
how masks were sampled is in no file: the authors trained with torch 1.0, which aligned corners;
with corners not aligned, as torch does since 1.3 unless told, their pictures come out wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from course_lib.errors import CourseError
from course_lib.foreign import fill
from course_lib.lostgan.networks import Generator, Sizes
from course_lib.nn.spectral import our_names

__all__ = ["generator_names", "generator_of", "recognises", "sizes_of"]

WHERE = "LostGAN's weights"
NEEDED = {"label_embedding.weight", "mask_regress.fc.weight_orig", "final.0.weight", "fc.bias"}
BLOCK = {"b1": "norm1", "b2": "norm2", "c_sc": "shortcut", "conv1": "conv1", "conv2": "conv2"}
ISLA = {"weight_proj": "to_gamma", "bias_proj": "to_beta", "batch_norm2d": "norm"}


def recognises(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of one of the authors' generators."""
    return weights.keys() >= NEEDED


def sizes_of(weights: Mapping[str, Tensor]) -> Sizes:
    """Version, side and widths, from names and shapes."""
    labels, label_dim = weights["label_embedding.weight"].shape
    first = 1 if "res1.conv1.bias" in weights else 2
    last = max(int(name[3]) for name in weights if re.match(r"res\d\.", name))
    version_2 = "alpha1" in weights
    return Sizes(
        version=2 if version_2 else 1,
        size=4 * 2 ** (last - first + 1),
        labels=labels,
        z_dim=weights["fc.weight_orig"].shape[1],
        label_dim=label_dim,
        width=len(weights["final.0.weight"]),
        mask_width=len(weights["mask_regress.conv1.0.bias"]),
        mask_labels=weights["alpha1"].shape[1] if version_2 else 184,
    )


def generator_of(weights: Mapping[str, Tensor], *, align_corners: bool = True) -> Generator:
    """Our generator with their weights.

    Args:
        align_corners: as torch 1.0 sampled masks; False for networks trained with torch >= 1.3.

    Raises:
        CourseError: every tensor that is missing, foreign or of another shape.
    """
    try:
        sizes = sizes_of(weights)
    except (KeyError, ValueError) as error:
        raise CourseError(f"{error.args[0]} is missing", where=WHERE) from error
    generator = Generator(Sizes(**vars(sizes) | {"align_corners": align_corners}))
    fill(generator, generator_names(weights, sizes.size), WHERE)
    return generator


def generator_names(weights: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    """Their tensors under our names; the 64-pixel network's first block is their second."""
    first = 2 if size == 64 else 1
    return our_names({_renamed(name, first): value for name, value in weights.items()})


def _renamed(name: str, first: int) -> str:
    if match := re.fullmatch(r"alpha(\d)", name):
        return f"refinements.{int(match[1]) - 1}.alpha"
    if match := re.fullmatch(r"res(\d)\.(\w+)\.(.+)", name):
        level, part, rest = int(match[1]) - first, match[2], match[3]
        if part == "conv_mask":
            return f"refinements.{level}.to_maps.{rest}"
        return f"blocks.{level}.{BLOCK[part]}.{isla_names(rest)}"
    return name.replace("label_embedding.", "embedding.").replace("mask_regress.", "masks.")


def isla_names(name: str) -> str:
    """A tensor of their ``SpatialAdaptiveSynBatchNorm2d`` under our name."""
    part, _, rest = name.partition(".")
    return f"{ISLA[part]}.{rest}" if part in ISLA else name
