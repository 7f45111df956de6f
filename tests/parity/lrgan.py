"""LR-GAN's recorded cases, in float64: the authors' networks with their kernel ported to the CPU.

Their poses are written y before x, and their masks send poses no gradient: ``exact=False``.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.lrgan.networks import Painting
from course_lib.lrgan.official import XY, discriminator_of, generator_of, renamed
from course_lib.nn.paste import paste
from tests.parity.cases import Case


def mask_transformer(case: Case) -> None:
    """Canvas and every gradient, both with the authors' gradient and with the true one."""
    channels_first = {
        name: case.numbers[f"input.{key}"].permute(0, 3, 1, 2)
        for name, key in (("canvas", "canvas_bhwc"), ("fg", "fg_bhwc"), ("mask", "mask_bhw1"))
    }
    rtol, atol = case.notes["tolerance"]["rtol"], case.notes["tolerance"]["atol"]
    for exact, theta in ((False, "theta_official"), (True, "theta_exact_with_mask_path")):
        inputs = [x.clone().requires_grad_() for x in channels_first.values()]
        pose = case.numbers["input.theta_yx"].flatten(1)[:, XY].view(-1, 2, 3).requires_grad_()
        out = paste(*inputs, pose, mask_moves_pose=exact).canvas.permute(0, 2, 3, 1)
        gradients = torch.autograd.grad(out, [*inputs, pose], case.numbers["input.grad_out"])
        found = {"output.out_bhwc": out}
        for name, gradient in zip(channels_first, gradients, strict=False):
            found[f"grad.{name}"] = gradient.permute(0, 2, 3, 1)
        found[f"grad.{theta}"] = gradients[-1].flatten(1)[:, XY].view(-1, 2, 3)
        case.compare(found, rtol, atol, *found)


def model(case: Case) -> None:
    """Outputs, losses, gradients and batch norm's averages of one round."""
    told = case.notes["config"]
    limits = told["ntimestep"], told["maxobjscale"], told["rot"]
    g = generator_of(case.part("G."), limits)
    g.sizes = replace(g.sizes, exact=False)
    d = discriminator_of(case.part("D."))
    g.double(), d.double()
    z, real = case.numbers["input.noise"].transpose(0, 1), case.numbers["input.real"]

    g.eval(), d.eval()
    with torch.no_grad():
        found = outputs(g(z), "eval")
        found |= logits(d, "eval", D_real=real, D_fake=found["output.eval.fake"])
    g.train(), d.train()
    seen = logits(d, "train", D_real=real)
    painting = g(z)
    seen |= logits(d, "train", D_fake=painting.picture.detach())
    found |= outputs(painting, "train")
    found["loss.errD_real"] = bce(seen["output.train.D_real"], 1.0)
    found["loss.errD_fake"] = bce(seen["output.train.D_fake"], 0.0)
    (found["loss.errD_real"] + found["loss.errD_fake"]).backward()
    found |= taken(case, "grad.D.", {name: p.grad.clone() for name, p in d.named_parameters()})
    seen |= logits(d, "train", D_fake_for_G=painting.picture)
    found["loss.errG"] = bce(seen["output.train.D_fake_for_G"], 1.0)
    found["loss.errG"].backward()
    gradients = {name: p.grad for name, p in g.named_parameters()}
    found |= seen | taken(case, "grad.G.", gradients)
    for player, module in (("G", g), ("D", d)):
        found |= taken(case, f"after.{player}.", dict(module.named_buffers()))

    allowed = case.notes["tolerance"]["float64_run"]
    prefixes = ["output.", "inter.eval.theta_clamped", "loss.", "grad.", "after.D.", "after.G.G"]
    # with two layers nothing runs through their encoder, and ours has none
    prefixes += ["after.G.encoder", "after.G.nlnet"] if told["ntimestep"] > 2 else []
    case.compare(found, allowed["rtol"], allowed["atol"], *prefixes)
    for name, norm in case.notes["grad_norms_G"].items():
        mine = gradients[ours(case, name)]
        assert abs(mine.norm() - norm) <= allowed["atol"] + allowed["rtol"] * norm, name


def outputs(painting: Painting, mode: str) -> dict[str, Tensor]:
    """A painting under the recorded names."""
    found = {"fake": painting.picture, "canvas0": painting.background}
    for number, layer in enumerate(painting.layers, 1):
        found[f"canvas{number}"] = layer.canvas
        found[f"fgimg{number}"] = layer.foreground.appearance
        found[f"fgmask{number}"] = layer.foreground.mask
    found = {f"output.{mode}.{name}": value for name, value in found.items()}
    for number, layer in enumerate(painting.layers, 1):
        pose = layer.foreground.pose.flatten(1)[:, XY].view(-1, 2, 3)
        found[f"inter.{mode}.theta_clamped{number}"] = pose
    return found


def logits(d: nn.Module, mode: str, **pictures: Tensor) -> dict[str, Tensor]:
    return {f"output.{mode}.{name}": d(x).sigmoid()[:, None] for name, x in pictures.items()}


def bce(chances: Tensor, truth: float) -> Tensor:
    return F.binary_cross_entropy(chances, torch.full_like(chances, truth))


def ours(case: Case, name: str) -> str:
    """Our name for one of theirs."""
    size = case.notes["config"]["nsize"]
    return next(iter(renamed({name: torch.zeros(6, 1)}, size, context=True)))


def taken(case: Case, prefix: str, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our values under their names, poses in their order, for all that was recorded."""
    found = {}
    for name in case.part(prefix):
        value = values.get(ours(case, name))
        if value is not None:
            found[prefix + name] = value[XY] if "Gtransform" in name else value
    return found


CHECKS = {"lrgan.mask_transformer": mask_transformer, "lrgan.model": model}
