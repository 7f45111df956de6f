"""A run seen from its milestones: the same seeds after ever more rounds, as a moving picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image as PILImage
from PIL import ImageDraw

from course_lib.errors import CourseError, Problems
from course_lib.painter import Picture, check_listens
from course_lib.registry import load

__all__ = ["milestones", "timelapse"]

FORMATS = {".gif": "GIF", ".png": "PNG", ".webp": "WEBP"}
STRIP = 14  # pixels below a frame, for the number of rounds
LAST = 4  # times as long as the others is the last frame shown
SHORTEST, LONGEST = 0.02, 60  # seconds of a frame: viewers slow shorter ones down


def milestones(run: str | Path) -> dict[int, Path]:
    """Rounds, and the painter that a run kept after so many.

    Raises:
        CourseError: no run there, or one that kept no milestone.
    """
    folder = Path(run)
    files = sorted(folder.glob("milestones/*.safetensors"))
    kept = {int(file.stem): file for file in files if file.stem.isdecimal()}
    if not kept:
        raise CourseError(
            "no milestones here" if folder.is_dir() else "no such folder",
            where=str(run),
            fix="the folder of a run; trained with milestone_every=500, it keeps a painter each 500"
            " rounds",
        )
    return kept


def timelapse(
    run: str | Path, out: str | Path, seeds: Sequence[int], *, seconds: float = 0.5, **what: Any
) -> Path:
    """Lets each milestone of ``run`` paint the same seeds, and writes them as one moving picture.

    Args:
        out: ``.gif``, or ``.png`` (APNG) or ``.webp``, which keep all colours.
        seeds: of the pictures of one frame.
        seconds: how long a frame is shown; the last one four times as long.
        what: what the painter listens to: a caption, a layout, a label map, a style.

    Raises:
        CourseError: another ending, a time that no viewer keeps, no milestones, or what the painter
            cannot paint from.
    """
    path = Path(out)
    with Problems(str(out)) as problems:
        endings = ", ".join(FORMATS)
        known = path.suffix.lower() in FORMATS
        ending = repr(path.suffix) if path.suffix else "a name without ending"
        problems.check(known, f"{ending} is no moving picture", f"end it in {endings}")
        shown = SHORTEST <= seconds <= LONGEST  # not so for NaN
        problems.check(shown, f"seconds is {seconds}, from {SHORTEST} to {LONGEST} are possible")
    kept = milestones(run)
    frames = [_frame(file, rounds, seeds, what) for rounds, file in kept.items()]
    duration = [round(1000 * seconds)] * len(frames)
    duration[-1] *= LAST
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(
        path,
        FORMATS[path.suffix.lower()],
        save_all=True,
        append_images=frames[1:],
        duration=duration,
        loop=0,
    )
    return path


def _frame(file: Path, rounds: int, seeds: Sequence[int], what: dict[str, Any]) -> PILImage.Image:
    """What one milestone paints, and its number of rounds below."""
    painter = load(file)
    check_listens(painter, what)
    painted = Picture(painter.sheets(seeds, **what)["final"]).pil().convert("RGB")
    frame = PILImage.new("RGB", (painted.width, painted.height + STRIP), "white")
    frame.paste(painted)
    ImageDraw.Draw(frame).text((2, painted.height + 1), f"{rounds:,} rounds", fill="black")
    return frame
