"""OP-GAN's recorded cases, in float64, from weights under the authors' names.

The recorded attention mixes the padding masks of a batch, as released weights know it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.nn.penalties import kl_to_normal
from course_lib.opgan import official
from course_lib.opgan.damsm.losses import (
    Gammas,
    attend,
    damsm_loss,
    sentence_agreement,
    two_ways,
    word_agreement,
)
from course_lib.opgan.networks import Painted, WordAttention
from course_lib.opgan.objective import convinced, discriminator_loss
from course_lib.opgan.objects import Objects, crop_and_flip, lay, merge
from course_lib.text.recurrent import Heard, RecurrentEncoder
from tests.parity.cases import Case


def tolerance(case: Case) -> tuple[float, float]:
    allowed = case.notes["tolerance"]["float64_run"]
    return allowed["rtol"], allowed["atol"]


def gammas(case: Case) -> Gammas:
    return Gammas(*(case.notes["config"][f"GAMMA{number}"] for number in (1, 2, 3)))


def objects(given: dict[str, Tensor], count: int | None = None) -> Objects:
    names = ("label_one_hot", "transf_matrices", "transf_matrices_inv")
    told = Objects(*(given[name] for name in names))
    if count == 0:
        return Objects.nothing(len(told.labels), told.labels.shape[2]).to(told.labels)
    return Objects(*(part[:, :count] for part in told))


def attention(case: Case) -> None:
    """Words at each place, with and without a padding mask; regions for each word."""
    given, found = case.part("input."), {}
    weight = case.numbers["ATT.conv_context.weight"]
    layer = WordAttention(len(weight), weight.shape[1], fault=True).double()
    layer.load_state_dict(case.part("ATT."))
    for name, padding in (("masked", given["mask"]), ("nomask", None)):
        heard = layer(given["h"], given["words_emb"], padding)
        found[f"output.weighted_{name}"], found[f"output.attn_{name}"] = heard
    regions, own = given["fa_context"], torch.arange(len(given["fa_context"]))
    contexts, looks = attend(given["fa_query"], regions.flatten(2), gammas(case).regions)
    found["output.fa_weighted"] = contexts[own, own]
    found["output.fa_attn"] = looks[own, own].unflatten(2, regions.shape[2:])
    case.compare(found, *tolerance(case), "output.")


def box_transforms(case: Case) -> None:
    """Matrices, one-hot labels, crops, pastes and their union; the authors' augmentation."""
    boxes, labels, feat = (case.numbers[f"input.{n}"] for n in ("bbox_xywh", "labels", "feat"))
    count, side = boxes.shape[1], feat.shape[-1]
    told = Objects.of(boxes, labels[..., 0], case.notes["config"]["CLASSES_NUM"])
    found = {
        "output.transf_matrices": told.crop,
        "output.transf_matrices_inv": told.paste,
        "output.label_one_hot": told.labels,
    }
    many = torch.stack([feat * (k + 1) for k in range(count)])
    pasted = lay(many, told.paste, side)
    found["output.stn_inv_obj0"] = pasted[0]
    found["output.stn_crop4_obj0"] = lay(many, told.crop, 4)[0]
    found["output.merged"] = merge(pasted)
    picture = torch.arange(268.0 * 268).view(1, 268, 268)
    for number, cut in enumerate(case.notes["crop_cases"]):
        square, moved = crop_and_flip(picture, boxes[0], cut["h1"], cut["w1"], 256, cut["flip"])
        found[f"output.crop{number}_bbox"] = moved
        corners = [square[0, 0, 0], square[0, 0, -1], square[0, -1, 0]]
        assert [float(value) for value in corners] == cut["corner_pixels"]
    case.compare(found, *tolerance(case), "output.")


def text_encoder(case: Case) -> None:
    """Codes of words and sentences."""
    weights = case.part("RNN.")
    encoder = RecurrentEncoder.of(weights).double().eval()
    assert type(encoder.rnn).__name__ == case.notes["config"]["rnn"]
    encoder.load_state_dict({**weights, "_extra_state": encoder.get_extra_state()})
    heard = encoder(case.numbers["input.captions"], case.numbers["input.cap_lens"])
    found = {"output.words_emb": heard.words, "output.sent_emb": heard.sentence}
    case.compare(found, *tolerance(case), "output.")


