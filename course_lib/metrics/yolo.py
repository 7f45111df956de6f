"""YOLOv3 from Darknet's own files: the detector behind published semantic object accuracy.

Redmon and Farhadi, 2018 (arXiv:1804.02767). The ``.cfg`` is the network, layer by layer; the
``.weights`` are its numbers in the same order. Both are text and numbers, nothing that could run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import box_iou

from course_lib.errors import CourseError
from course_lib.metrics.soa import PIXELS, CocoDetector, Found

__all__ = ["Darknet", "YoloDetector", "merged"]

SURE, SAME = 0.5, 0.4  # objectness from which a box counts, IoU from which two boxes are one


class Darknet(nn.Module):
    """The network of a ``.cfg``.

    Shapes: pictures ``[B, 3, H, W]`` in [0, 1], sides multiples of 32 -> ``[B, K, 5 + classes]``:
    centre, width and height in pixels, objectness, classes' probabilities.
    """

    def __init__(self, cfg: Path) -> None:
        super().__init__()
        _, *self.blocks = _blocks(cfg)
        self.layers, widths = nn.ModuleList(), [3]
        for block in self.blocks:
            layer, wide = _layer(block, widths, str(cfg))
            self.layers.append(layer)
            widths.append(wide)

    def forward(self, pictures: Tensor) -> Tensor:
        maps: list[Tensor] = []
        answers, x = [], pictures
        for block, layer in zip(self.blocks, self.layers, strict=True):
            if block["type"] == "route":
                x = torch.cat([maps[place] for place in _ints(block["layers"])], dim=1)
            elif block["type"] == "shortcut":
                x = maps[-1] + maps[int(block["from"])]
            elif block["type"] == "yolo":
                answers.append(_boxes(block, x, pictures.shape[-1]))
            else:
                x = layer(x)
            maps.append(x)
        return torch.cat(answers, dim=1)

    def read(self, path: Path) -> Darknet:
        """Takes the numbers of a ``.weights`` file: five of a header, then each convolution's.

        Raises:
            CourseError: more or fewer numbers than the network has.
        """
        numbers = torch.from_numpy(np.fromfile(path, dtype=np.float32)[5:].copy())
        convolutions = [layer for layer in self.layers if isinstance(layer, nn.Sequential)]
        parts: list[Tensor] = []
        for conv, *rest in ([*layer] for layer in convolutions):
            norm = rest[0] if rest else None
            if isinstance(norm, nn.BatchNorm2d):
                parts += [norm.bias, norm.weight, *list(norm.buffers())[:2]]
            else:
                parts.append(conv.bias)
            parts.append(conv.weight)
        wanted = sum(part.numel() for part in parts)
        if wanted != len(numbers):
            raise CourseError(f"{len(numbers)} weights for a network of {wanted}", where=str(path))
        for part, values in zip(parts, numbers.split([p.numel() for p in parts]), strict=True):
            part.data.copy_(values.view_as(part))
        return self


def _blocks(cfg: Path) -> list[dict[str, str]]:
    """The sections of a ``.cfg``, each with its ``type``."""
    blocks: list[dict[str, str]] = []
    for line in (raw.strip() for raw in cfg.read_text("utf-8").splitlines()):
        if line.startswith("["):
            blocks.append({"type": line.strip("[]")})
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            blocks[-1][name.strip()] = value.strip()
    return blocks


def _ints(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _layer(block: dict[str, str], widths: list[int], where: str) -> tuple[nn.Module, int]:
    """The layer of a section, and how many channels it gives; ``widths`` are those before it."""
    kind = block["type"]
    if kind == "convolutional":
        return _convolution(block, widths[-1])
    if kind == "upsample":
        return nn.UpsamplingNearest2d(scale_factor=int(block["stride"])), widths[-1]
    if kind == "route":  # counted from here, or from the first layer
        places = _ints(block["layers"])
        return nn.Identity(), sum(widths[p if p < 0 else p + 1] for p in places)
    if kind in ("shortcut", "yolo"):
        return nn.Identity(), widths[-1]
    raise CourseError(f"a layer [{kind}] is not known here", where=where, fix="yolov3.cfg")


def _convolution(block: dict[str, str], narrow: int) -> tuple[nn.Module, int]:
    wide, side, normed = int(block["filters"]), int(block["size"]), "batch_normalize" in block
    padding = side // 2 if block.get("pad") == "1" else 0
    conv = nn.Conv2d(narrow, wide, side, int(block["stride"]), padding, bias=not normed)
    norm = [nn.BatchNorm2d(wide)] if normed else []
    leaky = [nn.LeakyReLU(0.1)] if block["activation"] == "leaky" else []
    return nn.Sequential(conv, *norm, *leaky), wide


def _boxes(block: dict[str, str], x: Tensor, side: int) -> Tensor:
    """A map's answers as boxes in pixels: ``[B, A (5 + C), S, S]`` -> ``[B, A S S, 5 + C]``."""
    classes, anchors = int(block["classes"]), _ints(block["anchors"])
    sizes = torch.tensor([anchors[2 * k : 2 * k + 2] for k in _ints(block["mask"])]).to(x)
    cells, stride = x.shape[-1], side / x.shape[-1]
    told = x.unflatten(1, (len(sizes), 5 + classes)).permute(0, 1, 3, 4, 2)  # [B, A, S, S, 5 + C]
    rows, columns = torch.meshgrid(*[torch.arange(cells).to(x)] * 2, indexing="ij")
    centre = (told[..., :2].sigmoid() + torch.stack([columns, rows], dim=-1)) * stride
    size = told[..., 2:4].exp() * sizes[:, None, None]
    return torch.cat([centre, size, told[..., 4:].sigmoid()], dim=-1).flatten(1, 3)


