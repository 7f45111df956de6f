"""One round of the game: what the loop lends to an objective, and what it checks."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from course_lib.devices.processes import average, average_gradients
from course_lib.errors import CourseError
from course_lib.memory.spare import in_precision
from course_lib.scene import SceneBatch
from course_lib.storage import randomness
from course_lib.training.state import TrainingState

__all__ = ["NotFinite", "OptimiserStep"]


class NotFinite(CourseError):
    """A loss or a gradient is NaN or infinite. Nobody has moved because of it."""


class TurnIsOver(Exception):
    """A player has its gradients of one part of the batch; the part is played no further."""


class OptimiserStep:
    """``step("D", loss)``: gradients of D's parameters alone, a finite check, an Adam step.

    A batch may be played in ``parts``, one after the other, which needs less memory: D collects the
    gradients of all parts and moves, then G does, against the D that has moved. For G's turn each
    part is played again from its beginning, with the same noise. Where losses are means over
    pictures, the gradients are those of the whole batch; batch norm sees one part at a time, and
    spectral norm's power iteration goes one step further whenever a part is played.
    """

    def __init__(self, state: TrainingState) -> None:
        self.state, self.parts = state, state.config.accumulate
        self._part = 0  # which part is being played
        self._moved: list[str] = []  # who has moved in this round, where it is played in parts
        self._figures: dict[str, Tensor] = {}

    @property
    def round(self) -> int:
        """How many rounds were played before this one."""
        return self.state.round

    def play(self, scenes: SceneBatch) -> dict[str, float]:
        """Plays one round of the game with these scenes; returns its figures.

        Raises:
            NotFinite: the loss or the gradient of a player.
        """
        with in_precision(self.state.device, self.state.config.precision):
            if self.parts == 1:
                self.state.objective.round(scenes, self)
            else:
                self._play_in_parts(scenes)
        return self.collect()

    def __call__(self, player: str, loss: Tensor, **figures: Tensor) -> None:
        if player in self._moved:
            return
        optimiser = self.state.optimisers[player]
        if self._part == 0:
            optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.state.device.type, enabled=False):
            # `inputs` leaves the other player's weights without gradients: less work, and no leak.
            # In float32: a mean of fp16 logits is fp16, which cannot hold the scale itself.
            scaled = self.state.scalers[player].scale(loss.float() / self.parts)
            scaled.backward(inputs=optimiser.param_groups[0]["params"])
        self._note({player: loss} | {f"{player}.{name}": v for name, v in figures.items()})
        if self._part < self.parts - 1:
            raise TurnIsOver
        self._move(player)

    def _move(self, player: str) -> None:
        """An Adam step with the gradients that were collected, if all numbers are finite."""
        optimiser, scaler = self.state.optimisers[player], self.state.scalers[player]
        parameters = optimiser.param_groups[0]["params"]
        average_gradients(parameters)
        scaler.unscale_(optimiser)  # fp16 only, like the scaler itself
        norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
        self._check_finite(player, norm)
        scaler.step(optimiser)
        scaler.update()
        self._figures[f"{player}.gradient"] = norm.nan_to_num(0, 0)  # 0: fp16 left this step out
        if self.parts > 1:
            self._moved.append(player)
            raise TurnIsOver

    def _check_finite(self, player: str, norm: Tensor) -> None:
        loss, scaler = self._figures[player], self.state.scalers[player]
        # One look at both, since a GPU waits for every look. fp16 steps over infinite gradients.
        fine = bool(loss.isfinite() & (norm.isfinite() | scaler.is_enabled()))
        if fine and scaler.get_scale() >= 1:
            return
        what = f"the loss of {player} is {loss.item()}"
        if loss.isfinite():
            what = (
                f"the gradient of {player} is {norm.item()}, though its loss is {loss.item():.3g},"
            )
        raise NotFinite(f"{what} in round {self.round + 1}", where=self.state.objective.kind)

    def _play_in_parts(self, scenes: SceneBatch) -> None:
        size, state = len(scenes) // self.parts, self.state
        seeds = torch.randint(2**32, (self.parts,)).tolist()  # of each part's noise
        turns = len(state.objective.players)
        with randomness.untouched(state.device):
            for _, part in itertools.product(range(turns), range(self.parts)):
                self._part = part
                randomness.seed_all(seeds[part])
                with contextlib.suppress(TurnIsOver):
                    state.objective.round(scenes[part * size : (part + 1) * size], self)
        self._part, self._moved = 0, []

    def _note(self, figures: Mapping[str, Tensor]) -> None:
        for name, value in figures.items():
            before = self._figures[name] if self._part else 0.0
            self._figures[name] = before + value.detach() / self.parts

    def collect(self) -> dict[str, float]:
        """The figures of this round as floats; forgets them."""
        values = torch.stack([value.float() for value in self._figures.values()])
        average([values])
        figures = dict(zip(self._figures, values.tolist(), strict=True))
        self._figures = {}
        return figures
