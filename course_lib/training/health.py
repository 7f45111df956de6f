"""Is the game still a game? Says in words when it goes wrong, and what one can do about it.

Every wing has it for free: ``step`` notes the length of each player's gradient, the objective hands
it the ``accuracy`` of telling real from fake, and the preview shows how much samples differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean, median

import torch
from torch import Tensor

from course_lib.training.history import History

__all__ = ["Health", "diversity"]

WINDOW = 200  # rounds in which something holds before it is said; GANs recover from less
USUAL = 2000  # rounds of which the median says what is usual
STILL = 1e-6  # length of a gradient below which Adam, with its epsilon of 1e-8, hardly moves
ALIKE = 0.2  # of the diversity that the samples once had

WINS = (
    "{} has told real from fake without an error for {} rounds: there is little that G can learn "
    "from it. What helps: a smaller learning rate for {}, R1 or spectral norm, augmentation"
)
VANISHED = (
    "the gradients of {} have nearly vanished: it stands still. What helps: another loss "
    "(non_saturating, hinge), or an opponent that is less sure (R1, a smaller learning rate)"
)
EXPLODED = (
    "the gradients of {} are a hundred times longer than usual. What helps: a smaller learning "
    "rate, spectral norm or R1; precision=fp32"
)
COLLAPSED = (
    "the samples have become nearly the same picture (mode collapse). What helps: going back to a "
    "checkpoint before it, then smaller learning rates, R1 or spectral norm, larger batches"
)


class Health:
    """Looks at the history every few rounds, and at sample grids when there are some."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._said: set[str] = set()  # what goes wrong now, and is known
        self._best, self._alike = 0.0, 0  # the largest diversity so far; grids below ALIKE of it

    def news(self, pictures: Tensor | None = None) -> list[str]:
        """What is to be said after this round: each trouble once, until it is over."""
        signs: dict[str, bool] = {}
        if pictures is not None and len(pictures) > 1:
            signs[COLLAPSED] = self._collapsed(diversity(pictures))
        if len(self.history) >= WINDOW and self.history.rounds[-1] % (WINDOW // 4) == 0:
            signs |= self._in_figures()
        new = [words for words, holds in signs.items() if holds and words not in self._said]
        self._said = {w for w in self._said if signs.get(w, True)} | set(new)
        return new

    def _collapsed(self, now: float) -> bool:
        self._best = max(self._best, now)
        self._alike = self._alike + 1 if now < ALIKE * self._best else 0
        return self._alike >= 2  # one grid may be bad luck

    def _in_figures(self) -> Mapping[str, bool]:
        signs = {}
        for name, column in self.history.figures.items():
            player, _, what = name.rpartition(".")
            if what == "accuracy":
                signs[WINS.format(player, WINDOW, player)] = fmean(column[-WINDOW:]) > 0.999
            if what == "gradient":
                now, usual = median(column[-WINDOW:]), median(column[-USUAL:])
                signs[VANISHED.format(player)] = now < max(STILL, usual / 1000)
                signs[EXPLODED.format(player)] = now > 100 * usual
        return signs


def diversity(pictures: Tensor) -> float:
    """How far each picture is from the one most like it, on average: 0 if all have a twin.

    Pictures that repeat a few patterns score low, too, where a mean over all pairs would not.
    """
    flat = pictures.flatten(1).float()
    distances = torch.cdist(flat, flat).fill_diagonal_(torch.inf)  # [N, N]
    return distances.amin(dim=1).mean().item()
