"""Semantic object accuracy: are the things that a caption names in the picture?

Hinz, Heinrich, Wermter, TPAMI 2020 (arXiv:1910.13321), section 4. Captions that name a label are
painted, and a detector that never saw the painter looks for it. SOA-C is the mean over labels of
the share of pictures in which the label is found, SOA-I the share over all pictures. A label that
no caption asks for is not computable, and in no mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torchvision.ops import box_iou

from course_lib.data.coco import COCO_CLASSES
from course_lib.data.folder import open_folder
from course_lib.data.storybook import CLASSES
from course_lib.errors import CourseError
from course_lib.judges.captions import claims_of
from course_lib.judges.scenes import SceneJudge
from course_lib.metrics.score import Score, bootstrap, condition, matched, score
from course_lib.scene import Layout, SceneBatch

__all__ = [
    "SOA",
    "CocoDetector",
    "Detector",
    "Found",
    "StorybookDetector",
    "comparison",
    "difference",
    "evaluate_folder",
    "labels_of",
    "object_accuracy",
    "published",
    "soa_c",
    "soa_i",
    "storybook_soa",
]

PIXELS = 256  # side on which boxes are compared, and pictures are looked at


# --- Which captions ask for what ---


@cache
def _facts() -> Mapping[str, Any]:
    import yaml

    file = resources.files("course_lib.metrics").joinpath("soa.yaml")
    facts: Mapping[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return facts


@cache
def _patterns(label: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What a caption must say, and what it must not, for this label."""
    rule = _facts()["labels"][label]
    say, but = ("|".join(_pattern(p) for p in rule.get(key, [])) for key in ("say", "but"))
    return re.compile(rf"(?:{say})\b"), re.compile(rf"(?:{but})\b" if but else "(?!)")


def _pattern(phrase: str) -> str:
    return rf"\w*{phrase[1:]}" if phrase.startswith("*") else rf"\b{phrase}"


def labels_of(caption: str) -> list[str]:
    """Which of COCO's 80 labels a caption asks for, by the rules of ``soa.yaml``."""
    text = caption.lower()
    patterns = {label: _patterns(label) for label in _facts()["labels"]}
    return [label for label, (say, but) in patterns.items() if say.search(text)
            and not but.search(text)]  # fmt: skip


def published() -> Mapping[str, Mapping[str, float]]:
    """Published values by system, in per cent but for FID and IS; ``soa.yaml`` has the protocol."""
    values: Mapping[str, Mapping[str, float]] = _facts()["published"]
    return values


def comparison() -> str:
    """The published values as a table."""
    rows = [f"{'published':<36}{'SOA-C':>8}{'SOA-I':>8}{'FID':>8}{'IS':>8}{'R-prec.':>8}"]
    for system, values in published().items():
        cells = (values.get(key, "") for key in ("soa_c", "soa_i", "fid", "is", "r"))
        rows.append(f"{system:<36}" + "".join(f"{cell:>8}" for cell in cells))
    return "\n".join([*rows, "COCO 2014, YOLOv3 at 256 px; detectors other than that differ"])


# --- Who looks ---


class Found(NamedTuple):
    """What is in one picture: labels, and boxes as corners in fractions ``[K, 4]``."""

    labels: list[str]
    boxes: Tensor


class Detector(Protocol):
    """Anything that finds named things in pictures ``[B, 3, H, W]`` in [-1, 1]."""

    labels: tuple[str, ...]  # all that it knows
    protocol: str  # what it is, and from when on it is sure

    def find(self, pictures: Tensor) -> list[Found]: ...


class CocoDetector:
    """torchvision's Faster R-CNN, trained on COCO; from a score of 0.5. Its weights are fetched."""

    labels = tuple(
        name for name in COCO_CLASSES.things if "coco80" in COCO_CLASSES[name].source_ids
    )
    protocol = "Faster R-CNN (torchvision, ResNet-50 FPN v2, COCO), score 0.5"

    def __init__(self) -> None:
        from torchvision.models import detection

        weights = detection.FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1
        try:
            self.network = detection.fasterrcnn_resnet50_fpn_v2(weights=weights).eval()
        except OSError as error:
            raise CourseError(f"the detector's weights cannot be fetched: {error}") from None
        self.names: list[str] = weights.meta["categories"]

    @torch.no_grad()
    def find(self, pictures: Tensor) -> list[Found]:
        answers = self.network(list((pictures + 1) / 2))
        sides = torch.tensor([pictures.shape[-1], pictures.shape[-2]] * 2)
        return [
            Found([self.names[k] for k in one["labels"][sure].tolist()], one["boxes"][sure] / sides)
            for one in answers
            for sure in [one["scores"] >= 0.5]
        ]


