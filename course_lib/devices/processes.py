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
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from course_lib.devices.pick import pick_device
from course_lib.errors import CourseError
from course_lib.objective import Objective, share

__all__ = [
    "any_of",
    "average",
    "average_gradients",
    "is_first",
    "join",
    "part_of",
    "start_alike",
    "started",
]

PATIENCE = timedelta(minutes=30)  # the others wait while the first process paints and saves
DESERTED = "another process of this training has ended"


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
