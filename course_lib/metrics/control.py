"""The control score card: what of a scene can be found again in the picture that was painted of it?

Whoever paints is told all of a scene, and hears what it can; it is measured by all of it. A painter
that does not hear the label map sits on the floor of that row, and that is what the row says. Pages
with one large thing alone are what painters of captions, layouts and maps have all seen.

Each scene is painted with a seed of its own, so the bootstrap over pictures is one over scenes and
seeds. What another training of the same painter would have given is not in the intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from course_lib.data.storybook import CLASSES, THINGS, Look, Storybook, StoryScene
from course_lib.judges.pages import SIZE, at_size
from course_lib.metrics.diversity import diversity_score
from course_lib.metrics.locality import locality, within
from course_lib.metrics.maps import map_iou
from course_lib.metrics.one_thing import named_accuracy
from course_lib.metrics.score import Score, wilson
from course_lib.metrics.texture import band_ratios, right, variance_ratio
from course_lib.metrics.things import thing_recall
from course_lib.scene import SceneBatch, collate

__all__ = ["Paint", "control_scenes", "control_scores", "moved"]

Paint = Callable[[StoryScene, int], Tensor]  # a scene and a seed -> [C, H, W] in [-1, 1]
OTHER = 1_000_000  # second seeds begin here


def control_scenes(count: int) -> list[StoryScene]:
    """Pages with one large thing alone, from the part of the book that is kept for tests."""
    book = Storybook(size=SIZE, things=(1, 1))
    return [book[page] for page in book.split("test")[:count]]


def control_scores(paint: Paint, scenes: Sequence[StoryScene]) -> dict[str, Score]:
    """The rows of the card by name, more is better: ``thing``, ``colour`` and ``ground`` of the
    caption; ``box``, its thing in it; ``map``, read back; ``edit``, the share of the change that
    lies where a thing was moved; ``diversity`` of two seeds; ``texture``, the share of strengths
    and bands of the stuff that are about right.

    Raises:
        CourseError: fewer than fifty scenes.
    """

    def painted(told: Sequence[StoryScene], first: int) -> Tensor:
        pictures = (paint(scene, first + number) for number, scene in enumerate(told))
        return torch.cat([at_size(one.expand(3, -1, -1)[None]) for one in pictures])

    real, pictures = collate(scenes, CLASSES), painted(scenes, 0)
    edited, other = [moved(scene) for scene in scenes], [on_another_day(s) for s in scenes]
    after, looks = (collate(some, CLASSES).images for some in (edited, other))
    pairs = zip(scenes, edited, strict=True)
    boxes = [torch.tensor([page.sights[0].box for page in pair]) for pair in pairs]
    where = torch.stack([within(a, SIZE) | within(b, SIZE) for a, b in boxes])
    return {
        **named_accuracy(pictures, real),
        "box": thing_recall(pictures, real),
        "map": map_iou(pictures, real),
        "edit": locality(pictures, painted(edited, 0), where, (real.images, after)),
        "diversity": diversity_score(pictures, painted(scenes, OTHER), (real.images, looks)),
        "texture": _texture(pictures, real),
    }


def moved(scene: StoryScene) -> StoryScene:
    """The page with its thing smaller and aside: told so in caption, layout and map."""
    (thing,) = scene.plan.things
    small = replace(thing, height=0.6 * thing.height)
    reach = THINGS[thing.name].reach * small.height
    aside = replace(small, x=reach if thing.x > 0.5 else 1 - reach)
    return scene.redraw(layout=replace(scene.plan, things=(aside,)))


def on_another_day(scene: StoryScene) -> StoryScene:
    """The page in another season and hour: as different as two true pictures of it may be."""
    return scene.redraw(look=Look("winter" if scene.look.season != "winter" else "summer",
                                  "sunset" if scene.look.hour != "sunset" else "day"))  # fmt: skip


def _texture(pictures: Tensor, scenes: SceneBatch) -> Score:
    ratios = variance_ratio(pictures, scenes) | band_ratios(pictures, scenes)
    share, floor, ceiling = (
        right({name: replace(ratio, value=getattr(ratio, end)) for name, ratio in ratios.items()})
        for end in ("value", "floor", "ceiling")
    )
    return Score(
        share, wilson(share * len(ratios), len(ratios)), len(ratios), floor, ceiling,
        "share of strengths and bands of stuff that are 0.6 to 1.4 of real; Wilson, over ratios",
        "flat colour", "half of the real pictures against the other half",
    )  # fmt: skip
