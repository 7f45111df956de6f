"""Killed at any moment, also while it saves, a run leaves a state that is at most one save old.

A server that has imported torch forks the trainers, so that each begins at once.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch

from course_lib.storage.checkpoint import part, read_checkpoint
from course_lib.storage.folder import RunFolder
from course_lib.training import train
from tests.training.toy import Dots, ToyConfig, ToyObjective

ROUNDS = 200
CONFIG = ToyConfig(rounds=ROUNDS, save_every=1, width=64)
SELDOM = replace(CONFIG, save_every=ROUNDS)  # the same game
DEADLY = ("os.link", "os.replace", "os.fsync", "os.chmod")  # the calls that a save consists of


def trainer(folder: Path, said: Connection, deadly: tuple[str, int, bool] | None) -> None:
    """Trains, and tells of every save that is done; dies at a call, if one is named."""
    torch.set_num_threads(1)
    whole_save = RunFolder.save

    def save(run: RunFolder, state) -> None:
        whole_save(run, state)
        said.send(state.header["round"])

    RunFolder.save = save
    if deadly:
        die_at(*deadly)
    train(ToyObjective(CONFIG), Dots(), folder, show=False)


def die_at(call: str, number: int, before: bool) -> None:
    """Kills this process in the middle of its ``number``-th call of that kind."""
    place, name = os, call.removeprefix("os.")
    real, count = getattr(place, name), 0

    def deadly(*arguments, **keywords):
        nonlocal count
        count += 1
        if count == number and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **keywords)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(place, name, deadly)


@pytest.fixture(scope="module")
def server():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["course_lib.training", "tests.training.test_kill"])
    return context


def killed(server, folder: Path, *, after: float | None = None, deadly=None) -> int:
    """The round of the last save that a trainer told of before it was killed."""
    hear, said = server.Pipe(duplex=False)
    process = server.Process(target=trainer, args=(folder, said, deadly))
    process.start()
    said.close()
    done = -1
    try:
        if after is not None:
            done = hear.recv()
            time.sleep(after)
            process.kill()
        while True:
            done = hear.recv()
    except EOFError:
        process.join(60)
    assert process.exitcode == -signal.SIGKILL
    return done


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """G's losses of a run that nobody kills."""
    folder = tmp_path_factory.mktemp("straight")
    return train(ToyObjective(SELDOM), Dots(), folder, show=False)["G"]


def assert_survived(folder: Path, done: int, straight: list[float]) -> None:
    with RunFolder(folder) as run:
        state = run.newest()
    if state is None:
        assert done < 0
        return
    assert state.header["round"] >= done
    losses = part(state.tensors, "history/figures").get("G", torch.zeros(0)).tolist()
    assert losses == straight[: state.header["round"]]


def kill_at_random(server, folder: Path, straight: list[float], times: int, seed: int) -> None:
    """One run, killed again and again: each trainer goes on where the one before was killed."""
    chance, begun = random.Random(seed), -1
    for _ in range(times):
        done = killed(server, folder, after=chance.uniform(0, 0.05))
        assert done > begun  # it went on, and did not begin anew
        begun = done
        assert_survived(folder, done, straight)
        if done > ROUNDS // 2:
            (folder / "last.safetensors").unlink()
            (folder / "previous.safetensors").unlink(missing_ok=True)
            begun = -1
    assert not list(folder.rglob("*.part")) and not (folder / "run.lock").exists()


def test_killed_10_times_at_random(server, tmp_path: Path, straight) -> None:
    kill_at_random(server, tmp_path, straight, times=10, seed=0)


@pytest.mark.slow
def test_killed_100_times_at_random(server, tmp_path: Path, straight) -> None:
    kill_at_random(server, tmp_path, straight, times=100, seed=1)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("call", DEADLY)
def test_killed_at_every_step_of_a_save(
    server, tmp_path: Path, straight, call: str, before: bool
) -> None:
    """The ninth call of each kind falls into a later save than the first, whatever a save does."""
    done = killed(server, tmp_path, deadly=(call, 9, before))
    assert_survived(tmp_path, done, straight)
    assert done >= 1 and read_checkpoint(tmp_path / "last.safetensors")


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(server, tmp_path: Path) -> None:
    killed(server, tmp_path / "killed", after=0.02)
    for name in ("killed", "straight"):
        train(ToyObjective(SELDOM), Dots(), tmp_path / name, show=False)
    one, other = (
        read_checkpoint(tmp_path / name / "last.safetensors").tensors
        for name in ("killed", "straight")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
