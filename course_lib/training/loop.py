"""The training loop: one page, the same for every painter."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from course_lib.devices.processes import any_of, is_first, join, part_of
from course_lib.memory.plan import check_batch, plan_memory
from course_lib.memory.spare import squeezed
from course_lib.objective import Objective
from course_lib.scene import Source
from course_lib.storage.folder import RunFolder
from course_lib.training.history import History
from course_lib.training.interrupt import Interrupt
from course_lib.training.loading import SceneLoader
from course_lib.training.progress import Progress
from course_lib.training.rescue import rescue
from course_lib.training.state import Score, TrainingState
from course_lib.training.step import OptimiserStep

__all__ = ["train"]


def train(
    objective: Objective,
    source: Source,
    folder: str | Path,
    *,
    resume: bool | str | Path = True,
    score: Score | None = None,
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
        resume: go on from ``folder/last.safetensors`` if it is there (True), from another
            checkpoint or another run's folder (a path), or begin anew (False).
        score: how good the painter is, from the modules to sample with; higher is better. Asked at
            every save; the best painter is kept as ``folder/best.safetensors``.
        show: say what happens, and in a notebook show the latest sample grid in place.

    Returns:
        The figures of all rounds so far, also those of the run that was resumed.

    Raises:
        CourseError: too few scenes, a checkpoint of another run, or a loss that is not finite.
    """
    device, folder = join(objective), Path(folder)
    objective.prepare(source)
    config = objective.config = plan_memory(objective, source, device)
    check_batch(objective)
    loader = SceneLoader(source, config, device, part_of(config.batch_size))
    state = TrainingState(objective, device)
    step = OptimiserStep(state)

    with RunFolder(folder, writes=is_first()) as run, closing(loader), rescue(state, run, loader):
        state.begin(run, source, resume)
        with (
            Interrupt() as interrupt,
            Progress(state, folder, show) as progress,
            squeezed(objective, config),
        ):
            if show and state.round >= config.rounds:
                progress.say_finished()
            while state.round < config.rounds and not any_of(interrupt.asked):
                scenes = loader.round(state.round).to(device)
                state.set_learning_rates()
                state.finish_round(step.play(scenes))

                last = state.round == config.rounds or interrupt.asked
                if last or state.save_is_due():
                    state.save(run, score)
                state.keep_milestone(run)
                progress.update(samples=last or state.round % config.sample_every == 0)

            if state.saved_round != state.round:  # an interrupt that came late in its round
                state.save(run, score)
            run.save_painter(state.painter())
    return state.history
