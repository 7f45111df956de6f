"""SPADE's recorded cases, in float64. Networks are built from the options that were recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.foreign import fill
from course_lib.nn.by_label import LabelMaps, SoftMaps
from course_lib.nn.vgg import vgg_distance
from course_lib.scene import SceneBatch
from course_lib.spade import objective as game
from course_lib.spade.discriminator import Discriminator, Seen
from course_lib.spade.networks import (
    SPADE,
    Encoder,
    Generator,
    Norm,
    Sizes,
    SPADEBlock,
)
from course_lib.spade.official import renamed
from tests.parity.cases import Case

KINDS: dict[str, Norm] = {
    "": "none", "none": "none", "batch": "batch", "sync_batch": "syncbatch",
    "syncbatch": "syncbatch", "instance": "instance",
}  # fmt: skip


# --- the recorded options in our words ---


def spade_norm(text: str) -> tuple[bool, Norm, int]:
    """``spectralspadesyncbatch3x3``: spectral norm or not, what SPADE normalises by, its kernel."""
    found = re.fullmatch(r"(spectral)?spade(\D+)(\d)x\d", text)
    assert found, text
    return bool(found[1]), KINDS[found[2]], int(found[3])


def plain_norm(text: str) -> tuple[Norm, bool]:
    return KINDS[text.removeprefix("spectral")], text.startswith("spectral")


def sizes(told: Mapping[str, Any]) -> Sizes:
    spectral, norm, kernel = spade_norm(told["norm_G"])
    return Sizes(
        planes=told["semantic_nc"],
        size=told["crop_size"],
        aspect=told["aspect_ratio"],
        width=told["ngf"],
        upsampling=told["num_upsampling_layers"],
        z_dim=told["z_dim"] if told["use_vae"] else 0,
        norm=norm,
        kernel=kernel,
        spectral=spectral,
    )


def discriminator(told: Mapping[str, Any]) -> Discriminator:
    norm, spectral = plain_norm(told["norm_D"])
    layers, scales = told["n_layers_D"], told["num_D"]
    return Discriminator(told["semantic_nc"], told["ndf"], scales, layers, norm, spectral)


def maps_of(one_hot: Tensor, edges: bool) -> LabelMaps:
    """Ids (and edges) from the planes that were recorded."""
    classes = one_hot[:, :-1] if edges else one_hot
    assert torch.equal(classes.sum(dim=1), torch.ones_like(classes[:, 0]))
    return LabelMaps(
        classes.argmax(dim=1), classes.shape[1], one_hot[:, -1:].float() if edges else None
    )


def has_edges(told: Mapping[str, Any]) -> bool:
    return not told["no_instance"]


# --- running a network as it was run ---


def filled(network: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    fill(network, renamed(weights), "the recorded state")
    return network.double()


def check(
    case: Case,
    network: nn.Module,
    run: Callable[[nn.Module], Mapping[str, Tensor]],
    inputs: Mapping[str, Tensor],
) -> None:
    """Outputs of both modes; gradients and buffers after one run in training."""
    weights = case.part("state/")
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        outputs = run(filled(network, weights).eval())
    found |= {f"out/eval/{name}": value for name, value in outputs.items()}
    outputs = run(filled(network, weights).train())
    found |= {f"out/train/{name}": value for name, value in outputs.items()}
    loss = sum((out * case.numbers[f"in/cotangent/{n}"]).sum() for n, out in outputs.items())
    assert isinstance(loss, Tensor)
    loss.backward()
    found |= under_their_names(case, "after/", dict(network.named_buffers()))

    allowed = case.notes["tolerance"]
    for mode in ("eval", "train"):
        prefixes = (f"out/{mode}", *(["after/"] if mode == "train" and case.part("after/") else []))
        how = allowed[f"{mode}_forward"]
        case.compare(found, how["rtol"], how["atol"], *prefixes)
    rtol = allowed["param_grad_l2_rel"]
    compare_lengths(case.notes["param_grad_stats_sum_abs_l2"], gradients(network), rtol)
    for name, value in inputs.items():
        if (recorded := f"grad/input/{name}") in case.numbers:
            assert value.grad is not None
            near(value.grad[:, -case.numbers[recorded].shape[1] :], case.numbers[recorded], rtol)
    largest = max(float(gradient.norm()) for gradient in gradients(network).values())
    for name, mine in under_their_names(case, "grad/param/", gradients(network)).items():
        if case.numbers[name].norm() > 1e-3 * largest:
            near(mine, case.numbers[name], rtol)


def near(found: Tensor, recorded: Tensor, rtol: float) -> None:
    assert found.shape == recorded.shape
    assert (found - recorded).norm() <= rtol * recorded.norm()


def gradients(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def under_their_names(case: Case, prefix: str, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our tensors for all that was recorded under ``prefix``, with its names."""
    found = {}
    for name in case.part(prefix):
        (mine,) = renamed({name: torch.zeros(1)})
        if mine in ours:
            found[prefix + name] = ours[mine]
    return found


