"""A small segmenter that is trained here, in a minute, on any scenes with label maps.

U-Net (Ronneberger, Fischer and Brox, 2015) with three levels. It has nothing in common with the
judges: those score painters, and must not have a hand in what painters learn from.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.scene import ClassTable, Source
from course_lib.segment.segmenter import Segmenter, of_weights
from course_lib.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

__all__ = ["SmallNet", "learn", "load_small", "save_small"]

KIND = "small_segmenter"
WIDTHS = (32, 64, 96)
GREY = ((0.5,) * 3, (0.5,) * 3)  # colours in [-1, 1]


class SmallNet(nn.Module):
    """Shapes: pictures ``[B, 3, H, W]`` -> scores ``[B, classes, H, W]``; sides divisible by 8.

    Four pixels are looked at as one, with four times the channels: a quarter of the work.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            unit(narrow, wide) for narrow, wide in zip((12, *WIDTHS), WIDTHS, strict=False)
        )
        self.up = nn.ModuleList(
            unit(wide + narrow, narrow) for narrow, wide in zip(WIDTHS, WIDTHS[1:], strict=False)
        )
        self.whole = nn.Linear(WIDTHS[-1], WIDTHS[-1])  # every place hears of the whole picture
        self.last = nn.Conv2d(WIDTHS[0], 4 * classes, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        levels, x = [], F.pixel_unshuffle(pictures, 2)  # [B, 12, H/2, W/2]
        for number, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if number else x)
            levels.append(x)  # sides H/2, H/4, H/8
        x = x + self.whole(x.mean(dim=(2, 3)))[..., None, None]
        for number in (1, 0):
            wider = F.interpolate(x, scale_factor=2, mode="nearest-exact")
            x = self.up[number](torch.cat([levels[number], wider], dim=1))
        return F.pixel_shuffle(self.last(x), 2)


def unit(narrow: int, wide: int) -> nn.Sequential:
    """Twice a 3 x 3 convolution, normalised, with ReLU."""
    layers: list[nn.Module] = []
    for inputs in (narrow, wide):
        conv = nn.Conv2d(inputs, wide, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def learn(
    source: Source, classes: ClassTable, *, steps: int, pages: int, batch_size: int = 16
) -> Segmenter:
    """Trains a segmenter on the first ``pages`` scenes of a source, the same one every time.

    Raises:
        CourseError: the scenes have no label maps.
    """
    from tqdm import tqdm

    scenes = source.batch(torch.arange(min(pages, len(source))))
    if scenes.label_maps is None:
        raise CourseError("these scenes have no label maps to learn from", where=source.name)
    chance = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SmallNet(len(classes))
    optimiser = torch.optim.AdamW(network.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    for step in tqdm(range(steps), desc="small segmenter", disable=None):
        picked = torch.randint(len(scenes), (batch_size,), generator=chance)
        pictures, targets = scenes.images[picked], scenes.label_maps[picked]
        if step % 2:
            pictures, targets = pictures.flip(3), targets.flip(2)
        loss = F.cross_entropy(network(pictures), targets, ignore_index=classes.unlabeled)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return _segmenter(network, classes, scenes.images.shape[-1])


def save_small(segmenter: Segmenter, path: Path) -> Path:
    """Writes a segmenter of :func:`learn`, with its class table."""
    header = {"kind": KIND, "classes": segmenter.classes.to_json(), "side": segmenter.sides[0]}
    return write_checkpoint(path, Checkpoint(header, dict(segmenter.network.state_dict())))


def load_small(path: Path) -> Segmenter:
    """The segmenter in a file of :func:`save_small`."""
    checkpoint = read_checkpoint(path, kind=KIND)
    classes = ClassTable.from_json(checkpoint.header["classes"])
    with torch.random.fork_rng(devices=[]):
        network = SmallNet(len(classes))
    network.load_state_dict(dict(checkpoint.tensors))
    return _segmenter(network, classes, checkpoint.header["side"])


def _segmenter(network: nn.Module, classes: ClassTable, side: int) -> Segmenter:
    network.eval().requires_grad_(False)
    return Segmenter(f"small-{of_weights(network)}", classes, network, (side,), GREY)