def damsm_losses(case: Case) -> None:
    """The four losses with and without pairs left out, their gradients, the words' regions."""
    given, sharp, found = case.part("input."), gammas(case), {}
    heard = Heard(given["words_emb"], given["sent_emb"], given["cap_lens"])
    for name, ids in case.notes["class_ids"].items():
        inputs = [given[n].clone().requires_grad_() for n in ("region_features", "cnn_code")]
        same = None if ids is None else torch.tensor(ids)
        words, looks = word_agreement(inputs[0], heard, sharp)
        losses = [
            *two_ways(words, sharp.batch, same),
            *two_ways(sentence_agreement(inputs[1], heard.sentence), sharp.batch, same),
        ]
        names = ("w_loss0", "w_loss1", "s_loss0", "s_loss1")
        found |= {f"output.{name}.{n}": x for n, x in zip(names, losses, strict=True)}
        total = damsm_loss(*inputs, heard, sharp, same)
        torch.testing.assert_close(total, sum(losses))
        gradients = torch.autograd.grad(total, inputs)
        parts = zip(("region_features", "cnn_code"), gradients, strict=True)
        found |= {f"grad.{name}.{n}": gradient for n, gradient in parts}
    for number, length in enumerate(given["cap_lens"].tolist()):
        found[f"output.attn_map{number}"] = looks[number : number + 1, :length]
    case.compare(found, *tolerance(case), "output.", "grad.")


def generator(case: Case) -> None:
    """Pictures, attention, layout code in both modes, gradients; objects in turn, and at once."""
    for together in (False, True):
        check_generator(case, together)


def check_generator(case: Case, together: bool) -> None:
    g = official.generator(case.part("G.")).double()
    for stage in stages(g):
        stage.together = together
    given, found, codes = case.part("input."), {}, []
    g.h_net1.bbox_net.register_forward_hook(lambda layer, told, code: codes.append(code))
    g.eval()
    with torch.no_grad():
        found |= outputs("eval", paint(g, given, case.notes["max_objects"]))
        found["inter.eval.bbox_code"] = codes[-1]
        for count in (0, 1):
            found[f"output.eval_{count}obj.img64"] = paint(g, given, count).pictures[0]
    painted = paint(g.train(), given, case.notes["max_objects"])
    found |= outputs("train", painted) | {"inter.train.bbox_code": codes[-1]}
    found["loss.KL"] = kl_to_normal(painted.mu, painted.logvar)
    squares = sum(picture.square().mean() for picture in painted.pictures)
    found["loss.toy"] = squares + found["loss.KL"]
    found["loss.toy"].backward()
    check_gradients(case, "G", g, found)
    found |= after(case, "G", g)
    prefixes = ["output.", "inter.eval.bbox", "inter.train.bbox", "loss.", "grad.", "after."]
    case.compare(found, *tolerance(case), *prefixes)


def outputs(mode: str, painted: Painted) -> dict[str, Tensor]:
    """What was painted, under the recorded names."""
    found = {f"output.{mode}.mu": painted.mu, f"output.{mode}.logvar": painted.logvar}
    for number, picture in enumerate(painted.pictures):
        found |= pictures(f"output.{mode}.img{picture.shape[-1]}", picture, number)
    for number, heard in enumerate(painted.attention, 1):
        found[f"output.{mode}.att{number}_stride8"] = heard[:, :, ::8, ::8]
    return found


def stages(g: nn.Module) -> list[nn.Module]:
    return [getattr(g, f"h_net{number}") for number in range(1, g.sizes.stages + 1)]


def paint(g: nn.Module, given: dict[str, Tensor], count: int) -> Painted:
    heard = Heard(given["words_emb"], given["sent_emb"], (~given["mask"]).sum(dim=1))
    told = given["z"], given["local_noise"], given["ca_eps"]
    return g(heard, objects(given, count), *told)


def pictures(name: str, picture: Tensor, number: int) -> dict[str, Tensor]:
    """A picture as it was recorded: whole, or some of its places."""
    if number == 0:
        return {name: picture}
    middle = picture.shape[-1] // 2
    window = slice(middle - 16, middle + 16)
    return {
        f"{name}_stride2": picture[:, :, 1::2, ::2],
        f"{name}_stride4": picture[:, :, 1::4, 2::4],
        f"{name}_center32": picture[:, :, window, window],
    }


