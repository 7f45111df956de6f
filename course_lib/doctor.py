"""The doctor: one page on this machine, and a line to type for whatever is wrong.

``course doctor`` on the command line, ``doctor()`` in a notebook. Every check is a small function
that returns a :class:`Check`; none of them changes anything, and a broken installation is what
they are made for: no check may fail, so torch and everything else is imported inside them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal

from course_lib.address import URL
from course_lib.errors import CourseError
from course_lib.paths import data_dir, repository, runs_dir
from course_lib.profile import pick_profile

__all__ = ["Check", "Report", "doctor"]

PYTHON = ((3, 11), (3, 13))  # the oldest and the newest that the course is tested with
MEMORY = 4  # GB of RAM below which a kernel with torch gets killed
DISK = 2  # GB of free disk below which runs and data sets do not fit

# What a part of the course needs beyond its core, and for what.
OPTIONAL = {
    "jupyterlab": "to open the notebooks (`make lab`)",
    "papermill": "to run the notebooks headless (`course run`)",
    "torchmetrics": "for scores",
    "tensorboard": "to follow a long training",
    "voila": "for the demo",
}


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at.
        status: ``fine``; ``note`` for something that one can do without; ``problem``.
        value: what was found.
        mend: the line to type, or what to do.
    """

    name: str
    status: Literal["fine", "note", "problem"]
    value: str
    mend: str = ""

    def __str__(self) -> str:
        mark = {"fine": "ok", "note": "--", "problem": "!!"}[self.status]
        line = f"{mark}  {self.name:<12} {self.value}"
        return f"{line}\n        to mend it: {self.mend}" if self.mend else line


@dataclass(frozen=True)
class Report:
    """The page; shown as text."""

    checks: tuple[Check, ...]

    @property
    def problems(self) -> list[Check]:
        """What has to be mended."""
        return [check for check in self.checks if check.status == "problem"]

    def __str__(self) -> str:
        count = len(self.problems)
        last = f"{count} to mend" if count else "all is well"
        return "\n".join([*map(str, self.checks), "", last])

    __repr__ = __str__


def doctor() -> Report:
    """Examines this interpreter and this machine."""
    return Report(tuple(finding for check in CHECKS for finding in _safely(check)))


def _safely(check: Callable[[], Check | Iterator[Check]]) -> Iterator[Check]:
    try:
        found = check()
        yield from (found,) if isinstance(found, Check) else found
    except Exception as error:  # a check that cannot even look has found something, too
        name = check.__name__.removeprefix("check_").replace("_", " ")
        yield Check(name, "problem", f"cannot be examined: {_short(error)}", REINSTALL)


def check_python() -> Check:
    found = sys.version_info[:2]
    value = f"{sys.version.split()[0]} at {sys.executable}"
    if PYTHON[0] <= found <= PYTHON[1]:
        return Check("Python", "fine", value)
    span = f"{PYTHON[0][0]}.{PYTHON[0][1]} to {PYTHON[1][0]}.{PYTHON[1][1]}"
    return Check("Python", "problem", value, f"install Python {span}, delete .venv, `make env`")


def check_torch() -> Check:
    """torch and torchvision are compiled for each other; a mixed pair breaks in odd places."""
    from packaging.requirements import Requirement

    versions = {name: metadata.version(name) for name in ("torch", "torchvision")}
    value = ", ".join(f"{name} {version}" for name, version in versions.items())
    needs = map(Requirement, metadata.requires("torchvision") or ())
    wanted = next((need for need in needs if need.name == "torch"), Requirement("torch"))
    if not wanted.specifier.contains(versions["torch"], prereleases=True):
        return Check("torch", "problem", f"{value}, which needs {wanted}", TORCH_PAIR)
    if len({version.partition("+")[2] for version in versions.values()}) > 1:
        return Check("torch", "problem", f"{value} are different builds", TORCH_PAIR)
    try:
        kept = _nms_of_three_boxes()
    except Exception as error:
        return Check("torch", "problem", f"{value}: {_short(error)}", TORCH_PAIR)
    if kept != [0, 2]:
        return Check("torch", "problem", f"{value}: nms keeps {kept}, not [0, 2]", TORCH_PAIR)
    return Check("torch", "fine", f"{value}, compiled operators work")


