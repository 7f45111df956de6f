"""Storybook, the embedded world: scenes of stuff and things, with everything known about them.

>>> from course_lib.data.storybook import Look, Storybook
>>> scene = Storybook(seed=0, size=64)[5]
>>> winter = scene.redraw(look=Look(season="winter", hour="night"))

:mod:`~course_lib.data.storybook.plan` says what stands where, :mod:`~.palette` what it looks like,
:mod:`~.draw` paints, with :mod:`~.textures` for stuff and :mod:`~.things` for things, and
:mod:`~.captions` tells what can be seen.
"""

from course_lib.data.storybook.palette import COLOURS, Look
from course_lib.data.storybook.plan import CLASSES, Band, Cloud, ScenePlan, Thing
from course_lib.data.storybook.story import StoryScene, draw
from course_lib.data.storybook.things import THINGS
from course_lib.data.storybook.world import Storybook

__all__ = [
    "CLASSES",
    "COLOURS",
    "THINGS",
    "Band",
    "Cloud",
    "Look",
    "ScenePlan",
    "StoryScene",
    "Storybook",
    "Thing",
    "draw",
]
