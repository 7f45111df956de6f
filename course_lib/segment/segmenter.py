"""What turns one photograph into probabilities of classes, whoever trained the network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as T

from course_lib.data.fingerprint import fingerprint
from course_lib.scene import ClassTable, LabelMap

__all__ = ["IMAGENET", "Seen", "Segmenter", "of_weights"]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of its colours
LONGEST = 1000  # pixels of the longer side at which a network looks, as in CSAIL's code
FINEST = 640  # pixels of the longer side at which probabilities are kept: 150 classes are much


def of_weights(network: nn.Module) -> str:
    """A short name for the weights of a network."""
    return fingerprint(*(float(tensor.detach().double().sum()) for tensor in network.parameters()))[
        :8
    ]


@dataclass(frozen=True)
class Seen:
    """What a segmenter says about a photograph.

    Attributes:
        label_map: the likeliest class of every pixel.
        confidence: its probability: ``[H, W]``.
    """

    label_map: LabelMap
    confidence: Tensor


@dataclass(frozen=True)
class Segmenter:
    """A network of class scores, with what it needs to know about pictures.

    Attributes:
        name: tells it, and its weights, from any other.
        classes: what it knows.
        network: pictures ``[1, 3, h, w]`` -> scores ``[1, C, h', w']``. There may be one class more
            than the table has, the last: whatever is none of them.
        sides: lengths in pixels of the shorter side at which it looks; probabilities are averaged.
        colours: mean and deviation of the colours it was trained on, in [0, 1].
        multiple: sides are rounded up to multiples of this.
        blind: a word on what it cannot see.
    """

    name: str
    classes: ClassTable
    network: nn.Module
    sides: tuple[int, ...]
    colours: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    multiple: int = 8
    blind: str = ""

    @torch.inference_mode()
    def look(self, photo: tv_tensors.Image, *, least: float = 0.0) -> Seen:
        """The label map of a photograph ``[3, H, W]``, uint8, in the size of the photograph.

        Args:
            least: pixels whose class is less probable than that stay unlabeled.
        """
        height, width = photo.shape[-2:]
        shrunk = min(1.0, FINEST / max(height, width))
        fine = (max(1, round(height * shrunk)), max(1, round(width * shrunk)))
        total = sum(self._probabilities(photo, side, fine) for side in self.sides)
        confidence, ids = (total / len(self.sides)).max(dim=0)  # type: ignore[union-attr]
        ids = torch.where(confidence < least, self.classes.unlabeled, ids)
        parts = torch.stack([ids.double(), confidence.double()])[None]  # [1, 2, h, w]
        ids, confidence = F.interpolate(parts, (height, width), mode="nearest-exact")[0].cpu()
        label_map = LabelMap(tv_tensors.Mask(ids.long()), self.classes)
        return Seen(label_map, confidence.float())

    def _probabilities(self, photo: Tensor, side: int, fine: tuple[int, int]) -> Tensor:
        """``[C, h, w]`` from a look at the photograph with its shorter side so long."""
        shape = photo.shape[-2:]
        scale = min(side / min(shape), LONGEST / max(shape))
        size = [math.ceil(length * scale / self.multiple) * self.multiple for length in shape]
        device = next(self.network.parameters()).device
        small = T.resize(photo.as_subclass(Tensor).to(device) / 255, size, antialias=True)
        scores = self.network(T.normalize(small, *map(list, self.colours))[None])
        scores = F.interpolate(scores, fine, mode="bilinear", align_corners=False)
        return scores.softmax(dim=1)[0]
