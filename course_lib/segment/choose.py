"""Segmenters by name, as the command line asks for them."""

from __future__ import annotations

from pathlib import Path

from course_lib.data.manifest import find
from course_lib.data.storybook import Storybook
from course_lib.errors import CourseError, suggestion
from course_lib.paths import data_dir
from course_lib.segment.csail import load_csail
from course_lib.segment.others import VOC, load_torchvision, load_transformers
from course_lib.segment.segmenter import Segmenter
from course_lib.segment.small import learn, load_small, save_small

__all__ = ["open_segmenter"]

CSAIL = ("ade20k-resnet50", "ade20k-resnet18")
PAGES, STEPS = 1000, 600  # what Storybook's own learns from: two minutes or so


def open_segmenter(name: str) -> Segmenter:
    """The segmenter of that name.

    Args:
        name: ``ade20k-resnet50`` or ``ade20k-resnet18`` (150 classes of things and stuff),
            ``voc-mobilenet`` or ``voc-resnet50`` (20 kinds of things), ``storybook`` (trained here
            at its first use), ``hf:NAME`` (a model of transformers), a folder with CSAIL's two
            files or with a model of transformers, or a file of :func:`save_small`.

    Raises:
        CourseError: an unknown name, or files that are not here or do not fit.
    """
    path = Path(name).expanduser()
    if name == "storybook":
        return _storybook()
    if name in (*CSAIL, *VOC):
        place, files = find(name).place, [file.name for file in find(name).files]
        missing = [file for file in files if not (place / file).is_file()]
        if missing:
            what = f"{', '.join(missing)} of {name} is not on this machine"
            raise CourseError(what, where=str(place), fix=f"course data fetch {name}")
        return load_csail(place) if name in CSAIL else load_torchvision(name, place / files[0])
    if name.startswith("hf:") or (path / "config.json").is_file():
        return load_transformers(name.removeprefix("hf:"))
    if path.is_dir():
        return load_csail(path)
    if path.is_file():
        return load_small(path)
    known = [*CSAIL, *VOC, "storybook", "hf:NAME", "a file", "a folder"]
    raise CourseError(f"{name!r} is no segmenter; {suggestion(name, known)}", where="segmenter")


def _storybook() -> Segmenter:
    kept = data_dir() / "segmenters" / "storybook.safetensors"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_small(learn(Storybook(), Storybook.classes, steps=STEPS, pages=PAGES), kept)
    return load_small(kept)
