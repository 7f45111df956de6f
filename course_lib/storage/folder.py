"""A run's folder: what is kept in it, in which order it is trusted, and what goes first.

::

    last.safetensors, previous.safetensors   all that the next round depends on
    best.safetensors                         the painter with the highest score, if a score is kept
    milestones/0010000.safetensors           the painter after so many rounds
    painter.safetensors                      the painter that is done
    config.json                              what was trained: `course train --config` repeats it
    figures.jsonl                            losses and the like, a line for every round
    samples/, logs/                          what one looks at
    earlier/                                 the run that was here before, after a fresh start
    run.lock                                 who is writing

However long a run is, it leaves two checkpoints, a best painter, and one milestone every so many
rounds. Names and rounds say what is newer; the clock says nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from course_lib.errors import CourseError
from course_lib.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from course_lib.storage.disk import as_size, check_regular, free_bytes, remove_workshop
from course_lib.storage.lock import RunLock

__all__ = ["RunFolder"]

LAST, PREVIOUS = "last.safetensors", "previous.safetensors"
BEST, PAINTER = "best.safetensors", "painter.safetensors"
FIGURES, CONFIG = "figures.jsonl", "config.json"
FILES = (LAST, PREVIOUS, BEST, PAINTER, FIGURES, CONFIG)
FOLDERS = ("milestones", "samples", "logs")
EARLIER = "earlier"


class RunFolder:
    """The files of one run. Inside its ``with`` block nobody else writes them.

    Args:
        path: the folder, which need not be there yet.
        writes: whether this process does; of several that train together, one does.

    Raises:
        CourseError: on entering, if another process holds the folder, nothing can be written
            there, or something that is no plain file bears the name of one.
    """

    def __init__(self, path: str | Path, *, writes: bool = True) -> None:
        self.path, self.writes = Path(path), writes
        self.lock = RunLock(self.path)

    def __enter__(self) -> RunFolder:
        if not self.writes:
            return self
        for name in FILES:
            check_regular(self.path / name)
        self.lock.take()
        for workshop in self.path.rglob("*.part"):  # of a process that was killed while it wrote
            remove_workshop(workshop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lock.release()

    # --- out ---

    def save(self, state: Checkpoint) -> None:
        """The state of a run as the last one; the last becomes the previous."""
        self._write(LAST, state, keep=self.path / PREVIOUS)
        self.lock.beat()

    def save_painter(self, painter: Checkpoint) -> None:
        """The painter that is done."""
        self._write(PAINTER, painter)

    def save_config(self, config: Mapping[str, Any]) -> None:
        """All settings, as text that people read, too."""
        if self.writes:
            text = json.dumps(config, indent=2) + "\n"
            (self.path / CONFIG).write_text(text, encoding="utf-8")

    def save_milestone(self, milestone: Checkpoint) -> None:
        """A painter, or a whole state, that stays for good."""
        self._write(f"milestones/{milestone.header['round']:07d}.safetensors", milestone)

    def save_best(self, painter: Checkpoint, score: float) -> None:
        """Keeps a painter if its score (higher is better) is above that of the best so far."""
        if score > self._best_score():
            self._write(BEST, Checkpoint({**painter.header, "score": score}, painter.tensors))

    def _best_score(self) -> float:
        try:
            return read_checkpoint(self.path / BEST).header["score"]
        except CourseError:  # none yet, or a damaged one, which is no rival
            return float("-inf")

    def _write(self, name: str, checkpoint: Checkpoint, *, keep: Path | None = None) -> None:
        if self.writes:
            self.make_room(checkpoint.size)
            write_checkpoint(self.path / name, checkpoint, keep=keep)

    # --- in ---

    def choose(self, resume: bool | str | Path) -> Checkpoint | None:
        """The state to begin with: the newest (True), that of a path, or none (False).

        Without a state to go on from, whatever lies here is moved to ``earlier/``.

        Args:
            resume: a path may be a checkpoint of any run, or another run's folder.

        Raises:
            CourseError: nothing readable there, or a path is given although this folder holds a
                later state, which would be lost.
        """
        if resume is False:
            self._set_aside()
            return None
        if resume is True:
            return self.newest()
        chosen = _state_at(Path(resume))
        own, there = self._newest_round(), chosen.header["round"]
        if own > there:
            raise CourseError(
                f"this folder holds a run at round {own}, and {resume} is at round {there}: to go "
                "on from there would overwrite it",
                where=str(self.path),
                fix="another folder: --out on the command line; or go on without --resume",
            )
        return chosen

    def _newest_round(self) -> int:
        """The round of the newest state here; -1 if there is none that can be read."""
        with suppress(CourseError):
            state = self.newest()
            return state.header["round"] if state else -1
        return -1

    def newest(self) -> Checkpoint | None:
        """The last state that can be read; None if there is none at all.

        If the last one is damaged the previous one is taken, which is said.

        Raises:
            CourseError: there are states, and none can be read.
        """
        damaged: list[tuple[Path, CourseError]] = []
        for path in (self.path / LAST, self.path / PREVIOUS):
            if not path.exists():
                continue
            try:
                state = read_checkpoint(path)
            except CourseError as error:
                damaged.append((path, error))
                continue
            self._leave_behind(damaged, path, state)
            return state
        if damaged:
            raise CourseError(
                "; ".join(f"{path.name}: {error.what}" for path, error in damaged),
                where=str(self.path),
                fix="begin anew (resume=False, --fresh), or --resume with a milestone",
            )
        return None

    def _leave_behind(
        self, damaged: list[tuple[Path, CourseError]], path: Path, state: Checkpoint
    ) -> None:
        """Says that a damaged file is passed over, and moves it out of the way of the good one."""
        for bad, error in damaged:
            print(
                f"{bad}: {error.what}; going on from {path.name}, round {state.header['round']}",
                flush=True,
            )
            if self.writes:
                os.replace(bad, bad.with_suffix(".damaged"))

    def _set_aside(self) -> None:
        """Moves an earlier run's files to ``earlier/``, in place of what was there."""
        found = [self.path / name for name in FILES + FOLDERS if (self.path / name).exists()]
        if not found or not self.writes:
            return
        earlier = self.path / EARLIER
        shutil.rmtree(earlier, ignore_errors=True)
        earlier.mkdir()
        for path in found:
            os.replace(path, earlier / path.name)
        print(f"a new run; the one that was here is now in {earlier}", flush=True)

    # --- room ---

    def make_room(self, needed: int) -> None:
        """Sees that twice the ``needed`` bytes are free: if not, what can be spared goes.

        In this order: an earlier run, logs, samples, milestones, the oldest first; announced.
        Checkpoints, the best and the finished painter are never touched.

        Raises:
            CourseError: even then there is not enough room.
        """
        removed: list[str] = []
        before = free_bytes(self.path)
        for path in self._spare():
            if free_bytes(self.path) >= 2 * needed:
                break
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
            removed.append(str(path.relative_to(self.path)))
        free = free_bytes(self.path)
        if removed:
            names = ", ".join(removed[:3]) + (", ..." if len(removed) > 3 else "")
            print(
                f"{self.path}: only {as_size(before)} were free, so {len(removed)} old files were "
                f"removed ({names}); now {as_size(free)} are",
                flush=True,
            )
        if free < needed:
            raise CourseError(
                f"{as_size(needed)} are needed, {as_size(free)} are free; what was saved before "
                "is unchanged",
                where=str(self.path),
                fix="remove what is not needed there, or choose a folder on another disk",
            )

    def _spare(self) -> Iterator[Path]:
        """What a run can do without, the least precious first; the newest of each kind stays."""
        if (self.path / EARLIER).is_dir():
            yield self.path / EARLIER
        for name in ("logs", "samples", "milestones"):
            yield from sorted(p for p in (self.path / name).rglob("*") if p.is_file())[:-1]


def _state_at(path: Path) -> Checkpoint:
    """The state of a training in a file, or the newest one of a run's folder."""
    state = RunFolder(path, writes=False).newest() if path.is_dir() else read_checkpoint(path)
    if state is None:
        raise CourseError(f"there is no {LAST} in this folder", where=str(path))
    if "random/cpu" not in state.tensors:
        raise CourseError(
            "this is a painter, from which one samples; a training goes on from a whole state",
            where=str(path),
            fix=f"{LAST} of its run; with keep=full, milestones are whole states",
        )
    return state
