"""Jobs for one, two or three processes that share a training: ``python -m ... FOLDER``.

It imports torch once and forks, before anything is computed; each process leaves ``job-n-rank.pt``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.dcgan.objective import DCGANConfig, DCGANObjective
from course_lib.devices.processes import average_gradients
from course_lib.errors import CourseError
from course_lib.objective import Objective, Player, TrainConfig, draw, share
from course_lib.scene import SceneBatch
from course_lib.training import train

TINY = DCGANConfig(
    data="digits", size=8, z_dim=6, width_g=4, width_d=4, batch_size=12, rounds=4, save_every=2,
    sample_every=3, norm_d="spectral", ema=0.9, lr_decay=0.5, device="cpu",
)  # fmt: skip
PENALISED = replace(TINY, norm_d="none", r1=1.0, r1_every=2, augment=("translation", "cutout"))


class Waves:
    """40 pictures that are functions of their index, without a data set."""

    name = "waves"

    def __len__(self) -> int:
        return 40

    def batch(self, indices: Tensor) -> SceneBatch:
        place = torch.linspace(0, 3, 64).view(1, 1, 8, 8)
        return SceneBatch(torch.sin(place * (1 + indices.view(-1, 1, 1, 1).float())))


class WithoutBatchNorm(DCGANObjective):
    """DCGAN whose generator normalises each picture for itself: nothing mixes a batch."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config)
        for block in self.generator.hidden:
            block[1] = nn.GroupNorm(1, block[1].num_features)


class Points(Objective):
    """The smallest game with R1: numbers from noise, told from pictures' corners."""

    kind = "points"

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.critic, self.painter = nn.Linear(4, 1), nn.Linear(3, 4)
        self.players = {
            "D": Player(self.critic, 0.01),
            "G": Player(self.painter, 0.01, averaged=True),
        }

    def round(self, scenes: SceneBatch, step: Any) -> None:
        real = scenes.images[:, 0, 0, :4].clone().requires_grad_()  # [B, 4]
        fake = self.painter(draw(torch.randn, len(real), 3))
        (slope,) = torch.autograd.grad(self.critic(real).sum(), real, create_graph=True)
        d_loss = nn.functional.softplus(-self.critic(real)).mean()
        d_loss = d_loss + nn.functional.softplus(self.critic(fake.detach())).mean()
        step("D", d_loss + slope.square().sum(1).mean(), real=real.mean())
        step("G", nn.functional.softplus(-self.critic(fake)).mean())

    def preview(self, players: Any) -> Tensor:
        return torch.zeros(1, 1, 8, 8)


def played(objective: Objective, folder: Path, source: Any = None, **options: Any) -> dict:
    """Trains, and tells the figures, and the gradients of the last round."""
    gradients, play = {}, objective.round

    def round(scenes: SceneBatch, step: Any) -> None:
        play(scenes, step)
        for name, player in objective.players.items():
            for key, parameter in player.module.named_parameters():
                if parameter.grad is not None:
                    gradients[f"{name}/{key}"] = parameter.grad.clone()

    objective.round = round  # type: ignore[method-assign]
    history = train(objective, source or Waves(), folder, show=False, **options)
    return {"rounds": history.rounds, "figures": history.figures, "gradients": gradients}


def spectral(folder: Path) -> dict:
    return played(WithoutBatchNorm(TINY), folder)


def penalised(folder: Path) -> dict:
    return played(WithoutBatchNorm(PENALISED), folder)


def critic(folder: Path) -> dict:
    wasserstein = replace(TINY, norm_d="none", loss="wasserstein", gradient_penalty=10.0)
    return played(WithoutBatchNorm(wasserstein), folder)


def points(folder: Path) -> dict:
    return played(Points(replace(TINY, rounds=4)), folder)


def batch_norm(folder: Path) -> dict:
    return played(DCGANObjective(replace(TINY, rounds=1)), folder)


