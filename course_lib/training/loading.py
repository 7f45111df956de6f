"""Reads the scenes of each round; where a GPU would wait for them, in workers, ahead of time.

What a round sees is a function of its number, so a run can be resumed at any round, and any number
of workers reads the same pictures to the bit: a worker reads whole rounds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from course_lib.errors import CourseError
from course_lib.objective import TrainConfig
from course_lib.scene import SceneBatch, Source
from course_lib.training.order import batch_indices, chance_of, epoch_length

__all__ = ["SceneLoader", "pick_workers"]

MOST_WORKERS = 4  # a few feed a GPU, and each needs the memory of a Python with torch
Loaded = SceneBatch | CourseError


class SceneLoader:
    """``loader.round(7)``: the scenes of round 7, while workers read those of the next rounds.

    Args:
        source: where scenes come from.
        config: its ``batch_size``, ``seed``, ``rounds`` and ``workers`` count here.
        device: where the scenes go, which decides what ``workers="auto"`` means.
        share: the part of every batch that this process reads, where several train together.

    Raises:
        CourseError: fewer scenes than a batch has.
    """

    def __init__(
        self, source: Source, config: TrainConfig, device: torch.device, share: slice | None = None
    ) -> None:
        self.scenes = Rounds(source, config.batch_size, config.seed, share or slice(None))
        if not epoch_length(self.scenes.kinds, config.batch_size):
            raise CourseError(
                f"{len(source)} scenes are fewer than batch_size {config.batch_size}: no batch",
                where=source.name,
                fix=f"batch_size={len(source)} or less",
            )
        self.rounds, self.workers = config.rounds, pick_workers(config.workers, source, device)
        self._expected = -1  # the round that `_coming` yields next
        self._coming: Iterator[Loaded] = iter(())

    def round(self, number: int) -> SceneBatch:
        """The scenes of that round, on the CPU.

        Raises:
            CourseError: a scene that cannot be read, with its file and index; or a dead worker.
        """
        try:
            if number != self._expected:
                self._coming = self._read_from(number)
            loaded = next(self._coming)
        except Exception as error:  # a lost worker shows as a timeout, a broken pipe, a lost file
            if not self.workers:
                raise
            raise self._lost_worker(number, error) from error
        if isinstance(loaded, CourseError):
            raise loaded
        self._expected = number + 1 if number + 1 < self.rounds else -1
        return loaded

    def close(self) -> None:
        """Sends the workers home."""
        self._expected, self._coming = -1, iter(())

    def _read_from(self, number: int) -> Iterator[Loaded]:
        """All rounds from ``number`` on; torch's loader hands them out in this order."""
        loader = DataLoader(
            self.scenes,
            batch_size=None,  # an item is a batch already
            sampler=range(number, max(self.rounds, number + 1)),
            num_workers=self.workers,
            multiprocessing_context=worker_context() if self.workers else None,
            worker_init_fn=serve_the_loop,
            generator=torch.Generator(),  # else torch would draw from the noise's random numbers
        )
        return iter(loader)

    def _lost_worker(self, number: int, error: Exception) -> CourseError:
        indices = self.scenes.indices(number).tolist()
        return CourseError(
            f"a worker that reads scenes was lost before round {number + 1} (scenes "
            f"{', '.join(map(str, indices[:8]))}{', ...' * (len(indices) > 8)}): {error}",
            where=self.scenes.source.name,
            fix="workers=0 reads in this process and shows the reason: too little memory, a file "
            "on which the decoder crashes, a class of scenes from a notebook's cell, or a script "
            "without `if __name__ == '__main__':`. The last checkpoint is untouched",
        )


@dataclass(frozen=True)
class Rounds(Dataset[Loaded]):
    """The rounds as a data set in torch's sense: item 7 is the batch of round 7."""

    source: Source
    batch_size: int
    seed: int
    share: slice

    @property
    def kinds(self) -> int | torch.Tensor:
        """How many scenes there are; of a source that wants batches of one group, the groups."""
        groups: torch.Tensor | None = getattr(self.source, "groups", None)
        return len(self.source) if groups is None else groups

    def indices(self, number: int) -> torch.Tensor:
        """Which scenes of the source this process reads for that round."""
        return batch_indices(self.kinds, self.batch_size, self.seed, number)[self.share]

    def __getitem__(self, number: int) -> Loaded:
        """The batch, or what went wrong: torch would rebuild an error without its file and mend."""
        try:
            return self.read(number)
        except CourseError as error:
            return error
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            wrapped = CourseError(
                f"the scenes {self.indices(number).tolist()} of round {number + 1} could not be "
                f"read: {type(error).__name__}: {error} ({frame.filename}, line {frame.lineno})",
                where=self.source.name,
            )
            wrapped.__cause__ = error
            return wrapped

    def read(self, number: int) -> SceneBatch:
        indices = self.indices(number)
        if not hasattr(self.source, "varied"):
            return self.source.batch(indices)
        epoch = number // epoch_length(self.kinds, self.batch_size)
        chances = [chance_of(self.seed, epoch, index) for index in indices.tolist()]
        return self.source.varied(indices, chances)


def pick_workers(wanted: int | str, source: Source, device: torch.device) -> int:
    """``auto`` takes none in a notebook, for scenes in memory, and where the CPU itself trains."""
    if wanted != "auto":
        return int(wanted)
    notebook = "ipykernel" in sys.modules or hasattr(sys, "ps1")
    if notebook or device.type == "cpu" or getattr(source, "in_memory", False):
        return 0
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's, on this machine
    return max(1, min(MOST_WORKERS, (os.cpu_count() or 1) // processes - 1))


def worker_context() -> multiprocessing.context.BaseContext:
    """How workers begin: forked from a server that did nothing but import, or spawned.

    A fork of this process itself would inherit its threads' locks, and may hang.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "course_lib.scene"])
    return context


def serve_the_loop(worker: int) -> None:
    """A worker works while the loop does: signals to the whole group are left to the loop.

    Torch's workers watch the process that began them. Here that is the server, and both would wait
    for ever for a training that was killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_loop, daemon=True).start()


def _end_with_the_loop() -> None:
    if (loop := multiprocessing.parent_process()) is not None:
        loop.join()
        os._exit(1)
