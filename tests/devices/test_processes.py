"""Several processes play the game that one would: gradients, runs, files, stops and failures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from course_lib.cli import main
from course_lib.devices import launch, processes
from course_lib.devices.launch import check_devices, check_parts
from course_lib.devices.pick import pick_device
from course_lib.errors import CourseError
from course_lib.objective import TrainConfig
from course_lib.storage.checkpoint import read_checkpoint

ROOT = Path(__file__).parents[2]
GAMES = ["spectral", "penalised", "critic", "points"]  # without batch statistics


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """What the jobs of ``together.py`` left, by name: one start of Python and torch for all."""
    folder = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-m", "tests.devices.together", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr[-3000:]

    def outcome(name):
        return torch.load(folder / f"{name}.pt", weights_only=True)

    outcome.folder = folder
    return outcome


def state(folder):
    return read_checkpoint(folder / "last.safetensors").tensors


def assert_same_state(one, other):
    """Equal up to the order in which float32 sums are taken."""
    mine, theirs = state(one), state(other)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=2e-6, msg=name)


@pytest.mark.parametrize("game", GAMES)
def test_two_processes_have_the_gradients_of_one_with_the_whole_batch(jobs, game):
    alone, first, second = (jobs(f"{game}-{which}") for which in ("1-0", "2-0", "2-1"))
    assert alone["gradients"]
    for name, gradient in alone["gradients"].items():
        torch.testing.assert_close(first["gradients"][name], gradient, rtol=1e-4, atol=1e-6)
        assert torch.equal(first["gradients"][name], second["gradients"][name])


@pytest.mark.parametrize(("game", "count"), [*((game, 2) for game in GAMES), ("spectral", 3)])
def test_a_whole_run_is_that_of_one_process(jobs, game, count):
    """Weights, averages, optimisers, random numbers and figures: everything that is saved."""
    assert_same_state(jobs.folder / f"{game}-1", jobs.folder / f"{game}-{count}")


def test_batch_norm_sees_a_part_of_the_batch_and_differs_a_little(jobs):
    """The control of the tests above, and the bound that is documented for training on CPUs."""
    alone, together = jobs("batch_norm-1-0")["figures"], jobs("batch_norm-2-0")["figures"]
    gaps = [abs(alone[player][0] - together[player][0]) for player in ("D", "G")]
    assert 1e-6 < max(gaps) < 0.05
    one, two = state(jobs.folder / "batch_norm-1"), state(jobs.folder / "batch_norm-2")
    mean, variance = (f"player/G/hidden.0.1.running_{what}" for what in ("mean", "var"))
    torch.testing.assert_close(one[mean], two[mean])  # the mean of both parts is the batch's mean
    assert not torch.equal(one[variance], two[variance])


@pytest.mark.parametrize("chain", ["2-1", "1-3"])
def test_a_run_goes_on_with_another_number_of_processes(jobs, chain):
    assert jobs(f"chain-{chain}-0")["rounds"] == [1, 2, 3, 4, 5, 6]
    assert_same_state(jobs.folder / "chain-1-1", jobs.folder / f"chain-{chain}")


def test_all_begin_with_the_weights_of_the_first(jobs):
    assert_same_state(jobs.folder / "other_weights-1", jobs.folder / "other_weights-2")


def test_only_the_first_process_writes_and_speaks(jobs):
    alone, together = jobs.folder / "spectral-1", jobs.folder / "spectral-2"
    names = [{p.relative_to(f) for p in f.rglob("*")} for f in (alone, together)]
    assert names[0] == names[1]
    rounds = [json.loads(line) for line in (together / "figures.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rounds if "D" in row] == [1, 2, 3, 4]
    assert (jobs.folder / "spectral-2-0.out").read_text()
    assert not (jobs.folder / "spectral-2-1.out").read_text()


def test_an_interrupt_of_one_stops_all_after_the_same_round_and_is_saved(jobs):
    rounds = jobs("interrupted-2-0")["rounds"]
    assert 1 <= len(rounds) < 4
    assert jobs("interrupted-2-1")["rounds"] == rounds
    folder = jobs.folder / "interrupted-2"
    assert read_checkpoint(folder / "last.safetensors").header["round"] == rounds[-1]


def test_the_error_of_one_process_ends_the_others(jobs):
    assert jobs("broken-2-1")["error"] == "a scene is broken"
    assert processes.DESERTED in jobs("broken-2-0")["error"]


def test_a_process_that_does_not_see_the_run_is_noticed(jobs):
    for rank in range(2):
        assert "not all processes are in one round" in jobs(f"elsewhere-2-{rank}")["error"]


def test_a_parameter_that_some_did_not_use_counts_as_zero_there(jobs):
    used, partly, idle = jobs("uneven-2-0")
    assert torch.equal(used, torch.tensor([1.5, 1.5]))
    assert torch.equal(partly, torch.tensor([1.5, 1.5]))
    assert idle is None


# --- before anything is started ---


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0,1", "there is no GPU '1'; this machine has 1"),
        ("0,0", "GPU '0' is named twice"),
        ("cpu,0", "there is no GPU 'cpu'"),
        ("both", "there is no GPU 'both'"),
        ("", "there is no GPU ''"),
    ],
)
def test_devices_that_cannot_train_together(monkeypatch, text, words):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(CourseError, match="--devices") as caught:
        check_devices(text)
    assert words in str(caught.value)


def test_devices_that_can(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert check_devices("0, 2,3") == ["0", "2", "3"]
    assert check_devices("cpu,cpu") == ["cpu", "cpu"]


def test_a_batch_that_cannot_be_shared_names_one_that_can():
    with pytest.raises(CourseError, match="batch_size=12"):
        check_parts(14, 4)
    check_parts(12, 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--devices", "cpu,cpu", "--device", "cpu"], "both given"),
        (["--devices", "cpu,cpu,cpu", "--batch_size", "32"], "batch_size=30"),
        (["--devices", "cpu,9"], "there is no GPU '9'"),
    ],
)
def test_the_command_line_refuses_before_it_starts_processes(monkeypatch, capsys, options, words):
    monkeypatch.setattr(launch, "launch", pytest.fail)
    assert main(["train", "dcgan", "--data", "digits", *options]) == 2
    assert words in capsys.readouterr().err


def test_each_process_of_a_machine_takes_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", lambda *shape, device: None)
    assert pick_device("auto", 2) == pick_device("cuda", 2) == torch.device("cuda:2")
    assert pick_device("cpu", 2) == torch.device("cpu")
    for shared in ("cuda:1", "mps"):
        with pytest.raises(CourseError, match="several processes cannot share"):
            pick_device(shared, 0)


def test_on_gpus_batch_norm_is_synchronised(monkeypatch):
    """No GPU here: the device and the meeting are pretended, the conversion is real."""
    from tests.devices.together import TINY, DCGANObjective

    backends = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(processes, "pick_device", lambda name, place: torch.device("cuda", place))
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(processes.atexit, "register", lambda function: None)
    monkeypatch.setattr(processes.dist, "is_initialized", lambda: False)
    monkeypatch.setattr(
        processes.dist, "init_process_group", lambda name, timeout: backends.append(name)
    )
    objective = DCGANObjective(TINY)
    before = objective.generator.state_dict()
    assert processes.join(objective) == torch.device("cuda:1")
    norms = [m for m in objective.generator.modules() if "BatchNorm" in type(m).__name__]
    assert norms and all(isinstance(norm, torch.nn.SyncBatchNorm) for norm in norms)
    assert before.keys() == objective.generator.state_dict().keys()  # checkpoints stay the same
    assert backends == ["cpu:gloo,cuda:nccl"]


# --- the whole command ---


TINY = "--data digits --size 8 --z_dim 6 --width_g 4 --width_d 4 --batch_size 12 --sample_every 4"
STARTS = {
    "course train --devices": "-m course_lib train dcgan --devices cpu,cpu",
    "torchrun": "-m torch.distributed.run --standalone --nproc-per-node 2 "
    "-m course_lib train dcgan --device cpu",
}


def course(start, *more, cwd):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *start.split(), *TINY.split(), "--out", "run", *more]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS)
def test_the_command_starts_two_processes_and_one_goes_on(tmp_path, start):
    done = course(STARTS[start], "--rounds", "6", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("6 rounds played") == 1
    alone = "-m course_lib train dcgan --device cpu"
    done = course(alone, "--rounds", "8", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "8 rounds played" in done.stdout


@pytest.mark.slow
def test_the_command_says_why_a_process_failed(tmp_path):
    """Both are refused the folder's run, which is another one; no traceback, no hang."""
    start = STARTS["course train --devices"]
    assert course(start, "--rounds", "4", cwd=tmp_path).returncode == 0
    other = course(start, "--rounds", "4", "--seed", "5", cwd=tmp_path)
    assert other.returncode == 1
    assert "seed: 0 -> 5" in other.stderr
    assert "Traceback" not in other.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_command_lets_all_finish_the_round_and_save(tmp_path, number):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    start = STARTS["course train --devices"]
    command = [sys.executable, *start.split(), *TINY.split(), "--out", "run", "--rounds", "100000"]
    running = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE
    )
    figures = tmp_path / "run" / "figures.jsonl"
    while running.poll() is None and (not figures.exists() or figures.stat().st_size < 2000):
        time.sleep(0.2)
    running.send_signal(number)
    said, _ = running.communicate(timeout=240)
    assert running.returncode == 0
    rounds = read_checkpoint(tmp_path / "run" / "last.safetensors").header["round"]
    assert f"{rounds} rounds played" in said
    assert json.loads(figures.read_text().splitlines()[-1])["round"] == rounds


def test_every_field_that_several_processes_need_may_change_when_a_run_goes_on():
    assert {"device", "track"} <= TrainConfig.MAY_CHANGE
