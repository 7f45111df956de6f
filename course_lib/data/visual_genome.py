"""Visual Genome as sg2im packed it: ``vocab.json``, an HDF5 file a split, and the pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torchvision import tv_tensors

from course_lib.data.on_disk import OnDisk, Size
from course_lib.data.tables import table_of
from course_lib.errors import CourseError
from course_lib.scene import ClassTable, Layout, Scene, load_image

__all__ = ["VisualGenome"]

ARRAYS = ("object_names", "object_boxes", "relationship_subjects", "relationship_objects")


class VisualGenome(OnDisk):
    """Pictures with boxes of 178 classes; sg2im's script has filtered them.

    Of more than ``most`` objects those that take part in a relation are kept first, as LostGAN's
    authors did, then the others in their order (theirs: by chance). Their ``__image__``, an object
    that is the whole picture, is no object here: D never sees it, and G has noise for the picture.

    Args:
        folder: holds ``train.h5`` and ``vocab.json`` beside it, and ``images``.
        split: ``train``, ``val`` or ``test``.
        size: squash scenes to squares of this many pixels.

    Attributes:
        most: objects of a scene; the authors take 10 for training and 30 for tests.
    """

    name = "visual_genome"
    classes: ClassTable

    most = 10

    def __init__(self, folder: str | Path, split: str = "train", size: Size | None = None) -> None:
        self.folder, self.size = Path(folder), size
        packed = sorted(self.folder.rglob(f"{split}.h5"))
        if not packed or not packed[0].with_name("vocab.json").is_file():
            raise CourseError(f"no {split}.h5 with vocab.json beside it", where=str(folder),
                              fix="sg2im's preprocess_vg.py makes them")  # fmt: skip
        vocabulary = packed[0].with_name("vocab.json").read_text("utf-8")
        self.classes = table_of(json.loads(vocabulary)["object_idx_to_name"][1:])
        try:
            import h5py
        except ImportError:
            raise CourseError("HDF5 files need h5py", fix="pip install h5py") from None
        with h5py.File(packed[0], "r") as file:
            self.paths = [bytes(path).decode() for path in file["image_paths"][:]]
            self.arrays = {name: np.asarray(file[name][:]) for name in ARRAYS}

    def __len__(self) -> int:
        return len(self.paths)

    def where(self, index: int) -> Path:
        return self.folder / "images" / self.paths[index]

    def read(self, index: int) -> Scene:
        image = load_image(self.where(index))
        kinds, boxes, *related = (torch.from_numpy(a[index]).long() for a in self.arrays.values())
        there = [k for k, kind in enumerate(kinds.tolist()) if kind > 0]  # 0: __image__, -1: none
        first = set(torch.cat(related).tolist())
        kept = sorted(there, key=lambda k: k not in first)[: self.most]
        corners = torch.cat([boxes[kept, :2], boxes[kept, :2] + boxes[kept, 2:]], dim=1).float()
        size = tuple(image.shape[-2:])
        around = tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=size)
        names = tuple(self.classes.name(kind - 1) for kind in kinds[kept].tolist())
        return Scene(image, layout=Layout(names, around))
