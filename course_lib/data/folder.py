"""Your own folder: pictures alone, or with label maps, captions, or a JSON in COCO's format.

::

    images/a.jpg  images/b.png          the pictures, here or in any folder below
    maps/a.png    maps/b.png            label maps: same names, in a folder of their own ...
    a_mask.png                          ... or with an ending of their own
    instances/a.png                     objects of the maps, numbered; or none
    classes.txt                         the maps' classes, a line each, in the order of their ids
    captions.csv                        columns image and caption; or captions.jsonl, or a.txt, ...
    annotations.json                    boxes, masks and classes in COCO's format

Which of them a folder has is found out; everything is paired by name, nothing by position. In the
file of classes, each may have the number that it has in the maps (``7 road``, ``255 unlabeled``).
A folder of SPADE's own layout (``train_img``, ``train_label``, ...) has splits, and a list, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from course_lib.data.caption_files import CAPTION_FILES, read_captions
from course_lib.data.coco import Coco
from course_lib.data.coco.json_files import coco_splits
from course_lib.data.on_disk import OnDisk, Report, Size, add_error, first_few
from course_lib.data.pages import Folder, Page
from course_lib.data.pairs import pair_by_stem
from course_lib.data.tables import Legend, read_legend
from course_lib.errors import CourseError, Problems
from course_lib.scene import ClassTable
from course_lib.scene.pictures import open_picture

__all__ = ["BAD", "STEPS", "check_folder", "open_folder"]

BAD = "_bad"  # where `check --remove-bad` puts pictures aside
STEPS = "_steps"  # what came before the label maps of `photos-to-maps`
# The last three cannot be read, but they are pictures, and must be named and not passed over.
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".svg"}
RUBBISH = {"thumbs.db", "desktop.ini", "__macosx", BAD, STEPS}  # and whatever begins with a dot
MAP_FOLDERS = {"maps", "map", "labels", "label", "masks", "mask", "label_maps", "annotations"}
INSTANCE_FOLDERS = {"instances", "inst"}
MAP_ENDINGS = ("_map", "_mask", "_label", "_labels", "_seg")
NO_CAPTIONS = {"classes", "readme", "license", "licence"}  # text files that are something else
DEPTH = 6  # how many folders deep pictures may lie


def open_folder(
    path: str | Path,
    *,
    split: str | None = None,
    size: Size | None = None,
    classes: ClassTable | None = None,
    unlabeled: int | None = None,
    encoding: str = "utf-8-sig",
) -> OnDisk:
    """The scenes of your own folder.

    Args:
        split: which, if there are annotations of several in COCO's manner.
        size: squash scenes to squares of this many pixels, or to this height and width; label maps
            by nearest neighbour.
        classes: the class table of the label maps, if there is no ``classes.txt``.
        unlabeled: the number that means "not labelled" in the maps, often 255.
        encoding: of caption files, if it is not UTF-8.

    Raises:
        CourseError: everything that does not fit, at once. Damaged pictures are found when they
            are read, or all together by :func:`check_folder`.
    """
    with Problems(str(path)) as problems:
        folder = existing(path)
        files = list(walk(folder, problems))
        reading = _Survey(folder, files, problems, size, classes, unlabeled, encoding)
        source = reading.open(split)
    return cast(OnDisk, source)  # None always comes with a problem, which was raised


def check_folder(
    path: str | Path,
    *,
    classes: ClassTable | None = None,
    unlabeled: int | None = None,
    encoding: str = "utf-8-sig",
) -> Report:
    """Reads everything in your own folder, and lists all problems with file names."""
    problems = Problems(str(path))
    folder = existing(path)
    files = list(walk(folder, problems))
    survey = _Survey(folder, files, problems, None, classes, unlabeled, encoding)
    sources = [survey.open(split) for split in survey.splits()]
    # Where the parts do not fit together, the pictures can be looked at all the same.
    loose = Folder("pictures", [Page(picture) for picture in survey.pictures])
    opened = [source or loose for source in sources]
    checked = [source.problems() for source in opened]
    listed = [what + (f" (to mend it: {fix})" if fix else "") for what, fix in problems.found]
    return Report(
        str(path),
        tuple(line for source in opened for line in source.found),
        (*listed, *(line for one in checked for line in one.problems)),
        tuple(line for one in checked for line in one.oddities),
        tuple(dict.fromkeys(path for one in checked for path in one.bad)),
    )


def existing(path: str | Path) -> Path:
    """The folder, or an error that says what is there instead."""
    path = Path(path).expanduser()
    if path.is_dir():
        return path
    parent = next(folder for folder in path.absolute().parents if folder.is_dir())
    content = first_few(sorted(entry.name for entry in parent.iterdir()), 10)
    what = "this is a file, not a folder" if path.exists() else "there is no such folder"
    raise CourseError(f"{what}; {parent} holds: {content or 'nothing'}", where=str(path))


def walk(folder: Path, problems: Problems, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """All regular files below, but for what operating systems leave behind."""
    real = folder.resolve()
    if real in above:  # a link back to where we came from
        return
    if len(above) > DEPTH:
        problems.add(f"{folder} lies more than {DEPTH} folders deep")
        return
    for entry in sorted(folder.iterdir()):
        picture = entry.suffix.lower() in PICTURES
        if entry.name.startswith(".") or entry.name.lower() in RUBBISH:
            continue
        if entry.is_dir():
            problems.check(not picture, f"{entry.name} is a folder, not a picture")
            yield from walk(entry, problems, (*above, real))
        elif entry.is_file():
            yield entry
        elif picture:
            problems.add(f"{entry.name} is no regular file (a broken link, a pipe?)")


@dataclass
class _Survey:
    """Finds out which of the four forms a folder has."""

    root: Path
    files: list[Path]
    problems: Problems
    size: Size | None
    classes: ClassTable | None
    unlabeled: int | None
    encoding: str

    def __post_init__(self) -> None:
        self.pictures = [file for file in self.files if file.suffix.lower() in PICTURES]
        if not self.pictures:
            names = sorted(entry.name for entry in self.root.iterdir())
            self.problems.add(
                f"there is no picture in it; it holds: {first_few(names) or 'nothing'}"
            )

    def splits(self) -> list[str | None]:
        """All there is to open: the splits of COCO's annotations, or the folder as a whole."""
        folder = self.coco_folder()
        return [*coco_splits(folder)] if folder else [None]

    def coco_folder(self) -> Path | None:
        """The folder whose ``annotations`` has files named like COCO's, here or deeper."""
        folders = {file.parent.parent for file in self.files if file.parent.name == "annotations"}
        return next((folder for folder in sorted(folders) if coco_splits(folder)), None)

    def open(self, split: str | None) -> OnDisk | None:
        """The scenes, or None, with the reasons among the problems."""
        if not self.pictures:
            return None
        try:
            if folder := self.coco_folder():
                return Coco(folder, split, size=self.size)
            if jsons := [file for file in self.files if is_coco_json(file)]:
                return Coco(self.root, size=self.size, instances=self.only(jsons, "COCO JSON"))
            return self.folder()
        except CourseError as error:
            add_error(self.problems, error)
            return None

    def only(self, files: list[Path], what: str) -> Path:
        if len(files) > 1:
            names = ", ".join(str(file.relative_to(self.root)) for file in files)
            raise CourseError(f"several files of the kind {what}: {names}", fix="keep one of them")
        return files[0]

    def folder(self) -> Folder:
        maps, ending = self.maps()
        numbers = [p for p in self.pictures if INSTANCE_FOLDERS & set(_folders(p, self.root))]
        images = [picture for picture in self.pictures if picture not in {*maps, *numbers}]
        pages = [Page(image) for image in images]
        if maps:
            self.note_case(images, maps, ending)
            pages = [Page(*pair) for pair in pair_by_stem(images, maps, suffix=ending)]
        if maps and numbers:
            pairs = dict(pair_by_stem(images, numbers, what="instance map"))
            pages = [replace(page, instances=pairs[page.image]) for page in pages]
        texts = self.caption_files(images)
        if texts:
            told = read_captions(texts, images, self.root, self.encoding, self.problems)
            pages = [replace(page, captions=told[page.image]) for page in pages]
        return Folder(self.root.name, pages, self.legend(maps) if maps else None, size=self.size)

    def maps(self) -> tuple[list[Path], str]:
        """Which pictures are label maps: those in a folder of maps, or with an ending for them."""
        inside = [p for p in self.pictures if MAP_FOLDERS & set(_folders(p, self.root))]
        if inside:
            return inside, _ending(inside, self.pictures)
        ending = _ending(self.pictures, self.pictures)
        return [p for p in self.pictures if ending and p.stem.endswith(ending)], ending

    def note_case(self, images: list[Path], maps: list[Path], ending: str) -> None:
        stems = {path.stem.removesuffix(ending): path for path in maps}
        lower = {stem.lower(): path for stem, path in stems.items()}
        for image in images:
            other = lower.get(image.stem.lower())
            if other is not None and image.stem not in stems:
                pair = f"{image.name} and {other.name}"
                self.problems.add(f"{pair} differ in upper and lower case", "rename one of them")

    def caption_files(self, images: list[Path]) -> list[Path]:
        stems = {image.stem.lower() for image in images}
        texts = [f for f in self.files if f.suffix == ".txt" and f.stem.lower() not in NO_CAPTIONS]
        folders = {text.parent for text in texts if text.stem.lower() in stems}
        tables = [file for file in self.files if file.name.lower() in CAPTION_FILES]
        return tables + [text for text in texts if text.parent in folders]

    def legend(self, maps: list[Path]) -> Legend:
        lists = [file for file in self.files if file.name.lower() == "classes.txt"]
        if self.classes is not None:
            return Legend(self.classes, unlabeled=self.unlabeled)
        if lists:
            legend = read_legend(self.only(lists, "classes.txt"))
            return legend if self.unlabeled is None else replace(legend, unlabeled=self.unlabeled)
        ids: set[int] = set()
        for path in maps[:20]:
            picture = open_picture(path)
            ids |= set(np.unique(np.array(picture)).tolist()) if picture.mode in "LP1" else set()
        found = first_few(map(str, sorted(ids)), 12)
        raise CourseError(
            f"label maps need the names of their classes; ids found: {found}",
            fix="write classes.txt, a name a line, in the order of the ids from 0; "
            "or pass classes=",
        )


def _folders(path: Path, root: Path) -> list[str]:
    return [part.lower() for part in path.relative_to(root).parts[:-1]]


def _ending(maps: list[Path], pictures: list[Path]) -> str:
    """What names of maps have more than those of their pictures: ``_mask``, or nothing."""
    stems = {path.stem for path in pictures}
    for ending in MAP_ENDINGS:
        if any(p.stem.endswith(ending) and p.stem.removesuffix(ending) in stems for p in maps):
            return ending
    return ""


def is_coco_json(path: Path) -> bool:
    """Whether a file looks like COCO's: cheap, and true for files cut short, to be named then."""
    if path.suffix.lower() != ".json":
        return False
    return bool(re.search(r'"images"\s*:\s*\[', path.read_text("utf-8", errors="replace")))
