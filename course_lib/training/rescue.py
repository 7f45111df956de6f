"""When a round fails: back to the last good state, and a message that helps."""

from __future__ import annotations

import contextlib
import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from course_lib.devices.processes import is_first
from course_lib.errors import CourseError
from course_lib.memory.need import estimate_memory
from course_lib.memory.plan import free_memory, is_out_of_memory, release
from course_lib.objective import share
from course_lib.storage.disk import as_size
from course_lib.storage.folder import RunFolder
from course_lib.training.loading import SceneLoader
from course_lib.training.state import TrainingState
from course_lib.training.step import NotFinite

__all__ = ["rescue"]


@contextmanager
def rescue(state: TrainingState, run: RunFolder, loader: SceneLoader) -> Iterator[None]:
    """Beside the loop: a NaN, or too little memory, ends the run in the state that was last saved.

    Batch norm and spectral norm note NaN in the forward pass already, before any check could see
    it. So networks, optimisers and buffers come back from the checkpoint: a copy kept in memory
    would be another one of them all, in every round. Gradients go with the end of the run.
    """
    try:
        yield
    except NotFinite as error:
        found = _write_bad_batch(error, state, run, loader)
        _roll_back(state, run)
        raise _not_finite(error, state, found) from None
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold the tensors of the round
        error.__traceback__ = None
        _roll_back(state, run)
        raise _too_little_memory(error, state, loader) from None
    finally:
        for player in state.objective.players.values():
            player.module.zero_grad(set_to_none=True)
        release(state.device)


def _roll_back(state: TrainingState, run: RunFolder) -> None:
    """Takes the networks back to the last checkpoint; from it the rest comes when it goes on."""
    state.optimisers.clear()  # a notebook keeps the frames of an error, and what they hold
    state.averages.clear()
    release(state.device)
    saved = run.newest()
    if saved is not None:
        state.restore(saved)


def _write_bad_batch(
    error: NotFinite, state: TrainingState, run: RunFolder, loader: SceneLoader
) -> str:
    """Keeps what is needed to look at the batch; returns it in a few words."""
    indices = loader.scenes.indices(state.round).tolist()
    rates = {name: o.param_groups[0]["lr"] for name, o in state.optimisers.items()}
    where = getattr(loader.scenes.source, "where", None)
    report = {
        "what": error.what,
        "round": state.round + 1,
        "learning_rates": rates,
        "source": loader.scenes.source.name,
        "scenes": indices,
        "files": [str(where(index)) for index in indices] if where else [],
    }
    path = run.path / "bad_batch.json"
    if is_first():
        path.write_text(json.dumps(report, indent=1), "utf-8")
    spoken = ", ".join(f"{name} {rate:.3g}" for name, rate in rates.items())
    few = ", ".join(map(str, indices[:8])) + ", ..." * (len(indices) > 8)
    return f"learning rates: {spoken}; scenes of the batch: {few} (all in {path})"


def _not_finite(error: NotFinite, state: TrainingState, found: str) -> CourseError:
    return CourseError(
        f"{error.what}; {found}. Nothing of it was saved: networks, optimisers and buffers are "
        f"those of round {state.round} again",
        where=state.objective.kind,
        fix="go on with smaller learning rates; precision=fp32; or look for NaN in those scenes",
    )


def _too_little_memory(
    error: BaseException, state: TrainingState, loader: SceneLoader
) -> CourseError:
    """Says what is needed, what is free, and what fits, as far as a small round can be played."""
    scenes, free = state.config.batch_size // share()[1], free_memory(state.device)
    now = scenes // state.config.accumulate
    what = f"too little memory for {now} scenes at a time on {state.device}"
    fix = f"batch_size={max(1, scenes // 2)}, or checkpointing=True, or memory=4GB"
    with contextlib.suppress(Exception):
        need = estimate_memory(state.objective, loader.scenes.source)
        fitting = next(n for n in range(now - 1, 0, -1) if scenes % n == 0 and need.at(n) <= free)
        what += f": about {as_size(need.at(now))} are needed, {as_size(free)} are free"
        fix = (
            f"accumulate={scenes // fitting} plays the batch in parts of {fitting} "
            f"({as_size(need.at(fitting))}), and the run goes on; or checkpointing=True; or a "
            f"new run with a smaller batch_size"
        )
    return CourseError(
        f"{what}. The state of round {state.round} is saved",
        where=state.objective.kind,
        fix=fix,
    )
