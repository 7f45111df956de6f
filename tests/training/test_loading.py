"""Scenes come the same to the bit, whoever reads them; whoever cannot read them says which."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import _utils

from course_lib.data import sources
from course_lib.data.digits import Digits
from course_lib.data.sources import open_source
from course_lib.dcgan.objective import DCGANConfig, DCGANObjective
from course_lib.errors import CourseError
from course_lib.objective import TrainConfig
from course_lib.scene import SceneBatch
from course_lib.storage.checkpoint import read_checkpoint
from course_lib.training import loading, train
from course_lib.training.loading import SceneLoader, pick_workers
from course_lib.training.order import batch_indices, chance_of
from tests.training.ten import Ten

CPU = torch.device("cpu")
CONFIG = TrainConfig(size=16, batch_size=3, rounds=9, seed=4, workers=0)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.2)  # seconds; torch's is 5


@pytest.fixture
def forked(monkeypatch):
    """Workers that begin at once: the course's own first import torch, in a process apart."""
    if sys.platform == "linux":
        monkeypatch.setattr(loading, "worker_context", lambda: multiprocessing.get_context("fork"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Ten pictures with captions, larger than what is cut from them."""
    for number in range(10):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text(f"number {number} on the left")
    return tmp_path


def rounds(source, config=CONFIG, numbers=range(9), share=None) -> list[SceneBatch]:
    loader = SceneLoader(source, config, CPU, share)
    try:
        return [loader.round(number) for number in numbers]
    finally:
        loader.close()


def assert_same(one: list[SceneBatch], other: list[SceneBatch]) -> None:
    assert len(one) == len(other)
    for batch, batch_2 in zip(one, other, strict=True):
        assert torch.equal(batch.images, batch_2.images) and batch.captions == batch_2.captions


# --- the same to the bit --------------------------------------------------------------------------


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_reads_the_same_from_any_round_on(folder, workers):
    source = open_source(str(folder), 16, flip=True, crop_from=20)
    wanted, before = rounds(source), torch.get_rng_state()
    config = replace(CONFIG, workers=workers)
    assert_same(rounds(source, config), wanted)
    assert_same(rounds(source, config, range(4, 9)), wanted[4:])  # in the second epoch
    assert torch.equal(torch.get_rng_state(), before)  # the noise's numbers are left alone


def test_rounds_may_be_asked_for_in_any_order(folder):
    source = open_source(str(folder), 16, flip=True)
    wanted = rounds(source)
    assert_same(rounds(source, numbers=(7, 2, 3, 3, 8)), [wanted[n] for n in (7, 2, 3, 3, 8)])


def test_the_parts_of_several_processes_are_the_batch(folder):
    source = open_source(str(folder), 16, flip=True, crop_from=20)
    config = replace(CONFIG, batch_size=4)
    halves = [rounds(source, config, share=slice(2 * rank, 2 * rank + 2)) for rank in range(2)]
    joined = [
        replace(one, images=torch.cat([one.images, two.images]),
                captions=(*(one.captions or ()), *(two.captions or ())))
        for one, two in zip(*halves, strict=True)
    ]  # fmt: skip
    assert_same(joined, rounds(source, config))


def test_a_scene_varies_with_seed_epoch_and_index_alone(folder):
    source = open_source(str(folder), 16, flip=True, crop_from=20)

    def seen(batch_size, seed=4, epochs=(0, 1, 2)):
        config, each = replace(CONFIG, batch_size=batch_size, seed=seed), 10 // batch_size
        found = {}
        for epoch in epochs:
            numbers = range(epoch * each, (epoch + 1) * each)
            for number, batch in zip(numbers, rounds(source, config, numbers), strict=True):
                for index, image in zip(
                    batch_indices(10, batch_size, seed, number).tolist(), batch.images, strict=True
                ):
                    found[epoch, index] = image.numpy().tobytes()
        return found

    large, small = seen(5), seen(2)
    assert large == small and len(large) == 30
    by_epoch = [{index: image for (e, index), image in large.items() if e == epoch}
                for epoch in range(3)]  # fmt: skip
    assert sum(by_epoch[0][i] != by_epoch[1][i] for i in range(10)) > 5
    other = seen(5, seed=5)
    assert sum(other[key] != large[key] for key in large) > 15


def test_a_mirrored_scene_has_mirrored_words(folder):
    captions = [c[0] for batch in rounds(open_source(str(folder), 16, flip=True))
                for c in batch.captions or ()]  # fmt: skip
    mirrored = [caption.endswith("right") for caption in captions]
    assert 5 < sum(mirrored) < 22 and len(mirrored) == 27
    plain = [c[0] for batch in rounds(open_source(str(folder), 16)) for c in batch.captions or ()]
    assert all(caption.endswith("left") for caption in plain)


def test_chances_differ_between_seeds_epochs_and_indices():
    keys = [(seed, epoch, index) for seed in range(3) for epoch in range(11) for index in range(11)]
    drawn = {float(torch.rand((), generator=chance_of(*key), dtype=torch.float64)) for key in keys}
    assert len(drawn) == len(keys)


# --- through a training ---------------------------------------------------------------------------

PLAYED = DCGANConfig(
    data="digits", size=8, z_dim=4, width_g=2, width_d=2, batch_size=3, rounds=6, save_every=1,
    norm_d="none", device="cpu", workers=0,
)  # fmt: skip


def state(folder: Path):
    return read_checkpoint(folder / "last.safetensors").tensors


@pytest.mark.usefixtures("forked")
def test_a_run_resumed_in_mid_epoch_with_workers_equals_one_without(tmp_path):
    train(DCGANObjective(PLAYED), Ten(), tmp_path / "straight", show=False)
    for rounds, workers in ((2, 1), (5, 2), (6, 0)):
        config = replace(PLAYED, rounds=rounds, workers=workers)
        train(DCGANObjective(config), Ten(), tmp_path / "pieces", show=False)
    one, other = state(tmp_path / "straight"), state(tmp_path / "pieces")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_b59_a_killed_worker_is_named_and_the_checkpoint_kept(tmp_path):
    played = [batch_indices(10, 3, PLAYED.seed, number).tolist() for number in range(12)]
    (bad,) = set(range(10)) - set(sum(played[:3], []))  # left out in the first epoch
    due = next(number for number, indices in enumerate(played) if bad in indices)
    config = replace(PLAYED, workers=1, rounds=12)
    source = Ten(bad, "killed")
    with pytest.raises(CourseError) as caught:
        train(DCGANObjective(config), source, tmp_path, show=False)
    text = str(caught.value)
    assert "worker that reads scenes was lost" in text and "workers=0" in text
    saved = read_checkpoint(tmp_path / "last.safetensors").header["round"]
    assert saved in (due - 1, due)  # the round before it may have been lost with the worker
    history = train(DCGANObjective(replace(config, workers=0)), source, tmp_path, show=False)
    assert len(history) == 12


@pytest.mark.usefixtures("forked")
def test_signals_to_the_whole_group_leave_workers_at_work():
    source = Ten(fault="ctrl-c")
    assert_same(rounds(source, replace(CONFIG, workers=1)), rounds(Ten()))


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("workers", [0, 1])
def test_b60_a_bad_file_is_named_with_its_index(folder, workers):
    (folder / "7.png").write_bytes((folder / "7.png").read_bytes()[:300])
    source = open_source(str(folder), 16, flip=True)
    with pytest.raises(CourseError) as caught:
        rounds(source, replace(CONFIG, workers=workers))
    assert caught.value.where == str(folder / "7.png")
    assert caught.value.what.startswith("scene 7: damaged or cut short")
    assert caught.value.fix == "delete it or download it again"


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("workers", [0, 1])
def test_b60_any_other_error_names_scenes_and_line(workers):
    number = next(n for n in range(9) if 5 in batch_indices(10, 3, 4, n).tolist())
    with pytest.raises(CourseError) as caught:
        rounds(Ten(5, "raises"), replace(CONFIG, workers=workers))
    scenes = batch_indices(10, 3, 4, number).tolist()
    words = f"the scenes {scenes} of round {number + 1} could not be read: ValueError: nothing here"
    assert words in str(caught.value) and "ten.py, line" in str(caught.value)


def test_b56_a_batch_larger_than_the_data_is_refused_before_anything_is_written(tmp_path):
    config = replace(PLAYED, batch_size=11)
    with pytest.raises(CourseError, match="10 scenes are fewer than batch_size 11"):
        train(DCGANObjective(config), Ten(), tmp_path / "run", show=False)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_b57_a_last_batch_of_one_is_never_played():
    batches = rounds(Ten(), numbers=range(12))
    assert {len(batch) for batch in batches} == {3}


# --- how many workers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted, device, kernel, in_memory, cores, processes, workers",
    [
        (3, "cpu", True, True, 1, 1, 3),  # what is asked for is done
        (0, "cuda", False, False, 8, 1, 0),
        ("auto", "cuda", False, False, 8, 1, 4),
        ("auto", "cuda", False, False, 4, 1, 3),
        ("auto", "cuda", False, False, 1, 1, 1),
        ("auto", "cuda", False, False, 16, 4, 3),
        ("auto", "cuda", True, False, 8, 1, 0),  # T4: never in a notebook
        ("auto", "cuda", False, True, 8, 1, 0),
        ("auto", "cpu", False, False, 8, 1, 0),  # the cores compute already
    ],
)
def test_auto_is_sensible(
    monkeypatch, wanted, device, kernel, in_memory, cores, processes, workers
):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    monkeypatch.delattr(sys, "ps1", raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    if kernel:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
    source = Digits(8) if in_memory else Ten()
    assert pick_workers(wanted, source, torch.device(device)) == workers


@pytest.mark.parametrize("workers", [-1, "many", 1.5])
def test_workers_that_cannot_be_are_refused(workers):
    with pytest.raises(CourseError, match="workers is"):
        replace(CONFIG, workers=workers)


@pytest.mark.usefixtures("forked")
def test_workers_go_home_when_the_loader_closes():
    loader = SceneLoader(Ten(), replace(CONFIG, workers=1), CPU)
    loader.round(0)
    assert len(multiprocessing.active_children()) == 1
    loader.close()
    deadline = time.monotonic() + 20
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not multiprocessing.active_children()


KILLED = """
import multiprocessing, time, torch
from course_lib.objective import TrainConfig
from course_lib.training.loading import SceneLoader
from tests.training.ten import Ten

if __name__ == "__main__":
    loader = SceneLoader(Ten(), TrainConfig(batch_size=3, workers=1), torch.device("cpu"))
    loader.round(0)
    print(multiprocessing.active_children()[0].pid, flush=True)
    time.sleep(1000)
"""


@pytest.mark.slow
def test_workers_end_with_a_training_that_was_killed(tmp_path):
    (tmp_path / "script.py").write_text(KILLED)
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "script.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=here) as training:
        worker = int(training.stdout.readline())
        training.kill()
    deadline = time.monotonic() + 60
    while is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(worker)


def is_alive(process: int) -> bool:
    import psutil

    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_pages_of_a_book_can_be_grouped_by_how_many_things_they_have(monkeypatch):
    """Counted without drawing them; what is drawn has as many. More than three are one group."""
    monkeypatch.setattr(sources, "ENOUGH", 120)
    source = open_source("storybook", 64, groups=3)
    assert len(source.groups) == len(source) == 120
    assert source.groups.unique().tolist() == [0, 1, 2, 3]
    batch = source.batch(torch.arange(24))
    assert torch.equal(batch.present.sum(dim=1).clamp(max=3), source.groups[:24])
    read = loading.Rounds(source, 3, 0, slice(None))
    counts = [read.read(number).present.sum(dim=1).clamp(max=3) for number in range(4)]
    assert all(len(some.unique()) == 1 for some in counts)


def test_sources_that_cannot_count_say_so(folder):
    with pytest.raises(CourseError, match="how many objects these scenes have is not known"):
        open_source(str(folder), 16, groups=3)