def check_gradients(case: Case, player: str, module: nn.Module, found: dict[str, Tensor]) -> None:
    """Adds those that were recorded, and compares the lengths of all."""
    own = {name: parameter.grad for name, parameter in module.named_parameters()}
    rtol, atol = tolerance(case)
    norms = case.notes.get(f"grad_norms_{player}", {})
    names = {name: next(iter(official.renamed({name: 0}, deep(case))), None) for name in norms}
    for name, norm in norms.items():
        assert (norm is None) == (names[name] is None), name
        if norm is not None:
            assert abs(own[names[name]].norm() - norm) <= atol + rtol * norm, name
    for name in case.part(f"grad.{player}."):
        found[f"grad.{player}.{name}"] = own[names[name]]


def after(case: Case, player: str, module: nn.Module) -> dict[str, Tensor]:
    """Batch norm's averages under their names; those of unused layers as they were."""
    own, before = dict(module.named_buffers()), case.part(f"{player}.")
    found = {}
    for name in case.part(f"after.{player}."):
        ours = next(iter(official.renamed({name: 0}, deep(case))), None)
        found[f"after.{player}.{name}"] = before[name] if ours is None else own[ours]
    return found


def deep(case: Case) -> int:
    """How often a discriminator of this case's pictures halves its map once more."""
    return {64: 0, 128: 1, 256: 2}[case.notes.get("image_size", 64)]


def discriminator(case: Case) -> None:
    """What is seen, both answers, the loss with and without misplaced objects, gradients."""
    for together in (False, True):
        check_discriminator(case, together)


def check_discriminator(case: Case, together: bool) -> None:
    given, found = case.part("input."), {}
    told, sentence = objects(given, case.notes["max_objects"]), given["sent_emb"]
    real, fake = (recorded(given, name) for name in ("real", "fake"))
    d = loaded(case, together)
    with torch.no_grad():
        seen = d.eval()(real, told)
        found["output.eval.features"] = seen
        found["output.eval.cond"] = d.conditional(seen, sentence).sigmoid()
        found["output.eval.uncond"] = d.unconditional(seen).sigmoid()
    d.train()
    found["loss.errD"] = discriminator_loss(d, real, fake, sentence, told)[0]
    found["loss.errD"].backward()
    check_gradients(case, "D", d, found)
    found |= after(case, "D", d)
    plain = loaded(case, together).train()
    found["loss.errD_nobbox"] = discriminator_loss(
        plain, real, fake, sentence, told, misplaced="none"
    )[0]
    case.compare(found, *tolerance(case), "output.", "loss.", "grad.", "after.")


def loaded(case: Case, together: bool) -> nn.Module:
    d = official.discriminator(case.part("D.")).double()
    d.together = together
    return d


def recorded(given: dict[str, Tensor], name: str) -> Tensor:
    if f"{name}_small_f16" in given:
        return given[f"{name}_small_f16"].repeat_interleave(4, 2).repeat_interleave(4, 3)
    return given[f"{name}_f16"]


def generator_loss(case: Case) -> None:
    """One discriminator's and DAMSM's say, with a toy for the eye; the picture's gradient."""
    given, sharp = case.part("input."), gammas(case)
    d = official.discriminator(case.part("D.")).double().train()
    fake = given["fake64"].clone().requires_grad_()
    heard = Heard(given["words_emb"], given["sent_emb"], given["cap_lens"])
    small = F.interpolate(fake, size=(17, 17), mode="bilinear", align_corners=False)
    regions = torch.einsum("oc,bchw->bohw", given["enc_Wr"], small)
    whole = fake.mean(dim=(2, 3)) @ given["enc_Wc"].T
    told = objects(given, case.notes["max_objects"])
    loss = convinced(d, fake, heard.sentence, told)
    loss = loss + case.notes["config"]["LAMBDA"] * damsm_loss(regions, whole, heard, sharp)
    (gradient,) = torch.autograd.grad(loss, fake)
    case.compare(
        {"loss.errG_total": loss, "grad.fake64": gradient}, *tolerance(case), "loss.", "grad."
    )


CHECKS = {
    "opgan.attention": attention,
    "opgan.box_transforms": box_transforms,
    "opgan.text_encoder": text_encoder,
    "opgan.damsm_losses": damsm_losses,
    "opgan.generator": generator,
    "opgan.discriminator": discriminator,
    "opgan.generator_loss": generator_loss,
}