class StorybookDetector:
    """The judge of scenes; from a heat of 0.3. It needs no download."""

    labels = CLASSES.things
    protocol = "scene_judge of Storybook"

    def __init__(self) -> None:
        self.judge = SceneJudge.load()

    def find(self, pictures: Tensor) -> list[Found]:
        found = self.judge.read(pictures).found
        rows = zip(found.objects, found.boxes, found.present, strict=True)
        return [Found([CLASSES.name(k) for k in ids[there].tolist()], boxes[there])
                for ids, boxes, there in rows]  # fmt: skip


# --- The measure ---


def counted(
    asked: Sequence[Collection[str]], found: Sequence[Found], labels: Sequence[str]
) -> Tensor:
    """Whether each picture was asked for each label, and shows it: ``[N, L, 2]``."""
    pairs = zip(asked, found, strict=True)
    rows = [[(a in told, a in told and a in one.labels) for a in labels] for told, one in pairs]
    return torch.tensor(rows, dtype=torch.float64)


def shares(rows: Tensor) -> Tensor:
    """The share of pictures that show it, of each label that was asked for: ``[L']``."""
    asked, shown = rows.sum(0).unbind(1)
    return (shown / asked)[asked > 0]


def soa_c(rows: Tensor) -> float:
    """Mean over labels, from rows of :func:`counted`."""
    return shares(rows).mean().item()


def soa_i(rows: Tensor) -> float:
    """Mean over pictures, each as often as labels were asked of it."""
    asked, shown = rows.sum((0, 1)).tolist()
    return shown / asked if asked else float("nan")


def overlap(found: Tensor, true: Tensor) -> float:
    """The largest IoU of any two boxes ``[K, 4]``, ``[T, 4]``, on whole pixels, one at least."""
    whole = [(boxes * PIXELS).long().float() for boxes in (found, true)]
    wide = [torch.cat([b[:, :2], torch.maximum(b[:, 2:], b[:, :2] + 1)], dim=1) for b in whole]
    return box_iou(*wide).max().item()


@dataclass(frozen=True)
class SOA:
    """Semantic object accuracy of many pictures.

    Attributes:
        labels: that could be asked for.
        rows: asked for and shown, ``[N, L, 2]``.
        ious: of each label, the overlaps in pictures that show it where a box of it is known.
        protocol: which detector.
    """

    labels: tuple[str, ...]
    rows: Tensor
    ious: Mapping[str, list[float]]
    protocol: str

    @classmethod
    def of(
        cls,
        asked: Sequence[Collection[str]],
        found: Sequence[Found],
        detector: Detector,
        true: Sequence[Found] | None = None,
    ) -> SOA:
        """From what was asked for and what was found; ``true`` are the layouts' boxes, if known."""
        ious: dict[str, list[float]] = {label: [] for label in detector.labels}
        for told, one, layout in zip(asked, found, true or [], strict=bool(true)):
            for label in set(told) & set(one.labels) & set(layout.labels):
                both = [p.boxes[[name == label for name in p.labels]] for p in (one, layout)]
                ious[label].append(overlap(*both))
        rows = counted(asked, found, detector.labels)
        return cls(detector.labels, rows, ious, detector.protocol)

    def ends(self, count: int = 40) -> tuple[float, float]:
        """Mean over the labels with the most, and with the fewest pictures."""
        asked = self.rows[..., 0].sum(0)
        order = asked[asked > 0].argsort(descending=True, stable=True)
        rates = shares(self.rows)[order]
        return rates[:count].mean().item(), rates[-count:].mean().item()

    def iou(self) -> tuple[float, float]:
        """Mean over labels, and over pictures; a label without a measured overlap counts as 0."""
        asked = self.rows[..., 0].sum(0)
        means = [sum(self.ious[name]) / max(len(self.ious[name]), 1) for name in self.labels]
        each = torch.tensor(means, dtype=asked.dtype)
        return each[asked > 0].mean().item(), (each * asked).sum().item() / asked.sum().item()

    def detected_iou(self) -> float:
        """Mean overlap of all things that were found where a box of them is known."""
        found = [overlap for several in self.ious.values() for overlap in several]
        return sum(found) / max(len(found), 1)

    def __str__(self) -> str:
        asked, shown = self.rows.sum(0).unbind(1)
        lines = [f"{name:<18}{int(n):>7}  {f'{h / n:8.1%}' if n else 'not computable'}"
                 for name, n, h in zip(self.labels, asked, shown, strict=True)]  # fmt: skip
        top, bottom = self.ends()
        lines += [f"SOA-C {soa_c(self.rows):.1%}, SOA-I {soa_i(self.rows):.1%}; "
                  f"top 40 {top:.1%}, bottom 40 {bottom:.1%}", self.protocol]  # fmt: skip
        if any(self.ious.values()):
            lines.append("IoU by label {:.3f}, by picture {:.3f}".format(*self.iou()))
        return "\n".join([f"{'label':<18}{'asked':>7}  shown", *lines])


