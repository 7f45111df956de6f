"""Storybook as a stage: ground for what a caption names, and a label map for a layout's boxes."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain

from course_lib.data.storybook import CLASSES, THINGS, Look, ScenePlan, Storybook, Thing, draw
from course_lib.scene import ClassTable, LabelMap, Layout

__all__ = ["KINDS", "ground_for", "staged"]

# What has a box: things alone, numbered anew.
KINDS = ClassTable(tuple(replace(CLASSES[n], id=k) for k, n in enumerate(CLASSES.things)))
PAGES = 500  # of a book that are looked through for a ground
ABOVE = {"sky", "cloud"}  # every page has a sky, and clouds are no ground


def ground_for(caption: str, plan: ScenePlan, book: Storybook) -> ScenePlan:
    """The plan, if its ground has all the stuff that a caption names; else a page's that has."""
    words = set(re.findall(r"[a-z]+", caption.lower()))
    named = {name for name in CLASSES.stuff if {name, f"{name}s"} & words} - ABOVE

    def has_all(plan: ScenePlan) -> bool:
        return named <= {band.stuff for band in plan.bands}

    return next(filter(has_all, chain([plan], map(book.plan, range(PAGES)))), plan)


def staged(layout: Layout, plan: ScenePlan, size: int = 64) -> LabelMap:
    """The label map that Storybook draws for a layout on the ground of a plan.

    A thing stands at the foot of its box, as large as fits into it.

    Raises:
        CourseError: a thing that Storybook does not know, or cannot draw so small.
    """
    layout = Layout.of(*layout, units="fraction", format="xyxy", classes=KINDS)
    things = []
    for name, (left, top, right, bottom) in layout:
        kind = THINGS[name]
        height = min(bottom - top, (right - left) / (2 * kind.reach))
        things.append(Thing(name, kind.colours[0], (left + right) / 2, bottom, height))
    scene = draw(replace(plan, things=tuple(things)), Look(), size)
    return scene.label_map  # type: ignore[return-value]  # every page has one
