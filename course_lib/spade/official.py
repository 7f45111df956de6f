"""The authors' released checkpoints (NVlabs/SPADE): ``*_net_G.pth``, ``_D`` and ``_E``.

Their weights are licensed CC BY-NC-SA 4.0: not for commercial use, and what is made from them is to
be shared alike. They are plain state dicts, whose shapes say nearly all:

========================  ========================================================================
read from shapes          widths, planes, kernel sizes, whether a style is taken and how long it
                          is, ``most`` up-sampling, kinds of norm (but for two, below), the
                          encoder's side, the discriminator's scales and layers
has to be given           ``upsampling="more"`` and, for a generator without style, ``size`` and
                          ``aspect``: by default those of the published data set with that many
                          planes (36 is Cityscapes: 512 x 256, more); with a style, ``aspect``
                          where the first map has no square number of pixels
tells nothing             ``batch`` or ``syncbatch``, which compute the same on one device
========================  ========================================================================

Quirks of the authors' program that these weights have met, and what is done about them:

- *ADE20K's ids.* Its data hook meant to shift ids by one and did not: 0 is "unknown", and the
  classes are 1 to 150. The course counts classes from 0 and has "unlabeled" after the last, so the
  planes of a file with 151 are brought into that order when it is loaded. For a file of a mended
  program, whose planes stand so already, give ``shifted=True``.
- *Void.* Id 255 becomes the id after the last class: plane 182 of COCO-Stuff's 183.
- *Edges.* 184 (COCO-Stuff) and 36 (Cityscapes) planes end in one of instance edges.
- *Style.* The generators that were released take none; one with a style needs its ``_E`` for
  styles of pictures, and paints random ones without.
- *Counters* of their synchronised batch norm never leave 0; they are loaded as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.foreign import fill, read_weights
from course_lib.nn.spectral import our_names
from course_lib.spade.discriminator import Discriminator
from course_lib.spade.networks import (
    DOUBLINGS,
    Encoder,
    Generator,
    Norm,
    Sizes,
    Upsampling,
)

__all__ = [
    "discriminator_of",
    "encoder_of",
    "generator_of",
    "read_encoder",
    "recognises",
    "renamed",
]

WHERE = "the authors' weights"
ADE20K = 151  # planes: unknown, and 150 classes
# Planes of the released generators -> up-sampling, width in pixels, width by height.
RELEASED: dict[int, tuple[Upsampling, int, float]] = {
    184: ("normal", 256, 1.0),  # COCO-Stuff: 182, void, edges
    ADE20K: ("normal", 256, 1.0),
    36: ("more", 512, 2.0),  # Cityscapes: 35, edges
}
BLOCKS = {"head_0": 0, "G_middle_0": 1, "G_middle_1": 2}
NAMES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"^fc\.", "stem."),
    (r"^(head_0|G_middle_0|G_middle_1)\.", lambda found: f"blocks.{BLOCKS[found[1]]}."),
    (r"^up_(\d)\.", lambda found: f"blocks.{3 + int(found[1])}."),
    (r"\.mlp_shared\.0\.", ".mlp_shared."),
    (r"^mlp_shared\.0\.", "mlp_shared."),
    (r"^conv_img\.", "to_picture."),
    (r"^discriminator_(\d+)\.model(\d+)\.0\.(\d+)\.", r"scales.\1.layers.\2.\3."),
    (r"^discriminator_(\d+)\.model(\d+)\.0\.", r"scales.\1.layers.\2.0."),
    (r"^layer(\d+)\.(\d+)\.", lambda found: f"layers.{int(found[1]) - 1}.{found[2]}."),
    (r"^layer(\d+)\.(?=weight|bias)", lambda found: f"layers.{int(found[1]) - 1}.0."),
]


def recognises(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of one of the authors' three networks."""
    return bool(
        {"head_0.norm_0.mlp_shared.0.weight", "discriminator_0.model0.0.weight"} & weights.keys()
        or {"fc_mu.weight", "fc_var.weight"} <= weights.keys()
    )


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their tensors under our names."""
    found = {}
    for name, value in weights.items():
        mine = name
        for theirs, ours in NAMES:
            mine = re.sub(theirs, ours, mine)
        found[mine] = value
    return our_names(found)


def generator_of(
    weights: Mapping[str, Tensor],
    *,
    size: int | None = None,
    aspect: float | None = None,
    upsampling: Upsampling | None = None,
    shifted: bool = False,
) -> Generator:
    """Our generator with their weights.

    Args:
        size, aspect, upsampling: width in pixels, width by height, and ``normal`` or ``more``, for
            a generator that is none of the released ones.
        shifted: 151 planes stand as the classes are counted here, unknown last.

    Raises:
        CourseError: what no shape tells and was not given; tensors that do not fit, or of D or E.
    """
    if "head_0.norm_0.mlp_shared.0.weight" not in weights:
        raise CourseError(
            "this is a discriminator or an encoder, which paints nothing",
            where=WHERE,
            fix="the file *_net_G.pth; painter.with_encoder() takes *_net_E.pth",
        )
    try:
        generator = Generator(_sizes(weights, size, aspect, upsampling))
    except KeyError as error:
        raise CourseError(f"{error.args[0]} is missing", where=WHERE) from error
    fill(generator, renamed(weights), WHERE)
    if generator.sizes.planes == ADE20K and not shifted:
        unknown_last(generator)
    return generator


def unknown_last(network: nn.Module) -> None:
    """Moves plane 0, "unknown", behind the classes, in every layer that reads label maps."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.in_channels == ADE20K:
            layer.weight.data = layer.weight.data.roll(-1, dims=1)


