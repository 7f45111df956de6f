"""Storybook as a painter: it is told what to paint, and gets all of it right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from course_lib.data.storybook.palette import Hour, Look, Palette, Season
from course_lib.data.storybook.plan import ScenePlan
from course_lib.data.storybook.story import StoryScene, draw
from course_lib.data.storybook.world import Storybook
from course_lib.errors import CourseError
from course_lib.painter import Painter, Picture

__all__ = ["StorybookPainter"]

# What does not shine at this hour, and what shines in its place.
SHINES = {"day": ("moon", "sun", "yellow"), "night": ("sun", "moon", "white")}


class StorybookPainter(Painter):
    """Draws the first page of the book ``seed`` in any look. It has no weights.

    >>> StorybookPainter().generate(seed=7, season="winter")               # doctest: +SKIP
    """

    kind = "storybook"

    @classmethod
    def from_weights(
        cls, config: Mapping[str, Any], weights: Mapping[str, Tensor]
    ) -> StorybookPainter:
        return cls()

    def generate(
        self,
        *,
        seed: int = 0,
        season: Season = "summer",
        hour: Hour = "day",
        palette: Palette = "plain",
        things: int = 3,
        size: int = 128,
    ) -> Picture:
        """Paints one picture: :meth:`scene` without all that is known about it."""
        return self.scene(seed, Look(season, hour, palette), things, size).picture

    def scene(
        self, seed: int = 0, look: Look | None = None, things: int = 3, size: int = 128
    ) -> StoryScene:
        """The scene. Seed and number of things decide its layout, ``look`` decides the rest.

        Args:
            seed: which book.
            look: season, hour and palette; the brush strokes are always the page's own.
            things: how many, 0 to 6.
            size: height and width in pixels, 32 to 256.

        Raises:
            CourseError: a value that is not allowed.
        """
        if not isinstance(things, int):
            raise CourseError(f"{things!r}; it must be a whole number from 0 to 6", where="things")
        world = Storybook(seed, size, things=(things, things))
        look = replace(look or Look(), texture=world.look(0).texture)
        return draw(lit(world.plan(0), look.hour), look, size, caption_seed=seed)


def lit(plan: ScenePlan, hour: Hour) -> ScenePlan:
    """The plan with the sun by day and the moon at night, in the same place."""
    gone, shining, colour = SHINES.get(hour, ("", "", ""))
    things = (
        replace(thing, name=shining, colour=colour) if thing.name == gone else thing
        for thing in plan.things
    )
    return replace(plan, things=tuple(things))
