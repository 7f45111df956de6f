"""A run's folder: what is kept and trusted, who may write, and what goes when room is short."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.storage import folder as module
from course_lib.storage.checkpoint import Checkpoint, read_checkpoint
from course_lib.storage.folder import RunFolder

WHOLE = {"player/G/w": torch.arange(2000.0), "random/cpu": torch.get_rng_state()}


def state(number: int) -> Checkpoint:
    return Checkpoint({"kind": "toy", "round": number}, dict(WHOLE))


def painter(number: int) -> Checkpoint:
    return Checkpoint({"kind": "toy", "round": number}, {"G/w": torch.full((2000,), float(number))})


def saved(path: Path, *rounds: int) -> RunFolder:
    with RunFolder(path) as run:
        for number in rounds:
            run.save(state(number))
    return run


def files(path: Path) -> list[str]:
    return sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())


def flip(path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 4
    path.write_bytes(damaged)


# --- what is kept, and which is trusted ---


def test_30_saves_leave_two_checkpoints(tmp_path: Path) -> None:
    """R10: disk use is bounded."""
    saved(tmp_path, *range(1, 31))
    assert files(tmp_path) == ["last.safetensors", "previous.safetensors"]
    assert read_checkpoint(tmp_path / "last.safetensors").header["round"] == 30
    assert read_checkpoint(tmp_path / "previous.safetensors").header["round"] == 29


def test_the_clock_does_not_say_what_is_newer(tmp_path: Path) -> None:
    """B74: a clock that jumped back, and two saves in one second."""
    run = saved(tmp_path, 1, 2, 3)
    os.utime(tmp_path / "last.safetensors", (0, 0))
    assert run.newest().header["round"] == 3


@pytest.mark.parametrize("part", range(17))
def test_a_damaged_last_one_falls_back_to_the_previous_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], part: int
) -> None:
    """R4: cut at every sixteenth; the seventeenth is a flipped bit."""
    saved(tmp_path, 4, 8)
    last = tmp_path / "last.safetensors"
    if part == 16:
        flip(last)
    else:
        os.truncate(last, last.stat().st_size * part // 16)
    with RunFolder(tmp_path) as run:
        assert run.choose(True).header["round"] == 4
        said = capsys.readouterr().out
        assert "last.safetensors" in said and "going on from previous.safetensors, round 4" in said
        run.save(state(6))  # the good one must not be thrown out by the damaged one
    assert read_checkpoint(tmp_path / "previous.safetensors").header["round"] == 4
    assert read_checkpoint(last).header["round"] == 6
    assert (tmp_path / "last.damaged").exists()


def test_the_good_one_survives_a_kill_while_the_last_one_is_damaged(tmp_path: Path) -> None:
    saved(tmp_path, 4, 8)
    flip(tmp_path / "last.safetensors")
    with RunFolder(tmp_path) as run:
        run.choose(True)
    assert RunFolder(tmp_path).newest().header["round"] == 4


def test_two_damaged_ones_are_both_named(tmp_path: Path) -> None:
    run = saved(tmp_path, 4, 8)
    flip(tmp_path / "last.safetensors")
    (tmp_path / "previous.safetensors").write_text("<html>")
    with pytest.raises(CourseError) as caught:
        run.newest()
    for words in ("digest does not fit", "a web page", "--fresh", "--resume with a milestone"):
        assert words in str(caught.value)
    with RunFolder(tmp_path / "other") as other:
        other.save_milestone(state(6))
    milestone = tmp_path / "other" / "milestones" / "0000006.safetensors"
    assert run.choose(milestone).header["round"] == 6


def test_an_empty_folder_has_no_state(tmp_path: Path) -> None:
    assert RunFolder(tmp_path / "nothing").newest() is None


def test_the_best_painter_is_kept_also_after_going_on(tmp_path: Path) -> None:
    for number, score in [(1, 0.2), (2, 0.7), (3, 0.4), (4, 0.7), (5, float("nan"))]:
        with RunFolder(tmp_path) as run:
            run.save_best(painter(number), score)
    best = read_checkpoint(tmp_path / "best.safetensors")
    assert best.header["round"] == 2 and best.header["score"] == 0.7


def test_milestones_stay(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        for number in (10, 20):
            run.save_milestone(painter(number))
    assert files(tmp_path / "milestones") == ["0000010.safetensors", "0000020.safetensors"]


# --- where a run begins ---


def test_a_fresh_run_keeps_the_earlier_one(tmp_path: Path, capsys) -> None:
    saved(tmp_path, 4, 8)
    for number in (100, 200):
        with RunFolder(tmp_path) as run:
            run.save_milestone(painter(number))
            assert run.choose(False) is None
            assert "earlier" in capsys.readouterr().out
            run.save(state(number))
    assert files(tmp_path / "earlier") == ["last.safetensors", "milestones/0000200.safetensors"]
    assert read_checkpoint(tmp_path / "earlier" / "last.safetensors").header["round"] == 100
    assert files(tmp_path)[-1] == "last.safetensors"  # nothing of the earlier run is mixed in


@pytest.mark.parametrize("place", ["last.safetensors", "previous.safetensors", ""])
def test_a_run_can_begin_with_any_state(tmp_path: Path, place: str) -> None:
    saved(tmp_path / "old", 4, 8)
    chosen = RunFolder(tmp_path / "new").choose(tmp_path / "old" / place)
    assert chosen.header["round"] == (4 if "previous" in place else 8)


def test_a_full_milestone_can_be_resumed_and_a_painter_cannot(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "old") as run:
        run.save_milestone(state(10))
        run.save_milestone(painter(20))
    there = tmp_path / "old" / "milestones"
    assert RunFolder(tmp_path).choose(there / "0000010.safetensors").header["round"] == 10
    with pytest.raises(CourseError, match="this is a painter") as caught:
        RunFolder(tmp_path).choose(there / "0000020.safetensors")
    assert "keep=full" in caught.value.fix


def test_to_go_back_would_overwrite_and_is_refused(tmp_path: Path) -> None:
    run = saved(tmp_path, 4, 8)
    with pytest.raises(CourseError, match="a run at round 8.*is at round 4.*overwrite"):
        run.choose(tmp_path / "previous.safetensors")
    assert run.choose(tmp_path / "last.safetensors").header["round"] == 8


def test_a_path_without_a_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, words in [(tmp_path / "empty", "no last.safetensors"), (tmp_path / "b", "no such")]:
        with pytest.raises(CourseError, match=words):
            RunFolder(tmp_path / "new").choose(path)


# --- who may write (B44, B47, B49) ---


def lock_of(path: Path, pid: int, host: str = platform.node()) -> Path:
    lock = path / "run.lock"
    lock.write_text(json.dumps({"pid": pid, "host": host}))
    return lock


def test_a_second_writer_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path),
        pytest.raises(CourseError, match=f"process {os.getpid()} on"),
        RunFolder(tmp_path),
    ):
        pass
    assert files(tmp_path) == []
    lock_of(tmp_path, os.getppid())
    with pytest.raises(CourseError, match=f"process {os.getppid()}"), RunFolder(tmp_path):
        pass


def dead_process() -> int:
    return subprocess.run(
        [sys.executable, "-Sc", "import os; print(os.getpid())"], capture_output=True, check=True
    ).stdout.decode()


@pytest.mark.parametrize(
    "stale",
    [
        lambda path: lock_of(path, int(dead_process())),
        lambda path: lock_of(path, os.getpid()),  # our number, from before a restart
        lambda path: os.utime(lock_of(path, 1, "another"), (time.time() - 3600,) * 2),
        lambda path: (path / "run.lock").write_text("{") and os.utime(path / "run.lock", (0, 0)),
    ],
    ids=["dead", "reused number", "silent machine", "torn"],
)
def test_a_stale_lock_is_taken_over(tmp_path: Path, stale, capsys) -> None:
    stale(tmp_path)
    with RunFolder(tmp_path):
        assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()
    assert "without a goodbye" in capsys.readouterr().out
    assert files(tmp_path) == []


def test_another_machine_that_saves_is_alive(tmp_path: Path) -> None:
    lock_of(tmp_path, 1, "another")
    with pytest.raises(CourseError, match="process 1 on another"), RunFolder(tmp_path):
        pass
    assert (tmp_path / "run.lock").exists()


def test_saving_keeps_the_lock_fresh(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        os.utime(tmp_path / "run.lock", (0, 0))
        run.save(state(1))
        assert time.time() - (tmp_path / "run.lock").stat().st_mtime < 600


@pytest.mark.parametrize("call", ["os.open", "os.write", "os.fsync"])
def test_a_folder_that_cannot_be_written_is_found_before_the_first_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(call, refuse)
    with pytest.raises(CourseError, match="cannot write here .*are free"), RunFolder(tmp_path):
        pass


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(CourseError, match="cannot write here"), RunFolder(tmp_path / "run"):
        pass


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, make) -> None:
    make(tmp_path / "last.safetensors")
    with pytest.raises(CourseError, match="should be a plain file"), RunFolder(tmp_path):
        pass
    assert not (tmp_path / "run.lock").exists()


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "milestones"):
        workshop = place / "last.safetensors.12345.part"
        workshop.mkdir(parents=True)
        (workshop / ".tmp0815").write_text("half of a file")
    with RunFolder(tmp_path):
        pass
    assert files(tmp_path) == [] and not list(tmp_path.rglob("*.part"))


def test_a_process_that_does_not_write_writes_nothing(tmp_path: Path) -> None:
    saved(tmp_path, 4, 8)
    flip(tmp_path / "last.safetensors")
    before = files(tmp_path)
    with RunFolder(tmp_path, writes=False) as run:
        assert run.choose(True).header["round"] == 4
        run.save(state(9))
        run.save_milestone(painter(9))
        run.save_best(painter(9), 1.0)
        assert run.choose(False) is None
    assert files(tmp_path) == before


# --- room (R10, B48) ---

Usage = namedtuple("Usage", "total used free")


class Disk:
    """A disk whose free bytes grow by what is removed from a folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path, free: int) -> None:
        self.path, self.size = path, free + self.used(path)
        monkeypatch.setattr(shutil, "disk_usage", self.usage)

    def used(self, path: Path) -> int:
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())

    def usage(self, place: object) -> Usage:
        used = self.used(self.path)
        return Usage(self.size, used, self.size - used)


