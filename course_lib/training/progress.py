"""What one sees of a run: a bar, sample grids, in a notebook a grid that grows in place; figures.

Of several processes that share a training, the first one shows and writes.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from course_lib.devices.processes import is_first
from course_lib.memory import peak_memory
from course_lib.painter import Picture, grid
from course_lib.storage.disk import as_size
from course_lib.storage.tracking import Tracking
from course_lib.training.health import Health
from course_lib.training.state import TrainingState

__all__ = ["Progress"]


class Progress:
    """Shows round, time left and losses; keeps sample grids under ``folder/samples``."""

    def __init__(self, state: TrainingState, folder: Path, show: bool) -> None:
        self.state, self.folder = state, folder / "samples"
        self.live = show and "ipykernel" in sys.modules
        self.display: Any = None  # the picture in the notebook, once there is one

    def __enter__(self) -> Progress:
        state, first = self.state, is_first()
        if state.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(state.device)
        settings, kind = asdict(state.config), state.objective.kind
        self.tracking = Tracking(self.folder.parent, kind, settings, state.round, writes=first)
        self.bar = (bar if first else PlainBar)(state.config.rounds, state.round, kind)
        self.began, self.health = time.perf_counter(), Health(state.history)
        return self

    def update(self, *, samples: bool) -> None:
        """Call it once a round; ``samples`` asks for a new grid."""
        figures = {name: column[-1] for name, column in self.state.history.figures.items()}
        players = self.state.objective.players  # of whom one may not have stepped yet
        losses = {name: f"{figures[name]:.2f}" for name in players if name in figures}
        self.bar.set_postfix(losses, refresh=False)
        self.bar.update(1)
        self.tracking.note(self.state.round, figures | self._machine())
        pictures = self.state.preview() if samples and is_first() else None
        if pictures is not None:
            self.keep(Picture(grid(pictures)))
        for words in self.health.news(pictures):
            self.bar.write(f"round {self.state.round}: {words}")
            self.tracking.note(self.state.round, {"health": words})

    def _machine(self) -> dict[str, float]:
        """How fast the round was, of all processes together, and this one's memory so far."""
        now = time.perf_counter()
        speed, self.began = self.state.config.batch_size / (now - self.began), now
        peak = peak_memory(self.state.device) / 1e9
        return {"scenes_per_second": round(speed, 1), "memory_gb": round(peak, 3)}

    def say_finished(self) -> None:
        """For a run that is resumed with nothing left to do: its last samples, and how to go on."""
        done, rounds = self.state.round, self.state.config.rounds
        print(f"already at {done} of {rounds} rounds; more with rounds={2 * done}", flush=True)
        if is_first():
            self.keep(Picture(grid(self.state.preview())))

    def keep(self, samples: Picture) -> None:
        """Saves the sample grid; in a notebook the picture is exchanged in place."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = samples.save(self.folder / f"{self.state.round:07d}.png")
        self.tracking.note(self.state.round, {"samples": path})
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
        self.tracking.close()
        device, peak = self.state.device, peak_memory(self.state.device)
        if kind is None and peak and (self.state.config.memory or device.type == "cuda"):
            what = "tensors took" if device.type == "cuda" else "this process took"
            print(f"memory: {what} {as_size(peak)} at most", flush=True)


def bar(total: int, done: int, title: str) -> Any:
    """tqdm's bar where tqdm is installed, else a line a minute."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return PlainBar(total, done, title)
    return tqdm(total=total, initial=done, desc=title, unit="round", delay=1, mininterval=0.5)


class PlainBar:
    """tqdm's four methods, a printed line every ``interval`` seconds."""

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

    def write(self, words: str) -> None:
        print(words, flush=True)

    def close(self) -> None:
        """Nothing to put away."""
