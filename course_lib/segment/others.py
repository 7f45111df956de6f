"""Segmenters that other libraries bring: torchvision's light ones, and those of transformers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from course_lib.data.class_lists import ADE20K
from course_lib.data.tables import table_of
from course_lib.errors import CourseError
from course_lib.foreign import fill, read_weights
from course_lib.scene import ClassTable
from course_lib.segment.segmenter import Segmenter, of_weights

__all__ = ["VOC", "load_torchvision", "load_transformers"]

VOC = {"voc-mobilenet": "lraspp_mobilenet_v3_large", "voc-resnet50": "deeplabv3_resnet50"}
THINGS = """aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog,
horse, motorbike, person, pottedplant, sheep, sofa, train, tvmonitor"""
VOC_CLASSES = table_of(" ".join(THINGS.split()).split(", "))
BLIND = (
    "it knows 20 kinds of things alone: sky, grass, water, roads, walls and houses all stay "
    "unlabeled; ade20k-resnet50 knows them"
)


class Scores(nn.Module):
    """The scores alone of a network that answers with more.

    The first ``last`` classes are put behind the others: background, where unlabeled belongs.
    """

    def __init__(self, network: nn.Module, answer: str, last: int = 0) -> None:
        super().__init__()
        self.network, self.answer, self.last = network.eval().requires_grad_(False), answer, last

    def forward(self, pictures: Tensor) -> Tensor:
        return self.network(pictures)[self.answer].roll(-self.last, dims=1)


def load_torchvision(kind: str, path: Path) -> Segmenter:
    """One of torchvision's nets of 21 classes, 20 things and background, from its file.

    Raises:
        CourseError: no such file, or one of another network.
    """
    from torchvision.models import get_model

    options: dict[str, Any] = {"weights": None, "weights_backbone": None, "num_classes": 21}
    network = get_model(
        VOC[kind], **options | ({} if "lraspp" in VOC[kind] else {"aux_loss": True})
    )
    fill(network, read_weights(path), str(path))
    scores = Scores(network, "out", last=1)
    return Segmenter(f"{kind}-{of_weights(scores)}", VOC_CLASSES, scores, (520,), blind=BLIND)


def load_transformers(name: str) -> Segmenter:
    """A semantic segmenter of the transformers library: a folder, or a name on its hub.

    Only files of tensors are read, and no code of the model's own is run.

    Raises:
        CourseError: the library is not installed, or cannot find or read the model.
    """
    try:
        from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation
    except ImportError:
        raise CourseError(
            "segmenters of transformers need that library", fix="pip install transformers"
        ) from None
    try:
        reader: Any = AutoImageProcessor.from_pretrained(name)
        network = AutoModelForSemanticSegmentation.from_pretrained(name, use_safetensors=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CourseError(f"transformers cannot open it: {reason}", where=name) from None
    labels = network.config.id2label
    classes = _table([str(labels[number]) for number in sorted(labels)])
    scores = Scores(network, "logits")
    side = min(dict(reader.size).values())
    colours = (tuple(reader.image_mean), tuple(reader.image_std))
    return Segmenter(f"{name}-{of_weights(scores)}", classes, scores, (side,), colours, 32)


def _table(labels: list[str]) -> ClassTable:
    """ADE20K's table where the names are ADE20K's; else these names, numbered where they repeat."""
    names = [re.split("[,;]", label)[0].strip() for label in labels]
    if len(names) == len(ADE20K.classes) and names[0] == "wall" and names[-1] == "flag":
        return ADE20K.classes
    seen = [names[:i].count(name) for i, name in enumerate(names)]
    return table_of([f"{name} {n + 1}" if n else name for name, n in zip(names, seen, strict=True)])