def object_accuracy(
    pictures: Tensor,
    scenes: SceneBatch,
    detector: Detector | None = None,
    statistic: Callable[[Tensor], float] = soa_c,
) -> Score:
    """SOA-C of pictures painted from the first captions of Storybook's scenes.

    Args:
        statistic: :func:`soa_c` or :func:`soa_i`.
    """
    said, looker = _said(scenes), detector or StorybookDetector()
    order = matched(pictures, scenes)
    found = looker.find(pictures)
    own = counted(said, found, looker.labels)
    floor = counted([said[k] for k in order.tolist()], found, looker.labels)
    real = counted(said, looker.find(scenes.images), looker.labels)
    protocol = f"things of the first caption found by {looker.protocol}; bootstrap over pictures"
    return score(statistic, own, floor, real, protocol)


def _said(scenes: SceneBatch) -> list[set[str]]:
    """The things that each scene's first caption names."""
    captions = condition(scenes, "captions")
    return [{c.noun.name for c in claims_of(several[0]) if c.noun} for several in captions]


def storybook_soa(pictures: Tensor, scenes: SceneBatch, detector: Detector | None = None) -> SOA:
    """SOA of pictures painted from the first captions and the boxes of Storybook's scenes."""
    looker = detector or StorybookDetector()
    ids, boxes, present = (condition(scenes, name) for name in ("objects", "boxes", "present"))
    rows = zip(ids, boxes, present, strict=True)
    true = [Found([CLASSES.name(k) for k in kinds[there].tolist()], around[there])
            for kinds, around, there in rows]  # fmt: skip
    return SOA.of(_said(scenes), looker.find(pictures), looker, true)


def difference(
    one: Tensor, other: Tensor, statistic: Callable[[Tensor], float] = soa_c
) -> tuple[float, tuple[float, float]]:
    """How much more one painter shows than another of the same scenes, with its 95 % interval.

    Args:
        one, other: ``rows`` of both, ``[N, L, 2]``; pictures are drawn in pairs.
    """
    both = torch.stack([one, other], dim=1)  # [N, 2, L, 2]

    def apart(rows: Tensor) -> float:
        return statistic(rows[:, 0]) - statistic(rows[:, 1])

    return apart(both), bootstrap(apart, both)


def evaluate_folder(folder: Path, detector: Detector, batch_size: int = 16) -> SOA:
    """SOA of a folder of pictures, whoever painted them.

    What a picture was asked for says ``label_07`` in its path (the seventh of the detector's
    labels, from 0), as in the authors' program, or else its captions in ``captions.csv``.

    Raises:
        CourseError: no picture, or pictures that nothing was asked of.
    """
    pictures = open_folder(folder, size=PIXELS)
    asked = [_asked(str(pictures.where(number)), scene.captions, detector.labels)
             for number, scene in enumerate(pictures)]  # fmt: skip
    if not any(asked):
        fix = "name folders label_00_person, or write captions.csv"
        raise CourseError("nothing was asked of these pictures", where=str(folder), fix=fix)
    found: list[Found] = []
    for part in torch.arange(len(pictures)).split(batch_size):
        found += detector.find(pictures.batch(part).images)
    layouts = [scene.layout or Layout.empty() for scene in pictures]
    true = [Found(list(layout.names), layout.fractions()) for layout in layouts]
    return SOA.of(asked, found, detector, true)


def _asked(path: str, captions: Sequence[str], labels: Sequence[str]) -> set[str]:
    numbered = re.search(r"label_(\d\d)", path)
    if numbered and int(numbered[1]) < len(labels):
        return {labels[int(numbered[1])]}
    if labels == CLASSES.things:
        return {c.noun.name for text in captions for c in claims_of(text) if c.noun}
    return {label for text in captions for label in labels_of(text)}
