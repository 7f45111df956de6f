"""A training as something to look back on: the same picture, painted after so many rounds."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from course_lib.errors import CourseError
from course_lib.painter import Painter, Picture
from course_lib.registry import load
from course_lib.widgets.panel import Panel

__all__ = ["milestones_panel"]


def milestones_panel(folder: str | Path, **what: Any) -> Panel:
    """A slider over the rounds at which a run kept its painter, and the seed.

    >>> milestones_panel("runs/opgan-cpu", caption="a red house")          # doctest: +SKIP

    Args:
        folder: the run's.
        what: whatever its painter listens to: ``caption=``, ``layout=``.

    Raises:
        CourseError: a run without milestones.
    """
    import ipywidgets as ipw

    files = {int(path.stem): path for path in Path(folder).glob("milestones/*.safetensors")}
    if not files:
        fix = "train with a smaller milestone_every"
        raise CourseError("this run kept no milestones", where=str(folder), fix=fix)

    @lru_cache(maxsize=4)
    def painter(after: int) -> Painter:
        return load(files[after])

    def draw(rounds: int, seed: int) -> tuple[Picture, str]:
        return painter(rounds).generate(**what, seed=seed), f"after {rounds:,} rounds"

    rounds = sorted(files)
    controls = {
        "rounds": ipw.SelectionSlider(options=rounds, value=rounds[-1]),
        "seed": ipw.IntSlider(value=7, min=0, max=999),
    }
    return Panel(f"{painter(rounds[-1]).kind}, through its training", draw, controls)
