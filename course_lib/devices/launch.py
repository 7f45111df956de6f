"""Starts the processes that train together: ``course train X --devices 0,1,2,3``.

torchrun's own launcher does it, so that one command is the same on one machine and on many. The
first process speaks on this terminal; what the others say is shown if they fail.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from course_lib.devices.processes import DESERTED, started
from course_lib.errors import CourseError, Problems

__all__ = ["check_devices", "check_parts", "launch"]


def check_devices(text: str) -> list[str]:
    """``"0,1"`` -> ``["0", "1"]``, GPUs by number; ``"cpu,cpu"`` for two processes without one.

    Raises:
        CourseError: GPUs that are not there or named twice, or a mixture.
    """
    names, found = [name.strip() for name in text.split(",")], torch.cuda.device_count()
    if set(names) == {"cpu"}:
        return names
    fix = "GPUs go by number: 0,1; or cpu,cpu for two processes without one"
    with Problems("--devices") as problems:
        for name in dict.fromkeys(names):
            fine = name.isdecimal() and (int(name) < found or started() > 1)
            problems.check(fine, f"there is no GPU {name!r}; this machine has {found}", fix)
            problems.check(names.count(name) == 1, f"GPU {name!r} is named twice", fix)
    return names


def check_parts(batch_size: int, processes: int) -> None:
    """Each process gets the same number of scenes; else a mean of means is not the mean."""
    if batch_size % processes:
        fitting = batch_size - batch_size % processes or processes
        raise CourseError(
            f"a batch of {batch_size} cannot be shared equally by {processes} processes",
            where="batch_size",
            fix=f"batch_size={fitting}",
        )


def launch(arguments: Sequence[str], devices: Sequence[str]) -> int:
    """Runs ``python -m course_lib ...`` in a process for each device; returns the exit code.

    A process that fails ends all of them. Ctrl-C and SIGTERM reach all: they finish the round, and
    the first one saves.
    """
    os.environ.setdefault("LOGLEVEL", "ERROR")  # of the launcher, which talks of its own work
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    count = len(devices)
    if devices[0] != "cpu":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(64)))
        chosen = [visible.split(",")[int(device)] for device in devices]
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "300")  # seconds to end a round, save
    with tempfile.TemporaryDirectory(prefix="course-") as logs:
        quiet = dict.fromkeys(range(1, count), Std.ALL)
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            run_id=f"course-{os.getpid()}",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=logs, redirects=quiet),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "course_lib", *arguments)
        except SignalException:
            return 0
        except ChildFailedError as error:
            print(*_causes(Path(logs), list(error.failures)), sep="\n", file=sys.stderr)
            return 1
    return 0


def _causes(logs: Path, failed: Sequence[int]) -> Iterable[str]:
    """What the silent processes said before they failed; what followed from it is left out."""
    said = {rank: "".join(p.read_text() for p in logs.glob(f"*/*/{rank}/stderr.log"))[-2000:]
            for rank in failed if rank}  # fmt: skip
    own = {text: rank for rank, text in said.items() if DESERTED not in text}
    return [f"process {rank} ended: {text.strip() or 'killed'}" for text, rank in own.items()]
