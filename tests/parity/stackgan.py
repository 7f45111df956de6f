"""StackGAN's recorded cases, in float64, from the weights as a released file has them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.stackgan import official
from tests.parity.cases import Case


def tolerance(case: Case) -> tuple[float, float]:
    allowed = case.notes["tolerance"]["float64_run"]
    return allowed["rtol"], allowed["atol"]


def network(case: Case, player: str) -> nn.Module:
    return official.network(case.part(f"{player}.")).double()


def stage_one(case: Case) -> None:
    """Outputs, the losses of one round, their gradients, and batch norm's averages after it."""
    g, d, given = network(case, "G"), network(case, "D"), case.part("input.")
    found: dict[str, Tensor] = {}

    def paint(mode: str) -> tuple[Tensor, Tensor, Tensor]:
        painted = g(given["text_embedding"], given["noise"], given["ca_eps"])
        found.update({f"output.{mode}.{name}": x for name, x in zip(OUTPUTS, painted, strict=True)})
        return painted

    g.eval(), d.eval()
    _, mu, _ = paint("eval")
    seen = d(given["real"])
    found["output.eval.D_features_real"] = seen
    found["output.eval.D_cond_real"] = d.get_cond_logits(seen, mu)

    g.train(), d.train()
    fake, mu, logvar = paint("train")
    found |= losses(d, given["real"], fake, mu, logvar)
    found["loss.errD"].backward()
    found |= {f"grad.D.{name}": p.grad.clone() for name, p in d.named_parameters()}
    (found["loss.errG"] + 2.0 * found["loss.KL"]).backward()
    gradients = {
        name.replace("ca_net.linear", "ca_net.fc"): p.grad for name, p in g.named_parameters()
    }
    found |= {f"grad.G.{name}": gradient for name, gradient in gradients.items()}
    found |= {f"after.G.{name}": buffer for name, buffer in g.named_buffers()}

    rtol, atol = tolerance(case)
    case.compare(found, rtol, atol, "output.", "loss.", "grad.", "after.")
    for name, norm in case.notes["grad_norms_G"].items():
        assert abs(gradients[name].norm() - norm) <= atol + rtol * norm, name


OUTPUTS = ("fake", "mu", "logvar")


def losses(
    d: nn.Module, real: Tensor, fake: Tensor, mu: Tensor, logvar: Tensor
) -> dict[str, Tensor]:
    """The authors' losses: wrong pairs are each picture with the next one's caption."""
    heard = mu.detach()
    real_seen, fake_seen = d(real), d(fake.detach())
    errors = {
        "real": binary(d.get_cond_logits(real_seen, heard), 1.0),
        "wrong": binary(d.get_cond_logits(real_seen[:-1], heard[1:]), 0.0),
        "fake": binary(d.get_cond_logits(fake_seen, heard), 0.0),
    }
    return {
        **{f"loss.errD_{name}": error for name, error in errors.items()},
        "loss.errD": errors["real"] + (errors["wrong"] + errors["fake"]) / 2,
        "loss.errG": binary(d.get_cond_logits(d(fake), heard), 1.0),
        "loss.KL": -0.5 * (1 + logvar - mu.square() - logvar.exp()).mean(),
    }


def binary(probability: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy(probability, torch.full_like(probability, target))


def stage_two_generator(case: Case) -> None:
    """Outputs of both modes; of the large picture, every fourth place and a window were kept."""
    g, given = network(case, "G"), case.part("input.")
    found: dict[str, Tensor] = {}
    for mode in ("eval", "train"):
        g.train(mode == "train")
        with torch.no_grad():
            fake, mu, logvar, sketch = g(
                given["text_embedding"],
                given["noise"],
                epsilon=given["ca_eps_stage2"],
                sketch_epsilon=given["ca_eps_stage1"],
            )
        outputs = {
            "stage1_img": sketch,
            "fake": fake,
            "fake_stride4": fake[:, :, 1::4, 2::4],
            "fake_center64": fake[:, :, 96:160, 96:160],
            "fake_mean_per_sample": fake.mean(dim=(1, 2, 3)),
            "fake_absmean_per_sample": fake.abs().mean(dim=(1, 2, 3)),
            "mu": mu,
            "logvar": logvar,
        }
        found |= {f"output.{mode}.{name}": value for name, value in outputs.items()}
    case.compare(found, *tolerance(case), "output.")


def stage_two_discriminator(case: Case) -> None:
    """What D sees, and both its answers, in both modes."""
    d, given = network(case, "D"), case.part("input.")
    picture = given["image_f16"] if "image_f16" in given else given["image"]
    found: dict[str, Tensor] = {}
    for mode in ("eval", "train"):
        d.train(mode == "train")
        with torch.no_grad():
            seen = d(picture)
            found[f"output.{mode}.features"] = seen
            found[f"output.{mode}.cond"] = d.get_cond_logits(seen, given["cond"])
            found[f"output.{mode}.uncond"] = d.get_uncond_logits(seen)
    case.compare(found, *tolerance(case), "output.")


CHECKS = {
    "stackgan.stage1": stage_one,
    "stackgan.stage2_generator": stage_two_generator,
    "stackgan.stage2_discriminator": stage_two_discriminator,
}
