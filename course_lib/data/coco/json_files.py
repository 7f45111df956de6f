"""The JSON files of COCO: which there are, what edition they are of, and whether they hold."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib.data.coco.classes import OTHER
from course_lib.data.on_disk import first_few
from course_lib.errors import CourseError, Problems

if TYPE_CHECKING:
    from pycocotools.coco import COCO

__all__ = ["INSTANCES", "KINDS", "TABLE", "Row", "coco_splits", "describe", "load_json"]

KINDS = ("instances", "stuff", "captions", "image_info")
INSTANCES = "instancemaps"  # pictures that number things; a folder of our own, not COCO's
TABLE = "classes.json"  # the class table of scenes that we wrote, beside COCO's files
Row = dict[str, Any]

# pictures in the complete files of train2017 and train2014, val2017 and val2014
COMPLETE = (118_287, 82_783, 5_000, 40_504)


def coco_splits(folder: Path) -> list[str]:
    """The splits that ``annotations`` knows about: ``["train2017", "val2017"]``."""
    names = [path.stem for kind in KINDS for path in folder.glob(f"annotations/{kind}_*.json")]
    return sorted({name.removeprefix("image_").split("_", 1)[1] for name in names})


def describe(kind: str, part: COCO) -> str:
    """``stuff: 40,000 pictures (the 2017 challenge), 92 classes with 'other'``.

    The smaller stuff files of the 2017 challenge are often mistaken for the complete ones.
    """
    count, names = len(part.imgs), {row["name"] for row in part.cats.values()}
    edition = " (complete)" if count in COMPLETE and kind != "image_info" else ""
    edition = " (the 2017 challenge)" if (kind, count) == ("stuff", 40_000) else edition
    classes = f", {len(names)} classes" if names else ""
    return f"{kind}: {count:,} pictures{edition}{classes}" + (" with 'other'" * (OTHER in names))


def load_json(path: Path) -> COCO:
    """A COCO JSON in pycocotools, checked.

    Raises:
        CourseError: no JSON, not COCO's, or annotations that do not fit, all at once.
    """
    from pycocotools.coco import COCO

    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise CourseError(f"this is no JSON: {error}", where=str(path)) from None
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise CourseError("there is no list of 'images': this is no COCO JSON", where=str(path))
    if any("segments_info" in row for row in content.get("annotations", [])[:1]):
        raise CourseError(
            "this is COCO's panoptic JSON",
            where=str(path),
            fix="use instances_ and stuff_*.json",
        )
    content.setdefault("annotations", [])
    with Problems(str(path)) as problems:
        check_rows(content, problems)
    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


REQUIRED = {"id", "file_name", "height", "width"}


def check_rows(content: Mapping[str, Any], problems: Problems) -> None:
    """Every annotation must have a picture, a known category and a box inside the picture."""
    images = {row["id"]: row for row in content["images"] if row.keys() >= REQUIRED}
    lacking = len(content["images"]) - len(images)
    needed = "id, file_name, height and width"
    problems.check(not lacking, f"{lacking} images share their id, or lack one of {needed}")
    checks: dict[str, Callable[[Row], bool]] = {
        "have an image_id that is no image": lambda row: row.get("image_id") in images
    }
    if "categories" in content:
        categories = {row.get("id") for row in content["categories"]}
        checks["have a category_id that is no category"] = lambda row: (
            row.get("category_id") in categories
        )
        checks["have a bbox that is not four finite numbers"] = lambda row: is_box(row.get("bbox"))
        checks["have a box that leaves its picture (it is x, y, width, height in pixels)"] = (
            lambda row: (
                not is_box(row.get("bbox")) or fits(row["bbox"], images.get(row["image_id"]))
            )
        )
    for what, fine in checks.items():
        bad = [str(row.get("id")) for row in content["annotations"] if not fine(row)]
        problems.check(not bad, f"{len(bad)} annotations {what}: {first_few(bad)}")


def is_box(box: object) -> bool:
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(value, int | float) and math.isfinite(value) for value in box)
    )


def fits(box: list[float], image: Row | None) -> bool:
    """Whether a box lies in its picture, give or take a pixel: COCO's own are rounded."""
    x, y, width, height = box
    if image is None:
        return True
    return min(x, y) >= -1 and x + width <= image["width"] + 1 and y + height <= image["height"] + 1
