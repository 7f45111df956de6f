"""How large the course is, and how large it may be: small enough to be read."""

from __future__ import annotations

from pathlib import Path

COURSE = Path(__file__).parents[1] / "course_lib"
WING_LIMIT, TRAINING_LIMIT, COURSE_LIMIT = 900, 700, 9000  # lines


def lines(folder: Path) -> int:
    """All lines of all Python files below ``folder``."""
    return sum(len(file.read_text("utf-8").splitlines()) for file in folder.rglob("*.py"))


def wings() -> list[Path]:
    """The painters' packages: a folder with networks is a wing."""
    return sorted(file.parent for file in COURSE.glob("*/networks.py"))


def limits() -> dict[Path, int]:
    """Each room that has a limit."""
    return {
        **dict.fromkeys(wings(), WING_LIMIT),
        COURSE / "training": TRAINING_LIMIT,
        COURSE: COURSE_LIMIT,
    }


def size_table() -> str:
    """One line a room: its lines, and how many it may have."""
    rooms = sorted(folder for folder in COURSE.iterdir() if any(folder.rglob("*.py")))
    bounds = limits()
    rows = [(folder, bounds.get(folder)) for folder in [*rooms, COURSE]]
    return "\n".join(
        f"{folder.name:<12}{lines(folder):>6}" + (f"  of {bound}" if bound else "")
        for folder, bound in rows
    )
