"""Everything that the next round depends on, and how it gets in and out of a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_lib.devices import processes
from course_lib.objective import Objective
from course_lib.scene import Source
from course_lib.storage import randomness
from course_lib.storage.checkpoint import Checkpoint, part
from course_lib.storage.folder import RunFolder
from course_lib.storage.same_run import check_same_run, describe
from course_lib.training.history import History

__all__ = ["Score", "TrainingState"]

Score = Callable[[Mapping[str, nn.Module]], float]  # how good the painter is; higher is better


class TrainingState:
    """Players, their optimisers and averages, the round, the random numbers, the history."""

    def __init__(self, objective: Objective, device: torch.device) -> None:
        self.objective, self.config, self.device = objective, objective.config, device
        self.round = 0
        self.saved_round = -1  # the round of the last checkpoint, -1 for none
        self.saved_at = time.monotonic()  # seconds, by a clock that nobody sets
        self.history = History()
        self.data: dict[str, Any] | None = None  # which scenes it is played on
        self.optimisers: dict[str, torch.optim.Adam] = {}
        self.scalers: dict[str, torch.amp.GradScaler] = {}  # of fp16; one each, or they disturb
        self.averages: dict[str, AveragedModel] = {}
        for name, player in objective.players.items():
            module = player.module.to(device).train()
            moved = [p for p in module.parameters() if p.requires_grad]
            self.optimisers[name] = torch.optim.Adam(moved, lr=player.lr, betas=player.betas)
            low = self.config.precision == "fp16"
            self.scalers[name] = torch.amp.GradScaler(device.type, enabled=low)
            if player.averaged and self.config.ema:
                average = get_ema_multi_avg_fn(self.config.ema)
                self.averages[name] = AveragedModel(module, multi_avg_fn=average, use_buffers=True)
        for module in objective.frozen.values():
            module.to(device).eval().requires_grad_(False)
        randomness.seed_all(self.config.seed)  # of the noise; the objective drew the weights

    def set_learning_rates(self) -> None:
        """Constant, then straight down to 0 over the last ``lr_decay`` of all rounds."""
        left = 1 - self.round / self.config.rounds  # from 1 to 0
        share = min(1.0, left / self.config.lr_decay) if self.config.lr_decay else 1.0
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = self.objective.players[name].lr * share

    def finish_round(self, figures: Mapping[str, float]) -> None:
        """Averages the players, counts the round, notes its figures."""
        modules = [player.module for player in self.objective.players.values()]
        buffers = [buffer for module in modules for buffer in module.buffers()]
        processes.average([buffer for buffer in buffers if buffer.is_floating_point()])
        for name, average in self.averages.items():
            average.update_parameters(self.objective.players[name].module)
        self.round += 1
        self.history.add(self.round, figures)

    def sampling_players(self) -> dict[str, nn.Module]:
        """The modules to sample with: averages where there are."""
        return {
            name: self.averages[name].module if name in self.averages else player.module
            for name, player in self.objective.players.items()
        }

    def preview(self) -> Tensor:
        """The objective's pictures as they are now, ``[N, C, H, W]`` on the CPU."""
        players = self.sampling_players()
        with randomness.untouched(self.device), evaluating(players.values()):
            return self.objective.preview(players).cpu()

    # --- out to a checkpoint, and in again ---

    def begin(self, run: RunFolder, source: Source, resume: bool | str | Path) -> None:
        """Takes up the state that :meth:`RunFolder.choose` finds, if it is of this run."""
        self.data = describe(source)
        checkpoint = run.choose(resume)
        if checkpoint is not None:
            check_same_run(checkpoint.header, self.objective, self.data)
            self.restore(checkpoint)
            self.saved_round = self.round
        if checkpoint is None or resume is not True:  # to fall back to; and the disk takes it
            self.save(run)
        run.save_config({"painter": self.objective.kind} | asdict(self.config))
        processes.start_alike([module for _, module in self._modules()], self.round)

    def save(self, run: RunFolder, score: Score | None = None) -> None:
        """Writes all that the next round depends on; keeps the painter if its score is the best."""
        run.save(self.checkpoint())
        self.saved_round, self.saved_at = self.round, time.monotonic()
        if score is not None:
            run.save_best(self.painter(), self._ask(score))

    def save_is_due(self) -> bool:
        """After so many rounds, and in any case after so many minutes."""
        minutes = (time.monotonic() - self.saved_at) / 60
        late = 0 < self.config.save_minutes <= minutes
        return late or self.round % self.config.save_every == 0

    def keep_milestone(self, run: RunFolder) -> None:
        """Every ``milestone_every`` rounds: what one samples from, or with ``keep=full`` all."""
        every = self.config.milestone_every
        if every and self.round % every == 0:
            run.save_milestone(self.checkpoint() if self.config.keep == "full" else self.painter())

    def checkpoint(self) -> Checkpoint:
        """Everything that the next round depends on; the tensors are not copies."""
        return Checkpoint(self._header(), self._tensors())

    def painter(self) -> Checkpoint:
        """What one paints with, and its configuration."""
        header = self._header()
        tensors = {
            f"{name}/{key}": value
            for name, module in self.sampling_players().items()
            if self.objective.players[name].averaged
            for key, value in module.state_dict().items()
        }
        for name, module in self.objective.frozen.items():
            tensors |= {f"{name}/{key}": value for key, value in module.state_dict().items()}
        keys = ("kind", "config", "tables", "round")
        return Checkpoint({key: header[key] for key in keys}, tensors)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Makes this the state that :meth:`checkpoint` gave."""
        header, tensors = checkpoint.header, checkpoint.tensors
        for name, module in self._modules():
            module.load_state_dict(part(tensors, name))
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(
                {
                    "state": _moments(part(tensors, f"optimiser/{name}")),
                    "param_groups": optimiser.state_dict()["param_groups"],
                }
            )
            if scaler := header.get("scalers", {}).get(name):
                self.scalers[name].load_state_dict(scaler)
        randomness.restore(part(tensors, "random"), self.device)
        self.round = header["round"]
        figures = part(tensors, "history/figures")
        self.history = History(
            tensors["history/rounds"].tolist(), {name: v.tolist() for name, v in figures.items()}
        )

    def _header(self) -> dict[str, Any]:
        return {
            "kind": self.objective.kind,
            "config": asdict(self.config),
            "tables": dict(self.objective.tables()),
            "data": self.data,
            "round": self.round,
            "scalers": {name: scaler.state_dict() for name, scaler in self.scalers.items()},
            "figures": {name: values[-1] for name, values in self.history.figures.items()},
        }

    def _tensors(self) -> dict[str, Tensor]:
        """All tensors of the state under names such as ``optimiser/G/3/exp_avg``."""
        tensors = {
            f"{name}/{key}": value
            for name, module in self._modules()
            for key, value in module.state_dict().items()
        }
        for name, optimiser in self.optimisers.items():
            for index, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser/{name}/{index}/{key}": v for key, v in moments.items()}
        for name, value in randomness.present(self.device).items():
            tensors[f"random/{name}"] = value
        # A long history does not fit into a header, which may have 100 MB.
        tensors["history/rounds"] = torch.tensor(self.history.rounds, dtype=torch.int64)
        for name, values in self.history.figures.items():
            tensors[f"history/figures/{name}"] = torch.tensor(values, dtype=torch.float64)
        return tensors

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        for name, player in self.objective.players.items():
            yield f"player/{name}", player.module
        for name, average in self.averages.items():
            yield f"average/{name}", average
        for name, module in self.objective.frozen.items():
            yield f"frozen/{name}", module

    def _ask(self, score: Score) -> float:
        """The score of the painter as it is now; asking changes nothing for the next round."""
        players = self.sampling_players()
        with randomness.untouched(self.device), evaluating(players.values()):
            return float(score(players))


@contextmanager
def evaluating(modules: Iterable[nn.Module]) -> Iterator[None]:
    """The modules as one samples with them; afterwards each is in the mode that it was in."""
    modes = {each: each.training for module in modules for each in module.modules()}
    for each in modes:
        each.training = False
    try:
        yield
    finally:
        for each, mode in modes.items():
            each.training = mode


def _moments(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """``{"3/exp_avg": m}`` -> ``{3: {"exp_avg": m}}``, Adam's own form."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split("/")
        moments.setdefault(int(index), {})[key] = value
    return moments
