"""A batch of scenes: padded objects, and a mask that says which of them are present."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from course_lib.errors import CourseError, Problems
from course_lib.scene.classes import ClassTable
from course_lib.scene.layout import OnExtra, kept
from course_lib.scene.scenes import Scene

__all__ = ["SceneBatch", "Source", "collate"]


@dataclass(frozen=True)
class SceneBatch:
    """A batch of scenes on one device; ``O`` is the largest number of objects in it.

    Attributes:
        images: ``[B, C, H, W]``, floats in [-1, 1].
        labels: ``[B]`` class ids of whole pictures (the digit that was written), if there are any.
        captions: the sentences of each picture.
        embeddings: ``[B, K, 1024]``, published embeddings of K sentences of each picture.
        label_maps: ``[B, H, W]``, int64, class ids.
        instances: ``[B, H, W]``, int64: 0 for stuff, ``k + 1`` for the picture's object ``k``;
            without objects, any numbers that tell things of a class apart.
        objects: ``[B, O]``, int64, class ids; 0 where no object is present.
        boxes: ``[B, O, 4]``, corners (XYXY) as fractions of the picture; 0 where none is present.
        present: ``[B, O]``, bool: which objects are real, and not padding.
        classes: the table that all class ids belong to.
    """

    images: Tensor
    labels: Tensor | None = None
    captions: tuple[tuple[str, ...], ...] | None = None
    embeddings: Tensor | None = None
    label_maps: Tensor | None = None
    instances: Tensor | None = None
    objects: Tensor | None = None
    boxes: Tensor | None = None
    present: Tensor | None = None
    classes: ClassTable | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, some: slice) -> SceneBatch:
        """Some of the scenes."""
        parts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        del parts["classes"]
        return replace(self, **{k: v[some] for k, v in parts.items() if v is not None})

    def to(self, device: torch.device | str) -> SceneBatch:
        """The same batch on another device."""
        parts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        moved = {k: v.to(device) for k, v in parts.items() if isinstance(v, Tensor)}
        return SceneBatch(**(parts | moved))

    def masks(self) -> Tensor:
        """The visible part of each object: ``[B, O, H, W]``, bool."""
        if self.instances is None or self.present is None:
            raise CourseError("these scenes have no instance maps", where="scene batch")
        numbers = torch.arange(1, self.present.shape[1] + 1, device=self.instances.device)
        return self.instances[:, None] == numbers[None, :, None, None]

    def check(self, where: str = "scene batch") -> None:
        """Looks at every value (which makes a GPU wait): for a run's first batch.

        Raises:
            CourseError: images that are not finite floats in [-1, 1], ids outside the table,
                boxes outside [0, 1] or without area, or numbers of pictures that do not agree.
        """
        with Problems(where) as problems:
            _check_images(self.images, problems)
            for field in fields(self)[1:-1]:
                part = getattr(self, field.name)
                if part is not None and len(part) != len(self):
                    problems.add(f"{len(self)} images but {len(part)} {field.name}")
            if not problems.found:
                _check_objects(self, problems)
                _check_maps(self, problems)


def _check_images(images: Tensor, problems: Problems) -> None:
    if images.ndim != 4 or not images.is_floating_point():
        problems.add(f"images are {list(images.shape)} {images.dtype}, not floats [B, C, H, W]")
        return
    if images.numel() == 0:
        problems.add(f"images are {list(images.shape)}: there is nothing in them")
        return
    if not bool(images.isfinite().all()):
        problems.add("images hold NaN or infinite values")
        return
    low, high = float(images.min()), float(images.max())
    problems.check(
        low >= -1.001 and high <= 1.001, f"images go from {low:.4g} to {high:.4g}, expected -1 to 1"
    )


def _check_objects(batch: SceneBatch, problems: Problems) -> None:
    objects, boxes, present = batch.objects, batch.boxes, batch.present
    if objects is None or boxes is None or present is None:
        some = [part is not None for part in (objects, boxes, present)]
        problems.check(not any(some), "objects, boxes and present go together, or not at all")
        return
    problems.check(present.dtype == torch.bool, f"present is {present.dtype}, not torch.bool")
    problems.check(objects.dtype == torch.int64, f"objects are {objects.dtype}, not torch.int64")
    shape = list(objects.shape)
    fine = list(present.shape) == shape and list(boxes.shape) == [*shape, 4]
    problems.check(fine, f"objects are {shape}, boxes {list(boxes.shape)}: [B, O] and [B, O, 4]")
    if problems.found:
        return
    real = boxes[present]
    problems.check(bool(real.isfinite().all()), "boxes hold NaN or infinite values")
    problems.check(
        bool(((real > -1e-3) & (real < 1.001)).all()), "boxes must be fractions from 0 to 1"
    )
    problems.check(bool((real[:, 2:] > real[:, :2]).all()), "boxes have no area or are inverted")
    if batch.classes is not None:
        _check_range(objects[present], len(batch.classes) - 1, "objects", problems)


def _check_maps(batch: SceneBatch, problems: Problems) -> None:
    for name in ("label_maps", "instances"):
        maps: Tensor | None = getattr(batch, name)
        if maps is None:
            continue
        size = [len(batch), *batch.images.shape[-2:]]
        problems.check(list(maps.shape) == size, f"{name} are {list(maps.shape)}, not {size}")
        problems.check(maps.dtype == torch.int64, f"{name} are {maps.dtype}, not torch.int64")
    if batch.label_maps is not None and batch.classes is not None:
        _check_range(batch.label_maps, batch.classes.unlabeled, "label_maps", problems)


def _check_range(ids: Tensor, largest: int, name: str, problems: Problems) -> None:
    if ids.numel():
        low, high = int(ids.min()), int(ids.max())
        problems.check(
            low >= 0 and high <= largest, f"{name} hold ids {low}..{high}; allowed are 0..{largest}"
        )


class Source(Protocol):
    """Where scenes come from: any number of them, told apart by an index."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""

    @property
    def fingerprint(self) -> str:
        """Tells these scenes from any others: a resumed run must find the ones it began with."""

    def __len__(self) -> int: ...

    def batch(self, indices: Tensor) -> SceneBatch:
        """The scenes with these indices (``[B]``, int64), in this order."""