def check_device() -> Check:
    import torch

    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        value = f"CUDA: {card.name}, {card.total_memory / 1e9:.0f} GB"
        try:
            torch.ones(8, 8, device="cuda").matmul(torch.ones(8, 8, device="cuda")).sum().item()
        except RuntimeError as error:
            return Check("device", "problem", f"{value}: {_short(error)}", DRIVER)
        return Check("device", "fine", value)
    if torch.backends.mps.is_available():
        return Check("device", "fine", "MPS (Apple)")
    value = f"CPU, {os.cpu_count()} cores; every chapter works on it"
    if _has_nvidia_card():
        return Check("device", "note", f"{value}; the NVIDIA card is not usable", DRIVER)
    return Check("device", "fine", value)


def check_memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    total = min(memory.total, _container_limit() or memory.total) / 1e9
    free = min(memory.available / 1e9, total)
    value = f"{free:.1f} GB free of {total:.1f} GB"
    if free >= MEMORY:
        return Check("memory", "fine", value)
    fix = "close other programs and notebooks; work with COURSE_PROFILE=smoke"
    return Check("memory", "note" if total >= MEMORY else "problem", value, fix)


def check_disk() -> Iterator[Check]:
    for name, variable, folder in _folders():
        free = shutil.disk_usage(_existing(folder)).free / 1e9
        value = f"{free:.1f} GB free at {folder}"
        if free >= DISK:
            yield Check(name, "fine", value)
        else:
            yield Check(name, "problem", value, f"make room, or set {variable} to another disk")


def check_writing() -> Iterator[Check]:
    for name, variable, folder in _folders():
        try:
            with tempfile.TemporaryFile(dir=_existing(folder)) as file:
                file.write(b"x")
        except OSError as error:
            value = f"cannot write to {folder}: {error.strerror}"
            fix = f"set {variable} to a folder that is yours"
            yield Check(f"{name} writable", "problem", value, fix)


def check_profile() -> Check:
    try:
        return Check("profile", "fine", f"{pick_profile()} (COURSE_PROFILE chooses)")
    except CourseError as error:
        return Check("profile", "problem", str(error), "unset COURSE_PROFILE")


def check_kernel() -> Check:
    """The kernel that notebooks ask for, ``python3``, must be this interpreter."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ModuleNotFoundError:
        return Check("kernel", "note", "Jupyter is not installed here", _install("jupyterlab"))
    fix = f"{_python()} -m ipykernel install --sys-prefix"
    try:
        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Check("kernel", "problem", "there is no kernel python3", fix)
    # Jupyter starts a bare `python` as the interpreter that it runs in.
    bare = command in ("python", "python3", f"python3.{sys.version_info.minor}")
    if bare or Path(command).parent == Path(sys.executable).parent:
        return Check("kernel", "fine", "python3 is this interpreter")
    return Check("kernel", "problem", f"python3 is another interpreter: {command}", fix)


def check_widgets() -> Check:
    versions = {name: metadata.version(name) for name in ("ipywidgets", "anywidget")}
    value = ", ".join(f"{name} {version}" for name, version in versions.items())
    import_module("anywidget")
    if (7, 7, 1) <= _numbers(versions["ipywidgets"]) < (9,):
        return Check("widgets", "fine", value)
    return Check("widgets", "problem", value, _install('"ipywidgets>=7.7.1,<9"'))


def check_optional() -> Iterator[Check]:
    for name, use in OPTIONAL.items():
        try:
            yield Check(name, "fine", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Check(name, "note", f"not installed; needed {use}", _install(name))


CHECKS = (
    check_python,
    check_torch,
    check_device,
    check_memory,
    check_disk,
    check_writing,
    check_profile,
    check_kernel,
    check_widgets,
    check_optional,
)


def _python() -> str:
    return f'"{sys.executable}"'


def _install(what: str) -> str:
    return f"{_python()} -m pip install {what}"


ROOT = repository()
REINSTALL = _install(f'-r "{ROOT / "requirements.txt"}"' if ROOT else f'"git+{URL}"')
TORCH_PAIR = _install("--force-reinstall torch torchvision")
DRIVER = "update the NVIDIA driver (`nvidia-smi` shows it), or install a torch made for it"


def _folders() -> Iterator[tuple[str, str, Path]]:
    yield "runs", "COURSE_RUNS", runs_dir()
    yield "data", "COURSE_DATA", data_dir()


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _nms_of_three_boxes() -> list[int]:
    """A compiled operator of torchvision on a toy input: the second box overlaps the first."""
    import torch
    from torchvision.ops import nms

    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9], [5.0, 5.0, 6.0, 6.0]])
    return nms(boxes, torch.tensor([0.9, 0.8, 0.7]), iou_threshold=0.5).tolist()


def _container_limit() -> int | None:
    """Bytes of memory that a container or a JupyterHub grants, if it says so."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def _has_nvidia_card() -> bool:
    try:
        found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0 and b"GPU" in found.stdout


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
