"""Several processes, one training: each plays a part of every batch, and all step alike.

``course train X --devices 0,1,2,3`` starts a process for each GPU with torchrun's own launcher; on
a cluster ``torchrun ... -m course_lib train X`` does so on every machine. Every process holds the
whole game and computes the gradient of its part of the batch. The gradient of the whole batch is

    g = (g_1 + ... + g_n) / n,

exactly, where a loss is a mean over scenes. Random numbers are drawn for the whole batch in every
process (:func:`course_lib.objective.draw`). So n processes play the game that one would, up to the
order of a sum, and a run goes on with another number of them. Two things differ: batch norm takes
the statistics of a part of the batch, except on GPUs, where ``SyncBatchNorm`` takes those of the
whole; and a loss that compares scenes of a batch, or is a mean over their *objects*, sees a part.

Why not ``DistributedDataParallel``? Its wrapper knows a module's one ``forward``. A GAN's round
calls a player several times, through its parts, too, and not all parts in every round. Then the
next forward raises "Expected to have finished reduction"; with ``find_unused_parameters`` a call of
a part raises "gradient which is undefined, but still allreduced". One message a step that holds the
mean gradient knows neither trouble; it gives up sending while gradients are still computed.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from course_lib.errors import CourseError, Problems
from course_lib.objective import Objective, share
from course_lib.training.device import pick_device

__all__ = [
    "any_of",
    "average",
    "average_gradients",
    "check_devices",
    "check_parts",
    "is_first",
    "join",
    "launch",
    "part_of",
    "start_alike",
    "started",
]

PATIENCE = timedelta(minutes=30)  # the others wait while the first process paints and saves
DESERTED = "another process of this training has ended"


# --- a process among others ---


def join(objective: Objective) -> torch.device:
    """Meets the processes that share this training, if torchrun has started several.

    Returns:
        The device to compute on: of several processes on one machine each has a GPU of its own.

    Raises:
        CourseError: a device that is not there.
    """
    processes = started()
    place = int(os.environ["LOCAL_RANK"]) if processes > 1 else None
    device = pick_device(objective.config.device, place)
    if processes == 1:
        return device
    if not dist.is_initialized():
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE
        )
        atexit.register(dist.destroy_process_group)
        if not is_first():  # one process speaks; errors are said by all
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (until the process ends)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        for player in objective.players.values():
            nn.SyncBatchNorm.convert_sync_batchnorm(player.module)
    return device


def started() -> int:
    """How many processes torchrun has started, this one included; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", 1)) if "LOCAL_RANK" in os.environ else 1


def check_parts(batch_size: int, processes: int) -> None:
    """Each process gets the same number of scenes; else a mean of means is not the mean."""
    if batch_size % processes:
        fitting = batch_size - batch_size % processes or processes
        raise CourseError(
            f"a batch of {batch_size} cannot be shared equally by {processes} processes",
            where="batch_size",
            fix=f"batch_size={fitting}",
        )


def is_first() -> bool:
    """Whether this process is the one that writes files and speaks."""
    return share()[0] == 0


def part_of(batch_size: int) -> slice:
    """Which scenes of every batch are this process's."""
    rank, processes = share()
    size = batch_size // processes
    return slice(rank * size, (rank + 1) * size)


def average(tensors: Sequence[Tensor]) -> None:
    """Replaces every tensor by its mean over all processes, in one message."""
    processes = share()[1]
    if processes == 1 or not tensors:
        return
    flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
    _sum(flat)
    flat /= processes
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.detach().copy_(mean.view_as(tensor))


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """The gradient of the whole batch, from those of its parts.

    A parameter that was used by some processes only (no scene of the others had an object) counts
    as 0 there; one that nobody used keeps no gradient, so that Adam leaves it alone.
    """
    if share()[1] == 1:
        return
    users = torch.tensor([float(p.grad is not None) for p in parameters])
    _sum(users)
    for parameter, used in zip(parameters, users.tolist(), strict=True):
        if used and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    average([p.grad for p in parameters if p.grad is not None])


def any_of(flag: bool) -> bool:
    """Whether ``flag`` is up in any process: all get the same answer, in the same round."""
    if share()[1] == 1:
        return flag
    votes = torch.tensor(float(flag))
    _sum(votes)
    return bool(votes > 0)


def start_alike(modules: Iterable[nn.Module], round: int) -> None:
    """Every process begins with the first one's weights and buffers, in the same round.

    Raises:
        CourseError: a process that stands elsewhere, because it cannot see the run's folder.
    """
    if share()[1] == 1:
        return
    for module in modules:
        for value in module.state_dict().values():
            dist.broadcast(value, 0)
    first = torch.tensor(round)
    dist.broadcast(first, 0)
    if any_of(round != int(first)):
        raise CourseError(
            f"not all processes are in one round; this one, {share()[0]}, is in {round}",
            where="resume",
            fix="a folder (--out) on a disk that all machines see",
        )


def _sum(tensor: Tensor) -> None:
    try:
        dist.all_reduce(tensor)
    except RuntimeError as error:
        raise CourseError(DESERTED, where=f"process {share()[0]}") from error


# --- starting them ---


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


def launch(arguments: Sequence[str], devices: Sequence[str]) -> int:
    """Runs ``python -m course_lib ...`` in a process for each device; returns the exit code.

    A process that fails ends all of them. Ctrl-C and SIGTERM reach all: they finish the round, and
    the first one saves.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.ERROR)
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