def merged(answer: Tensor) -> tuple[Tensor, Tensor]:
    """One box a thing: of boxes of a class that overlap, the mean, weighted by objectness.

    Overlaps are of pixels, both ends included, as in the program that published values come from.

    Shapes: ``[K, 5 + C]`` of one picture -> boxes as corners ``[M, 4]`` and classes ``[M]``.
    """
    answer = answer[answer[:, 4] >= SURE]
    chances, kinds = answer[:, 5:].max(dim=1)
    order = (answer[:, 4] * chances).argsort(descending=True)
    centre, half, sureness = answer[order, :2], answer[order, 2:4] / 2, answer[order, 4:5]
    corners, kinds = torch.cat([centre - half, centre + half], dim=1), kinds[order]
    boxes, found = [], []
    while len(corners):
        last = corners + corners.new_tensor([0, 0, 1, 1])
        one = (box_iou(last[:1], last)[0] > SAME) & (kinds == kinds[0])
        one[0] = True
        boxes.append((sureness[one] * corners[one]).sum(0) / sureness[one].sum())
        found.append(kinds[0])
        corners, kinds, sureness = corners[~one], kinds[~one], sureness[~one]
    return torch.stack(boxes) if boxes else corners, torch.stack(found) if found else kinds


class YoloDetector:
    """YOLOv3 as for published values: 256 pixels, objectness 0.5, boxes of IoU 0.4 merged."""

    labels = CocoDetector.labels  # the same names in the same order
    protocol = "YOLOv3 (Darknet) at 256 px, objectness 0.5, NMS 0.4"

    def __init__(self, cfg: Path, weights: Path) -> None:
        self.network = Darknet(cfg).read(weights).eval()

    @torch.no_grad()
    def find(self, pictures: Tensor) -> list[Found]:
        size = (PIXELS, PIXELS)
        shown = F.interpolate((pictures + 1) / 2, size=size, mode="bilinear", align_corners=False)
        found = (merged(answer) for answer in self.network(shown))
        return [Found([self.labels[k] for k in kinds.tolist()], boxes / PIXELS)
                for boxes, kinds in found]  # fmt: skip
