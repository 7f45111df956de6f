"""When a round fails: back to the last good state, and a message that helps."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from course_lib.devices.processes import is_first
from course_lib.errors import CourseError
from course_lib.memory.plan import is_out_of_memory, release, too_little_memory
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
        raise too_little_memory(state.objective, loader.scenes.source, state.round) from None
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
