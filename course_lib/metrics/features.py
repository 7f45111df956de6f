"""Features for FID-like scores without a download, from a network that judges nothing else.

Some are texture (how much the answers of 48 filters vary over the picture), some are content. The
network was trained to tell season, hour, palette and things, and how much a picture was blurred,
sharpened or made noisy: features of content alone are nearly blind to texture.

``python -m course_lib.metrics`` trains it again, and the one of :mod:`course_lib.nn.perceptual`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data.storybook import CLASSES
from course_lib.data.storybook.palette import HOURS, PALETTES, SEASONS
from course_lib.judges.pages import Pages, at_size
from course_lib.judges.spoil import chance, resample
from course_lib.judges.study import block, restore, study
from course_lib.nn.perceptual import WIDTHS, PerceptualNet

__all__ = ["NAME", "FeatureNet", "fit", "fit_perceptual", "report"]

NAME = "feature_net"
FIRST, THINGS = len(CLASSES.stuff), len(CLASSES.things)
ANSWERS = (len(SEASONS), len(HOURS), len(PALETTES), THINGS + 1, THINGS, 3)


class FeatureNet(nn.Module):
    """64 features of a picture, and what they were trained to answer.

    Shapes: pictures ``[B, 3, H, W]`` in [-1, 1] -> features ``[B, 64]``.
    """

    num_features = 64  # few, since FID is biased until there are many more pictures than features
    answer_sizes = ANSWERS

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = block(3, 16), block(16, 32)  # sides 64, 32
        self.content = nn.Sequential(
            nn.MaxPool2d(2), block(32, 64), nn.MaxPool2d(2), block(64, 80)
        )  # side 8
        pooled, norm = 16 + 32 + 80, partial(nn.BatchNorm1d, affine=False)
        few = nn.Linear(pooled, self.num_features, bias=False)
        self.to_features = nn.Sequential(norm(pooled), few, norm(self.num_features))
        self.to_answers = nn.Sequential(nn.ReLU(), nn.Linear(self.num_features, sum(ANSWERS)))

    def forward(self, pictures: Tensor) -> Tensor:
        fine = self.fine(at_size(pictures))
        coarse = self.coarse(F.max_pool2d(fine, 2))
        mean, most = self.content(coarse).float().chunk(2, dim=1)  # how much, and whether at all
        textures = [(x.float().var(dim=(2, 3)) + 1e-4).log() for x in (fine, coarse)]
        contents = [mean.mean(dim=(2, 3)), most.amax(dim=(2, 3))]
        return self.to_features(torch.cat([*textures, *contents], dim=1))

    def answers(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Logits of season, hour, palette, the largest thing (none is the last), all things;
        and how much was blurred, sharpened, made noisy."""
        return self.to_answers(self(pictures)).split(ANSWERS, dim=1)

    @classmethod
    def load(cls, path: Path | None = None) -> FeatureNet:
        """The network with its shipped weights, or those of ``path``."""
        return restore(cls, NAME, path)


# --- Training ---


def degraded(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures blurred, sharpened and noisy by chance, and how much of each: ``[B, 3]``."""
    soft = resample(pictures, int(torch.randint(16, 40, ())))
    share, strength, grain = (chance(pictures).square() for _ in range(3))
    out = pictures + share * (soft - pictures)
    out = out + strength * (out - F.avg_pool2d(out, 3, stride=1, padding=1))
    out = (out + 0.2 * grain * torch.randn_like(out)).clamp(-1, 1)
    return out, torch.cat([share, strength, grain], dim=1)[..., 0, 0]


def largest(pages: Pages) -> Tensor:
    """The class of the largest thing, counted from 0; one past the last where there is none."""
    area = (pages.boxes[..., 2:] - pages.boxes[..., :2]).prod(dim=-1)  # [B, O]
    kind = pages.objects.gather(1, area.argmax(dim=1)[:, None])[:, 0] - FIRST
    return torch.where(pages.objects[:, 0] < 0, THINGS, kind)


def fit(pages: Pages, steps: int = 2000, batch_size: int = 32, seed: int = 1) -> FeatureNet:
    """Trains the network on pages of Storybook."""
    torch.manual_seed(seed)
    network = FeatureNet()

    def loss(step: int) -> Tensor:
        picked = pages.pick(torch.randint(len(pages), (batch_size,)))
        pictures, levels = degraded(picked.pictures)
        *looks, main, things, spoilt = network.answers(
            pictures.contiguous(memory_format=torch.channels_last)
        )
        there = F.one_hot(picked.objects + 1, FIRST + THINGS + 1).amax(dim=1)[:, FIRST + 1 :]
        wrong = [F.cross_entropy(look, picked.looks[:, k]) for k, look in enumerate(looks)]
        wrong.append(F.cross_entropy(main, largest(picked)))
        wrong.append(4 * F.binary_cross_entropy_with_logits(things.float(), there.float()))
        return sum(wrong, start=10 * F.mse_loss(spoilt.float(), levels))

    return study(network, loss, steps, lr=4e-3)


def report(network: FeatureNet, pages: Pages) -> dict[str, float]:
    """How well the network does what it was trained for, on pages it has not seen."""
    with torch.no_grad():
        answers = [network.answers(part) for part in pages.pictures.split(250)]
    season, hour, palette, main, *_ = (torch.cat(parts) for parts in zip(*answers, strict=True))
    truth = (*pages.looks.unbind(dim=1), largest(pages))
    names = ("seasons", "hours", "palettes", "largest things")
    return {
        f"{name} read right": (logits.argmax(dim=1) == true).float().mean().item()
        for name, logits, true in zip(names, (season, hour, palette, main), truth, strict=True)
    }


def class_shares(pages: Pages) -> Tensor:
    """How much of each eighth of a side is which class: ``[N, 27, 8, 8]``."""
    one_hot = F.one_hot(pages.label_maps.long(), len(CLASSES)).permute(0, 3, 1, 2).float()
    return F.avg_pool2d(one_hot, 8)


def fit_perceptual(
    pages: Pages, steps: int = 2000, batch_size: int = 16, seed: int = 2
) -> PerceptualNet:
    """Trains the network for losses: which share of each eighth of the picture is which class?"""
    torch.manual_seed(seed)
    network, to_shares = PerceptualNet(), nn.Conv2d(WIDTHS[-1], len(CLASSES), 1)
    whole = nn.Sequential(network, to_shares)

    def loss(step: int) -> Tensor:
        picked = pages.pick(torch.randint(len(pages), (batch_size,)))
        deepest = network(picked.pictures.contiguous(memory_format=torch.channels_last))[-1]
        return F.cross_entropy(to_shares(deepest).float(), class_shares(picked))

    study(whole, loss, steps, lr=2e-3)
    return network


def report_perceptual(network: PerceptualNet, pages: Pages) -> dict[str, float]:
    """What a linear reading of the deepest level tells; four fifths of the pages fit it."""
    with torch.no_grad():
        parts = [network(part)[-1] for part in pages.pictures.split(100)]
    deepest = torch.cat(parts).permute(0, 2, 3, 1).flatten(1, 2)  # [N, 64, 96]
    shares = class_shares(pages).permute(0, 2, 3, 1).flatten(1, 2)  # [N, 64, 27]
    known = len(pages) * 4 // 5
    reading = torch.linalg.lstsq(deepest[:known].flatten(0, 1), shares[:known].flatten(0, 1))
    right = (deepest[known:] @ reading.solution).argmax(-1) == shares[known:].argmax(-1)
    return {"main classes read right": right.float().mean().item()}