def compare_lengths(
    recorded: Mapping[str, list[float]], ours: Mapping[str, Tensor], rtol: float
) -> None:
    """Of gradients, where they are more than the noise of those whose true value is 0."""
    largest = max(stats[2] for stats in recorded.values())
    for name, (_, _, length) in recorded.items():
        if length > 1e-3 * largest:
            (mine,) = renamed({name: torch.zeros(1)})
            assert abs(ours[mine].norm() - length) <= rtol * length, name


# --- the kinds ---


def norm(case: Case) -> None:
    """From ids, and from planes with their gradient."""
    told, given = case.notes["config"], case.part("in/")
    _, kind, kernel = spade_norm(told["config_text"])
    layer = SPADE(told["norm_nc"], told["label_nc"], kind, kernel)
    both_forms(case, layer, given, lambda net, maps, x: {"y": net(x, maps)})


def block(case: Case) -> None:
    told, given = case.notes["config"], case.part("in/")
    spectral, kind, kernel = spade_norm(told["norm_G"])
    how = Sizes(told["semantic_nc"], norm=kind, kernel=kernel, spectral=spectral)
    network = SPADEBlock(told["fin"], told["fout"], how)
    both_forms(case, network, given, lambda net, maps, x: {"y": net(x, maps)})


def both_forms(
    case: Case,
    network: nn.Module,
    given: Mapping[str, Tensor],
    run: Callable[[nn.Module, LabelMaps | SoftMaps, Tensor], Mapping[str, Tensor]],
) -> None:
    """Planes may be soft here; where they are one-hot, ids must give the same."""
    x, planes = given["x"].clone().requires_grad_(), given["seg"].clone().requires_grad_()
    inputs = {"x": x, "seg": planes}
    check(case, network, lambda net: run(net, SoftMaps(planes), x), inputs)
    hot = given["seg"]
    if bool(((hot == 0) | (hot == 1)).all() and (hot.sum(dim=1) == 1).all()):
        x = given["x"].clone().requires_grad_()
        network.zero_grad()
        check(case, network, lambda net: run(net, maps_of(hot, edges=False), x), {"x": x})


def generator(case: Case) -> None:
    told, given = case.notes["config"], case.part("in/")
    z = given["z"].clone().requires_grad_() if "z" in given else None
    inputs = {} if z is None else {"z": z}
    maps = maps_of(given["seg"], has_edges(told))
    check(case, Generator(sizes(told)), lambda net: {"image": net(maps, z)}, inputs)


def encoder(case: Case) -> None:
    told, pictures = case.notes["config"], case.part("in/")["image"].clone().requires_grad_()
    norm, spectral = plain_norm(told["norm_E"])
    network = Encoder(256 if told["crop_size"] >= 256 else 128, told["ngf"], 256, norm, spectral)
    names = ("mu", "logvar")
    check(
        case,
        network,
        lambda net: dict(zip(names, net(pictures), strict=True)),
        {"image": pictures},
    )


