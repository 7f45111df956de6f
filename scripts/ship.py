"""Makes a run's painter the one that ships with the course: in half precision, without its paths.

``python -m scripts.ship runs/stackgan-stage2-cpu`` writes ``weights/stackgan.safetensors``,
``python -m scripts.ship runs/two lrgan-two`` a second painter of a wing, and with ``--mean 6`` it
is the mean of the run's last six milestones.
What it can do belongs in the model card beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from course_lib.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

WEIGHTS = Path(__file__).parents[1] / "course_lib" / "weights"
PATHS = ("stage_one", "start", "damsm")  # settings that name a place on the machine that trained
LEFT = ("text/eye.", "eye/")  # what only training needs


def ship(run: Path, name: str | None = None, folder: Path = WEIGHTS, *, mean: int = 0) -> Path:
    """The file that was written."""
    painter = averaged(run, mean) if mean else read_checkpoint(run / "painter.safetensors")
    config = {k: "" if k in PATHS else v for k, v in painter.header["config"].items()}
    tensors = {k: v for k, v in painter.tensors.items() if not k.startswith(LEFT)}
    halves = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    header = {**painter.header, "config": config}
    return write_checkpoint(
        folder / f"{name or painter.header['kind']}.safetensors", Checkpoint(header, halves)
    )


def averaged(run: Path, count: int) -> Checkpoint:
    """The mean of a run's last milestones: of weights, and of what norms have counted.

    Izmailov et al. 2018: the mean of many places on the way is better than any of them. The moving
    average of training forgets within hundreds of rounds; this one spans thousands.
    """
    milestones = [read_checkpoint(path) for path in sorted((run / "milestones").iterdir())[-count:]]
    last = milestones[-1]
    means = {
        name: torch.stack([each.tensors[name] for each in milestones]).mean(0)
        if value.is_floating_point()
        else value
        for name, value in last.tensors.items()
    }
    return Checkpoint(last.header, means)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("name", nargs="?", help="of the weights, if it is not the wing's")
    parser.add_argument("--mean", type=int, default=0, help="of so many milestones, the last ones")
    asked = parser.parse_args()
    written = ship(asked.run, asked.name, mean=asked.mean)
    print(f"{written}: {written.stat().st_size / 2**20:.1f} MB")


if __name__ == "__main__":
    main()
