"""Makes a run's painter the one that ships with the course: in half precision, without its paths.

``python -m scripts.ship runs/stackgan-stage2-cpu`` writes ``weights/stackgan.safetensors``, and
``python -m scripts.ship runs/two lrgan-two`` a second painter of a wing.
What it can do belongs in the model card beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from course_lib.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

WEIGHTS = Path(__file__).parents[1] / "course_lib" / "weights"
PATHS = ("stage_one", "start", "damsm")  # settings that name a place on the machine that trained
LEFT = ("text/eye.", "eye/")  # what only training needs


def ship(run: Path, name: str | None = None, folder: Path = WEIGHTS) -> Path:
    """The file that was written."""
    painter = read_checkpoint(run / "painter.safetensors")
    config = {k: "" if k in PATHS else v for k, v in painter.header["config"].items()}
    tensors = {k: v for k, v in painter.tensors.items() if not k.startswith(LEFT)}
    halves = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    header = {**painter.header, "config": config}
    return write_checkpoint(
        folder / f"{name or painter.header['kind']}.safetensors", Checkpoint(header, halves)
    )


if __name__ == "__main__":
    written = ship(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
    print(f"{written}: {written.stat().st_size / 2**20:.1f} MB")
