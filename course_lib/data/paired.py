"""Data sets of pictures and label maps in two folders, as SPADE's loaders expect them.

::

    coco_stuff_spade/train_img/000000000009.jpg  train_label/000000000009.png  train_inst/...
    facades/train_img/cmp_b0001.jpg              train_label/cmp_b0001.png
    ade20k/ADEChallengeData2016/images/training/ADE_train_00000001.jpg  annotations/training/...
    cityscapes/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png
    cityscapes/gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png  ..._instanceIds.png
    camvid/train/0001TP_006690.png               trainannot/0001TP_006690.png
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from course_lib.data.class_lists import ADE20K, CAMVID, FACADES, cityscapes
from course_lib.data.coco import COCO_CLASSES
from course_lib.data.folder import existing, walk
from course_lib.data.on_disk import Size, framed
from course_lib.data.pages import Folder, Page
from course_lib.data.pairs import pair_by_stem
from course_lib.data.tables import Legend, read_legend
from course_lib.errors import Problems

__all__ = ["PAIRED", "Framing", "Paired", "in_spades_layout"]

SPLITS = ("train", "training", "val", "validation", "test")


@dataclass(frozen=True)
class Framing:
    """How SPADE's loader brings pictures of a data set to one size, unless it is told otherwise.

    ``open_source(name, **vars(framing))`` are the scenes of its training.

    Attributes:
        size: width of a picture in training, in pixels.
        crop_from: width to which pictures are squashed before a part is cut out by chance.
        aspect: width by height.
        flip: whether every other picture is mirrored.
    """

    size: int = 256
    crop_from: int = 286
    aspect: float = 1.0
    flip: bool = True

    @property
    def whole(self) -> Size:
        """The size of the pictures from which parts are cut."""
        return framed(self.crop_from, self.aspect)


@dataclass(frozen=True)
class Paired:
    """Where pictures, maps and instances lie; ``{}`` stands for the split.

    Attributes:
        legend: what the maps' numbers mean.
        endings: what names of pictures, maps and instances have besides the name that they share.
    """

    images: str
    maps: str
    legend: Callable[[], Legend]
    instances: str = ""
    endings: tuple[str, str, str] = ("", "", "")
    framing: Framing = Framing()

    def splits(self, place: Path) -> list[str]:
        return [split for split in SPLITS if (place / self.maps.format(split)).is_dir()]

    def open(self, place: Path, split: str, size: Size | None) -> Folder:
        """The scenes of a split; without instances if there is no folder of them."""
        images, maps = place / self.images.format(split), place / self.maps.format(split)
        pairs = pair_by_stem(
            self._files(images, self.endings[0]),
            self._files(maps, self.endings[1]),
            suffix=self.endings[1],
            image_suffix=self.endings[0],
        )
        numbers = place / self.instances.format(split)
        there = bool(self.instances) and numbers.is_dir()
        pages = [
            Page(image, path, (), self._numbers(path, maps, numbers) if there else None)
            for image, path in pairs
        ]
        return Folder(f"{place.name} {split}", pages, self.legend(), size=size)

    def _files(self, folder: Path, ending: str) -> list[Path]:
        files = walk(existing(folder), Problems())
        return [file for file in files if file.stem.endswith(ending)]

    def _numbers(self, label_map: Path, maps: Path, numbers: Path) -> Path:
        """The picture that numbers the objects of a map: at the same place in its own folder."""
        stem = label_map.stem.removesuffix(self.endings[1]) + self.endings[2]
        return (numbers / label_map.relative_to(maps)).with_name(stem + label_map.suffix)


def in_spades_layout(folder: Path) -> Paired | None:
    """Your own folder, if it has ``train_img``, ``train_label`` and the like."""
    folder = folder.expanduser()
    own = Paired("{}_img", "{}_label", partial(read_legend, folder / "classes.txt"), "{}_inst")
    return own if own.splits(folder) else None


ADE = "ADEChallengeData2016"
CITY = ("_leftImg8bit", "_gtFine_labelIds", "_gtFine_instanceIds")
PAIRED = {
    "coco_stuff_spade": Paired(
        "{}_img", "{}_label", lambda: Legend(COCO_CLASSES, unlabeled=255), "{}_inst"
    ),
    "ade20k": Paired(f"{ADE}/images/{{}}", f"{ADE}/annotations/{{}}", lambda: ADE20K),
    "cityscapes": Paired(
        "leftImg8bit/{}", "gtFine/{}", cityscapes, "gtFine/{}", CITY, Framing(512, 512, 2.0)
    ),
    "facades": Paired("{}_img", "{}_label", lambda: FACADES),
    "camvid": Paired("{}", "{}annot", lambda: CAMVID, framing=Framing(128, 128, 4 / 3)),
}
