"""One optimiser step of one player: what the loop lends to an objective."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.training.state import TrainingState

__all__ = ["OptimiserStep"]


class OptimiserStep:
    """``step("D", loss)``: gradients of D's parameters alone, a finite check, an Adam step."""

    def __init__(self, state: TrainingState) -> None:
        self.state = state
        self._figures: dict[str, Tensor] = {}

    @property
    def round(self) -> int:
        """How many rounds were played before this one."""
        return self.state.round

    def __call__(self, player: str, loss: Tensor, **figures: Tensor) -> None:
        if not loss.isfinite():
            raise CourseError(
                f"the loss of {player} is {loss.item()} in round {self.round + 1}",
                where=self.state.objective.kind,
                fix="a smaller learning rate; the last checkpoint is untouched",
            )
        optimiser = self.state.optimisers[player]
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.state.device.type, enabled=False):
            # `inputs` leaves the other player's weights without gradients: less work, and no leak.
            loss.backward(inputs=optimiser.param_groups[0]["params"])
            optimiser.step()
        self._figures |= {player: loss.detach()}
        self._figures |= {f"{player}.{name}": value.detach() for name, value in figures.items()}

    def collect(self) -> dict[str, float]:
        """The figures of this round as floats; forgets them."""
        figures = {name: value.item() for name, value in self._figures.items()}
        self._figures = {}
        return figures
