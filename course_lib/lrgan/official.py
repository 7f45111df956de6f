"""The authors' checkpoints: ``<dataset>_netG_s_<session>_epoch_<n>.pth`` -> our generator.

They are plain state dicts. The largest map's name gives the size of the picture, the shapes give
all but what no weight holds: how many layers there are, and the limits of a pose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor

from course_lib.foreign import fill
from course_lib.lrgan.networks import Discriminator, Generator, Sizes

__all__ = ["discriminator_of", "generator_of", "recognises", "renamed"]

# Side, channels and width of the five published commands -> layers, smallest scale, rotation: no
# weight holds the last three, but the first three tell the commands apart.
COMMANDS = {
    (32, 1, 64): (2, 1.2, 0.3),  # MNIST-ONE
    (64, 1, 64): (3, 2.0, 0.3),  # MNIST-TWO
    (64, 3, 128): (2, 1.2, 0.1),  # CUB-200
    (32, 3, 64): (2, 1.2, 0.1),  # CIFAR-10
    (64, 3, 64): (2, 1.3, 0.1),  # LFW
}
WHERE = "LR-GAN's weights"  # begins what is said of files that do not fit
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


def recognises(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of the authors' generator."""
    return {"lstmcell.weight_ih", "Gbgc.convt1.weight", "Gtransform.bias"} <= weights.keys()


def generator_of(
    weights: Mapping[str, Tensor], limits: tuple[int, float, float] | None = None
) -> Generator:
    """Our generator with their weights.

    Args:
        limits: layers, ``maxobjscale`` and largest rotation, which no weight holds; by default
            those of the published command with networks of this size.
    """
    sizes = _sizes(weights, limits)
    generator = Generator(sizes)
    fill(generator, renamed(weights, sizes.size, context=sizes.layers > 2), WHERE)
    return generator


def _sizes(weights: Mapping[str, Tensor], limits: tuple[int, float, float] | None) -> Sizes:
    first = weights["Gbgc.convt1.weight"]  # [z_dim, 4 width, 4, 4]
    sides = [int(found[1]) for name in weights if (found := re.match(r"Gbgc\.convt(\d+)", name))]
    size, width = 4 * max(sides), first.shape[1] // 4
    channels = weights["Gbgi.0.weight"].shape[1]
    layers, scale, rotation = limits or COMMANDS.get((size, channels, width), (2, 1.2, 0.1))
    return Sizes(
        z_dim=first.shape[0],
        width=width,
        size=size,
        channels=channels,
        layers=layers,
        scale=(scale, 2 * scale),
        rotation=rotation,
    )


def discriminator_of(weights: Mapping[str, Tensor]) -> Discriminator:
    """Our discriminator with their weights."""
    sides = [int(found[1]) for name in weights if (found := re.match(r"main\.conv(\d+)", name))]
    width, channels = weights[f"main.conv{max(sides)}.weight"].shape[:2]
    discriminator = Discriminator(width, max(sides), channels)
    fill(discriminator, renamed(weights, max(sides), context=False), WHERE)
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
        ours = f"{_renamed_layer(layer, size)}.{last}"
        found[ours] = value[XY] if layer == "Gtransform" else value
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
