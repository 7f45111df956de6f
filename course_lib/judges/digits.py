"""Which digit is it, or is it none? The judge of chapter 01.

A classifier of 0-9 alone must call *everything* a digit: it is certain that noise is an 8. So this
judge has an eleventh class, *none*, fed with what a bad painter makes: noise, blobs, digits cut to
pieces, two digits at once. It was fitted on real handwriting only, never on a painter's samples.

``python -m course_lib.judges.digits`` trains it again (two minutes on two CPU cores).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data.digits import Digits
from course_lib.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

__all__ = ["NONE", "DigitJudge", "spoiled"]

NONE = 10  # the class of what is no digit
SIZE = 32  # side in pixels at which the judge looks


class DigitJudge(nn.Module):
    """Convolutional classifier of 32 x 32 pictures into 0-9 and none.

    Shapes: pictures ``[B, 1, H, W]`` in [-1, 1] -> logits ``[B, 11]``.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = [1, 24, 48, 96]
        layers: list[nn.Module] = []
        for narrow, wide in zip(channels, channels[1:], strict=False):
            layers += [nn.Conv2d(narrow, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide)]
            layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)  # [B, 96, 4, 4]
        self.to_logits = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * 16, 11))

    def forward(self, pictures: Tensor) -> Tensor:
        if pictures.shape[-1] != SIZE:
            pictures = F.interpolate(
                pictures, size=(SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True
            )
        return self.to_logits(self.features(pictures))

    @torch.no_grad()
    def read(self, pictures: Tensor) -> Tensor:
        """What is written on each picture: ``[B]``, 0-9 or :data:`NONE`."""
        return torch.cat([self(part).argmax(dim=1) for part in pictures.split(500)])

    @classmethod
    def load(cls, path: Path | None = None) -> DigitJudge:
        """The judge with its shipped weights, or those of ``path``."""
        shipped = Path(str(resources.files("course_lib") / "weights" / "digit_judge.safetensors"))
        judge = cls()
        judge.load_state_dict(read_checkpoint(path or shipped).tensors)
        return judge.eval()


# --- What is no digit: each function takes real digits and returns as many pictures of none.
#     Those that mix two digits take two of different classes: two threes are still a three. ---


def noise(digits: Tensor) -> Tensor:
    """White noise, weak to strong."""
    return (torch.randn_like(digits) * (0.1 + 1.4 * torch.rand(len(digits), 1, 1, 1))).clamp(-1, 1)


def blobs(digits: Tensor) -> Tensor:
    """Smooth noise, pushed towards black and white: strokes without a meaning."""
    coarse = torch.randn(len(digits), 1, 8, 8)
    smooth = F.interpolate(coarse, size=digits.shape[-2:], mode="bicubic", align_corners=False)
    offset = torch.rand(len(digits), 1, 1, 1) * 1.2
    return torch.tanh(4 * (smooth - offset))


def shuffled(digits: Tensor) -> Tensor:
    """A digit cut into 2 x 2 or 4 x 4 tiles, which change places."""
    parts = [_shuffle(part, tiles) for part, tiles in zip(digits.chunk(2), (2, 4), strict=False)]
    return torch.cat(parts)


def _shuffle(digits: Tensor, tiles: int) -> Tensor:
    count, channels, height, width = digits.shape
    side = height // tiles
    cut = digits.unfold(2, side, side).unfold(3, side, side)  # [B, C, tiles, tiles, side, side]
    cut = cut.reshape(count, channels, tiles * tiles, side, side)
    cycle = torch.rand(count, tiles * tiles).argsort(dim=1)  # [B, tiles * tiles]
    order = cycle.scatter(1, cycle, cycle.roll(1, dims=1))  # so no tile stays where it was
    moved = cut[torch.arange(count)[:, None], :, order].transpose(1, 2)  # as cut
    moved = moved.reshape(count, channels, tiles, tiles, side, side)
    return moved.permute(0, 1, 2, 4, 3, 5).reshape(count, channels, height, width)


def overlaid(digits: Tensor, others: Tensor) -> Tensor:
    """Two digits on top of each other, or half way between one and the other."""
    both, middle = torch.maximum(digits, others), (digits + others) / 2
    return torch.where(torch.rand(len(digits), 1, 1, 1) < 0.5, both, middle)


def halved(digits: Tensor, others: Tensor) -> Tensor:
    """The upper half of one digit on the lower half of another, mirrored."""
    half = digits.shape[-2] // 2
    return torch.cat([digits[..., :half, :], others[..., half:, :].flip(-1)], dim=-2)


def erased(digits: Tensor) -> Tensor:
    """A digit of which less than half is left."""
    side = digits.shape[-1]
    rows = torch.arange(side)[None, :] < torch.randint(side // 4, side // 2, (len(digits), 1))
    keep = torch.where(torch.rand(len(digits), 1) < 0.5, rows, rows.flip(1))[:, None, :, None]
    kept = torch.where(keep, digits, -torch.ones_like(digits))
    return torch.where(torch.rand(len(digits), 1, 1, 1) < 0.5, kept, kept.transpose(2, 3))


SPOILERS = (noise, blobs, shuffled, erased)
MIXERS = (overlaid, halved)


def of_other_classes(labels: Tensor) -> Tensor:
    """For each digit the number of one of another class; no class may be more than half: ``[B]``.

    In the order of the classes, whoever stands as far on as the largest class is large is another.
    """
    order = labels.argsort()
    return order.scatter(0, order, order.roll(-int(labels.bincount().max())))


def spoiled(digits: Tensor, labels: Tensor) -> Tensor:
    """As many pictures of none as there are digits, of every kind."""
    chance = torch.randperm(len(digits))
    digits, labels = digits[chance], labels[chance]
    kinds = len(SPOILERS) + len(MIXERS)
    parts, pairs = (x.tensor_split(kinds) for x in (digits, digits[of_other_classes(labels)]))
    alone = [spoil(part) for spoil, part in zip(SPOILERS, parts, strict=False)]
    mixed = [mix(*two) for mix, *two in zip(MIXERS, parts[-2:], pairs[-2:], strict=True)]
    return torch.cat(alone + mixed)


# --- Training ---


def vary(pictures: Tensor) -> Tensor:
    """Every picture a little turned, scaled, sheared, shifted, bolder or thinner."""
    count = len(pictures)
    turn, shear = (torch.rand(2, count) - 0.5) * 0.5  # radians
    scale = 0.9 + 0.25 * torch.rand(count)
    shift = (torch.rand(count, 2) - 0.5) * 0.16  # of half the side
    rows = [scale * turn.cos(), scale * (shear - turn.sin()), shift[:, 0]]
    rows += [scale * turn.sin(), scale * turn.cos(), shift[:, 1]]
    grid = F.affine_grid(
        torch.stack(rows, dim=1).view(count, 2, 3), list(pictures.shape), align_corners=False
    )
    moved = F.grid_sample(
        pictures + 1, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    boldness = torch.exp((torch.rand(count, 1, 1, 1) - 0.5) * 1.2)
    return (moved / 2).clamp(0, 1).pow(boldness) * 2 - 1


def fit(epochs: int = 60, batch_size: int = 128, seed: int = 0) -> DigitJudge:
    """Trains a judge on the training digits; a third of every batch is spoiled."""
    torch.manual_seed(seed)
    judge, source = DigitJudge(), Digits(SIZE, "train")
    steps = epochs * (len(source) // batch_size)
    optimiser = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for _ in range(steps):
        which = torch.randint(len(source), (batch_size,))
        bad = torch.randint(len(source), (batch_size // 2,))
        junk = spoiled(source.images[bad], source.labels[bad])
        pictures = torch.cat([vary(source.images[which]), vary(junk)])
        labels = torch.cat([source.labels[which], torch.full((len(junk),), NONE)])
        loss = F.cross_entropy(judge(pictures), labels, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return judge.eval()


def report(judge: DigitJudge) -> dict[str, float]:
    """The judge's own marks on held-out digits: accuracy, acceptance, and what junk it takes."""
    torch.manual_seed(1)
    held_out = Digits(SIZE, "test")
    read = judge.read(held_out.images)
    marks = {
        "accuracy": (read == held_out.labels).float().mean().item(),
        "accepted: real": (read != NONE).float().mean().item(),
    }
    others = held_out.images[of_other_classes(held_out.labels)]
    junk = {spoil.__name__: spoil(held_out.images) for spoil in SPOILERS}
    junk |= {mix.__name__: mix(held_out.images, others) for mix in MIXERS}
    for name, pictures in junk.items():
        marks[f"accepted: {name}"] = (judge.read(pictures) != NONE).float().mean().item()
    return marks


if __name__ == "__main__":
    fitted = fit()
    marks = report(fitted)
    target = Path(str(resources.files("course_lib") / "weights" / "digit_judge.safetensors"))
    write_checkpoint(
        target, Checkpoint({"kind": "digit_judge", "marks": marks}, fitted.state_dict())
    )
    for mark, value in marks.items():
        print(f"{mark:24} {value:.3f}")
