"""The figures of a run, and their picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from course_lib.errors import CourseError, suggestion

__all__ = ["History"]


@dataclass
class History:
    """The figures of a run, a column each: plain floats, never tensors with a graph.

    ``history["D"]`` and ``history["G"]`` are the players' losses, a value for each of
    ``history.rounds``, or the last of them where a player joins late; further columns are what the
    objective handed to ``step``.
    """

    rounds: list[int] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, round: int, figures: Mapping[str, float]) -> None:
        """Notes the figures of one round; those of a player that joins late are missing before."""
        self.rounds.append(round)
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)

    def __len__(self) -> int:
        return len(self.rounds)

    def __getitem__(self, name: str) -> list[float]:
        return self.figures[name]

    def plot(self, *names: str, smooth: int = 50) -> Any:
        """Draws the named figures (default: the losses D and G) as a matplotlib figure.

        Thin lines are single rounds, thick ones the mean of ``smooth`` rounds.

        Raises:
            CourseError: no round has been played, or there is no such figure.
        """
        for name in names or ("D", "G"):
            if name not in self.figures:
                known = suggestion(name, self.figures) if self.figures else "no round was played"
                raise CourseError(f"there is no figure {name!r} to plot; {known}", where="history")
        import matplotlib.pyplot  # noqa: F401  (so that a notebook knows how to show figures)
        import numpy as np
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 2.6), dpi=80, layout="constrained")
        axes = figure.add_subplot(xlabel="round")
        for name in names or ("D", "G"):
            values = np.asarray(self[name])
            rounds, window = self.rounds[-len(values) :], max(1, min(smooth, len(values) // 4))
            (line,) = axes.plot(rounds, values, alpha=0.25, linewidth=0.5)
            means = np.convolve(values, np.ones(window) / window, mode="valid")
            axes.plot(rounds[window - 1 :], means, color=line.get_color(), label=name)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        return figure
