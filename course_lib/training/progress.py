"""What one sees of a run: a bar, sample grids, and in a notebook a grid that grows in place."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from course_lib.painter import Picture, grid
from course_lib.training.state import TrainingState

__all__ = ["Progress"]


class Progress:
    """Shows round, time left and losses; keeps sample grids under ``folder/samples``."""

    def __init__(self, state: TrainingState, folder: Path, show: bool) -> None:
        self.state, self.folder = state, folder / "samples"
        self.live = show and "ipykernel" in sys.modules
        self.display: Any = None  # the picture in the notebook, once there is one

    def __enter__(self) -> Progress:
        self.bar = bar(self.state.config.rounds, self.state.round, self.state.objective.kind)
        return self

    def update(self, *, samples: bool) -> None:
        """Call it once a round; ``samples`` asks for a new grid."""
        if samples:
            self.keep(Picture(grid(self.state.preview())))
        figures = self.state.history.figures
        losses = {name: f"{figures[name][-1]:.2f}" for name in self.state.objective.players}
        self.bar.set_postfix(losses, refresh=False)
        self.bar.update(1)

    def say_finished(self) -> None:
        """For a run that is resumed with nothing left to do: its last samples, and how to go on."""
        done, rounds = self.state.round, self.state.config.rounds
        print(f"already at {done} of {rounds} rounds; more with rounds={2 * done}", flush=True)
        self.keep(Picture(grid(self.state.preview())))

    def keep(self, samples: Picture) -> None:
        """Saves the sample grid; in a notebook the picture is exchanged in place."""
        self.folder.mkdir(parents=True, exist_ok=True)
        samples.save(self.folder / f"{self.state.round:07d}.png")
        if not self.live:
            return
        from IPython.display import display

        alt = f"Samples of {self.state.objective.kind} after {self.state.round} rounds"
        metadata = {"image/png": {"alt": alt}}
        if self.display is None:
            self.display = display(samples, metadata=metadata, display_id=True)
        else:
            self.display.update(samples, metadata=metadata)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()


def bar(total: int, done: int, title: str) -> Any:
    """tqdm's bar where tqdm is installed, else a line a minute."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return PlainBar(total, done, title)
    return tqdm(total=total, initial=done, desc=title, unit="round", delay=1, mininterval=0.5)


class PlainBar:
    """tqdm's three methods, a printed line every ``interval`` seconds."""

    interval = 60.0

    def __init__(self, total: int, done: int, title: str) -> None:
        self.total, self.done, self.title, self.losses = total, done, title, ""
        self.spoken = time.monotonic()

    def set_postfix(self, losses: dict[str, str], refresh: bool = False) -> None:
        self.losses = ", ".join(f"{name} {value}" for name, value in losses.items())

    def update(self, rounds: int) -> None:
        self.done += rounds
        if time.monotonic() - self.spoken > self.interval or self.done == self.total:
            self.spoken = time.monotonic()
            print(f"{self.title}: round {self.done}/{self.total}, {self.losses}", flush=True)

    def close(self) -> None:
        """Nothing to put away."""