def collate(
    scenes: Sequence[Scene],
    classes: ClassTable | None = None,
    *,
    max_objects: int | None = None,
    on_extra: OnExtra = "error",
) -> SceneBatch:
    """One batch from several scenes of one size.

    Args:
        classes: turns the layouts' names into ids; needed if the scenes have layouts.
        max_objects: pad to this many objects; by default to as many as the fullest scene has.
        on_extra: what to do with scenes that have more, as in :meth:`Layout.of`.
    """
    sizes = {scene.canvas for scene in scenes}
    if len(sizes) != 1:
        raise CourseError(f"scenes of one batch must have one size, found {sorted(sizes)}")
    maps = [scene.label_map for scene in scenes if scene.label_map is not None]
    batch = SceneBatch(
        images=torch.stack([scene.image for scene in scenes]).float() / 127.5 - 1,
        captions=tuple(scene.captions for scene in scenes) if scenes[0].captions else None,
        classes=classes or (maps[0].classes if maps else None),
    )
    told = [scene.embeddings for scene in scenes if scene.embeddings is not None]
    if len(told) == len(scenes):
        batch = replace(batch, embeddings=torch.stack(told))
    if len(maps) == len(scenes):
        batch = replace(batch, label_maps=torch.stack([m.ids.as_subclass(Tensor) for m in maps]))
    return _with_objects(batch, scenes, max_objects, on_extra)


def _with_objects(
    batch: SceneBatch, scenes: Sequence[Scene], max_objects: int | None, on_extra: OnExtra
) -> SceneBatch:
    if any(scene.layout is None for scene in scenes):
        return _with_numbers(batch, scenes)
    if batch.classes is None:
        raise CourseError("layouts need a class table", where="collate", fix="pass classes=")
    layouts = [scene.layout for scene in scenes if scene.layout is not None]
    picked = [kept(one, max_objects, on_extra, f"scene {i}") for i, one in enumerate(layouts)]
    width = max_objects if max_objects is not None else max(len(indices) for indices in picked)
    objects = torch.zeros(len(scenes), width, dtype=torch.int64)
    boxes = torch.zeros(len(scenes), width, 4)
    present = torch.zeros(len(scenes), width, dtype=torch.bool)
    for i, (layout, indices) in enumerate(zip(layouts, picked, strict=True)):
        objects[i, : len(indices)] = layout.pick(indices).ids(batch.classes)
        boxes[i, : len(indices)] = layout.pick(indices).fractions()
        present[i, : len(indices)] = True
    instances = _instances(scenes, picked)
    return replace(batch, objects=objects, boxes=boxes, present=present, instances=instances)


def _with_numbers(batch: SceneBatch, scenes: Sequence[Scene]) -> SceneBatch:
    """The label maps' own instances, where there is no layout that they could belong to."""
    maps = [scene.label_map.instances for scene in scenes if scene.label_map is not None]
    numbers = [part.as_subclass(Tensor) for part in maps if part is not None]
    return replace(batch, instances=torch.stack(numbers)) if len(numbers) == len(scenes) else batch


def _instances(scenes: Sequence[Scene], picked: Sequence[Sequence[int]]) -> Tensor | None:
    """Instance maps, if all scenes have masks; where masks overlap, the later is in front."""
    maps = torch.zeros(len(scenes), *scenes[0].canvas, dtype=torch.int64)
    for scene, indices, instances in zip(scenes, picked, maps, strict=True):
        if scene.masks is None:
            return None
        for number, index in enumerate(indices, 1):
            instances[scene.masks[index].as_subclass(Tensor)] = number
    return maps
