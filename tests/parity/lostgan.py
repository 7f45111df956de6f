"""LostGAN's recorded cases: outputs, gradients and buffers in float64, and one round of the game.

Their boxes are corner and size, ours two corners; their discriminator lists large objects first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.lostgan import objective as game
from course_lib.lostgan.discriminator import PLANS, Discriminator
from course_lib.lostgan.networks import (
    ISLA,
    Generator,
    MaskRegression,
    Sizes,
    inside_boxes,
    masks_to_layout,
)
from course_lib.lostgan.official import generator_names, isla_names, sizes_of
from course_lib.nn.spectral import our_names
from course_lib.scene import SceneBatch
from tests.parity.cases import Case

COUNTER = "num_batches_tracked"  # theirs never count
Names = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


def corners(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], dim=-1)


def discriminator_names(size: int) -> Names:
    """What gives the tensors of their discriminator our names."""
    plan = PLANS[size]
    parts = {f"block{k + 1}": f"trunk.{k}" for k in range(len(plan.trunk))}
    first = plan.fine + 1
    parts |= {f"block_obj{first + k}": f"between.{k}" for k in range(len(plan.between))}
    parts |= {f"block_obj{first + len(plan.between)}": "head", "l_y": "classes"}
    parts |= {"l_im": "to_score", "l7": "to_score", "l8": "to_score", "l_obj": "to_object_score"}

    def ours(name: str) -> str:
        part, _, rest = name.removeprefix("obD.").partition(".")
        return f"{parts[part]}.{rest.replace('c_sc', 'shortcut')}"

    return lambda weights: our_names({ours(name): value for name, value in weights.items()})


def plain_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of mask regression or of a norm under our names."""
    return our_names({isla_names(name): value for name, value in weights.items()})


