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
from course_lib.opgan.discriminator import Discriminator
from course_lib.opgan.networks import Generator, Sizes

__all__ = ["discriminator", "generator", "recognises", "renamed"]

WHERE = "the authors' weights"
# Their names for parts of a discriminator -> ours; the smallest has names of its own.
PARTS = {
    "conv1": "encode.0", "conv2": "encode.2", "bn2": "encode.3", "encode_img": "encode",
    "conv3": "final.0", "bn3": "final.1", "conv4": "final.3", "bn4": "final.4",
    "encode_final": "final", "COND_DNET.jointConv": "conditional.joint",
    "COND_DNET.outlogits.0": "conditional.to_logit",
    "UNCOND_DNET.outlogits.0": "unconditional.to_logit",
}  # fmt: skip
UNUSED = "img_code_s16."  # the largest discriminator owns a branch that nothing runs through


def recognises(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of the authors' generator."""
    return {"ca_net.fc.weight", "h_net1.label.0.weight", "img_net1.img.0.weight"} <= weights.keys()


def renamed(weights: Mapping[str, Tensor], halvings: int | None = None) -> dict[str, Tensor]:
    """Their weights under our names, what nothing uses left out.

    Args:
        halvings: of a discriminator's map beyond 64 pixels; if None, the weights say it.
    """
    if halvings is None:
        halvings = sum(bool(re.fullmatch(r"img_code_s\d+_\d\.0\.weight", n)) for n in weights)
    deeper = [f"img_code_s{32 << k}" for k in range(halvings)]  # and back to 8 width channels:
    deeper += [f"img_code_s{16 << halvings}_{k + 1}" for k in range(halvings)]
    parts = PARTS | {theirs: f"deepen.{place}" for place, theirs in enumerate(deeper)}
    used = {name: value for name, value in weights.items() if not name.startswith(UNUSED)}
    return {_name(name, parts): value for name, value in used.items()}


def _name(name: str, parts: Mapping[str, str]) -> str:
    """Our name for one tensor: theirs count the upsampling, which has no weights, as a layer."""
    name = re.sub(r"^(img_net\d)\.img\.", r"\1.", name)
    for theirs, ours in parts.items():
        name = re.sub(rf"^{re.escape(theirs)}\.", f"{ours}.", name)
    up = re.match(r"(h_net\d\.(?:upsample\d?|local\d))\.(\d)(.*)", name)
    return f"{up[1]}.{int(up[2]) - 1}{up[3]}" if up else name


def generator(weights: Mapping[str, Tensor], *, fault: bool = True) -> Generator:
    """The generator that these tensors belong to, with them in it.

    Args:
        fault: whether padding masks are mixed as in the program that they were trained with.

    Raises:
        CourseError: every tensor that is missing, foreign or of another shape.
    """
    built = Generator(_sizes(weights), fault=fault)
    fill(built, renamed(weights), WHERE)
    return built


def _sizes(weights: Mapping[str, Tensor]) -> Sizes:
    stages = max(int(found[1]) for name in weights if (found := re.match(r"h_net(\d)\.", name)))
    width = _shape(weights, "img_net1.img.0")[1]
    codes, text = _shape(weights, "ca_net.fc")
    features, told = _shape(weights, "h_net1.fc.0")
    label, asked = _shape(weights, "h_net1.label.0")
    next_label, next_asked = _shape(weights, "h_net2.label.0")
    blocks = {name.split(".")[2] for name in weights if name.startswith("h_net2.residual.")}
    code = codes // 4
    return Sizes(
        features // (8 * width) << stages - 1, stages, width, text=text, code=code,
        noise=told - code - 4 * (label // 8), local_noise=asked - next_asked, label=label,
        next_label=next_label, classes=next_asked - code, residuals=len(blocks),
    )  # fmt: skip


def discriminator(weights: Mapping[str, Tensor]) -> Discriminator:
    """The discriminator that these tensors belong to, with them in it."""
    own = renamed(weights)
    deeper = {name.split(".")[1] for name in own if name.startswith("deepen.")}
    width, joint = _shape(own, "encode.0")[0], _shape(own, "conditional.joint.0")
    classes = _shape(own, "local.0")[1] - 3
    sizes = Sizes(width_d=width, text=joint[1] - joint[0], classes=classes)
    built = Discriminator(64 << len(deeper) // 2, sizes)
    fill(built, own, WHERE)
    return built


def _shape(weights: Mapping[str, Tensor], layer: str) -> list[int]:
    if f"{layer}.weight" not in weights:
        raise CourseError(f"{layer}.weight is missing", where=WHERE)
    return list(weights[f"{layer}.weight"].shape)
