"""What one can do with data sets: list them, fetch, prepare, check and preview them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from course_lib.data.coco import Coco, write_coco
from course_lib.data.fetch import Fetched, fetch, fetched, incomplete, make_folder
from course_lib.data.folder import BAD, check_folder, existing
from course_lib.data.known import (
    NOTE,
    copy_note,
    fingerprint_of,
    framing_of,
    open_data,
    paired_of,
    place_of,
    prepared_place,
    splits_of,
)
from course_lib.data.manifest import DataSet, manifest
from course_lib.data.on_disk import OnDisk, Report, Size, first_few
from course_lib.data.preview import sheet
from course_lib.errors import CourseError
from course_lib.paths import runs_dir

__all__ = ["Fetched", "Listed", "Report", "check", "fetch", "list_datasets", "prepare", "preview"]


@dataclass(frozen=True)
class Listed:
    """A data set, and whether anything of it is on this machine."""

    data_set: DataSet
    here: bool

    def __str__(self) -> str:
        on_disk = self.here and self.data_set.how != "built in"
        mark = "here" if on_disk else self.data_set.how
        return f"{self.data_set.name:<24} {mark:<12} {self.data_set.title}: {self.data_set.purpose}"


def list_datasets() -> list[Listed]:
    """What comes with the course, and all data sets of the manifest."""
    return [Listed(data_set, _is_here(data_set)) for data_set in manifest()]


def _is_here(data_set: DataSet) -> bool:
    """Whether its files are in its folder; a folder of its own that is not empty is enough."""
    place = data_set.place
    if data_set.how == "built in":
        return True
    if data_set.folder:
        noted = fetched(place)
        return any(f.name in noted or (f.put and (place / f.put).exists()) for f in data_set.files)
    return place.is_dir() and any(place.iterdir())


def check(name: str, *, remove_bad: bool = False) -> Report:
    """Reads a data set or your own folder from end to end, and lists all problems at once.

    Args:
        remove_bad: puts the pictures of your own folder that cannot be read into its folder
            ``_bad``, with their maps, and reads the rest again. Nothing is ever deleted.
    """
    if place_of(name) is not None and remove_bad:
        raise CourseError(
            "only your own folder is tidied", where=name, fix=f"course data fetch {name}"
        )
    folder = _existing(name)
    if paired_of(name) or name in ("mnist", "cifar10"):
        report = _check_splits(name)
    else:
        report = check_folder(folder)
    if remove_bad and report.bad:
        moved = [put_aside(path, folder) for path in report.bad]
        report = check_folder(folder)
        return replace(report, found=(*report.found, f"moved to {BAD}/: {first_few(moved)}"))
    gaps = [incomplete(folder, file) for file in fetched(folder)]
    mend = f" (to mend it: course data fetch {folder.name})"
    return replace(report, problems=(*(gap + mend for gap in gaps if gap), *report.problems))


def put_aside(path: Path, folder: Path) -> str:
    """Moves a file into ``folder/_bad``, under its old name or one with a number; returns that."""
    name = path.relative_to(folder)
    target, number = folder / BAD / name, 1
    while target.exists():
        number += 1
        target = target.with_name(f"{name.stem}-{number}{name.suffix}")
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    return str(target.relative_to(folder / BAD))


def _existing(name: str) -> Path:
    place = place_of(name)
    if place is not None and not place.is_dir():
        open_data(name)  # says how to get it
    return place or existing(name)


def _check_splits(name: str) -> Report:
    found, problems, oddities = [], [], []
    for split in splits_of(name):
        try:
            source = cast(OnDisk, open_data(name, split))
        except CourseError as error:
            problems.append(f"{split}: {error}")
            continue
        findings = source.problems()
        found += [f"{split}: {line}" for line in source.found]
        problems += [f"{split}: {line}" for line in findings.problems]
        oddities += [f"{split}: {line}" for line in findings.oddities]
    return Report(str(place_of(name) or name), tuple(found), tuple(problems), tuple(oddities))


def prepare(
    name: str, size: Size | None = None, split: str | None = None, *, most: int | None = None
) -> Coco:
    """Resizes a data set once, so that training reads small files without decoding large ones.

    The copy is in COCO's format, whatever the original was, and takes its place in
    :func:`~course_lib.data.known.open_data`. It is made again if the original has changed.

    Args:
        size: squares of this many pixels, or height and width; label maps by nearest neighbour. By
            default what SPADE's authors cut their pictures from: 286, or 256 x 512 for Cityscapes.
        most: stop after this many scenes.
    """
    from tqdm import tqdm

    split = split or next(iter(splits_of(name)), None)
    size = size or framing_of(name).whole
    place = prepared_place(name, split, size)
    note = {"made from": fingerprint_of(name), "most": most}
    if copy_note(place) == note:
        return Coco(place)
    source = open_data(name, split, size, copies=False)
    part = place.with_name(place.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    make_folder(part)
    count = len(source) if most is None else min(most, len(source))
    scenes = (source[index] for index in tqdm(range(count), desc=f"prepare {name}", disable=None))
    write_coco(scenes, part, "train2017", classes=source.classes)
    (part / NOTE).write_text(json.dumps(note), "utf-8")
    shutil.rmtree(place, ignore_errors=True)
    part.rename(place)
    return Coco(place)


def preview(name: str, n: int = 6, out: str | Path | None = None, split: str | None = None) -> Path:
    """A sheet of scenes as PNG, taken at equal distances: boxes, masks, maps, captions, legend."""
    source = open_data(name, split)
    step = max(1, len(source) // n)
    scenes = [source[index] for index in range(0, len(source), step)[:n]]
    out = Path(out) if out else runs_dir() / "samples" / f"{Path(name).name}.png"
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet(scenes, source.classes).save(out)
    return out
