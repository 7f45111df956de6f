"""The authors' checkpoints: ``<dataset>_netG_s_<session>_epoch_<n>.pth`` -> our generator.

They are plain state dicts. The largest map's name gives the size of the picture, the shapes give
the rest; scale and rotation limits are in no weight, so the data set must be known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from course_lib.errors import CourseError, suggestion
from course_lib.foreign import read_weights
from course_lib.lrgan.networks import Discriminator, Generator, Sizes

__all__ = ["DATASETS", "discriminator_of", "generator_of", "load_official"]

# Layers, smallest scale, rotation: the five commands of the authors' page.
DATASETS = {
    "mnist-one": (2, 1.2, 0.3),
    "mnist-two": (3, 2.0, 0.3),
    "cub200": (2, 1.2, 0.1),
    "cifar10": (2, 1.2, 0.1),
    "lfw": (2, 1.3, 0.1),
}
# Our names for theirs; {n} is the side of the map that a layer works on.
NAMES = {
    "lstmcell": "lstm",
    "Gbgc.convt{n}": "background.maps.{level}.0",
    "Gbgc.bn{n}": "background.maps.{level}.1",
    "Gbgi.0": "background.to_picture.0",
    "Gfgc.convt{n}": "foreground.maps.{level}.0",
    "Gfgc.bn{n}": "foreground.maps.{level}.1",
    "Gfgi.0": "foreground.to_appearance.0",
    "Gfgm.0": "foreground.to_mask.0",
    "Gtransform": "foreground.to_pose",
    "encoderconv.bn{n}": "context.shrink.{down}.1",
    "encoderfc": "context.to_code",
    "nlnet": "context.mix",
    "main.conv4": "to_logit",
    "main.conv{n}": "hidden.{down_d}.0",
    "main.bn{n}": "hidden.{down_d}.1",
}
XY = [4, 3, 5, 1, 0, 2]  # they write a pose's second row first, and y before x


def load_official(path: Path, dataset: str = "") -> Generator:
    """The generator in an official file.

    Args:
        dataset: whose limits hold, one of :data:`DATASETS`; by default what the file's name says.

    Raises:
        CourseError: no such data set, or a file with other weights.
    """
    dataset = dataset or path.name.partition("_netG")[0].replace("_", "-")
    if dataset not in DATASETS:
        raise CourseError(
            f"{dataset!r} is no data set of LR-GAN's; {suggestion(dataset, DATASETS)}",
            where=str(path),
            fix="say which one: the limits of the pose are not in the file",
        )
    layers, scale, rotation = DATASETS[dataset]
    return generator_of(read_weights(path), layers, scale, rotation, where=str(path))


def generator_of(
    weights: Mapping[str, Tensor], layers: int, scale: float, rotation: float, where: str = ""
) -> Generator:
    """Our generator with their weights; ``scale`` is what they call ``maxobjscale``."""
    try:
        first = weights["Gbgc.convt1.weight"]  # [z_dim, 4 width, 4, 4]
        side = 4 * max(int(name[10:-7]) for name in weights if name.startswith("Gbgc.convt")
                       and name.endswith("weight"))  # fmt: skip
        channels = weights["Gbgi.0.weight"].shape[1]
    except (KeyError, ValueError) as error:
        raise CourseError(f"these are no weights of LR-GAN's netG ({error})", where=where) from None
    sizes = Sizes(
        z_dim=first.shape[0],
        width=first.shape[1] // 4,
        size=side,
        channels=channels,
        layers=layers,
        patch=side,
        scale=(scale, 2 * scale),
        rotation=rotation,
    )
    generator = Generator(sizes)
    _fill(generator, renamed(weights, side, context=layers > 2), where)
    return generator


def discriminator_of(weights: Mapping[str, Tensor], where: str = "") -> Discriminator:
    """Our discriminator with their weights."""
    sides = [int(found[1]) for name in weights if (found := re.match(r"main\.conv(\d+)", name))]
    if not sides:
        raise CourseError("these are no weights of LR-GAN's netD", where=where)
    width, channels = weights[f"main.conv{max(sides)}.weight"].shape[:2]
    discriminator = Discriminator(width, max(sides), channels)
    _fill(discriminator, renamed(weights, max(sides), context=False), where)
    return discriminator


def renamed(weights: Mapping[str, Tensor], size: int, *, context: bool) -> dict[str, Tensor]:
    """Their weights under our names, poses in our order.

    With two layers theirs hold an encoder that nothing uses; it is left behind.
    """
    found = {}
    for name, value in weights.items():
        if name.startswith(("encoder", "nlnet")) and not context:
            continue
        layer, _, last = name.rpartition(".")
        value = value[XY] if layer == "Gtransform" else value
        found[f"{_renamed_layer(layer, size)}.{last}"] = value
    return found


def _renamed_layer(layer: str, size: int) -> str:
    for theirs, ours in NAMES.items():
        pattern = re.escape(theirs).replace(r"\{n\}", r"(\d+)") + r"(\.\d+)?"
        if match := re.fullmatch(pattern, layer):
            numbered = "{n}" in theirs
            side = int(match[1]) if numbered else 4
            places = {
                "level": 0 if side == 1 else int(math.log2(side)) - 1,  # 1, 4, 8 -> 0, 1, 2
                "down": int(math.log2(size // side)) - 1,  # size / 2 -> 0
                "down_d": int(math.log2(size // side)),  # size -> 0
            }
            return ours.format(**places) + ("" if numbered else match[1] or "")
    return layer


def _fill(module: torch.nn.Module, weights: dict[str, Tensor], where: str) -> None:
    """Loads the weights; files of 2017 know no ``num_batches_tracked``."""
    own = module.state_dict()
    counters = {name: own[name] for name in own if name.endswith("num_batches_tracked")}
    try:
        module.load_state_dict(counters | weights)
    except RuntimeError as error:
        raise CourseError(
            f"these are not LR-GAN's weights ({str(error).splitlines()[-1].strip()})", where=where
        ) from None
