"""Files in COCO's format to scenes, through pycocotools: instances, stuff, captions, label maps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torchvision import tv_tensors

from course_lib.data.coco.classes import COCO_CLASSES, numbered, table_of_categories
from course_lib.data.coco.json_files import (
    INSTANCES,
    KINDS,
    TABLE,
    Row,
    coco_splits,
    describe,
    load_json,
)
from course_lib.data.on_disk import OnDisk, Size, first_few
from course_lib.errors import CourseError, suggestion
from course_lib.scene import ClassTable, LabelMap, Layout, Scene, load_image
from course_lib.scene.pictures import open_picture

__all__ = ["Coco"]


class Coco(OnDisk):
    """Scenes from COCO's files, or from files like COCO's.

    Every object gets a box and a mask, from polygons or run lengths. A *crowd* (``iscrowd``: many
    things in one mask) is no object of the layout, but its pixels have their class in the label
    map. The label map comes from COCO-Stuff's PNG, if there is one, or else from the stuff JSON,
    with the things' masks above. A picture that ``instances`` lists without annotations has an
    empty layout; one that it does not list has none.

    Args:
        folder: holds ``annotations`` and a folder of pictures for each split.
        split: ``"train2017"``, ``"val2017"``, ...; may be left out where there is one.
        size: squash scenes to squares of this many pixels, or to this height and width.
        instances: the instances JSON, where it has another name and place (*your own folder*).

    Raises:
        CourseError: everything that is wrong with the JSON files, and pictures that are missing.
    """

    name = "coco"
    classes: ClassTable

    def __init__(
        self,
        folder: str | Path,
        split: str | None = None,
        *,
        size: Size | None = None,
        instances: Path | None = None,
    ) -> None:
        self.folder, self.size = Path(folder), size
        self.split = "" if instances else self._pick_split(split)
        paths = {k: self.folder / "annotations" / f"{k}_{self.split}.json" for k in KINDS}
        paths = {"instances": instances} if instances else paths
        paths = {kind: path for kind, path in paths.items() if path.exists()}
        self.parts = {kind: load_json(path) for kind, path in paths.items()}
        self.jsons = tuple(paths.values())
        self.images: dict[int, Row] = {}
        for part in self.parts.values():
            self.images |= part.imgs
        self.order = sorted(self.images)
        self.classes = self._class_table()
        self._table = numbered(self.classes)
        self._names = {info.source_ids["coco"]: info.name for info in self._table}
        self.pictures = self._find_pictures(instances)
        self.maps = self.folder / "stuffthingmaps" / self.split
        self.found = (self._variant(),)

    def __len__(self) -> int:
        return len(self.order)

    def where(self, index: int) -> Path:
        return self.pictures / self.images[self.order[index]]["file_name"]

    def files(self) -> Iterable[Path]:
        return (*self.jsons, *super().files())

    def counts(self) -> Tensor:
        return torch.tensor([len(self._shown(key)) for key in self.order])

    def read(self, index: int) -> Scene:
        key, path = self.order[index], self.where(index)
        image = load_image(path)
        (height, width), row = image.shape[-2:], self.images[key]
        if (row["height"], row["width"]) != (height, width):
            raise CourseError(
                f"the picture is {width}x{height}, its JSON says {row['width']}x{row['height']}",
                where=str(path),
                fix="were pictures resized without their annotations?",
            )
        layout, masks = self._objects(key, (height, width))
        return Scene(
            image=image,
            captions=tuple(str(row["caption"]).strip() for row in self._rows("captions", key)),
            layout=layout,
            masks=masks,
            label_map=self._label_map(key, (height, width), masks),
            embeddings=self._embeddings(path),
        )

    def _embeddings(self, picture: Path) -> Tensor | None:
        """What :func:`write_coco` put beside a picture that came with embeddings."""
        file = self.folder / "embeddings" / self.split / f"{picture.stem}.safetensors"
        return load_file(file)["embeddings"] if file.is_file() else None

    def _class_table(self) -> ClassTable:
        own = self.folder / "annotations" / TABLE
        if own.is_file():
            return ClassTable.from_json(own.read_text("utf-8"))
        return table_of_categories(self._categories("instances"), self._categories("stuff"))

    def _pick_split(self, split: str | None) -> str:
        splits = coco_splits(self.folder)
        if split is None and len(splits) == 1:
            return splits[0]
        if split not in splits:
            raise CourseError(
                f"split {split!r}; {suggestion(split or '', splits)}"
                if splits
                else "there is no annotations/instances_*.json, stuff_*.json or captions_*.json",
                where=str(self.folder),
            )
        return str(split)

    def _find_pictures(self, instances: Path | None) -> Path:
        """The folder of the pictures, all of which must be there."""
        places = [self.folder / self.split, self.folder / "images" / self.split]
        places += [self.folder / "images", self.folder]
        places += [instances.parent] if instances else []
        names = [row["file_name"] for row in self.images.values()]
        present = {place: sum((place / name).is_file() for name in names[:50]) for place in places}
        best = max(places, key=lambda place: present[place])
        missing = [name for name in names if not (best / name).is_file()]
        if missing or not names:
            raise CourseError(
                f"{len(names) - len(missing):,} of {len(names):,} pictures are there; "
                f"missing: {first_few(missing)}",
                where=str(best),
                fix="get the rest, or take their entries out of the JSON",
            )
        return best

    def _categories(self, kind: str) -> list[Row]:
        return list(self.parts[kind].cats.values()) if kind in self.parts else []

    def _rows(self, kind: str, key: int) -> list[Row]:
        part = self.parts.get(kind)
        return [] if part is None else part.imgToAnns.get(key, [])

    def _things(self, key: int) -> tuple[list[Row], list[Row]]:
        """The annotations of objects that have an area, and of crowds."""
        rows = self._rows("instances", key)
        crowds = [row for row in rows if row.get("iscrowd")]
        objects = [row for row in rows if not row.get("iscrowd") and min(row["bbox"][2:]) > 0]
        return objects, crowds

    def _objects(
        self, key: int, canvas: tuple[int, int]
    ) -> tuple[Layout | None, tv_tensors.Mask | None]:
        if "instances" not in self.parts or key not in self.parts["instances"].imgs:
            return None, None
        height, width = canvas
        rows = self._shown(key)
        corners = torch.zeros(len(rows), 4, dtype=torch.float64)
        for k, row in enumerate(rows):
            x, y, w, h = row["bbox"]
            # Rounding puts some of COCO's boxes a fraction of a pixel outside the picture.
            corners[k] = torch.tensor(
                [max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height)]
            )
        boxes = tv_tensors.BoundingBoxes(corners.float(), format="XYXY", canvas_size=canvas)
        layout = Layout(tuple(self._names[row["category_id"]] for row in rows), boxes)
        if not all(row.get("segmentation") for row in rows):
            return layout, None
        masks = torch.zeros(len(rows), height, width, dtype=torch.bool)
        for k, row in enumerate(rows):
            masks[k] = self._mask("instances", row)
        return layout, tv_tensors.Mask(masks)

    def _shown(self, key: int) -> list[Row]:
        """The annotations that are objects of the layout."""
        return self._things(key)[0]

    def _mask(self, kind: str, row: Row) -> Tensor:
        """The pixels of an annotation, polygons or run lengths: ``[H, W]``, bool."""
        try:
            return torch.from_numpy(self.parts[kind].annToMask(row).astype(bool))
        except Exception as error:  # pycocotools raises whatever comes, bare Exception too
            raise CourseError(
                f"annotation {row['id']} has a segmentation that cannot be read: {error}",
                where=f"{self.folder}, {kind}",
            ) from None

    def _label_map(
        self, key: int, canvas: tuple[int, int], masks: Tensor | None
    ) -> LabelMap | None:
        png = self.maps / Path(self.images[key]["file_name"]).with_suffix(".png").name
        if png.is_file():
            pixels = torch.from_numpy(np.array(open_picture(png)).astype(np.int64))
            ids = self._table.from_source(pixels + 1, "coco", void=(256,), where=str(png))
        elif "stuff" in self.parts and key in self.parts["stuff"].imgs:
            ids = self._painted(key, canvas)
        else:
            return None
        numbers = self.folder / INSTANCES / self.split / png.name
        if numbers.is_file():
            instances = torch.from_numpy(np.array(open_picture(numbers)).astype(np.int64))
            return LabelMap(tv_tensors.Mask(ids), self.classes, tv_tensors.Mask(instances))
        return LabelMap(tv_tensors.Mask(ids), self.classes, _numbered_masks(ids, masks))

    def _painted(self, key: int, canvas: tuple[int, int]) -> Tensor:
        """Stuff first, crowds above, things on top; the category "other" stays unlabeled."""
        ids = torch.full(canvas, self.classes.unlabeled, dtype=torch.int64)
        objects, crowds = self._things(key)
        stuff = [("stuff", row) for row in self._rows("stuff", key)]
        for kind, row in [*stuff, *(("instances", row) for row in crowds + objects)]:
            if row["category_id"] in self._names and row.get("segmentation"):
                ids[self._mask(kind, row)] = self.classes.id(self._names[row["category_id"]])
        return ids

    def _variant(self) -> str:
        """Which of COCO's many editions this is, and how much of it."""
        pairs = [self._things(key) for key in self.order]
        objects, crowds = (sum(map(len, rows)) for rows in zip(*pairs, strict=True))
        flat = sum(len(self._rows("instances", key)) for key in self.order) - objects - crowds
        counts = f"{objects:,} objects, {crowds:,} crowds"
        counts += f", {flat:,} without area left out" if flat else ""
        parts = [describe(kind, part) for kind, part in self.parts.items()]
        names = [row["file_name"] for row in self.images.values()]
        year = "2014" if all(name.startswith("COCO_") for name in names) else "2017"
        known = self.classes is COCO_CLASSES
        whose = f"COCO {year}" if known else "COCO's format with other classes"
        where = self.split or next(iter(self.parts))
        maps = "label maps: " + self._origin_of_maps()
        return f"{whose}, {where}: " + "; ".join([*parts, counts, maps])

    def _origin_of_maps(self) -> str:
        if self.maps.is_dir():
            return "PNG"
        return "from the stuff JSON and masks" if "stuff" in self.parts else "none"


def _numbered_masks(ids: Tensor, masks: Tensor | None) -> tv_tensors.Mask | None:
    """Object ``k`` is ``k + 1``; where masks overlap, the later object is in front."""
    if masks is None:
        return None
    instances = torch.zeros_like(ids)
    for number, mask in enumerate(masks.as_subclass(Tensor), 1):
        instances[mask] = number
    return tv_tensors.Mask(instances)
