"""CSAIL's segmenters of ADE20K: a dilated ResNet encoder and a pyramid pooling decoder.

Zhou and others, *Semantic understanding of scenes through the ADE20K dataset* (IJCV 2019); the
decoder is that of PSPNet (Zhao and others, CVPR 2017). Modules bear the names of the published
files. The branch that helped in training alone (deep supervision) is left out.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, conv1x1, conv3x3

from course_lib.data.class_lists import ADE20K
from course_lib.errors import CourseError
from course_lib.foreign import fill, read_weights
from course_lib.segment.segmenter import Segmenter, of_weights

__all__ = ["Decoder", "Encoder", "load_csail"]

BLOCKS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    50: (Bottleneck, (3, 4, 6, 3)),
}
SIDES = (450,)  # the middle one of the authors' five: 300, 375, 450, 525 and 600
OWN = ("_tmp_running_mean", "_tmp_running_var", "_running_iter")  # of their batch norm over GPUs


class Encoder(nn.Module):
    """A ResNet with three small convolutions at its front, whose last two stages do not shrink.

    Shapes: ``[B, 3, H, W]`` -> ``[B, 512 or 2048, H/8, W/8]``.
    """

    def __init__(self, depth: int) -> None:
        super().__init__()
        block, counts = BLOCKS[depth]
        self.conv1, self.bn1 = conv3x3(3, 64, stride=2), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = conv3x3(64, 64), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = conv3x3(64, 128), nn.BatchNorm2d(128)
        wide = [planes * block.expansion for planes in (64, 128, 256, 512)]
        self.layer1 = stage(block, 128, 64, counts[0], stride=1)
        self.layer2 = stage(block, wide[0], 128, counts[1], stride=2)
        self.layer3 = dilate(stage(block, wide[1], 256, counts[2], stride=2), 2)
        self.layer4 = dilate(stage(block, wide[2], 512, counts[3], stride=2), 4)

    def forward(self, pictures: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(pictures)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # [B, 128, H/4, W/4]
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def stage(
    block: type[BasicBlock] | type[Bottleneck], narrow: int, planes: int, count: int, stride: int
) -> nn.Sequential:
    """So many residual blocks, the first of which changes the number of channels."""
    wide, shortcut = planes * block.expansion, None
    if stride > 1 or narrow != wide:
        shortcut = nn.Sequential(conv1x1(narrow, wide, stride), nn.BatchNorm2d(wide))
    first = block(narrow, planes, stride, shortcut)
    return nn.Sequential(first, *(block(wide, planes) for _ in range(count - 1)))


def dilate(stage: nn.Sequential, rate: int) -> nn.Sequential:
    """Takes the stride out of a stage, and spreads its kernels so that they see as far as before.

    The convolution that had the stride stands before the finer grid: half the rate is right there.
    """
    for conv in stage.modules():
        if isinstance(conv, nn.Conv2d):
            reach = rate // 2 if conv.stride == (2, 2) else rate
            conv.stride = (1, 1)
            if conv.kernel_size == (3, 3):
                conv.dilation = conv.padding = (reach, reach)
    return stage


class Decoder(nn.Module):
    """Pyramid pooling: every place hears of the means of 1, 4, 9 and 36 parts of the picture.

    Shapes: ``[B, C, h, w]`` -> scores ``[B, classes, h, w]``.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.ppm = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(parts), *unit(channels, 512, 1))
            for parts in (1, 2, 3, 6)
        )
        self.conv_last = nn.Sequential(
            *unit(channels + 4 * 512, 512, 3), nn.Dropout2d(0.1), nn.Conv2d(512, classes, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        pooled = [
            F.interpolate(pool(x), size, mode="bilinear", align_corners=False) for pool in self.ppm
        ]
        return self.conv_last(torch.cat([x, *pooled], dim=1))


def unit(narrow: int, wide: int, kernel: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(narrow, wide, kernel, padding=kernel // 2, bias=False)
    return conv, nn.BatchNorm2d(wide), nn.ReLU(inplace=True)


def load_csail(folder: Path) -> Segmenter:
    """The segmenter of a folder with an ``encoder*.pth`` and a ``decoder*.pth``.

    Raises:
        CourseError: a file is missing, is none of named tensors, or belongs to another network.
    """
    encoder, decoder = (_only(folder, part) for part in ("encoder", "decoder"))
    first, last = _weights(encoder), _weights(decoder)
    depth = 50 if "layer1.0.conv3.weight" in first else 18
    with torch.device("meta"):  # whose first weights are never drawn
        parts = Encoder(depth), Decoder(BLOCKS[depth][0].expansion * 512, len(ADE20K.classes))
    network = nn.Sequential(*parts).to_empty(device="cpu")
    fill(parts[0], first, str(encoder))
    fill(parts[1], last, str(decoder))
    name = f"csail-resnet{depth}-{of_weights(network)}"
    return Segmenter(name, ADE20K.classes, network.eval().requires_grad_(False), SIDES)


def _only(folder: Path, part: str) -> Path:
    files = sorted(folder.glob(f"{part}*.pth"))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise CourseError(f"one {part}*.pth is needed; there is {found}", where=str(folder))
    return files[0]


def _weights(path: Path) -> dict[str, Tensor]:
    weights = read_weights(path)
    return {k: v for k, v in weights.items() if "deepsup" not in k and not k.endswith(OWN)}