def filled(module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """The network with these weights, in float64 and without dropout."""
    own = {name: value for name, value in module.state_dict().items() if COUNTER in name}
    module.load_state_dict(own | {n: w for n, w in weights.items() if COUNTER not in n})
    for layer in module.modules():
        if isinstance(layer, nn.Dropout2d):
            layer.p = 0.0
    return module.double()


def near(
    case: Case, found: Mapping[str, Tensor], prefix: str, allowed: Mapping[str, float]
) -> None:
    """Every recorded number below ``prefix`` is among ``found``, and as near as is ``allowed``."""
    case.compare(
        {prefix + n: x for n, x in found.items()}, allowed["rtol"], allowed["atol"], prefix
    )


def same_gradients(recorded: Mapping[str, list[float]], mine: Mapping[str, Tensor],
                   names: Names, within: float) -> None:  # fmt: skip
    """Lengths of all gradients that are not zero in effect; theirs come as sum, abs and length."""
    lengths = names({name: torch.tensor(stats[2]) for name, stats in recorded.items()})
    largest = max(lengths.values())
    assert lengths.keys() == mine.keys()
    for name, length in lengths.items():
        if length > 1e-3 * largest:
            assert abs(mine[name].norm() - length) <= within * length, name


def both_modes(case: Case, module: nn.Module, names: Names, inputs: dict[str, Tensor],
               run: Callable[[], dict[str, Tensor]]) -> None:  # fmt: skip
    """Evaluation, training, every gradient of the latter, and all buffers after it."""
    allowed = case.notes["tolerance"]
    module.eval()
    with torch.no_grad():
        near(case, run(), "out/eval/", allowed["eval_forward"])
    module.train()
    wanted = [name for name in inputs if f"grad/input/{name}" in case.numbers]
    for name in wanted:
        inputs[name].requires_grad_()
    out = run()
    near(case, out, "out/train/", allowed["train_forward"])
    torch.stack(
        [(out[n] * c).sum() for n, c in case.part("in/cotangent/").items()]
    ).sum().backward()
    for name in wanted:
        gradient, recorded = inputs[name].grad, case.numbers[f"grad/input/{name}"]
        if gradient.shape != recorded.shape:  # of large inputs the last three channels
            gradient = gradient[:, -3:]
        spread = {"rtol": 2e-3, "atol": 2e-3 * recorded.abs().max().item()}
        torch.testing.assert_close(gradient, recorded, **spread, msg=lambda m, n=name: f"{n}: {m}")
    within = allowed["param_grad_l2_rel"]
    gradients = {name: p.grad for name, p in module.named_parameters()}
    stats = case.notes["param_grad_stats_sum_abs_l2"]
    same_gradients(stats, gradients, names, within)
    largest = max(row[2] for row in stats.values())
    for name, recorded in names(case.part("grad/param/")).items():
        atol = within * max(recorded.abs().max().item(), 1e-3 * largest)
        torch.testing.assert_close(gradients[name], recorded, rtol=within, atol=atol)
    same_buffers(names(case.part("after/")), dict(module.named_buffers()))


def same_buffers(recorded: Mapping[str, Tensor], mine: Mapping[str, Tensor]) -> None:
    for name, value in recorded.items():
        if COUNTER not in name:
            torch.testing.assert_close(mine[name], value, rtol=1e-4, atol=1e-4)


# --- The parts ---


def isla_norm(case: Case) -> None:
    told, given = case.notes["config"], case.part("in/")
    norm = filled(ISLA(told["num_features"], told["num_w"]), plain_names(case.part("state/")))
    x, codes, masks = given["x"], given["vector"], given["bbox"]
    both_modes(case, norm, plain_names, given, lambda: {"y": norm(x, codes, masks)})


def mask_regression(case: Case) -> None:
    told, given = case.notes["config"], case.part("in/")
    version = int(case.kind[-1])
    sizes = Sizes(version=version, mask_width=128 * version, map_size=told["map_size"])  # type: ignore[arg-type]
    network: Any = filled(MaskRegression(told["obj_feat"], sizes), plain_names(case.part("state/")))
    codes, boxes = given["obj_feat"], corners(given["bbox"])
    network.eval()
    network.sizes = replace(sizes, align_corners=False)
    unaligned = {"bbmap": network(codes, boxes)}
    near(case, unaligned, "out/eval_align_corners_false/", case.notes["tolerance"]["eval_forward"])
    network.sizes = sizes
    both_modes(case, network, plain_names, given, lambda: {"bbmap": network(codes, boxes)})


def to_layout(case: Case) -> None:
    boxes, masks = corners(case.numbers["in/bbox"]), case.numbers["in/masks"]
    side = case.notes["config"]["H"]
    found = {"bbox_mask": inside_boxes(boxes, side)}
    for aligned in (True, False):
        laid = masks_to_layout(boxes, masks, side, align_corners=aligned)
        found[f"layout_align_corners_{str(aligned).lower()}"] = laid
    near(case, found, "out/", case.notes["tolerance"]["eval_forward"])


# --- The players ---


def generator(case: Case) -> None:
    weights, given = case.part("state/"), case.part("in/")
    sizes = sizes_of(weights)
    assert sizes.size == case.notes["image_size"] and sizes.version == int(case.kind[-1])
    names = partial(generator_names, size=sizes.size)
    network: Any = filled(Generator(sizes), names(weights))
    boxes, labels = corners(given["bbox"]), given["label"]

    def run() -> dict[str, Tensor]:
        return {"image": network(given["z"], given["z_im"], boxes, labels).pictures}

    network.eval()
    network.masks.sizes = replace(sizes, align_corners=False)
    small = {"image_stride2": run()["image"][..., ::2, ::2]}
    near(case, small, "out/eval_align_corners_false/", case.notes["tolerance"]["eval_forward"])
    network.masks.sizes = sizes
    both_modes(case, network, names, given, run)


def discriminator(case: Case) -> None:
    told, given = case.notes["config"], case.part("in/")
    names = discriminator_names(told["size"])
    network = Discriminator(told["size"], told["ch"], told["num_classes"])
    filled(network, names(case.part("state/")))
    order = case.notes["obj_score_row_order_in_flat_valid_objects"]

    def run() -> dict[str, Tensor]:
        score, objects = network(given["image"], corners(given["bbox"]), given["label"])
        return {"img_score": score[:, None], "obj_score": objects[order, None]}

    both_modes(case, network, names, given, run)


# --- One round ---


class Note:
    """A `step` that moves, with what is recorded of losses and gradients."""

    round = 0

    def __init__(self, objective: game.LostGANObjective) -> None:
        self.players = objective.players
        self.losses: dict[str, Tensor] = {}
        self.gradients: dict[str, dict[str, Tensor]] = {}
        self.optimisers = {
            name: torch.optim.Adam(player.module.parameters(), player.lr, player.betas)
            for name, player in self.players.items()
        }

    def __call__(self, player: str, loss: Tensor, **figures: Tensor) -> None:
        module = self.players[player].module
        module.zero_grad()
        loss.backward(inputs=list(module.parameters()))
        self.losses[player] = loss
        self.gradients[player] = {name: p.grad.clone() for name, p in module.named_parameters()}
        self.optimisers[player].step()


def train_step(case: Case) -> None:
    """Losses, gradients, and every weight and buffer after Adam's first step."""
    told, given, size = case.notes["config"], case.part("in/"), case.notes["config"]["size"]
    weights, sizes = case.part("state/netG."), sizes_of(case.part("state/netG."))
    config = game.LostGANConfig(
        version=sizes.version, size=size, labels=sizes.labels, max_objects=given["label"].shape[1],
        label_dim=sizes.label_dim, width_g=sizes.width, width_d=told["D_ch"], perceptual=0.0,
        mask_width=sizes.mask_width, on_objects=told["lamb_obj"], on_picture=told["lamb_img"],
        pixel=told["pixel"], lr_g=told["lr"], lr_d=told["lr"], batch_size=2,
    )  # fmt: skip
    objective = game.LostGANObjective(config)
    names = {"G": partial(generator_names, size=size), "D": discriminator_names(size)}
    states = {"G": weights, "D": case.part("state/netD.")}
    for player, module in (("G", objective.generator), ("D", objective.discriminator)):
        filled(module, names[player](states[player]))
    scenes = SceneBatch(given["image"], objects=given["label"] - 1, boxes=corners(given["bbox"]),
                        present=given["label"] > 0)  # fmt: skip
    drawn, game.draw = game.draw, lambda _, *shape: given["z" if len(shape) == 3 else "z_im"]
    step = Note(objective)
    try:
        objective.round(scenes, step)
    finally:
        game.draw = drawn
    atol = case.notes["tolerance"]["losses_and_outputs_atol"]
    for player, recorded in (("D", "out/d_loss"), ("G", "out/g_loss")):
        loss = step.losses[player].double()
        torch.testing.assert_close(loss, case.numbers[recorded], rtol=1e-4, atol=atol)
        same_gradients(case.notes[f"grad_stats_{player}"], step.gradients[player],
                       names[player], 5e-3)  # fmt: skip
        module = objective.players[player].module
        after = names[player](case.part(f"after/net{player}."))
        buffers = dict(module.named_buffers())
        same_buffers({n: w for n, w in after.items() if n in buffers}, buffers)
        moved(after, dict(module.named_parameters()), told["lr"])


def moved(recorded: Mapping[str, Tensor], mine: Mapping[str, Tensor], lr: float) -> None:
    """Weights after Adam's first step, whose size does not depend on the gradient's."""
    off = torch.cat([(mine[n] - w).abs().flatten() for n, w in recorded.items() if n in mine])
    assert len(off) and (off <= 1e-5).float().mean() >= 0.9 and off.max() <= 2.5 * lr


CHECKS = {
    "lostgan.isla_norm": isla_norm,
    "lostgan.mask_regression_v1": mask_regression,
    "lostgan.mask_regression_v2": mask_regression,
    "lostgan.masks_to_layout": to_layout,
    "lostgan.generator_v1": generator,
    "lostgan.generator_v2": generator,
    "lostgan.discriminator": discriminator,
    "lostgan.train_step_v1": train_step,
    "lostgan.train_step_v2": train_step,
}