def full_folder(path: Path) -> Path:
    """Everything that a long run has, a thousand bytes each."""
    saved(path, 10, 20)
    names = ["earlier/last.safetensors", "logs/tensorboard/1", "logs/tensorboard/2"]
    names += [f"samples/{n:07d}.png" for n in (10, 20, 30)]
    names += [f"milestones/{n:07d}.safetensors" for n in (10, 20, 30)]
    names += ["best.safetensors", "painter.safetensors", "run.notes"]
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(bytes(1000))
    return path


PRECIOUS = {"last.safetensors", "previous.safetensors", "best.safetensors", "painter.safetensors"}


@pytest.mark.parametrize(
    ("short", "gone"),
    [
        (0, []),
        (1, ["earlier/last.safetensors"]),
        (1500, ["earlier/last.safetensors", "logs/tensorboard/1"]),
        (3500, ["earlier/last.safetensors", "logs/tensorboard/1"]
            + ["samples/0000010.png", "samples/0000020.png"]),
        (9999, ["earlier/last.safetensors", "logs/tensorboard/1"]
            + ["samples/0000010.png", "samples/0000020.png"]
            + ["milestones/0000010.safetensors", "milestones/0000020.safetensors"]),
    ],
)  # fmt: skip
def test_what_is_least_precious_goes_first_and_only_as_much_as_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, short: int, gone: list[str]
) -> None:
    run, before = RunFolder(full_folder(tmp_path)), set(files(tmp_path))
    Disk(monkeypatch, tmp_path, free=20_000 - short)
    run.make_room(10_000)
    assert before - set(files(tmp_path)) == set(gone)
    assert (f"{len(gone)} old files were removed" in capsys.readouterr().out) is bool(gone)
    assert set(files(tmp_path)) >= PRECIOUS


def test_without_room_a_save_is_refused_with_both_numbers(tmp_path, monkeypatch) -> None:
    full_folder(tmp_path)
    (tmp_path / "last.safetensors").unlink()
    saved(tmp_path, 20)
    Disk(monkeypatch, tmp_path, free=100)
    with RunFolder(tmp_path) as run, pytest.raises(CourseError) as caught:
        run.save(state(30))
    assert re.search(r"13\.\d kB are needed, 6\.\d kB are free", caught.value.what)
    assert run.newest().header["round"] == 20
    assert set(files(tmp_path)) >= PRECIOUS


def test_the_names_of_the_files_are_what_the_module_says() -> None:
    assert set(module.FILES) - {module.FIGURES, module.CONFIG} == PRECIOUS
