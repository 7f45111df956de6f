"""The page "from one laptop to a cluster": every command on it is tried, dry where it must be."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from course_lib import cli, registry, training
from course_lib.devices import launch as launcher
from course_lib.training import History

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "from_laptop_to_cluster.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(?:sh)?\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def commands(*starts: str) -> list[str]:
    """The page's lines that begin so, long ones put together; Colab's ``!`` and ``srun`` go."""
    text = "\n".join(BLOCKS).replace("\\\n", " ")
    lines = [
        " ".join(line.removeprefix("!").removeprefix("srun ").split()) for line in text.splitlines()
    ]
    return [line for line in lines if line.startswith(starts)]


@pytest.fixture
def machine(monkeypatch):
    """A machine with four GPUs on which training is only written down."""
    asked = []

    def train(objective, source, folder, **options):
        asked.append((objective.config, folder))
        return History()

    def launch(arguments, devices):
        asked.append((arguments, devices))
        return 0

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(launcher, "launch", launch)
    monkeypatch.setattr(registry, "load", lambda path, load=registry.load: load("dcgan"))
    return asked


@pytest.mark.parametrize("line", commands("course "))
def test_the_courses_commands_are_understood(line, machine, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("course_lib.dcgan.objective.Generator", lambda *size: torch.nn.Linear(1, 1))
    assert cli.main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    if line.startswith("course train"):
        assert len(machine) == 1


@pytest.mark.parametrize("line", commands("torchrun "))
def test_torchruns_lines_are_understood_by_it_and_by_the_course(line, machine):
    from torch.distributed.run import get_args_parser

    words = shlex.split(line)[1:]
    words = [re.sub(r"^\$SLURM_NNODES$", "2", word) for word in words]
    asked = get_args_parser().parse_args(words)
    assert asked.module and asked.training_script == "course_lib"
    assert cli.main(asked.training_script_args) == 0
    assert len(machine) == 1


@pytest.mark.parametrize("line", commands("scripts/gpu_box.sh"))
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_cloud_machines_lines_are_shown_dry(line):
    words = shlex.split(line)
    assert words[1] == "--dry-run"
    shown = subprocess.run(["bash", *words], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "+ aws ec2" in shown.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_batch_file_is_one_that_bash_reads():
    (script,) = (block for block in BLOCKS if block.startswith("#!/bin/bash"))
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert "--signal=TERM@180" in script


def test_what_is_to_be_installed_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for line in commands("pip install"):
        for names in re.findall(r"\[(.*?)\]", line):
            assert set(names.split(",")) <= extras["optional-dependencies"].keys()


def test_no_command_of_the_page_is_left_out():
    known = ("course ", "torchrun ", "scripts/gpu_box.sh", "pip install", "tensorboard ", "mlflow ",
             "#", "first=", "from google", "drive.mount")  # fmt: skip
    assert sorted(commands("")) == sorted([*commands(*known), *[""] * commands("").count("")])


@pytest.mark.slow
def test_the_commands_for_a_laptop_do_what_they_say(tmp_path):
    """Those with the profile smoke, one after the other, as a reader would type them."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COURSE_RUNS": str(tmp_path / "runs")}
    environment |= {"OMP_NUM_THREADS": "1"}
    lines = [line for line in commands("course ", "torchrun ") if "smoke" in line]
    for line in lines:
        if "mlflow" in line or "drive" in line:  # a test of its own; Colab's disk
            continue
        words = shlex.split(line)
        module = "course_lib" if words[0] == "course" else "torch.distributed.run"
        done = subprocess.run(
            [sys.executable, "-m", module, *words[1:]],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (tmp_path / "runs" / "watched" / "logs" / "tensorboard").is_dir()
    assert (tmp_path / "runs" / "samples").is_dir()
