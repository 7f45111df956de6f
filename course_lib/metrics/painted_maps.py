"""All that a painter of label maps is measured by, on pages of Storybook that it has not seen.

Are the maps read back from its pictures; has its stuff the grain of real stuff; how far apart are
its styles; does a picture take the palette of the style picture?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torchvision import tv_tensors

from course_lib.data.storybook import Storybook
from course_lib.data.storybook.world import Split
from course_lib.errors import CourseError
from course_lib.metrics.maps import map_iou
from course_lib.metrics.score import Score
from course_lib.metrics.styles import Looks, own_palette, style_spread
from course_lib.metrics.texture import band_ratios, right, variance_ratio
from course_lib.painter import noise
from course_lib.scene import LabelMap, SceneBatch

__all__ = ["MapPainter", "map_scores", "painted", "report"]

LOOKED_AT = 50  # maps that are painted in ten styles


class MapPainter(Protocol):
    """What is asked of a painter: one map in many styles, and the style of a picture."""

    z_dim: int  # length of a style; 0 for a painter that knows none
    encoder: nn.Module | None  # reads a picture's style

    @property
    def canvas(self) -> tuple[int, int]: ...

    def read(self, label_map: LabelMap) -> LabelMap: ...

    def paint(self, label_map: LabelMap, styles: Tensor | None, seeds: Sequence[int]) -> Tensor: ...

    def encode(self, picture: Tensor) -> Tensor: ...


def painted(painter: MapPainter, label_maps: Tensor, styles: Tensor | None) -> Tensor:
    """Maps ``[N, H, W]`` in ``S`` styles each, ``[N, S, z_dim]``: ``[N, S, 3, H, W]``."""
    pictures = []
    for number, ids in enumerate(label_maps):
        label_map = painter.read(LabelMap(tv_tensors.Mask(ids), Storybook.classes))
        z = None if styles is None else styles[number]
        pictures.append(painter.paint(label_map, z, [number]))
    return torch.stack(pictures)


def map_scores(painter: MapPainter, count: int = 500, split: Split = "test") -> dict[str, Score]:
    """Every score by its name, of the first ``count`` pages of a split.

    Maps are read back from pictures in styles drawn by chance. Texture is that of pictures in the
    pages' own styles: stars come out at night alone, and another hour has other light.

    Raises:
        CourseError: pictures that are not square, or classes that are not Storybook's.
    """
    height, width = painter.canvas
    if height != width:
        raise CourseError(
            f"{width} x {height} pixels; pages of Storybook are square", where="painter"
        )
    book = Storybook(size=height)
    pages = book.split(split)
    scenes = book.batch(torch.tensor(pages[:count]))
    maps: Tensor = scenes.label_maps  # type: ignore[assignment]
    drawn = noise(0, len(maps), 1, painter.z_dim) if painter.z_dim else None
    pictures = painted(painter, maps, drawn)[:, 0]
    found = {"map IoU": map_iou(pictures, scenes)}
    if painter.encoder is None:
        return found | texture_scores(pictures, scenes)
    own = painted(painter, maps, styles_of(painter, scenes.images)[:, None])[:, 0]
    looks = Looks.of(book, pages[count : count + 2 * LOOKED_AT])
    return found | texture_scores(own, scenes) | style_scores(painter, looks)


def styles_of(painter: MapPainter, pictures: Tensor) -> Tensor:
    """``[N, 3, H, W]`` -> ``[N, z_dim]``."""
    return torch.stack([painter.encode(picture) for picture in pictures])


def texture_scores(pictures: Tensor, scenes: SceneBatch) -> dict[str, Score]:
    """How strong each kind of stuff is in all that is fine, and in four bands."""
    variances, bands = variance_ratio(pictures, scenes), band_ratios(pictures, scenes)
    named = {f"variance of {kind}": ratio for kind, ratio in variances.items()}
    return named | {f"band of {name}": ratio for name, ratio in bands.items()}


def style_scores(painter: MapPainter, looks: Looks) -> dict[str, Score]:
    """How far ten styles drawn by chance are apart, and how true those of pictures are."""
    count, styles = looks.others.shape[:2]
    drawn = painted(painter, looks.label_maps, noise(1, count, styles, painter.z_dim))
    told = styles_of(painter, looks.others.flatten(0, 1)).view(count, styles, -1)
    answers = painted(painter, looks.label_maps, told)
    return {
        "styles apart": style_spread(drawn, looks.pictures),
        "pictures' styles apart": style_spread(answers, looks.pictures),
        "own palette": own_palette(answers, looks),
    }


def report(scores: Mapping[str, Score]) -> str:
    """A line for each score, and how many ratios of texture are about 1."""
    lines = [f"{name}: {score}" for name, score in scores.items()]
    for what in ("variance", "band"):
        ratios = {name: score for name, score in scores.items() if name.startswith(f"{what} of")}
        lines.append(f"{what}: {right(ratios):.0%} of {len(ratios)} ratios lie in 0.6 to 1.4")
    return "\n".join(lines)