def multiscale(case: Case) -> None:
    told, given = case.notes["config"], case.part("in/")
    planes, picture = given["input"][:, :-3], given["input"][:, -3:].clone().requires_grad_()
    hot = bool(((planes == 0) | (planes == 1)).all())
    maps = maps_of(planes, has_edges(told)) if hot else SoftMaps(planes)

    def run(net: nn.Module) -> dict[str, Tensor]:
        seen: Seen = net(maps, picture)
        return {
            f"d{i}_f{j}": found
            for i, scale in enumerate(seen.scales)
            for j, found in enumerate(scale)
        }

    check(case, discriminator(told), run, {"input": picture})


GAMES: dict[str, game.Loss] = {
    "hinge": "hinge", "ls": "least_squares", "original": "original", "w": "wasserstein",
}  # fmt: skip


def losses(case: Case) -> None:
    """Every game's losses; feature matching, KL and VGG's sum from given features."""
    told, given = case.notes["config"], case.part("in/")

    def seen(which: str) -> Seen:
        layers = [name for name in given if name.startswith(f"pred_{which}/")]
        scales = sorted({name.split("/")[1].split("_")[0] for name in layers})
        return Seen([[given[n] for n in sorted(layers) if n.split("/")[1].split("_")[0] == s]
                     for s in scales], None)  # fmt: skip

    fake, real = seen("fake"), seen("real")
    found = {}
    for theirs, kind in GAMES.items():
        adversarial = partial(game.adversarial, kind)
        found[f"out/{theirs}/G"] = adversarial(fake.logits, True, of_d=False)
        found[f"out/{theirs}/D_fake"] = adversarial(fake.logits, False, of_d=True)
        found[f"out/{theirs}/D_real"] = adversarial(real.logits, True, of_d=True)
    found["out/GAN_Feat"] = told["lambda_feat"] * game.feature_distance(fake, real)
    kl = game.divergence(given["mu"], given["logvar"]).sum()
    found |= {"out/KLD_unweighted": kl, "out/KLD_weighted": told["lambda_kld"] * kl}
    features = {which: [given[f"vgg_{which}/{level}"] for level in range(5)] for which in "xy"}
    found["out/VGG_from_features"] = vgg_distance(features.get, "x", "y")  # type: ignore[arg-type]
    flat = {name: value.view_as(case.numbers[name]) for name, value in found.items()}
    allowed = case.notes["tolerance"]["eval_forward"]
    case.compare(flat, allowed["rtol"], allowed["atol"], "out/")


class Adam:
    """A ``step`` that keeps each player's loss and gradients before Adam moves it."""

    round = 0

    def __init__(self, objective: game.SPADEObjective) -> None:
        self.players = objective.players
        self.figures: dict[str, Tensor] = {}
        self.gradients: dict[str, dict[str, Tensor]] = {}

    def __call__(self, player: str, loss: Tensor, **figures: Tensor) -> None:
        moved = self.players[player]
        parameters = dict(moved.module.named_parameters())
        loss.backward(inputs=list(parameters.values()))
        self.gradients[player] = {
            key: p.grad.clone() for key, p in parameters.items() if p.grad is not None
        }
        self.figures |= {f"{player}.{key}": value for key, value in figures.items()}
        torch.optim.Adam(parameters.values(), lr=moved.lr, betas=moved.betas).step()


def config_of(told: Mapping[str, Any]) -> game.SPADEConfig:
    """The recorded options as our configuration."""
    spectral_g, norm_g, kernel = spade_norm(told["norm_G"])
    norm_d, spectral_d = plain_norm(told["norm_D"])
    norm_e, spectral_e = plain_norm(told["norm_E"])
    return game.SPADEConfig(
        labels=told["label_nc"],
        void=told["contain_dontcare_label"],
        edges=has_edges(told),
        size=told["crop_size"],
        aspect=told["aspect_ratio"],
        batch_size=2,
        upsampling=told["num_upsampling_layers"],
        width_g=told["ngf"],
        kernel=kernel,
        norm_g=norm_g,
        spectral_g=spectral_g,
        use_vae=told["use_vae"],
        norm_e=norm_e,
        spectral_e=spectral_e,
        width_d=told["ndf"],
        scales_d=told["num_D"],
        layers_d=told["n_layers_D"],
        norm_d=norm_d,
        spectral_d=spectral_d,
        loss=GAMES[told["gan_mode"]],
        features=0.0 if told["no_ganFeat_loss"] else told["lambda_feat"],
        perceptual=0.0 if told["no_vgg_loss"] else told["lambda_vgg"],
        kl=told["lambda_kld"],
        lr_g=told["lr"] / (1 if told["no_TTUR"] else 2),
        lr_d=told["lr"] * (1 if told["no_TTUR"] else 2),
        betas=(0.5, 0.999) if told["no_TTUR"] else (told["beta1"], told["beta2"]),
    )


