"""Scenes to files in COCO's format: PNG pictures, JSON annotations, COCO-Stuff's label maps."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PILImage
from safetensors.torch import save_file
from torch import Tensor

from course_lib.data.coco.classes import OTHER, numbered
from course_lib.data.coco.json_files import INSTANCES, TABLE
from course_lib.errors import CourseError
from course_lib.scene import ClassTable, LabelMap, Scene

__all__ = ["write_coco"]

Row = dict[str, Any]
VOID = 255  # COCO-Stuff's number for unlabeled pixels


def write_coco(
    scenes: Iterable[Scene],
    folder: str | Path,
    split: str = "train2017",
    *,
    classes: ClassTable | None = None,
) -> Path:
    """Writes scenes as ``<split>/*.png``, ``annotations/*_<split>.json`` and label maps.

    Each JSON lists the pictures that it knows about: ``instances`` those with a layout, ``stuff``
    those with a label map, ``captions`` those with captions or embeddings, and ``image_info`` all.
    Not in COCO's format are the class table and instances of scenes without a layout.
    :class:`~course_lib.data.coco.Coco` reads the folder back without any loss.

    Args:
        classes: the table of the layouts; by default that of the first label map.

    Raises:
        CourseError: the split is there already, or a class number does not fit into a PNG's byte.
    """
    folder = Path(folder)
    if (folder / "annotations" / f"image_info_{split}.json").exists():
        raise CourseError(f"{split} is there already", where=str(folder), fix="take another name")
    writer = _Writer(folder, split, classes)
    for number, scene in enumerate(scenes, 1):
        writer.add(number, scene)
    writer.finish()
    return folder


class _Writer:
    """Writes pictures one by one, and gathers what the JSON files will say."""

    def __init__(self, folder: Path, split: str, classes: ClassTable | None) -> None:
        self.folder, self.split = folder, split
        self.given = classes
        self.classes = numbered(classes) if classes else None
        self.images: dict[str, list[Row]] = defaultdict(list)
        self.annotations: dict[str, list[Row]] = defaultdict(list)

    def add(self, number: int, scene: Scene) -> None:
        (height, width), name = scene.canvas, f"{number:012}.png"
        if self.classes is None and scene.label_map is not None:
            self.given = scene.label_map.classes
            self.classes = numbered(self.given)
        self.png(self.split, name, scene.image.permute(1, 2, 0))
        image = {"id": number, "file_name": name, "height": height, "width": width}
        self.note("image_info", image, [])
        if scene.embeddings is not None:
            self.embeddings(name, scene.embeddings)
        if scene.captions or scene.embeddings is not None:
            self.note("captions", image, [{"caption": caption} for caption in scene.captions])
        if scene.layout is not None:
            self.note("instances", image, self.objects(scene))
        if scene.label_map is not None:
            self.note("stuff", image, self.stuff(scene.label_map))
            self.png(f"stuffthingmaps/{self.split}", name, self.map_pixels(scene.label_map))
            if scene.layout is None and scene.label_map.instances is not None:
                numbers = scene.label_map.instances.to(torch.uint16)
                self.png(f"{INSTANCES}/{self.split}", name, numbers)

    def note(self, kind: str, image: Row, rows: list[Row]) -> None:
        self.images[kind].append(image)
        first = len(self.annotations[kind]) + 1
        for identity, row in enumerate(rows, first):
            self.annotations[kind].append({"id": identity, "image_id": image["id"], **row})

    def png(self, folder: str, name: str, pixels: Tensor) -> None:
        (self.folder / folder).mkdir(parents=True, exist_ok=True)
        picture = PILImage.fromarray(pixels.as_subclass(Tensor).cpu().numpy())
        picture.save(self.folder / folder / name)

    def embeddings(self, name: str, told: Tensor) -> None:
        """Not in COCO's format: a file for each picture, read back where it lies."""
        (self.folder / "embeddings" / self.split).mkdir(parents=True, exist_ok=True)
        file = self.folder / "embeddings" / self.split / name
        save_file({"embeddings": told.cpu().contiguous()}, file.with_suffix(".safetensors"))

    def table(self) -> ClassTable:
        if self.classes is None:
            raise CourseError("layouts need a class table", where="write_coco", fix="pass classes=")
        return self.classes

    def objects(self, scene: Scene) -> list[Row]:
        """A row for each object of the layout: box as x, y, width, height; mask as RLE."""
        if scene.layout is None:
            return []
        rows, table = [], self.table()
        corners = scene.layout.boxes.as_subclass(Tensor).double()
        for k, (name, (x0, y0, x1, y1)) in enumerate(
            zip(scene.layout.names, corners.tolist(), strict=True)
        ):
            row = {
                "category_id": table[name].source_ids["coco"],
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": (x1 - x0) * (y1 - y0),
                "iscrowd": 0,
            }
            rows.append(row if scene.masks is None else row | run_lengths(scene.masks[k]))
        return rows

    def stuff(self, label_map: LabelMap) -> list[Row]:
        """A row for each kind of stuff, and one for everything else, as in COCO's stuff files."""
        rows, table = [], self.table()
        ids = label_map.ids.as_subclass(Tensor)
        stuff = {table.id(name): table[name].source_ids["coco"] for name in table.stuff}
        elsewhere = ~torch.isin(ids, torch.tensor(list(stuff), dtype=torch.int64))
        regions = {number: ids == id for id, number in stuff.items()}
        for number, region in {**regions, other_number(table): elsewhere}.items():
            if region.any():
                ys, xs = (where.tolist() for where in region.nonzero().unbind(1))
                box = [min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1]
                row = {"category_id": number, "bbox": box, "iscrowd": 0}
                rows.append(row | run_lengths(region))
        return rows

    def map_pixels(self, label_map: LabelMap) -> Tensor:
        """COCO-Stuff's convention: the class's number less one, and 255 for unlabeled."""
        table = self.table()
        largest = other_number(table) - 2
        if largest >= VOID:
            raise CourseError(f"label maps go up to {largest}, but PNG's bytes to 254 and void")
        ids = label_map.ids.as_subclass(Tensor)
        return (table.to_source(ids, "coco", void=VOID + 1) - 1).to(torch.uint8)

    def finish(self) -> None:
        (self.folder / "annotations").mkdir(parents=True, exist_ok=True)
        for kind, images in self.images.items():
            content: Row = {"info": {"description": "Scenes in the format of COCO 2017"}}
            content |= {"images": images, "annotations": self.annotations[kind]}
            if kind in ("instances", "stuff"):
                content["categories"] = self.categories("thing" if kind == "instances" else "stuff")
            path = self.folder / "annotations" / f"{kind}_{self.split}.json"
            path.write_text(json.dumps(content), "utf-8")
        if self.given:
            (self.folder / "annotations" / TABLE).write_text(self.given.to_json(), "utf-8")

    def categories(self, kind: str) -> list[Row]:
        table = self.table()
        rows: list[Row] = [
            {"id": c.source_ids["coco"], "name": c.name, "supercategory": kind, "color": c.colour}
            for c in table
            if c.kind == kind
        ]
        extra = {"id": other_number(table), "name": OTHER, "supercategory": OTHER}
        return rows if kind == "thing" else [*rows, extra]


def other_number(table: ClassTable) -> int:
    """The number of the category "other": one past the last, 183 for COCO."""
    return 1 + max(info.source_ids["coco"] for info in table)


def run_lengths(mask: Tensor) -> Row:
    """A boolean mask ``[H, W]`` as COCO's compressed run lengths, and its area."""
    from pycocotools import mask as coco_mask

    pixels = np.asfortranarray(mask.as_subclass(Tensor).cpu().numpy().astype(np.uint8))
    encoded = coco_mask.encode(pixels)
    text = encoded["counts"].decode("ascii")
    segmentation = {"size": list(map(int, encoded["size"])), "counts": text}
    return {"segmentation": segmentation, "area": float(pixels.sum())}
