"""Which label map belongs to which picture: by name, never by position."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torchvision import tv_tensors

from course_lib.data.tables import Legend
from course_lib.errors import CourseError, Problems
from course_lib.scene import LabelMap, load_image

__all__ = ["load_pair", "pair_by_stem"]


def pair_by_stem(
    images: Iterable[Path],
    maps: Iterable[Path],
    *,
    suffix: str = "",
    image_suffix: str = "",
    what: str = "label map",
) -> list[tuple[Path, Path]]:
    """Pairs of picture and map with the same name, whatever their extensions, in order of name.

    Args:
        suffix: what map names have more, ``"_mask"`` for ``a.png`` and ``a_mask.png``.
        image_suffix: what picture names have more.
        what: what the maps are, in messages.

    Raises:
        CourseError: files without a partner on either side, and names that occur twice.
    """
    with Problems(f"pictures and {what}s") as problems:
        left = _by_stem(images, image_suffix, "pictures", problems)
        right = _by_stem(maps, suffix, f"{what}s", problems)
        _orphans(left, right, f"pictures without a {what}", problems)
        _orphans(right, left, f"{what}s without a picture", problems)
        problems.check(bool(left), "there are no pictures")
    return [(left[stem], right[stem]) for stem in sorted(left)]


def load_pair(image: Path, label_map: Path, legend: Legend) -> tuple[tv_tensors.Image, LabelMap]:
    """A picture and its map, which must have the same size once both stand upright."""
    pixels = load_image(image)
    ids = LabelMap.load(
        label_map, legend.classes, numbering=legend.numbering, unlabeled=legend.unlabeled
    )
    (height, width), (map_height, map_width) = pixels.shape[-2:], ids.canvas
    if (height, width) != (map_height, map_width):
        raise CourseError(
            f"{image.name} is {width}x{height}, {label_map.name} {map_width}x{map_height}",
            where=str(image.parent),
            fix="export the map again at the size of the picture",
        )
    return pixels, ids


def _by_stem(files: Iterable[Path], suffix: str, what: str, problems: Problems) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(files):
        stem = path.stem.removesuffix(suffix)
        if stem in found:
            problems.add(f"two {what} are named {stem!r}: {found[stem].name} and {path.name}")
        found[stem] = path
    return found


def _orphans(
    these: dict[str, Path], others: dict[str, Path], what: str, problems: Problems
) -> None:
    lonely = [these[stem].name for stem in sorted(these) if stem not in others]
    if lonely:
        more = f" and {len(lonely) - 5} more" if len(lonely) > 5 else ""
        problems.add(f"{len(lonely)} {what}: {', '.join(lonely[:5])}{more}")
