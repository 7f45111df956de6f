"""The training loop: one page, the same for every painter."""

from __future__ import annotations

from pathlib import Path

import torch

from course_lib.errors import CourseError
from course_lib.objective import Objective
from course_lib.scene import Source
from course_lib.training.device import pick_device
from course_lib.training.history import History
from course_lib.training.interrupt import Interrupt
from course_lib.training.order import batch_indices
from course_lib.training.progress import Progress
from course_lib.training.state import TrainingState
from course_lib.training.step import OptimiserStep

__all__ = ["train"]


def train(
    objective: Objective,
    source: Source,
    folder: str | Path,
    *,
    resume: bool = True,
    show: bool = True,
) -> History:
    """Plays ``objective`` on scenes of ``source`` until ``config.rounds`` rounds are played.

    Everything that the next round depends on is written to ``folder/last.safetensors``, so a run
    that was stopped goes on where it stood; sample grids go to ``folder/samples``, and the trained
    painter, which :func:`course_lib.load` opens, to ``folder/painter.safetensors``. An interrupt
    (Ctrl-C, the notebook's stop button) finishes the round, saves and returns.

    Args:
        objective: the game and its players.
        source: where scenes come from.
        folder: where the run lives.
        resume: go on from ``folder/last.safetensors`` if it is there; else start anew.
        show: say what happens, and in a notebook show the latest sample grid in place.

    Returns:
        The figures of all rounds so far, also those of the run that was resumed.

    Raises:
        CourseError: too few scenes, a checkpoint of another run, or a loss that is not finite.
    """
    config, folder = objective.config, Path(folder)
    if len(source) < config.batch_size:
        raise CourseError(
            f"{len(source)} scenes are fewer than batch_size {config.batch_size}: no batch",
            where=source.name,
            fix=f"batch_size={len(source)} or less",
        )
    device = pick_device(config.device)
    state = TrainingState(objective, device)
    if resume:
        state.resume(folder)
    step = OptimiserStep(state)

    with Interrupt() as interrupt, Progress(state, folder, show) as progress:
        if show and state.round >= config.rounds:
            progress.say_finished()
        while state.round < config.rounds and not interrupt.asked:
            indices = batch_indices(len(source), config.batch_size, config.seed, state.round)
            scenes = source.batch(indices).to(device)
            state.set_learning_rates()
            # No cache: D's weights change within the round, and G must play against the new ones.
            low = config.precision == "bf16"
            with torch.autocast(device.type, torch.bfloat16, enabled=low, cache_enabled=False):
                objective.round(scenes, step)
            state.finish_round(step.collect())

            last = state.round == config.rounds or interrupt.asked
            if last or state.round % config.save_every == 0:
                state.save(folder)
            progress.update(samples=last or state.round % config.sample_every == 0)

        if state.saved_round != state.round:  # an interrupt that came late in its round
            state.save(folder)
    state.save_painter(folder)
    return state.history
