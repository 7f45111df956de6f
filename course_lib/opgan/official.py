"""The authors' files: names and shapes in, our networks out.

``op-gan.pth`` holds its generator under ``netG``; a training's file holds ``netD``, a list, too.
The shapes of their tensors say all sizes. AttnGAN's encoders are read by
:func:`course_lib.opgan.damsm.objective.load_damsm`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from course_lib.errors import CourseError
from course_lib.foreign import fill
from course_lib.opgan.networks import Discriminator, Generator, Sizes

__all__ = ["discriminator", "generator", "recognises", "renamed"]

WHERE = "the authors' weights"
# Their names for parts of a discriminator -> ours; the smallest has names of its own.
PARTS = {
    r"conv1\.": "encode.0.",
    r"conv2\.": "encode.2.",
    r"bn2\.": "encode.3.",
    r"conv3\.": "final.0.",
    r"bn3\.": "final.1.",
    r"conv4\.": "final.3.",
    r"bn4\.": "final.4.",
    r"encode_img\.": "encode.",
    r"encode_final\.": "final.",
    r"COND_DNET\.jointConv": "conditional.joint",
    r"COND_DNET\.outlogits\.0": "conditional.to_logit",
    r"UNCOND_DNET\.outlogits\.0": "unconditional.to_logit",
}
# From 128 pixels on: how often the map is halved once more, then brought back to 8 width channels.
DEEPER = {
    1: ("img_code_s32", "img_code_s32_1"),
    2: ("img_code_s32", "img_code_s64", "img_code_s64_1", "img_code_s64_2"),
}
UNUSED = "img_code_s16."  # the largest discriminator owns a branch that nothing runs through


def recognises(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of the authors' generator."""
    return {"ca_net.fc.weight", "h_net1.label.0.weight", "img_net1.img.0.weight"} <= weights.keys()


def renamed(weights: Mapping[str, Tensor], halvings: int | None = None) -> dict[str, Tensor]:
    """Their weights under our names, what nothing uses left out.

    Args:
        halvings: of a discriminator's map beyond 64 pixels; if None, the weights say it.
    """
    halvings = 1 + ("img_code_s64.0.weight" in weights) if halvings is None else halvings
    deeper = enumerate(DEEPER.get(halvings, ()))
    parts = PARTS | {rf"{theirs}\.": f"deepen.{place}." for place, theirs in deeper}
    used = {name: value for name, value in weights.items() if not name.startswith(UNUSED)}
    return {_name(name, parts): value for name, value in used.items()}


def _name(name: str, parts: Mapping[str, str]) -> str:
    """Our name for one tensor: theirs count the upsampling, which has no weights, as a layer."""
    for theirs, ours in parts.items():
        name = re.sub(rf"^{theirs}", ours, name)
    up = re.match(r"(h_net\d\.(?:upsample\d?|local\d))\.(\d)(.*)", name)
    return f"{up[1]}.{int(up[2]) - 1}{up[3]}" if up else name


def generator(weights: Mapping[str, Tensor], *, fault: bool = True) -> Generator:
    """The generator that these tensors belong to, with them in it.

    Args:
        fault: whether padding masks are mixed as in the program that they were trained with.

    Raises:
        CourseError: every tensor that is missing, foreign or of another shape.
    """
    try:
        sizes = _sizes(weights)
    except (KeyError, StopIteration) as error:
        raise CourseError(f"{error} is missing", where=WHERE) from None
    built = Generator(sizes, fault=fault)
    fill(built, renamed(weights), WHERE)
    return built


def _sizes(weights: Mapping[str, Tensor]) -> Sizes:
    def shape(name: str) -> list[int]:
        return list(weights[f"{name}.weight"].shape)

    stages = max(int(found[1]) for name in weights if (found := re.match(r"h_net(\d)\.", name)))
    code, width = shape("ca_net.fc")[0] // 4, shape("img_net1.img.0")[1]
    (features, told), (label, asked) = shape("h_net1.fc.0"), shape("h_net1.label.0")
    next_label, next_asked = shape("h_net2.label.0")
    blocks = {name.split(".")[2] for name in weights if name.startswith("h_net2.residual.")}
    classes = next_asked - code
    return Sizes(
        width=width,
        text=shape("ca_net.fc")[1],
        code=code,
        noise=told - code - 4 * (label // 8),
        local_noise=asked - code - classes,
        label=label,
        next_label=next_label,
        classes=classes,
        residuals=len(blocks),
        base=features // (8 * width),
        stages=stages,
    )


def discriminator(weights: Mapping[str, Tensor]) -> Discriminator:
    """The discriminator that these tensors belong to, with them in it."""
    own = renamed(weights)
    deeper = {name.split(".")[1] for name in own if name.startswith("deepen.")}
    try:
        width, channels = own["encode.0.weight"].shape[0], own["local.0.weight"].shape[1]
        text = own["conditional.joint.0.weight"].shape[1] - 8 * width
    except KeyError as error:
        raise CourseError(f"{error} is missing", where=WHERE) from None
    built = Discriminator(64 * 2 ** (len(deeper) // 2), width, text, channels - 3)
    fill(built, own, WHERE)
    return built