def train_step(case: Case) -> None:
    """G's turn and D's: pictures, losses, gradients, and all that they leave behind."""
    given, config = case.part("in/"), config_of(case.notes["config"])
    objective = game.SPADEObjective(config)
    parts = {"netG": objective.artist.generator, "netD": objective.discriminator}
    if objective.artist.encoder is not None:
        parts["netE"] = objective.artist.encoder
    for name, network in parts.items():
        filled(network, case.part(f"state/{name}.")).train()
    edges = game.borders(given["instance"][:, 0], None) if config.edges else None
    maps = LabelMaps(given["label"][:, 0].long(), config.classes, edges)
    objective.maps = lambda scenes: maps  # type: ignore[method-assign]
    painted: list[Tensor] = []
    parts["netG"].register_forward_hook(lambda module, inputs, out: painted.append(out))
    told_apart: list[Tensor] = []
    called = objective.called

    def noted(*what: Any, **how: Any) -> Tensor:
        told_apart.append(called(*what, **how))
        return told_apart[-1]

    objective.called = noted  # type: ignore[method-assign]
    step = Adam(objective)
    objective.round(SceneBatch(given["image"]), step)

    found = {
        "out/input_semantics": maps.plain().planes,
        "out/fake_image": painted[0],
        "out/g_loss/GAN": step.figures["G.believed"],
        "out/d_loss/D_Fake": told_apart[1],
        "out/d_loss/D_real": told_apart[2],
    }
    if config.features:
        found["out/g_loss/GAN_Feat"] = step.figures["G.features"]
    flat = {name: value.view_as(case.numbers[name]) for name, value in found.items()}
    case.compare(flat, 0.0, case.notes["tolerance"]["losses_and_outputs_atol"], "out/")
    for net, (player, inside) in PLACES.items():
        recorded = {
            name.removeprefix(f"{net}."): stats
            for name, stats in case.notes[f"grad_stats_{player}_step"].items()
            if name.startswith(f"{net}.")
        }
        mine = {
            name.removeprefix(inside): gradient
            for name, gradient in step.gradients[player].items()
            if name.startswith(inside)
        }
        if net in parts:
            compare_lengths(recorded, mine, rtol=5e-3)
    compare_after(case, parts, {"netG": config.lr_g, "netE": config.lr_g, "netD": config.lr_d})


# Where a network of theirs is among our players.
PLACES = {"netG": ("G", "generator."), "netE": ("G", "encoder."), "netD": ("D", "")}


def compare_after(case: Case, parts: Mapping[str, nn.Module], rates: Mapping[str, float]) -> None:
    """Buffers are equal; Adam's first step is of one length whatever a gradient's, and where that
    is noise it may go either way."""
    off = total = 0
    for name, recorded in case.part("after/").items():
        net, _, key = name.partition(".")
        (mine,) = renamed({key: torch.zeros(1)})
        found = parts[net].state_dict()[mine].double()
        gap = (found - recorded.double()).abs()
        is_weight = mine in dict(parts[net].named_parameters())
        assert gap.max() <= (2.5 * rates[net] if is_weight else 1e-4), name
        off, total = off + int((gap > 1e-5).sum()), total + gap.numel()
    assert total and off <= 0.1 * total


CHECKS = {
    "spade.norm": norm,
    "spade.block": block,
    "spade.generator": generator,
    "spade.encoder": encoder,
    "spade.discriminator": multiscale,
    "spade.losses": losses,
    "spade.train_step": train_step,
}
