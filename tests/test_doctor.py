"""The doctor: every fault, faked, is seen and comes with its mend."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
import torchvision

from course_lib import doctor as module
from course_lib.doctor import doctor

PIP = f'"{sys.executable}" -m pip install'


def findings(name: str) -> list[module.Check]:
    return [check for check in doctor().checks if check.name == name]


def only(name: str) -> module.Check:
    (check,) = findings(name)
    return check


def pretend(monkeypatch: pytest.MonkeyPatch, *version: int) -> None:
    """Makes this interpreter look like another version."""
    fields = ["major", "minor", "micro", "releaselevel", "serial"]
    fake = namedtuple("version_info", fields)(*version, "final", 0)
    monkeypatch.setattr(sys, "version_info", fake)


def test_this_machine_can_run_the_course() -> None:
    report = doctor()
    names = [check.name for check in report.checks]
    assert names[:7] == ["Python", "torch", "device", "memory", "runs", "data", "profile"]
    assert not {check.name for check in report.problems} - {"memory", "runs", "data"}
    assert str(report) == repr(report)
    assert "compiled operators work" in str(report)


def test_a_problem_shows_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 3, 9, 2)
    report = doctor()
    assert {check.name for check in report.problems} - {"memory", "runs", "data"} == {"Python"}
    assert "!!  Python" in str(report)
    assert "to mend it: install Python 3.11 to 3.13, delete .venv, `make env`" in str(report)
    assert str(report).endswith(f"{len(report.problems)} to mend")


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 14, 0)])
def test_a_python_outside_the_range(monkeypatch: pytest.MonkeyPatch, version: tuple) -> None:
    pretend(monkeypatch, *version)
    assert only("Python").status == "problem"


@pytest.mark.parametrize("version", [(3, 11, 2), (3, 13, 9)])
def test_a_python_in_the_range(monkeypatch: pytest.MonkeyPatch, version: tuple) -> None:
    pretend(monkeypatch, *version)
    assert only("Python").status == "fine"


def test_torchvision_without_its_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise RuntimeError("operator torchvision::nms does not exist\nand a long trace")

    monkeypatch.setattr(torchvision.ops, "nms", missing)
    check = only("torch")
    assert check.status == "problem"
    assert check.value.endswith("operator torchvision::nms does not exist")
    assert check.mend == f"{PIP} --force-reinstall torch torchvision"


def test_operators_that_compute_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.ops, "nms", lambda *_, **__: torch.tensor([0, 1, 2]))
    assert "keeps [0, 1, 2]" in only("torch").value
    assert only("torch").status == "problem"


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"torch": "1.13.0"}, "torch 1.13.0, torchvision .*, which needs torch"),
        ({"torch": "2.15.0+cpu", "torchvision": "0.29.2+cu132"}, "different builds"),
    ],
)
def test_a_mixed_pair(monkeypatch: pytest.MonkeyPatch, versions: dict, words: str) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: versions.get(name) or real(name))
    check = only("torch")
    assert check.status == "problem"
    assert re.search(words, check.value)


def test_no_torch_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(metadata, "version", fail_for("torch"))
    report = doctor()
    problems = {check.name: check for check in report.problems}
    assert {"torch", "device"} <= set(problems)
    assert "requirements.txt" in problems["torch"].mend


def fail_for(missing: str):
    real = metadata.version

    def version(name: str) -> str:
        if name == missing:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    return version


def test_an_nvidia_card_that_torch_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    listing = SimpleNamespace(returncode=0, stdout=b"GPU 0: NVIDIA T4")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: listing)
    check = only("device")
    assert check.status == "note"
    assert "not usable" in check.value
    assert "nvidia-smi" in check.mend


def test_a_card_that_cannot_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel image is available for execution on the device")

    card = SimpleNamespace(name="K80", total_memory=12e9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    monkeypatch.setattr(torch, "ones", fail)
    check = only("device")
    assert (check.status, check.value) == (
        "problem",
        "CUDA: K80, 12 GB: no kernel image is available for execution on the device",
    )


@pytest.mark.parametrize(
    ("free", "total", "status"), [(1e9, 3e9, "problem"), (1e9, 16e9, "note"), (8e9, 16e9, "fine")]
)
def test_memory(monkeypatch: pytest.MonkeyPatch, free: float, total: float, status: str) -> None:
    memory = SimpleNamespace(available=free, total=total)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(module, "_container_limit", lambda: None)
    assert only("memory").status == status
    assert ("COURSE_PROFILE=smoke" in only("memory").mend) is (status != "fine")


def test_a_container_with_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SimpleNamespace(available=60e9, total=64e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(module, "_container_limit", lambda: 2_000_000_000)
    assert (only("memory").status, only("memory").value) == ("problem", "2.0 GB free of 2.0 GB")


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(total=9e9, used=8.9e9, free=1e8)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert "set COURSE_RUNS to another disk" in only("runs").mend
    assert "set COURSE_DATA to another disk" in only("data").mend


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    not_a_folder = tmp_path / "file"
    not_a_folder.touch()
    monkeypatch.setenv("COURSE_RUNS", str(not_a_folder))
    check = only("runs writable")
    assert check.status == "problem"
    assert str(not_a_folder) in check.value
    assert check.mend == "set COURSE_RUNS to a folder that is yours"
    assert not findings("data writable")


def test_a_misspelt_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_PROFILE", "smok")
    assert "did you mean 'smoke'" in only("profile").value
    assert only("profile").mend == "unset COURSE_PROFILE"


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Registers a kernel ``python3`` that starts the given command."""

    def register(command: str) -> module.Check:
        folder = tmp_path / "kernels" / "python3"
        folder.mkdir(parents=True)
        spec = {"argv": [command, "-f", "{connection_file}"], "display_name": "", "language": ""}
        (folder / "kernel.json").write_text(json.dumps(spec))
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
        return only("kernel")

    return register


def test_a_kernel_of_another_environment(kernel) -> None:
    check = kernel("/usr/bin/python3")
    assert check.status == "problem"
    assert "another interpreter: /usr/bin/python3" in check.value
    assert check.mend == f'"{sys.executable}" -m ipykernel install --sys-prefix'


@pytest.mark.parametrize("command", ["python", sys.executable])
def test_a_kernel_of_this_environment(kernel, command: str) -> None:
    assert kernel(command).status == "fine"


def test_no_jupyter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jupyter_client.kernelspec", None)
    assert only("kernel").status == "note"
    assert only("kernel").mend == f"{PIP} jupyterlab"


@pytest.mark.parametrize(
    ("version", "status"),
    [("7.7.0", "problem"), ("7.7.1", "fine"), ("8.1.9", "fine"), ("9.0.0", "problem")],
)
def test_the_range_of_ipywidgets(
    monkeypatch: pytest.MonkeyPatch, version: str, status: str
) -> None:
    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: version if name == "ipywidgets" else real(name)
    )
    assert only("widgets").status == status


def test_no_anywidget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", fail_for("anywidget"))
    assert only("widgets").status == "problem"
    assert only("widgets").mend.startswith(PIP)


def test_an_optional_package_is_only_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", fail_for("papermill"))
    check = only("papermill")
    assert (check.status, check.mend) == ("note", f"{PIP} papermill")
    assert "`course run`" in check.value


def test_no_check_can_break_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_stars() -> module.Check:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "CHECKS", (check_stars, module.check_python))
    first, second = doctor().checks
    assert (first.name, first.status) == ("stars", "problem")
    assert "ZeroDivisionError" in first.value
    assert second.status == "fine"


def test_the_doctor_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "a" / "b"))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "c"))
    doctor()
    assert os.listdir(tmp_path) == []