def begin(folder: Path) -> dict:
    return played(WithoutBatchNorm(replace(TINY, rounds=3, lr_decay=0.0)), folder)


def go_on(folder: Path) -> dict:
    return played(WithoutBatchNorm(replace(TINY, rounds=6, lr_decay=0.0)), folder)


def other_weights(folder: Path) -> dict:
    """Each process builds other weights, as other processors might."""
    objective = WithoutBatchNorm(TINY)
    with torch.no_grad():
        for player in objective.players.values():
            for parameter in player.module.parameters():
                parameter.add_(int(os.environ.get("RANK", 0)))
    return played(objective, folder)


def interrupted(folder: Path) -> dict:
    """Only the last process is asked to stop, in one of its rounds."""

    class Stopping(Waves):
        seen = 0

        def batch(self, indices: Tensor) -> SceneBatch:
            self.seen += 1
            if self.seen == 2 and share()[0] == share()[1] - 1:
                os.kill(os.getpid(), signal.SIGINT)
            return super().batch(indices)

    return played(WithoutBatchNorm(TINY), folder, Stopping())


def broken(folder: Path) -> dict:
    """The last process cannot read a scene."""

    class Broken(Waves):
        seen = 0

        def batch(self, indices: Tensor) -> SceneBatch:
            self.seen += 1
            if self.seen == 3 and share()[0] == share()[1] - 1:
                raise CourseError("a scene is broken")
            return super().batch(indices)

    return played(WithoutBatchNorm(TINY), folder, Broken())


def elsewhere(folder: Path) -> dict:
    """The last process does not see the folder of the run."""
    mine = folder if int(os.environ["RANK"]) == 0 else folder / "another disk"
    return played(WithoutBatchNorm(replace(TINY, rounds=6, lr_decay=0.0)), mine)


def uneven(folder: Path) -> list:
    """Of three parameters all processes use one, the first alone another, and nobody the third."""
    objective = Points(replace(TINY, rounds=1))
    played(objective, folder)
    rank = share()[0]
    parameters = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parameters[0].grad = torch.full((2,), 1.0 + rank)
    parameters[1].grad = None if rank else torch.full((2,), 3.0)
    average_gradients(parameters)
    return [parameter.grad for parameter in parameters]


JOBS = [
    *((job, count) for job in (spectral, penalised, critic, points) for count in (1, 2)),
    (spectral, 3),
    *((batch_norm, count) for count in (1, 2)),
    *((other_weights, count) for count in (1, 2)),
    (interrupted, 2), (broken, 2), (uneven, 2),
]  # fmt: skip
# Runs that go on with another number of processes: who begins, who goes on.
CHAINS = [(1, 1), (2, 1), (1, 3)]


def child(job: Any, rank: int, count: int, port: int, folder: Path, results: Path) -> None:
    if count > 1:
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in place.items()})
    sys.stdout = open(results.with_suffix(".out"), "w")  # noqa: SIM115  (it is for the process)
    try:
        outcome = job(folder)
    except CourseError as error:
        outcome = {"error": str(error)}
    print("end of the job")
    sys.stdout.flush()
    torch.save(outcome, results)


def run(job: Any, count: int, folder: Path, name: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=child, args=(job, r, count, port, folder, ROOT / f"{name}-{r}.pt"))
        for r in range(count)
    ]
    for one in children:
        one.start()
    for one in children:
        one.join(120)
        one.kill()


if __name__ == "__main__":
    ROOT = Path(sys.argv[1])
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    for job, count in JOBS:
        run(job, count, ROOT / f"{job.__name__}-{count}", f"{job.__name__}-{count}")
    for first, second in CHAINS:
        folder = ROOT / f"chain-{first}-{second}"
        run(begin, first, folder, f"begin-{first}-{second}")
        run(go_on, second, folder, f"chain-{first}-{second}")
    run(elsewhere, 2, ROOT / "chain-1-1", "elsewhere-2")