def _sizes(
    weights: Mapping[str, Tensor],
    size: int | None,
    aspect: float | None,
    upsampling: Upsampling | None,
) -> Sizes:
    hidden, planes, kernel, _ = weights["head_0.norm_0.mlp_shared.0.weight"].shape
    wide = len(weights["head_0.norm_0.mlp_beta.bias"])
    styled = weights["fc.weight"].ndim == 2
    released = RELEASED.get(planes)
    depth = upsampling or ("most" if "up_4.conv_0.bias" in weights else None)
    depth = depth or (released[0] if released else None)
    if depth is None:
        raise _untold("whether it doubles the side 5 times or 6", 'upsampling="normal" or "more"')
    if aspect is None:
        aspect = released[2] if released else None
    if styled:
        pixels = weights["fc.weight"].shape[0] // wide  # height * width of the first map
        fits = [w for w in range(1, pixels + 1) if w * round(w / (aspect or 1.0)) == pixels]
        if not fits:
            raise _untold(f"how {pixels} pixels of the first map lie", "aspect=, width by height")
        size = fits[0] * 2 ** DOUBLINGS[depth]
    elif size is None:
        if released is None:
            raise _untold("the size of its pictures", "size=256, and aspect=2.0 if not square")
        size = released[1]
    return Sizes(
        planes=planes,
        size=size,
        aspect=aspect or 1.0,
        width=wide // 16,
        upsampling=depth,
        z_dim=weights["fc.weight"].shape[1] if styled else 0,
        norm=_norm_of_generator(weights),
        kernel=kernel,
        hidden=hidden,
        spectral="head_0.conv_0.weight_orig" in weights,
    )


def _untold(what: str, fix: str) -> CourseError:
    return CourseError(f"no tensor's shape tells {what}", where=WHERE, fix=f"give {fix}")


def _norm_of_generator(weights: Mapping[str, Tensor]) -> Norm:
    """``batch`` counts its batches; theirs that synchronises never does."""
    counter = weights.get("head_0.norm_0.param_free_norm.num_batches_tracked")
    if "head_0.norm_0.param_free_norm.running_mean" not in weights:
        return "instance"
    return "batch" if counter is not None and int(counter) > 0 else "syncbatch"


def read_encoder(path: Path) -> Encoder:
    """Our encoder with the weights of ``latest_net_E.pth``."""
    weights = read_weights(path)
    if "fc_mu.weight" not in weights:
        raise CourseError("this is no encoder", where=str(path), fix="the file *_net_E.pth")
    return encoder_of(weights)


def encoder_of(weights: Mapping[str, Tensor]) -> Encoder:
    """Our encoder with their weights."""
    ours, z_dim = renamed(weights), len(weights["fc_mu.weight"])
    layers = {name.split(".")[1] for name in ours if name.startswith("layers.")}
    norm, spectral = _norm_after(ours, "layers.0")
    width = len(_kernel(ours, "layers.0.0"))
    encoder = Encoder(4 * 2 ** len(layers), width, z_dim, norm, spectral)
    fill(encoder, ours, WHERE)
    return encoder


def discriminator_of(weights: Mapping[str, Tensor]) -> Discriminator:
    """Our discriminator with their weights."""
    ours = renamed(weights)
    scales = {name.split(".")[1] for name in ours}
    layers = {name.split(".")[3] for name in ours}
    width, channels = ours["scales.0.layers.0.0.weight"].shape[:2]
    norm, spectral = _norm_after(ours, "scales.0.layers.1")
    discriminator = Discriminator(channels - 3, width, len(scales), len(layers) - 1, norm, spectral)
    fill(discriminator, ours, WHERE)
    return discriminator


def _norm_after(ours: Mapping[str, Tensor], layer: str) -> tuple[Norm, bool]:
    """Which norm follows a convolution, and whether it has spectral norm.

    Without a norm it has a bias; a batch norm has statistics; an instance norm leaves no trace.
    """
    spectral = f"{layer}.0.parametrizations.weight.original" in ours
    if f"{layer}.0.bias" in ours:
        return "none", spectral
    if f"{layer}.1.running_mean" not in ours:
        return "instance", spectral
    counter = ours.get(f"{layer}.1.num_batches_tracked")
    return ("batch" if counter is not None and int(counter) > 0 else "syncbatch"), spectral


def _kernel(ours: Mapping[str, Tensor], conv: str) -> Tensor:
    plain = ours.get(f"{conv}.weight")
    return ours[f"{conv}.parametrizations.weight.original"] if plain is None else plain
