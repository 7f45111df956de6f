"""Photographs to label maps in two steps, as a data set for painters that listen to maps.

::

    images/a.jpg                the photograph as it was
    _steps/segmentations/a.png  step 1: every pixel in the colour of the class that a segmenter sees
    _steps/confidence/a.png     how sure it is: 0 black, 1 white
    maps/a.png                  step 2: the class's id, read from the colour
    classes.txt                 the classes in the order of their ids
    _steps/photos.jsonl         what was seen in each photograph; what is in it is not done again

The folder is opened as any folder of your own; what begins with an underscore is passed over.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PILImage
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from course_lib.data.fetch import make_folder
from course_lib.data.folder import BAD, PICTURES, STEPS, existing, open_folder, walk
from course_lib.data.known import place_of
from course_lib.data.on_disk import first_few
from course_lib.data.pages import Folder, Page
from course_lib.data.preview import sheet
from course_lib.errors import CourseError, Problems
from course_lib.scene import ClassTable, LabelMap, load_image
from course_lib.segment.segmenter import Segmenter
from course_lib.storage.disk import whole_file

__all__ = ["Account", "photos_to_maps"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Account:
    """What was seen in all photographs of a folder.

    Attributes:
        out: the folder with photographs and maps.
        rows: a row for each photograph: its name, its ``confidence`` (mean over its pixels), and
            ``classes``: for each its number of pixels and their mean confidence.
        new: how many of them this call has read.
        blind: a word on what the segmenter cannot see.
        preview: a sheet of photographs and their maps, if it was asked for.
    """

    out: Path
    rows: tuple[Row, ...]
    new: int = 0
    blind: str = ""
    preview: Path | None = None

    def histogram(self) -> dict[str, tuple[float, int, float]]:
        """Of each class, the most frequent first: its share of all pixels, the number of
        photographs that have it, and the mean confidence of its pixels."""
        pixels, photos, sure = Counter[str](), Counter[str](), Counter[str]()
        for row in self.rows:
            for name, (count, confidence) in row["classes"].items():
                pixels[name] += count
                photos[name] += 1
                sure[name] += count * confidence
        total = sum(pixels.values())
        return {k: (n / total, photos[k], sure[k] / n) for k, n in pixels.most_common()}

    def __str__(self) -> str:
        mean = sum(row["confidence"] for row in self.rows) / len(self.rows)
        doubtful = sorted(self.rows, key=lambda row: row["confidence"])
        lines = [
            f"{self.out}: {len(self.rows)} photographs with label maps, {self.new} of them new"
        ]
        lines += [f"  note: {self.blind}"] if self.blind else []
        least = first_few(f"{row['name']} ({row['confidence']:.2f})" for row in doubtful)
        lines += [f"  mean confidence {mean:.2f}; look at the least sure ones: {least}"]
        lines += [f"  {'class':<22}{'of pixels':>10}{'in photos':>11}{'confidence':>12}"]
        for name, (share, count, sure) in self.histogram().items():
            lines.append(f"  {name:<22}{share:>10.1%}{count:>11}{sure:>12.2f}")
        lines += [f"  preview: {self.preview}"] if self.preview else []
        return "\n".join(lines)


def photos_to_maps(
    photos: str | Path,
    out: str | Path,
    segmenter: Segmenter,
    *,
    least: float = 0.0,
    preview: bool = False,
) -> Account:
    """Makes a data set of photographs and label maps; a call that was interrupted is gone on with.

    Args:
        photos: a folder of pictures, or a data set (``places365``).
        out: the folder to make.
        least: pixels with less confidence than that stay unlabeled.
        preview: also draw a sheet, ``_steps/preview.png``.

    Raises:
        CourseError: no folder, photographs that cannot be read or share a name, all at once; or
            a folder of another segmenter.
    """
    if not 0 <= least < 1:
        raise CourseError(f"{least} is no confidence: from 0 to below 1", where="confidence")
    out = Path(out).expanduser()
    folder = place_of(str(photos)) or Path(photos)
    named = _named(existing(folder), out)
    job = _Job(out, segmenter, least)
    job.begin()
    done = {row["name"]: row for row in job.rows()}
    todo = {name: path for name, path in named.items() if not job.has(done.get(name), path)}
    _check(folder, todo.values())
    job.go_on([row for name, row in done.items() if name not in todo])
    job.run(todo)
    drawn = job.draw() if preview else None
    return Account(out, tuple(job.rows()), len(todo), segmenter.blind, drawn)


def _named(folder: Path, out: Path) -> dict[str, Path]:
    """The photographs by name: their place in the folder, without ending, ``/`` as ``-``."""
    with Problems(str(folder)) as problems:
        if out.resolve().is_relative_to(folder.resolve()):
            problems.add("the maps would lie among the photographs", "another --out")
        named: dict[str, Path] = {}
        for path in walk(folder, problems):
            if path.suffix.lower() not in PICTURES:
                continue
            name = "-".join(path.relative_to(folder).with_suffix("").parts)
            if name in named:
                problems.add(f"two photographs are named {name!r}: {named[name].name}, {path.name}")
            named[name] = path
        problems.check(bool(named), "there is no picture in it")
    return named


def _check(folder: Path, paths: Iterable[Path]) -> None:
    """Reads all photographs that are to be looked at, and lists those that cannot be read."""
    found = Folder(folder.name, [Page(path) for path in paths]).problems()
    with Problems(str(folder)) as problems:
        for line in found.problems:
            problems.add(line, f"course data check {folder} --remove-bad puts them into {BAD}")


@dataclass(frozen=True)
class _Job:
    """One folder of maps that is being made."""

    out: Path
    segmenter: Segmenter
    least: float

    @property
    def notes(self) -> Path:
        return self.out / STEPS / "photos.jsonl"

    def begin(self) -> None:
        """Makes the folders; what another segmenter has begun is left alone."""
        made_by = {"segmenter": self.segmenter.name, "confidence": self.least}
        for name in ("images", "maps", f"{STEPS}/segmentations", f"{STEPS}/confidence"):
            make_folder(self.out / name)
        note = self.out / STEPS / "made_by.json"
        before = json.loads(note.read_text("utf-8")) if note.is_file() else made_by
        if before != made_by:
            raise CourseError(
                f"its maps were made with {before}, not {made_by}",
                where=str(self.out),
                fix="take another folder for --out",
            )
        with whole_file(note) as path:
            path.write_text(json.dumps(made_by), "utf-8")
        with whole_file(self.out / "classes.txt") as path:
            path.write_text(_listing(self.segmenter.classes), "utf-8")

    def rows(self) -> list[Row]:
        """What was noted, without a last line that was cut short."""
        lines = self.notes.read_text("utf-8").splitlines() if self.notes.is_file() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def has(self, row: Row | None, photo: Path) -> bool:
        """Whether that photograph was read, and its map is still there."""
        there = (self.out / "maps" / f"{row['name']}.png").is_file() if row else False
        return there and row is not None and row["bytes"] == photo.stat().st_size

    def go_on(self, rows: list[Row]) -> None:
        with whole_file(self.notes) as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    def run(self, todo: dict[str, Path]) -> None:
        from tqdm import tqdm

        for name, photo in tqdm(todo.items(), desc="photos to maps", disable=None):
            confidence = self.segmented(name, photo)
            label_map = self.mapped(name)
            shutil.copyfile(photo, self.out / "images" / f"{name}{photo.suffix}")
            row = {"name": name, "bytes": photo.stat().st_size, **_seen(label_map, confidence)}
            with self.notes.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def segmented(self, name: str, photo: Path) -> Tensor:
        """Step 1: the photograph as a picture in the classes' colours; returns the confidence."""
        seen = self.segmenter.look(load_image(photo), least=self.least)
        grey = (seen.confidence * 255).round().to(torch.uint8)
        pictures = {
            "segmentations": to_pil_image(seen.label_map.coloured()),
            "confidence": PILImage.fromarray(grey.numpy()),
        }
        for step, picture in pictures.items():
            with whole_file(self.out / STEPS / step / f"{name}.png") as path:
                picture.save(path)
        return seen.confidence

    def mapped(self, name: str) -> LabelMap:
        """Step 2: the label map that the colours of step 1 mean."""
        picture = self.out / STEPS / "segmentations" / f"{name}.png"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # one class only: so may a photograph be
            label_map = LabelMap.load(picture, self.segmenter.classes)
        with whole_file(self.out / "maps" / f"{name}.png") as path:
            label_map.save(path)
        return label_map

    def draw(self) -> Path:
        made = open_folder(self.out)
        step = max(1, len(made) // 6)
        scenes = [made[index] for index in range(0, len(made), step)[:6]]
        path = self.out / STEPS / "preview.png"
        sheet(scenes, self.segmenter.classes).save(path)
        return path


def _listing(classes: ClassTable) -> str:
    """The class table as the file that :func:`open_folder` reads."""
    rows = (f"{c.name}, {c.kind}, {', '.join(map(str, c.colour))}\n" for c in classes)
    return "".join(rows)


def _seen(label_map: LabelMap, confidence: Tensor) -> Row:
    """What to note about a photograph."""
    ids, classes = label_map.ids.as_subclass(Tensor), {}
    for name, count in label_map.names().items():
        number = label_map.classes.unlabeled if name == "unlabeled" else label_map.classes.id(name)
        classes[name] = (count, round(float(confidence[ids == number].mean()), 4))
    return {"confidence": round(float(confidence.mean()), 4), "classes": classes}
